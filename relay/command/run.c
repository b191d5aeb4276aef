// SPDX-License-Identifier: ISC
// `waxwing run`: the relay in the foreground, or its configuration as it would be.
#include "relay/run/run.h"

#include <stdio.h>
#include <string.h>
#include "config/load.h"
#include "relay/command/command.h"

static int print_config(void)
{
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_file(command_config_file, &load);
    fputs(buf_text(&load.warnings), stderr);
    fputs(buf_text(&load.errors), stderr);
    config_load_free(&load);
    if (!config)
        return EXIT_CONFIG;
    struct buf out;
    buf_init(&out, CONFIG_PRINT_SIZE);
    config_print(config, &out);
    fputs(buf_text(&out), stdout);
    buf_free(&out);
    config_unref(config);
    return EXIT_YES;
}

int command_run(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print-config") == 0)
        return print_config();
    if (argc > 1)
        return command_usage_error("run", "unexpected argument '%s'", argv[1]);
    return run_relay(command_config_file);
}
