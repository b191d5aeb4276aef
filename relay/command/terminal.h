// SPDX-License-Identifier: ISC
// The one place that makes text safe for terminals: what peers wrote (names in the DNS, replies, certificates,
// addresses, policies) reaches many sentences, and none of them may steer the terminal that shows it.
#ifndef RELAY_COMMAND_TERMINAL_H
#define RELAY_COMMAND_TERMINAL_H

#include "relay/base/buf.h"

// From here on all that this process prints on stdout and stderr passes terminal_clean. Once, at the start.
void terminal_guard(void);
// What follows on stdout is a message, wanted byte for byte: unless a terminal shows it.
void terminal_bytes(void);

// Columns of the screen; 0: standard output is none.
size_t terminal_width(void);
// What follows on standard output has this colour, where it is a screen that shows any (NO_COLOR and TERM=dumb: none).
enum terminal_tint { TERMINAL_PLAIN, TERMINAL_GOOD, TERMINAL_WAIT, TERMINAL_BAD };
void terminal_tint(enum terminal_tint tint);
void terminal_clear(void); // an empty screen; elsewhere nothing
// "45s", "29m", "2h 5m", "3d 4h": how long something takes, for people.
#define TERMINAL_AGE 32
const char *terminal_age(long long seconds, char text[static TERMINAL_AGE]);
// "in 29m", and "now" where that is over: when something is due, for people.
const char *terminal_until(long long seconds, char text[static TERMINAL_AGE]);
// "29m ago", "just now".
const char *terminal_since(long long seconds, char text[static TERMINAL_AGE]);
// "512 B", "1.8 KiB", "3.2 GiB".
const char *terminal_size(uint64_t bytes, char text[static TERMINAL_AGE]);
// Prints text and a line end; on a screen too narrow for it further lines begin behind `indent` columns.
void terminal_wrap(const char *text, size_t indent);

// Appends text with everything replaced by "?" that a terminal could obey or that deceives its reader: C0 but
// line feed, tab and the CR of a line end, DEL, C1, bytes that are no UTF-8, marks that turn the direction
// of writing. Returns how many bytes were used: at most three are left, the start of a character whose rest
// is still to come (`last`: none are).
size_t terminal_clean(struct span text, bool last, struct buf *out);

#endif
