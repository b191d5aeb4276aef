// SPDX-License-Identifier: ISC
// The subcommands of the program: one function each, one row each in the table of relay/commands.c, which
// `waxwing help`, the usage lines and the manual page share.
//
// A command gets argv with argv[0] its own name ("message", "verify" as argv[1]) and returns the exit
// status of sysexits.h: results on stdout, diagnostics on stderr.
#ifndef RELAY_COMMAND_H
#define RELAY_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#define EXIT_YES    0  // done / yes
#define EXIT_NO     1  // a negative answer
#define EXIT_USAGE  64 // EX_USAGE
#define EXIT_DATA   65 // EX_DATAERR: bad input data
#define EXIT_FAULT  70 // EX_SOFTWARE: internal fault
#define EXIT_TEMP   75 // EX_TEMPFAIL: DNS, busy
#define EXIT_CONFIG 78 // EX_CONFIG

struct command {
    const char *name;
    const char *summary; // one line for `waxwing help`
    const char *usage;   // what --help prints: a usage line, then options, one a line
    int (*run)(int argc, char **argv);
};

extern const struct command commands[]; // relay/commands.c; ends with a row of NULLs

// Options that many commands know; a command passes its own further options behind these.
// The configuration file named by `waxwing -c FILE`, or the default.
extern const char *command_config_file;

const struct command *command_find(const char *name);
// Prints "waxwing NAME: message" and a hint at --help on stderr; returns EXIT_USAGE.
int command_usage_error(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// True when --help or -h is among the arguments; the usage has then been printed on stdout.
bool command_help(const char *name, int argc, char **argv);

void command_list(FILE *out); // all of them, a line each

int command_help_all(int argc, char **argv);
int command_run(int argc, char **argv);     // relay/run.c
int command_check(int argc, char **argv);   // relay/check.c
int command_explain(int argc, char **argv); // relay/explain.c
int command_audit(int argc, char **argv);   // relay/audit_command.c
int command_queue(int argc, char **argv);   // relay/queue_command.c
int command_tls(int argc, char **argv);     // relay/tls_command.c
int command_key(int argc, char **argv);     // relay/key_command.c
int command_user(int argc, char **argv);    // relay/user_command.c
int command_reload(int argc, char **argv);  // relay/control_command.c
int command_status(int argc, char **argv);
int command_drain(int argc, char **argv);
int command_message(int argc, char **argv); // relay/message_command.c
int command_spf(int argc, char **argv);     // relay/spf_command.c
int command_sts(int argc, char **argv);     // relay/sts_command.c
int command_dane(int argc, char **argv);    // relay/dane_command.c

#endif
