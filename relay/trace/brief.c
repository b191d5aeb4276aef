// SPDX-License-Identifier: ISC
#include "relay/trace/brief.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/log/json.h"

static void brief_replace(char **text, const char *with)
{
    free(*text);
    *text = mem_dup(with);
}

static const char *first_of(const json_t *to)
{
    const char *text = json_string_value(json_is_array(to) ? json_array_get(to, 0) : to);
    return text ? text : "";
}

bool brief_add(const json_t *record, void *arg)
{
    struct brief *b = arg;
    const char *event = json_word(record, "event");
    const json_t *to = json_object_get(record, "to");
    if (!b->at_ms)
        b->at_ms = json_number_of(record, "at");
    if (json_object_get(record, "from"))
        brief_replace(&b->from, json_word(record, "from"));
    if (to && !b->to)
        b->to = json_array_size(to) > 1
                    ? mem_printf("%s and %zu more", first_of(to), json_array_size(to) - 1)
                    : mem_dup(first_of(to));
    if (strcmp(event, "attempt") != 0)
        brief_replace(&b->event, event);
    return true;
}

void brief_free(struct brief *b)
{
    free(b->from);
    free(b->to);
    free(b->event);
    *b = (struct brief){0};
}
