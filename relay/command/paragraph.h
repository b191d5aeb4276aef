// SPDX-License-Identifier: ISC
// Paragraphs for people, as commands print them.
#ifndef RELAY_COMMAND_PARAGRAPH_H
#define RELAY_COMMAND_PARAGRAPH_H

#include <stdio.h>

// Breaks at spaces; stands `indent` columns in, further lines alike. What peers wrote cannot steer the terminal.
void paragraph(FILE *out, int indent, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
