// SPDX-License-Identifier: ISC
// What `waxwing check` says: a line a finding, and the worst of them.
#include "relay/command/check.h"

#include <string.h>
#include "relay/command/terminal.h"
#include "relay/log/json.h"

void check_say(struct report *r, const char *verdict, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->errors += strcmp(verdict, "ERROR") == 0;
    r->warnings += strcmp(verdict, "warning") == 0;
    if (!r->findings) {
        terminal_tint(strcmp(verdict, "ERROR") == 0     ? TERMINAL_BAD
                      : strcmp(verdict, "warning") == 0 ? TERMINAL_WAIT
                                                        : TERMINAL_GOOD);
        printf("%-8s ", verdict);
        terminal_tint(TERMINAL_PLAIN);
        terminal_wrap(text, 9);
        return;
    }
    json_t *finding = json_object();
    json_object_set_new(finding, "verdict",
                        json_string(strcmp(verdict, "ERROR") == 0 ? "error" : verdict));
    json_object_set_new(finding, "text", json_text(text));
    json_array_append_new(r->findings, finding);
}

void check_lines(struct report *r, const char *verdict, const struct buf *lines)
{
    struct span rest = buf_span(lines), line;
    while (span_cut(rest, '\n', &line, &rest))
        if (line.n)
            check_say(r, verdict, "%.*s", (int)line.n, (const char *)line.p);
}
