// SPDX-License-Identifier: ISC
// Small allocations, which end the process when memory is gone: the spool is what keeps the mail safe.
// What a peer sizes has a limit instead, and fails politely before it comes here.
#ifndef RELAY_BASE_MEM_H
#define RELAY_BASE_MEM_H

#include <stddef.h>

void *mem_new(size_t n);                            // zeroed; free() releases
void *mem_grow(void *p, size_t count, size_t size); // realloc; overflow ends the process too
char *mem_dup(const char *text);                    // NULL gives NULL
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
