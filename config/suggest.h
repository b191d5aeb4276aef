// SPDX-License-Identifier: ISC
// What somebody most likely meant who wrote a name that there is not.
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

// Edits from which on nothing is near to `name`; the start of the search.
size_t suggest_begin(const char *name);
// True: `candidate` is nearer to `name` than *nearest edits, which is set to what it takes.
bool suggest_nearer(const char *name, const char *candidate, size_t *nearest);

#endif
