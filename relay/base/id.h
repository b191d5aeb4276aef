// SPDX-License-Identifier: ISC
// Names for messages and random bytes.
//
// A message id is 64 bits: microseconds since the epoch in the upper 56, the number of this node in its fleet in the
// lower 8 (0: there is no fleet), so that no two nodes ever give the same one. Never twice the same in one process,
// nor smaller than one handed to id_floor() (which recovery calls with the largest id on disk, so that a clock set back
// cannot repeat a name): where many come in one microsecond, the next ones are taken ahead. It is chosen at MAIL, so
// that Received, the log, the spool and the DSN all call the message by one name: 13 letters and digits. (Before there
// were fleets the lower 8 bits were a sequence.)
#ifndef RELAY_BASE_ID_H
#define RELAY_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_TEXT 14 // bytes that id_text writes, with the NUL

uint64_t id_new(void); // from any thread
void id_floor(uint64_t id);
void id_node(unsigned number); // 0..255, for ids from here on; from any thread
void id_text(uint64_t id,
             char out[static ID_TEXT]); // base 32, digits and lower case without i l o u
bool id_parse(const char *text, uint64_t *id);

void random_bytes(void *out, size_t n);  // getrandom(2); ends the process where that fails
void random_digits(char *out, size_t n); // n - 1 of them, hexadecimal, and NUL
uint64_t random_below(uint64_t limit);   // uniform, limit > 0

#endif
