// SPDX-License-Identifier: ISC
// What a program says on standard error, of which the log gets one line: the last one, since that is where a traceback
// has its error. A line that holds the secret which the program is about is not told. Pure, and bounded.
#ifndef RELAY_BASE_SAID_H
#define RELAY_BASE_SAID_H

#include "relay/base/span.h"

#define SAID_MOST 65536 // bytes that a run may say
#define SAID_KEPT 2048  // of them, the newest
#define SAID_LINE 200   // bytes of the line at most

struct said {
    char bytes[SAID_KEPT];
    size_t kept, all;
};

// False: it is more than SAID_MOST, and nobody should read on.
bool said_add(struct said *said, struct span bytes);
// The line, cut, or "" where there is none to be told.
void said_line(const struct said *said, struct span secret, char out[static SAID_LINE + 1]);

#endif
