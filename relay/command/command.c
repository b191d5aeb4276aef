// SPDX-License-Identifier: ISC
// Finding subcommands and explaining them.
#include "relay/command/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "config/load.h"

const char *command_config_file = CONFIG_DEFAULT_FILE;

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

int command_usage_error(const char *name, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "waxwing %s: ", name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry 'waxwing %s --help'.\n", name);
    return EXIT_USAGE;
}

bool command_help(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            const struct command *c = command_find(name);
            fputs(c ? c->usage : "", stdout);
            return true;
        }
    return false;
}

void command_list(FILE *out)
{
    fputs("usage: waxwing [-c FILE] COMMAND [ARGUMENT ...]\n\n", out);
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fprintf(out,
            "\n-c FILE names the configuration (default %s).\n"
            "'waxwing COMMAND --help' explains one.\n",
            CONFIG_DEFAULT_FILE);
}

int command_help_all(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        command_list(stdout);
        return EXIT_YES;
    }
    const struct command *c = command_find(argv[1]);
    if (!c)
        return command_usage_error("help", "there is no command '%s'", argv[1]);
    fputs(c->usage, stdout);
    return EXIT_YES;
}
