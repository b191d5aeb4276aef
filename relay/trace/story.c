// SPDX-License-Identifier: ISC
// A message's records in words: how it came, and what each attempt came to.
#include "relay/trace/story.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/json.h"
#include "relay/trace/story_inside.h"

struct story *story_new(const struct story_options *options)
{
    struct story *s = mem_new(sizeof *s);
    s->options = *options;
    buf_init(&s->text, STORY_TEXT);
    return s;
}

void story_free(struct story *s)
{
    if (!s)
        return;
    json_decref(s->route);
    json_decref(s->chain);
    json_decref(s->connection);
    json_decref(s->why);
    buf_free(&s->text);
    free(s);
}

// ---- how it came

static void client(struct story *s, const json_t *r)
{
    const char *login = json_word(r, "login"), *tls = json_word(r, "tls");
    story_part(s, "from %s (%s) as %s", json_word(r, "client"), json_word(r, "helo"),
               json_word(r, "user"));
    story_part(s, strcmp(login, "network") == 0 ? " by its address" : ", %s", login);
    story_part(s, "%s%s", tls[0] ? ", " : ", without TLS", tls);
    if (json_word(r, "original")[0])
        story_part(s, ", on behalf of %s", json_word(r, "original"));
}

static void envelope(struct story *s, const json_t *r)
{
    const json_t *to = json_object_get(r, "to"), *one;
    size_t i;
    int64_t more = story_number(r, "more");
    story_address(s, json_word(r, "from"));
    buf_adds(&s->text, " to ");
    json_array_foreach (to, i, one) {
        buf_adds(&s->text, i ? ", " : "");
        story_address(s, json_is_string(one) ? json_string_value(one) : "");
    }
    if (more)
        story_part(s, " and %lld others", (long long)more);
    story_part(s, "; %lld bytes", (long long)json_number_of(r, "size"));
    if (json_word(r, "message_id")[0])
        story_part(s, "; Message-ID <%s>", json_word(r, "message_id"));
    if (json_is_true(json_object_get(r, "requiretls")))
        buf_adds(&s->text, "; REQUIRETLS");
    if (json_is_true(json_object_get(r, "tls_optional")))
        buf_adds(&s->text, "; TLS-Required: No");
}

static void received(struct story *s, const json_t *r)
{
    const char *sign = json_word(r, "sign"), *results = json_word(r, "results");
    client(s, r);
    story_say(s, "received", STORY_PLAIN);
    s->at_ms = 0;
    envelope(s, r);
    story_say(s, "", STORY_PLAIN);
    buf_adds(&s->text, results);
    story_say(s, "judged", STORY_PLAIN);
    buf_adds(&s->text, strcmp(sign, "none") == 0 ? "" : sign);
    story_say(s, strncmp(sign, "arc:", 4) == 0 ? "sealed" : "signed", STORY_PLAIN);
    if (strcmp(sign, "none") == 0) {
        buf_adds(&s->text, "by nobody");
        story_say(s, "signed", STORY_WAIT);
    }
    buf_adds(&s->text, json_word(r, "held"));
    story_say(s, "held", STORY_WAIT);
    buf_adds(&s->text, json_word(r, "warning"));
    story_say(s, "warning", STORY_WAIT);
}

static void story_refused(struct story *s, const json_t *r)
{
    client(s, r);
    buf_adds(&s->text, "; ");
    envelope(s, r);
    story_say(s, "refused", STORY_BAD);
    s->at_ms = 0;
    story_why(s, json_object_get(r, "why"));
    story_say(s, "because", STORY_BAD);
}

static void made(struct story *s, const json_t *r)
{
    story_part(s, "%s of this relay, ", json_word(r, "kind"));
    envelope(s, r);
    story_say(s, "made", STORY_PLAIN);
}

// ---- what it came to

static void next_time(struct story *s, const json_t *r)
{
    int64_t next = story_moment(r, "next");
    char text[40];
    if (next) {
        clock_rfc3339(next, text);
        story_part(s, "; next attempt %.8s", text + 11);
        if (next <= s->at_ms)
            buf_adds(&s->text, " (at once)");
        else if (next - s->at_ms < 86400000)
            story_part(s, " (%lld s later)", (long long)((next - s->at_ms + 999) / 1000));
        else
            story_part(s, " on %.10s", text);
    }
    if (json_word(r, "because")[0])
        story_part(s, ": %s", json_word(r, "because"));
}

static void result(struct story *s, const json_t *r, const char *event)
{
    bool good = strcmp(event, "delivered") == 0, later = strcmp(event, "deferred") == 0;
    if (json_object_get(r, "route"))
        story_route(s, json_object_get(r, "route"));
    story_address(s, json_word(r, "to"));
    if (good) {
        const char *proof = json_word(r, "proof");
        story_part(s, " taken by %s, TLS %s, proof %s", json_word(r, "host"), json_word(r, "tls"),
                   proof[0] ? proof : "none");
    } else {
        buf_adds(&s->text, ": ");
        if (strcmp(json_word(json_object_get(r, "why"), "text"), json_word(s->why, "text")) == 0)
            buf_adds(&s->text, "for that reason");
        else
            story_why(s, json_object_get(r, "why"));
    }
    if (later)
        next_time(s, r);
    story_say(s, event, good ? STORY_GOOD : later ? STORY_WAIT : STORY_BAD);
}

static void told(struct story *s, const json_t *r, const char *event)
{
    story_address(s, json_word(r, "to"));
    story_part(s, ": %s", json_word(r, "text"));
    if (json_word(r, "by")[0])
        story_part(s, ", by %s", json_word(r, "by"));
    story_say(s, event, STORY_WAIT);
}

static bool is_result(const char *event)
{
    return strcmp(event, "delivered") == 0 || strcmp(event, "deferred") == 0 ||
           strcmp(event, "failed") == 0 || strcmp(event, "expired") == 0;
}

bool story_add(const json_t *r, void *arg)
{
    struct story *s = arg;
    const char *event = json_word(r, "event");
    s->at_ms = story_moment(r, "at");
    if (strcmp(event, "received") == 0)
        received(s, r);
    else if (strcmp(event, "refused") == 0)
        story_refused(s, r);
    else if (strcmp(event, "made") == 0)
        made(s, r);
    else if (strcmp(event, "attempt") == 0)
        story_attempt(s, r);
    else if (strcmp(event, "held") == 0 || strcmp(event, "operator") == 0)
        told(s, r, event);
    else if (is_result(event))
        result(s, r, event);
    return true; // of what a newer program wrote nothing is told
}
