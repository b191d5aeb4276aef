// SPDX-License-Identifier: ISC
// Who can mend what an explanation tells of, and what to do: each cause once, whichever of its parts name it.
#include <string.h>
#include "relay/command/advice.h"
#include "relay/command/explain.h"
#include "relay/command/paragraph.h"
#include "relay/log/json.h"

#define ADVICE_MOST 8 // causes that are told

struct told {
    FILE *out;
    size_t n;
    const json_t *at[ADVICE_MOST];
};

static bool is_same(const json_t *a, const json_t *b)
{
    return strcmp(json_word(a, "why"), json_word(b, "why")) == 0 &&
           strcmp(json_word(a, "act"), json_word(b, "act")) == 0 &&
           strcmp(advice_text(a), advice_text(b)) == 0;
}

static void tell_advice(struct told *told, const json_t *row)
{
    const char *why = json_word(row, "why"), *actor = advice_actor(row);
    for (size_t i = 0; i < told->n; i++)
        if (is_same(told->at[i], row))
            return;
    if (!why[0] || !advice_text(row)[0] || told->n == ADVICE_MOST)
        return;
    if (!told->n)
        fputs("\n  Who can mend it, and what to do\n", told->out);
    told->at[told->n++] = row;
    paragraph(told->out, 4, "%s: %s", why, actor[0] ? actor : "not known");
    if (advice_means(row)[0])
        paragraph(told->out, 6, "%s", advice_means(row));
    paragraph(told->out, 6, "%s", advice_text(row));
}

static void tell_hosts(struct told *told, const json_t *e)
{
    size_t i;
    const json_t *one;
    json_array_foreach (json_object_get(e, "mx"), i, one)
        if (strcmp(json_word(one, "demand"), "refuse") == 0)
            tell_advice(told, one);
    json_array_foreach (json_object_get(e, "connect"), i, one)
        tell_advice(told, one);
    json_array_foreach (json_object_get(json_object_get(e, "recent"), "hosts"), i, one) {
        if (json_says(one, "failing"))
            tell_advice(told, one);
        tell_advice(told, json_object_get(one, "recipient"));
    }
}

void explain_print_advice(const json_t *e, FILE *out)
{
    struct told told = {.out = out};
    if (strcmp(json_word(e, "verdict"), "deliver") != 0)
        tell_advice(&told, e);
    tell_advice(&told, json_object_get(e, "waiting"));
    tell_hosts(&told, e);
}
