// SPDX-License-Identifier: ISC
// The subcommands of the program: one function each, one row each in the table of relay/command/commands.c, which
// `waxwing help`, the usage lines and the manual page share.
//
// A command gets argv with argv[0] its own name ("message", "verify" as argv[1]) and returns the exit
// status of sysexits.h: results on stdout, diagnostics on stderr.
#ifndef RELAY_COMMAND_COMMAND_H
#define RELAY_COMMAND_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include "relay/base/exit.h"

struct command {
    const char *name;
    const char *summary; // one line for `waxwing help`
    const char *usage;   // what --help prints: a usage line, then options, one a line
    int (*run)(int argc, char **argv);
};

extern const struct command commands[]; // relay/command/commands.c; ends with a row of NULLs

// Options that many commands know; a command passes its own further options behind these.
// The configuration file named by `waxwing -c FILE`, or the default.
extern const char *command_config_file;

// "-c FILE" or "-cFILE" at argv[0]: how many arguments that takes; 0: it is something else; -1: the FILE is missing,
// which has been said on stderr.
int command_take_config(int argc, char **argv);
// Runs the subcommand argv[0], with -c taken from behind it and `json` said before it as if said behind.
int command_main(int argc, char **argv, bool json);

// Prints "waxwing NAME: message" and a hint at --help on stderr; returns EXIT_USAGE.
int command_usage_error(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void command_list(FILE *out); // all of them, a line each

int command_help_all(int argc, char **argv);
int command_init(int argc, char **argv);       // relay/command/init.c
int command_run(int argc, char **argv);        // relay/run/run.c
int command_check(int argc, char **argv);      // relay/command/check.c
int command_explain(int argc, char **argv);    // relay/explain.c
int command_audit(int argc, char **argv);      // relay/command/audit.c
int command_preflight(int argc, char **argv);  // relay/command/preflight.c
int command_queue(int argc, char **argv);      // relay/command/queue.c
int command_tls(int argc, char **argv);        // relay/command/tls.c
int command_bans(int argc, char **argv);       // relay/command/bans.c
int command_events(int argc, char **argv);     // relay/command/events.c
int command_suppress(int argc, char **argv);   // relay/command/suppress.c
int command_fleet(int argc, char **argv);      // relay/command/fleet.c
int command_key(int argc, char **argv);        // relay/command/key.c
int command_key_rotate(int argc, char **argv); // relay/command/key_rotate.c
int command_user(int argc, char **argv);       // relay/command/user.c
int command_reload(int argc, char **argv);     // relay/command/relay.c
int command_status(int argc, char **argv);
int command_health(int argc, char **argv);     // relay/command/health.c
int command_trace(int argc, char **argv);      // relay/command/trace.c
int command_why(int argc, char **argv);        // relay/command/why.c
int command_version(int argc, char **argv);    // relay/command/version.c
int command_completion(int argc, char **argv); // relay/command/completion.c
int command_drain(int argc, char **argv);
int command_sites(int argc, char **argv);  // relay/command/sites.c
int command_logins(int argc, char **argv); // relay/command/logins.c
int command_pause(int argc, char **argv);
int command_resume(int argc, char **argv);
int command_message(int argc, char **argv);  // relay/command/message.c
int command_spf(int argc, char **argv);      // relay/command/spf.c
int command_srs(int argc, char **argv);      // relay/command/srs.c
int command_sts(int argc, char **argv);      // relay/command/sts.c
int command_dane(int argc, char **argv);     // relay/command/dane.c
int command_sendmail(int argc, char **argv); // relay/command/sendmail.c
// The program was called as sendmail, mailq or newaliases, and has done that. False: it was not.
bool command_called(int argc, char **argv, int *status);

#endif
