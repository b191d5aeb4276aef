// SPDX-License-Identifier: ISC
// The program: finds the subcommand in its table and runs it. Decides nothing else.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "relay/command/command.h"
#include "relay/command/terminal.h"

// What could not be written is an error of every command: a script must not take half an answer for one.
static int finish(int status)
{
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost)
        return status;
    fprintf(stderr, "waxwing: standard output cannot be written: %s\n", strerror(errno));
    return status == EXIT_YES ? EXIT_OUTPUT : status;
}

static int run(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            command_config_file = argv[++i];
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            command_list(stdout);
            return EXIT_YES;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("waxwing " WAXWING_VERSION);
            return EXIT_YES;
        } else {
            fprintf(stderr, "waxwing: unknown option '%s'\n", argv[i]);
            command_list(stderr);
            return EXIT_USAGE;
        }
    }
    if (i == argc) {
        command_list(stderr);
        return EXIT_USAGE;
    }
    const struct command *c = command_find(argv[i]);
    if (!c) {
        fprintf(stderr, "waxwing: there is no command '%s'; 'waxwing help' lists them\n", argv[i]);
        return EXIT_USAGE;
    }
    if (command_help(c->name, argc - i, argv + i))
        return EXIT_YES;
    if (c->run != command_run) // its log has a grammar of its own
        terminal_guard();
    return c->run(argc - i, argv + i);
}

int main(int argc, char **argv)
{
    return finish(run(argc, argv));
}
