// SPDX-License-Identifier: ISC
// Long options of subcommands, read the same way everywhere.
#ifndef RELAY_COMMAND_OPTIONS_H
#define RELAY_COMMAND_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

// Gives each option to `set` (`option` is its val, `value` its argument or NULL), which returns false where
// the value cannot be read. EXIT_YES with optind at the first argument that is no option; or EXIT_USAGE
// after saying on stderr which option is unknown, has no value, or cannot be that.
int command_options(const char *command, int argc, char **argv, const struct option *options,
                    bool (*set)(void *arg, int option, const char *value), void *arg);
// The same by a table: each option has a row and, but for the clock, a field in the command's own struct.
enum option_kind {
    OPTION_TEXT,  // const char *: the value
    OPTION_FLAG,  // bool: true where it is said; takes no value
    OPTION_CLOCK, // no field: command_set_clock
    OPTION_CALL   // `set` is asked
};
struct option_row {
    const char *name;
    enum option_kind kind;
    size_t at;                                     // offset of the field
    bool (*set)(void *options, const char *value); // OPTION_CALL; false: the value cannot be read
};
#define OPTION_ROWS 16 // the longest table, with the row that ends it
// `rows` end with a NULL name.
int command_table(const char *command, int argc, char **argv, const struct option_row *rows,
                  void *options);
// `--now EPOCH`: stops the wall clock there. False: not a time.
bool command_set_clock(const char *epoch);
// "192.0.2.1", "2001:db8::1". False: not an IP address.
bool command_read_address(const char *text, struct sockaddr_storage *out);

#endif
