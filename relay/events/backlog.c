// SPDX-License-Identifier: ISC
// The journal read for others than sinks.
#include "relay/events/backlog.h"

#include <jansson.h>
#include <string.h>

static bool backlog_has(const json_t *event, const char *key, const char *wanted)
{
    const char *text = json_string_value(json_object_get(event, key));
    return !wanted || (text && strcmp(text, wanted) == 0);
}

static bool backlog_takes(const struct backlog *b, struct span object)
{
    if (b->type < 0 && !b->time && !b->id)
        return true;
    json_t *event = json_loadb((const char *)object.p, object.n, 0, NULL);
    const char *time = json_string_value(json_object_get(event, "time"));
    bool takes =
        (!b->time || (time && strcmp(time, b->time) >= 0)) && backlog_has(event, "id", b->id) &&
        backlog_has(event, "event", b->type < 0 ? NULL : event_type_word((enum event_type)b->type));
    json_decref(event);
    return takes;
}

static bool backlog_on_line(uint64_t seq, struct span object, void *arg)
{
    (void)seq;
    struct backlog *b = arg;
    if (!b->limit || b->out->len >= b->room)
        return false;
    if (!backlog_takes(b, object))
        return true;
    if (b->out->len)
        buf_adds(b->out, b->between);
    buf_addspan(b->out, object);
    b->limit--;
    return true;
}

bool backlog_read(struct backlog *b)
{
    return b->limit && journal_read(b->journal, &b->place, backlog_on_line, b);
}
