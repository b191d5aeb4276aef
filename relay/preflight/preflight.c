// SPDX-License-Identifier: ISC
// A look at a message: its order, and what is of no single field.
#include "relay/base/maxima.h"
#include "relay/preflight/inside.h"

#define HEADER_USUAL   102400 // bytes of a header that most hosts take
#define RECEIVED_USUAL 25

static void look_at_way(struct look *l)
{
    const struct preflight_input *in = l->in;
    if (l->bytes > HEADER_USUAL)
        look_find(l, HEADER_LARGE, l->bytes);
    if (!in->header_ended)
        look_find(l, HEADER_UNENDED);
    if (l->received > RECEIVED_USUAL)
        look_find(l, RECEIVED_MANY, l->received);
    if (in->longest_line > MAX_TEXT_LINE)
        look_find(l, LINE_TOO_LONG, (unsigned long long)in->longest_line, MAX_TEXT_LINE);
    if (in->tight)
        look_find(l, SIZE_OVER_RECEIVER, (unsigned long long)in->size, in->tight,
                  (unsigned long long)in->tight_size);
}

void preflight_look(const struct preflight_input *in, struct preflight *out)
{
    struct look l = {.in = in, .out = out};
    *out = (struct preflight){0};
    look_at_fields(&l);
    look_at_people(&l);
    look_at_signing(&l);
    look_at_dates(&l);
    look_at_mime(&l);
    look_at_bulk(&l);
    look_at_way(&l);
}
