// SPDX-License-Identifier: ISC
// `waxwing version`.
#include <stdio.h>
#include <string.h>
#include "relay/command/command.h"

int command_version(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json)
        return command_usage_error("version", "unexpected argument '%s'", argv[1]);
    puts(json ? "{\"version\":\"" WAXWING_VERSION "\"}" : "waxwing " WAXWING_VERSION);
    return EXIT_YES;
}
