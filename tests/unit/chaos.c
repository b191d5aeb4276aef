// SPDX-License-Identifier: ISC
// Bad luck for a fake MX host.
#include "tests/unit/chaos.h"

#include <stdio.h>
#include <unistd.h>

static unsigned roll(struct chaos *c, unsigned sides)
{
    c->luck ^= c->luck << 13; // xorshift
    c->luck ^= c->luck >> 7;
    c->luck ^= c->luck << 17;
    return (unsigned)((c->luck >> 16) % sides);
}

bool chaos_strikes(struct chaos *c)
{
    return c->luck && roll(c, 100) < c->percent;
}

bool chaos_wrong(struct chaos *c, char *out, size_t n)
{
    static const char *const replies[] = {
        "250 2.0.0 wrong",
        "251 elsewhere",
        "354 go",
        "421 4.3.2 bye",
        "450 4.2.0 later",
        "451 4.7.1 later",
        "452 4.5.3 many",
        "500 5.5.1 what?",
        "502 5.5.1 not so",
        "503 5.5.1 order",
        "504 5.5.4 param",
        "550 5.1.1 nobody",
        "552 5.2.2 full",
        "554 5.7.1 spam",
        "220 hello",
        "235 2.7.0 you",
        "334 dGVzdA==",
        "hello",
        "550denied",
        "250ok",
        "550-one\n250 other",
        "25",
        "250-a\n250 b",
        "!close",
        "552 too many",
        "999 no",
        "250 2.1.5 ok",
        "221 2.0.0 bye",
    };
    c->erred = chaos_strikes(c) && roll(c, 2);
    if (c->erred)
        snprintf(out, n, "%s", replies[roll(c, sizeof replies / sizeof *replies)]);
    return c->erred;
}

static void pause_some(struct chaos *c)
{
    usleep(500 + roll(c, 20000));
}

enum ill { LATE, TWICE, TWICE_LATE, SPLIT, MISSING, LEAVES_TOLD, LEAVES, BROKEN_OFF, MORE };

bool chaos_put(struct chaos *c, bool final, const char *text, size_t n, chaos_put_fn *put, void *to)
{
    static const enum ill ills[] = {LATE,       LATE,  TWICE,       TWICE,     TWICE_LATE,
                                    TWICE_LATE, SPLIT, SPLIT,       SPLIT,     MISSING,
                                    LEAVES,     MORE,  LEAVES_TOLD, BROKEN_OFF};
    enum ill ill = ills[roll(c, sizeof ills / sizeof *ills)];
    bool doubles = ill == TWICE || ill == TWICE_LATE || ill == MORE;
    if ((doubles && c->fewer) || (ill == MISSING && (c->more || c->erred)))
        ill = LATE;
    c->more = c->more || (doubles && ill != LATE);
    c->fewer = c->fewer || ill == MISSING;
    size_t first = ill == SPLIT && n               ? roll(c, (unsigned)n)
                   : ill == BROKEN_OFF && n > 4    ? n - 3
                   : ill == LATE || ill == MISSING ? 0
                                                   : n;
    put(to, text, first);
    if (ill == LATE || ill == SPLIT || ill == TWICE_LATE)
        pause_some(c);
    if (ill == LATE || ill == SPLIT)
        put(to, text + first, n - first);
    if (ill == TWICE || ill == TWICE_LATE)
        put(to, text, n);
    if (ill == LEAVES_TOLD)
        put(to, "421 4.3.2 bye\r\n", 15);
    if (ill == MORE && final)
        put(to, "250 2.0.0 more\r\n", 16);
    return ill != LEAVES && ill != LEAVES_TOLD && ill != BROKEN_OFF;
}
