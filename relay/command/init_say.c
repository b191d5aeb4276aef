// SPDX-License-Identifier: ISC
// What `waxwing init` says of one thing: made, kept, changed or wrong.
#include <stdarg.h>
#include <stdio.h>
#include "relay/command/init.h"

void init_say(const char *verdict, const char *format, ...)
{
    va_list args;
    printf("%-8s ", verdict);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}
