// SPDX-License-Identifier: ISC
// Paragraphs for people, as commands print them.
#include "relay/command/paragraph.h"

#include <stdarg.h>
#include <string.h>

#define WIDTH 79

void paragraph(FILE *out, int indent, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
    const char *p = text;
    size_t room = (size_t)(WIDTH - indent);
    do {
        size_t n = strlen(p), cut = n;
        if (n > room) {
            for (cut = room; cut > 0 && p[cut] != ' '; cut--)
                ;
            if (cut == 0)
                cut = strcspn(p, " ");
        }
        fprintf(out, "%*s%.*s\n", indent, "", (int)cut, p);
        p += cut;
        p += strspn(p, " ");
    } while (*p);
}
