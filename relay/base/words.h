// SPDX-License-Identifier: ISC
// Texts that many hold at once: the reason that a million deliveries wait for is one. Counted; any thread. For texts of
// which there are few; each costs a table entry.
#ifndef RELAY_BASE_WORDS_H
#define RELAY_BASE_WORDS_H

#include <stddef.h>

const char *words_keep(const char *text); // the same text, shared; to be dropped. NULL gives NULL
void words_drop(const char *kept);        // accepts NULL

#endif
