// SPDX-License-Identifier: ISC
// What a terminal shows while a command takes longer than a second: its name, how far it is where that is known, and
// how long it has taken. Nothing where standard error is no terminal. Whatever the command prints takes its place.
#ifndef RELAY_COMMAND_PROGRESS_H
#define RELAY_COMMAND_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#define PROGRESS_LINE 80 // columns at the most

// `name` is static. A second one takes the place of the first.
void progress_begin(const char *name);
void progress_end(void);
// What is done of how much; total 0: nobody knows.
void progress_step(uint64_t done, uint64_t total);
// Around anything that is written to the terminal: takes the line away; lets it come back where a line has ended.
void progress_hide(void);
void progress_may_show(char last_byte);

// The line itself, without a line end, at most PROGRESS_LINE columns: "waxwing audit  [=====>     ]  50 %  3 s". Pure.
size_t progress_line(const char *name, uint64_t done, uint64_t total, uint64_t seconds,
                     char out[static PROGRESS_LINE + 1]);

#endif
