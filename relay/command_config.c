// SPDX-License-Identifier: ISC
// Loading the configuration for a subcommand.
#include "relay/command_config.h"

#include <stdio.h>
#include "config/load.h"
#include "relay/command.h"

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
