// SPDX-License-Identifier: ISC
// The value of an event: the words of its types, and its JSON.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/events/inside.h"
#include "relay/log/json.h"
#include "relay/smtp/reply_class.h"

#define EVENT_TEXT 8192 // bytes of one value

static const char *const type_words[] = {
    [EVENT_DELIVERED] = "delivered", [EVENT_DEFERRED] = "deferred",
    [EVENT_FAILED] = "failed",       [EVENT_EXPIRED] = "expired",
    [EVENT_HELD] = "held",           [EVENT_SUPPRESSED] = "suppressed",
    [EVENT_RETURNED] = "returned",   [EVENT_NOTED] = "noted",
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
        .tag = env->tag,
        .message_id = env->message_id,
        .to = to,
    };
}

uint16_t event_reason(const struct why *why)
{
    struct reply_meaning m = reply_meaning_of(why);
    char *text = mem_printf("%d %s %s", (int)m.class, m.rule, why->status);
    uint16_t digest = (uint16_t)XXH3_64bits(text, strlen(text));
    free(text);
    return digest ? digest : 1;
}

static void event_put(json_t *object, const char *key, const char *text)
{
    if (!text || !text[0])
        return;
    char *cut = strlen(text) > EVENT_TEXT ? mem_printf("%.*s", EVENT_TEXT, text) : NULL;
    json_object_set_new(object, key, json_text(cut ? cut : text));
    free(cut);
}

static void event_put_time(json_t *object, const char *key, int64_t ms)
{
    char seconds[40], text[48];
    if (!ms)
        return;
    clock_rfc3339(ms, seconds);
    snprintf(text, sizeof text, "%.19s.%03dZ", seconds, (int)(ms % 1000));
    event_put(object, key, text);
}

static void put_message(json_t *object, const struct event *e, int64_t now)
{
    char id[ID_TEXT];
    if (e->id)
        id_text(e->id, id);
    event_put(object, "id", e->id ? id : NULL);
    event_put(object, "tag", e->tag);
    event_put(object, "message_id", e->message_id);
    json_object_set_new(object, "from", json_text(e->from));
    event_put(object, "to", e->to);
    event_put(object, "user", e->principal);
    event_put_time(object, "accepted", e->accepted_ms);
    if (e->accepted_ms)
        json_object_set_new(
            object, "delay",
            json_real(now > e->accepted_ms ? (double)(now - e->accepted_ms) / 1000 : 0));
}

static void put_failure(json_t *object, const struct why *why)
{
    struct reply_meaning m = reply_meaning_of(why);
    event_put(object, "why", reason_row(why->reason)->name);
    event_put(object, "act", act_word(why->act));
    event_put(object, "host", why->host);
    event_put(object, "status", why->status);
    event_put(object, "class", reply_class_word(m.class));
    event_put(object, "rule", m.rule);
    event_put(object, "reply", why->reply);
    event_put(object, "reason", why->text);
    event_put(object, "type", why_tls_word(why->tls));
}

struct journal_entry *event_entry(const struct event *e)
{
    int64_t now = clock_ms();
    json_t *object = json_object();
    event_put_time(object, "time", now);
    event_put(object, "event", event_type_word(e->type));
    put_message(object, e, now);
    event_put(object, "site", e->site);
    if (e->why)
        put_failure(object, e->why);
    event_put(object, "host", e->host);
    event_put(object, "ip", e->ip);
    event_put(object, "tls", e->tls);
    event_put(object, "proof", e->proof);
    event_put(object, "status", e->status);
    event_put(object, "reply", e->reply);
    event_put(object, "reason", e->text);
    event_put(object, "note", e->note);
    event_put(object, "by", e->by);
    if (e->attempts)
        json_object_set_new(object, "attempts", json_integer(e->attempts));
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);
    size_t n = strlen(text) - 1; // without the first brace
    struct journal_entry *entry = mem_new(sizeof *entry + n + 1);
    entry->n = n;
    memcpy(entry->text, text + 1, n);
    free(text);
    return entry;
}
