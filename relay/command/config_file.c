// SPDX-License-Identifier: ISC
// Loading the configuration for a subcommand.
#include "relay/command/config_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/command/command.h"

struct config *command_load_config(int *status)
{
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_file(command_config_file, &load);
    fputs(buf_text(&load.errors), stderr);
    config_load_free(&load);
    *status = config ? EXIT_YES : EXIT_CONFIG;
    return config;
}

struct config *command_load_config_or_default(int *status)
{
    struct config_load load;
    if (strcmp(command_config_file, CONFIG_DEFAULT_FILE) != 0 ||
        access(command_config_file, F_OK) == 0)
        return command_load_config(status);
    config_load_init(&load);
    struct config *config = config_load_text(CONFIG_DEFAULT_FILE, "{}", 2, &load);
    fputs(buf_text(&load.errors), stderr);
    config_load_free(&load);
    *status = config ? EXIT_YES : EXIT_CONFIG;
    return config;
}
