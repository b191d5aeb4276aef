// SPDX-License-Identifier: ISC
// An attempt in words: the connection with its times, what TLS showed and proved, and what the host said.
#include <string.h>
#include "relay/log/json.h"
#include "relay/trace/story_inside.h"

static const char *step_text(const json_t *step, size_t i)
{
    const char *text = json_string_value(json_array_get(step, i));
    return text ? text : "";
}

// "connect 2, greeting 5, ehlo 6, starttls 7, tls 20 ms"
static void times(struct story *s, const json_t *steps)
{
    const json_t *step;
    size_t i;
    json_array_foreach (steps, i, step)
        story_part(s, "%s%s %lld", i ? ", " : "", step_text(step, 0),
                   (long long)json_integer_value(json_array_get(step, 1)));
    if (i)
        buf_adds(&s->text, " ms");
}

static void replies(struct story *s, const json_t *steps)
{
    const json_t *step;
    size_t i;
    json_array_foreach (steps, i, step) {
        buf_adds(&s->text, s->text.len ? "; " : "");
        story_part(s, "%s +%lld ms", step_text(step, 0),
                   (long long)json_integer_value(json_array_get(step, 1)));
        if (step_text(step, 2)[0])
            buf_addc(&s->text, ' ');
        story_reply(s, step_text(step, 2));
    }
}

static void certificate(struct story *s, const json_t *c, bool leaf)
{
    if (json_is_true(json_object_get(c, "unreadable"))) {
        story_part(s, "one that cannot be read, sha256 %s", json_word(c, "fingerprint"));
        return;
    }
    const char *name = json_word(c, "name"), *subject = json_word(c, "subject");
    story_part(s, "%s", subject[0] ? subject : "no subject");
    if (name[0] && !strstr(subject, name))
        story_part(s, " for %s", name);
    if (json_number_of(c, "names") > 1)
        story_part(s, " (%lld names)", (long long)json_number_of(c, "names"));
    story_part(s, ", issuer %s, ", json_word(c, "issuer"));
    story_day(&s->text, json_number_of(c, "not_before"));
    buf_adds(&s->text, " to ");
    story_day(&s->text, json_number_of(c, "not_after"));
    if (leaf || s->options.full)
        story_part(s, ", sha256 %s", json_word(c, "fingerprint"));
    if (s->options.full)
        story_part(s, ", key sha256 %s", json_word(c, "key"));
}

static void chain(struct story *s, const json_t *connection)
{
    const json_t *piece = json_object_get(connection, "chain"), *one;
    size_t i;
    if (!piece)
        return;
    if (json_is_true(json_object_get(json_object_get(connection, "tls"), "resumed")))
        buf_adds(&s->text, "of the session that was resumed: ");
    if (json_equal(piece, s->chain)) {
        buf_adds(&s->text, "as before");
    } else {
        json_array_foreach (json_object_get(piece, "certificates"), i, one) {
            buf_adds(&s->text, i ? "; " : "");
            certificate(s, one, i == 0);
        }
        if (json_number_of(piece, "cut"))
            story_part(s, "; and %lld more that were not kept",
                       (long long)json_number_of(piece, "cut"));
    }
    story_say(s, "chain", STORY_PLAIN);
    json_decref(s->chain);
    s->chain = json_incref((json_t *)(uintptr_t)piece);
}

static void tls(struct story *s, const json_t *connection, bool failed)
{
    const json_t *t = json_object_get(connection, "tls");
    if (!t)
        return;
    story_part(s, "%s %s", json_word(t, "protocol"), json_word(t, "cipher"));
    if (json_word(t, "group")[0])
        story_part(s, " %s", json_word(t, "group"));
    if (json_is_true(json_object_get(t, "resumed")))
        buf_adds(&s->text, ", resumed");
    story_part(s, "; proof %s, asked for %s by %s", json_word(t, "proof"),
               json_word(connection, "demand"), json_word(connection, "source"));
    story_say(s, "tls", failed ? STORY_BAD : STORY_PLAIN);
    chain(s, connection);
    story_why(s, json_object_get(connection, "watched"));
    story_say(s, "noted", STORY_WAIT);
}

static void way(struct story *s, const json_t *r, const json_t *c)
{
    story_part(s, "%s [%s]", json_word(r, "host"), json_word(r, "ip"));
    if (json_number_of(c, "port"))
        story_part(s, ":%lld", (long long)json_number_of(c, "port"));
    if (json_object_get(r, "age"))
        story_part(s, ", on a connection opened %lld s before, message %lld on it",
                   (long long)(story_number(r, "age") / 1000),
                   (long long)story_number(r, "message") + 1);
}

void story_attempt(struct story *s, const json_t *r)
{
    const json_t *c = json_object_get(r, "connection"), *why = json_object_get(r, "why");
    char head[40];
    story_route(s, json_object_get(r, "route"));
    snprintf(head, sizeof head, "attempt %lld", (long long)json_number_of(r, "attempt"));
    bool known = s->connection && json_equal(c, s->connection);
    way(s, r, c);
    if (!known && json_array_size(json_object_get(c, "steps"))) {
        buf_adds(&s->text, ": ");
        times(s, json_object_get(c, "steps"));
    }
    story_say(s, head, STORY_PLAIN);
    int64_t at = s->at_ms;
    s->at_ms = 0;
    if (!known) {
        if (s->options.full)
            replies(s, json_object_get(c, "steps"));
        story_say(s, "said", STORY_PLAIN);
        tls(s, c, why != NULL);
    }
    replies(s, json_object_get(r, "steps"));
    story_say(s, "said", STORY_PLAIN);
    story_why(s, why);
    story_say(s, "failed", STORY_BAD);
    s->at_ms = at;
    json_decref(s->why);
    s->why = json_incref((json_t *)(uintptr_t)why);
    json_decref(s->connection);
    s->connection = json_incref((json_t *)(uintptr_t)c);
}
