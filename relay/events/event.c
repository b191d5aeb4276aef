// SPDX-License-Identifier: ISC
// The value of an event and the words of its types.
#include "relay/events/events.h"

#include <string.h>

static const char *const type_words[] = {
    [EVENT_DELIVERED] = "delivered", [EVENT_DEFERRED] = "deferred",
    [EVENT_FAILED] = "failed",       [EVENT_EXPIRED] = "expired",
    [EVENT_HELD] = "held",           [EVENT_SUPPRESSED] = "suppressed",
    [EVENT_RETURNED] = "returned",
};

const char *event_type_word(enum event_type type)
{
    return type < EVENT_TYPES ? type_words[type] : "";
}

enum event_type event_type_parse(const char *word)
{
    for (int i = 0; i < EVENT_TYPES; i++)
        if (strcmp(word, type_words[i]) == 0)
            return (enum event_type)i;
    return EVENT_TYPES;
}

struct event event_of(enum event_type type, const struct envelope *env, const char *to)
{
    return (struct event){
        .type = type,
        .id = env->id,
        .accepted_ms = env->created_ms,
        .principal = env->principal,
        .from = env->from,
        .to = to,
    };
}
