// SPDX-License-Identifier: ISC
// The program: finds the subcommand in its table and runs it. Decides nothing else.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "config/load.h"
#include "relay/command.h"

const char *command_config_file = CONFIG_DEFAULT_FILE;

static int command_help_all(int argc, char **argv);

const struct command commands[] = {
    {"help", "list the commands, or show one", "usage: waxwing help [COMMAND]\n", command_help_all},
    {"key", "make signing keys, show and test their DNS records",
     "usage: waxwing key new --domain D --selector S --out FILE [--type rsa|ed25519] [--bits "
     "2048]\n"
     "       waxwing key show FILE --domain D --selector S\n"
     "  --json  for programs\n",
     command_key},
    {"message", "sign, verify or seal one message",
     "usage: waxwing message verify [OPTION ...] FILE\n"
     "       waxwing message sign --domain D --selector S --key PEM [OPTION ...] FILE\n"
     "       waxwing message seal --domain D --selector S --key PEM --authserv-id ID [OPTION ...] "
     "FILE\n"
     "FILE '-' is standard input.\n"
     "  --dns-file F         answer DNS questions from this file\n"
     "  --resolver IP:PORT   ask this server\n"
     "  --now EPOCH          set the clock\n"
     "verify:\n"
     "  --json               all results; without it one Authentication-Results field\n"
     "  --ip A --helo H --mail-from M   the client and envelope, for SPF\n"
     "  --authserv-id ID     the name that vouches\n"
     "  --min-rsa-bits N     smallest RSA key that counts (1024)\n"
     "sign:\n"
     "  --canon H/B          relaxed/relaxed; simple or relaxed each\n"
     "  --headers a:b:c      fields to sign where present\n"
     "  --oversign a:b       fields of which no further one may be added\n"
     "  --time T, --expire T Unix seconds (0: leave out)\n"
     "  --full               the whole message, not the field alone\n"
     "seal:\n"
     "  --headers a:b:c, --time T, --full as above\n"
     "  --cv-from auto|ar    validate the chain, or take arc= of the newest results\n",
     command_message},
    {"user", "add, change, remove and list who may log in",
     "usage: waxwing user add NAME\n"
     "       waxwing user passwd NAME\n"
     "       waxwing user remove NAME\n"
     "       waxwing user list [--json]\n"
     "The password is asked for, or read as one line from standard input.\n"
     "  --file F  this users file, not the one of the configuration\n",
     command_user},
    {NULL, NULL, NULL, NULL},
};

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

static void list_commands(FILE *out)
{
    fputs("usage: waxwing [-c FILE] COMMAND [ARGUMENT ...]\n\n", out);
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-9s %s\n", c->name, c->summary);
    fprintf(out,
            "\n-c FILE names the configuration (default %s).\n"
            "'waxwing COMMAND --help' explains one.\n",
            CONFIG_DEFAULT_FILE);
}

static int command_help_all(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        list_commands(stdout);
        return EXIT_YES;
    }
    const struct command *c = command_find(argv[1]);
    if (!c)
        return command_usage_error("help", "there is no command '%s'", argv[1]);
    fputs(c->usage, stdout);
    return EXIT_YES;
}

int main(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            command_config_file = argv[++i];
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            list_commands(stdout);
            return EXIT_YES;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("waxwing " WAXWING_VERSION);
            return EXIT_YES;
        } else {
            fprintf(stderr, "waxwing: unknown option '%s'\n", argv[i]);
            list_commands(stderr);
            return EXIT_USAGE;
        }
    }
    if (i == argc) {
        list_commands(stderr);
        return EXIT_USAGE;
    }
    const struct command *c = command_find(argv[i]);
    if (!c) {
        fprintf(stderr, "waxwing: there is no command '%s'; 'waxwing help' lists them\n", argv[i]);
        return EXIT_USAGE;
    }
    if (command_help(c->name, argc - i, argv + i))
        return EXIT_YES;
    return c->run(argc - i, argv + i);
}
