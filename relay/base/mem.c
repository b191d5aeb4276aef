// SPDX-License-Identifier: ISC
// Allocation that does not come back empty-handed.
#include "relay/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *sure(void *p)
{
    if (!p) {
        fputs("waxwing: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_new(size_t n)
{
    return sure(calloc(1, n ? n : 1));
}

void *mem_grow(void *p, size_t count, size_t size)
{
    return sure(reallocarray(p, count ? count : 1, size ? size : 1));
}

char *mem_dup(const char *text)
{
    return text ? sure(strdup(text)) : NULL;
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    return sure(n < 0 ? NULL : text);
}
