// SPDX-License-Identifier: ISC
// The filter of a queue verb, read from its request. What is not understood never widens a choice: a key that is not
// known, or a value of another type, is an error.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/control/inside.h"

static const struct {
    const char *key;
    size_t at;
    bool text; // const char *; else a number of 64 bits, over 0
} keys[] = {
    {"domain", offsetof(struct queue_filter, domain), true},
    {"sender", offsetof(struct queue_filter, sender), true},
    {"login", offsetof(struct queue_filter, login), true},
    {"site", offsetof(struct queue_filter, site), true},
    {"class", offsetof(struct queue_filter, class), true},
    {"older_ms", offsetof(struct queue_filter, older_ms), false},
    {"newer_ms", offsetof(struct queue_filter, newer_ms), false},
    {"larger", offsetof(struct queue_filter, larger), false},
    {"smaller", offsetof(struct queue_filter, smaller), false},
};
#define KEYS (sizeof keys / sizeof *keys)

static int bad(char out[static CONTROL_BAD], const char *key)
{
    snprintf(out, CONTROL_BAD, "'%.40s' is not understood", key);
    return -1;
}

static int filter_read_ids(struct control_filter *cf, const json_t *ids,
                           char out[static CONTROL_BAD])
{
    size_t i;
    json_t *id;
    if (!json_is_array(ids))
        return bad(out, "ids");
    cf->ids = mem_new((json_array_size(ids) + 1) * sizeof *cf->ids);
    json_array_foreach (ids, i, id) {
        const char *s = json_string_value(id);
        if (!s || !id_parse(s, &cf->ids[i])) {
            snprintf(out, CONTROL_BAD, "'%.40s' is not a message id", s ? s : "");
            return -1;
        }
    }
    queue_filter_sort(cf->ids, i);
    cf->filter.nids = i;
    cf->filter.ids = i ? cf->ids : NULL;
    return 0;
}

static int filter_read_state(struct queue_filter *f, const json_t *state,
                             char out[static CONTROL_BAD])
{
    const char *word = json_string_value(state);
    for (int s = QUEUE_ROUTING; word && s <= QUEUE_HELD; s++)
        if (strcmp(queue_state_word((enum queue_state)s), word) == 0)
            f->state = s;
    if (f->state >= 0)
        return 0;
    snprintf(out, CONTROL_BAD, "'%.40s' is no state", word ? word : "");
    return -1;
}

static int filter_read_key(struct control_filter *cf, const char *key, const json_t *value,
                           char out[static CONTROL_BAD])
{
    if (strcmp(key, "ids") == 0)
        return filter_read_ids(cf, value, out);
    if (strcmp(key, "state") == 0)
        return filter_read_state(&cf->filter, value, out);
    for (size_t i = 0; i < KEYS; i++) {
        void *field = (char *)&cf->filter + keys[i].at;
        if (strcmp(key, keys[i].key) != 0)
            continue;
        if (keys[i].text ? !json_is_string(value) : json_integer_value(value) <= 0)
            return bad(out, key);
        if (keys[i].text)
            *(const char **)field = json_string_value(value);
        else
            *(int64_t *)field = json_integer_value(value);
        return 0;
    }
    return bad(out, key);
}

static bool is_of_the_call(const char *key)
{
    static const char *const words[] = {"verb", "all", "dry", "progress", "next_hop"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], key) == 0)
            return true;
    return false;
}

int control_filter_read(struct control_filter *cf, const json_t *request,
                        char out[static CONTROL_BAD])
{
    const char *key;
    json_t *value, *words = json_incref((json_t *)(uintptr_t)request);
    *cf = (struct control_filter){.words = words, .filter = {.state = -1, .newest = id_new()}};
    json_object_foreach (words, key, value)
        if (!is_of_the_call(key) && filter_read_key(cf, key, value, out) < 0)
            return -1;
    return 0;
}

void control_filter_free(struct control_filter *cf)
{
    free(cf->ids);
    json_decref(cf->words);
    *cf = (struct control_filter){0};
}
