// SPDX-License-Identifier: ISC
// The newest bytes, and the last line in them.
#include "relay/base/said.h"

#include <stdio.h>
#include <string.h>

bool said_add(struct said *s, struct span bytes)
{
    s->all += bytes.n;
    if (bytes.n > SAID_KEPT)
        bytes = span_from(bytes, bytes.n - SAID_KEPT);
    size_t over = s->kept + bytes.n > SAID_KEPT ? s->kept + bytes.n - SAID_KEPT : 0;
    memmove(s->bytes, s->bytes + over, s->kept - over);
    s->kept -= over;
    memcpy(s->bytes + s->kept, bytes.p, bytes.n);
    s->kept += bytes.n;
    return s->all <= SAID_MOST;
}

// A line whose beginning is gone could hold part of a secret, and is none.
static struct span last_line(const struct said *s)
{
    struct span text = span_trim(span_of(s->bytes, s->kept));
    for (size_t i = text.n; i > 0; i--)
        if (text.p[i - 1] == '\n')
            return span_from(text, i);
    return s->all > s->kept ? span_of("", 0) : text;
}

void said_line(const struct said *s, struct span secret, char out[static SAID_LINE + 1])
{
    struct span line = last_line(s);
    if (secret.n && memmem(line.p, line.n, secret.p, secret.n))
        line = span_text("(its words hold the secret and are not shown)");
    snprintf(out, SAID_LINE + 1, "%.*s", (int)(line.n < SAID_LINE ? line.n : SAID_LINE),
             (const char *)line.p);
}
