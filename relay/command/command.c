// SPDX-License-Identifier: ISC
// Finding subcommands and explaining them.
#include "relay/command/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/suggest.h"
#include "relay/command/progress.h"
#include "relay/command/terminal.h"
#include "config/load.h"
#include "relay/base/mem.h"

const char *command_config_file = CONFIG_DEFAULT_FILE;

static const struct command *find_command(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

// Most commands have a page of their own; families share one.
static const char *page_of(const char *name)
{
    static const struct {
        const char *name, *page;
    } shared[] = {
        {"help", ""},        {"completion", ""},   {"version", ""},     {"reload", "-run"},
        {"drain", "-run"},   {"status", "-run"},   {"health", "-run"},  {"spf", "-message"},
        {"sts", "-message"}, {"dane", "-message"}, {"pause", "-sites"}, {"resume", "-sites"},
    };
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strcmp(shared[i].name, name) == 0)
            return shared[i].page;
    return NULL;
}

static void print_help(const struct command *c)
{
    const char *page = page_of(c->name);
    fputs(c->usage, stdout);
    printf("manual: waxwing%s%s(8)\n", page ? page : "-", page ? "" : c->name);
}

static bool help(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(find_command(name));
            return true;
        }
    return false;
}

int command_take_config(int argc, char **argv)
{
    if (strncmp(argv[0], "-c", 2) != 0)
        return 0;
    bool apart = argv[0][2] == 0;
    if (apart && argc < 2) {
        fputs("waxwing: -c needs the name of a file behind it\n", stderr);
        return -1;
    }
    command_config_file = apart ? argv[1] : argv[0] + 2;
    return apart ? 2 : 1;
}

// The arguments that are left for the command, NULL behind the last; what stands behind "--" is its own.
static int sift(int argc, char **argv, bool json, char **out)
{
    int n = 0, i = 0;
    for (; i < argc && (i == 0 || strcmp(argv[i], "--") != 0); i++) {
        int took = i ? command_take_config(argc - i, argv + i) : 0;
        if (took < 0)
            return -1;
        if (took)
            i += took - 1;
        else
            out[n++] = argv[i];
    }
    for (int k = 1; k < n && json; k++)
        json = strcmp(out[k], "--json") != 0; // said on both sides
    if (json)
        out[n++] = (char *)"--json";
    for (; i < argc; i++)
        out[n++] = argv[i];
    out[n] = NULL;
    return n;
}

static int run_guarded(const struct command *c, int argc, char **argv)
{
    if (c->run == command_run) // its log has a grammar of its own
        return c->run(argc, argv);
    terminal_guard();
    bool quiet = strcmp(c->name, "sendmail") == 0 || strcmp(c->name, "completion") == 0;
    if (!quiet)
        progress_begin(c->name);
    int status = c->run(argc, argv);
    fflush(stdout);
    progress_end();
    return status;
}

static int no_such_command(const char *name)
{
    const char *meant = NULL;
    size_t nearest = suggest_begin(name);
    for (const struct command *c = commands; c->name; c++)
        if (suggest_nearer(name, c->name, &nearest))
            meant = c->name;
    if (meant)
        fprintf(stderr, "waxwing: there is no command '%s'; did you mean '%s'?", name, meant);
    else
        fprintf(stderr, "waxwing: there is no command '%s';", name);
    fputs(" 'waxwing help' lists them\n", stderr);
    return EXIT_USAGE;
}

int command_main(int argc, char **argv, bool json)
{
    const struct command *c = find_command(argv[0]);
    if (!c)
        return no_such_command(argv[0]);
    char **own = mem_new(((size_t)argc + 2) * sizeof *own);
    int n = sift(argc, argv, json, own), status = EXIT_USAGE;
    if (n >= 0)
        status = help(c->name, n, own) ? EXIT_YES : run_guarded(c, n, own);
    free(own);
    return status;
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

void command_list(FILE *out)
{
    fputs("usage: waxwing [-c FILE] [--json] COMMAND [ARGUMENT ...]\n\n", out);
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fprintf(out,
            "\n-c FILE names the configuration (default %s), before or behind the command.\n"
            "'waxwing COMMAND --help' explains one.\n",
            CONFIG_DEFAULT_FILE);
}

int command_help_all(int argc, char **argv)
{
    if (argc < 2) {
        command_list(stdout);
        return EXIT_YES;
    }
    const struct command *c = find_command(argv[1]);
    if (argc > 2)
        return command_usage_error("help", "unexpected argument '%s'", argv[2]);
    if (!c)
        return no_such_command(argv[1]);
    print_help(c);
    return EXIT_YES;
}
