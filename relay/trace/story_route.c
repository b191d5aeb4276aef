// SPDX-License-Identifier: ISC
// A route in words: which records led where, and what each connection had to prove by whose word. Where one was told
// before, only what has changed since.
#include <string.h>
#include "relay/log/json.h"
#include "relay/trace/story_inside.h"

static const json_t *host_named(const json_t *route, const char *name)
{
    const json_t *one;
    size_t i;
    json_array_foreach (json_object_get(route, "mx"), i, one)
        if (strcmp(json_word(one, "host"), name) == 0)
            return one;
    return NULL;
}

static void story_route_demand(struct story *s, const json_t *host)
{
    const char *level = json_word(host, "demand"), *source = json_word(host, "source");
    size_t n = json_array_size(json_object_get(host, "tlsa"));
    if (strcmp(level, "refuse") == 0)
        story_part(s, "not to be used: %s (why %s)", json_word(host, "reason"),
                   json_word(host, "why"));
    else
        story_part(s, "%s by %s", level, source);
    if (n)
        story_part(s, ", %zu TLSA at %s", n, json_word(host, "tlsa_base"));
}

static void story_route_policy(struct story *s, const json_t *route)
{
    const json_t *sts = json_object_get(route, "sts");
    const char *mode = json_word(sts, "mode"), *error = json_word(sts, "error");
    if (!mode[0]) {
        buf_adds(&s->text, "none");
    } else {
        story_part(s, "%s id %s until ", mode, json_word(sts, "id"));
        story_day(&s->text, json_number_of(sts, "expires"));
    }
    if (error[0])
        story_part(s, " (%s)", error);
}

static void story_route_hosts(struct story *s, const json_t *route)
{
    const json_t *one;
    size_t i;
    json_array_foreach (json_object_get(route, "mx"), i, one)
        story_part(s, "%s%s %lld", i ? ", " : "", json_word(one, "host"),
                   (long long)json_number_of(one, "preference"));
    if (!i)
        buf_adds(&s->text, "no host");
}

static void story_route_memory(struct story *s, const json_t *route)
{
    const json_t *one;
    size_t i;
    json_array_foreach (json_object_get(route, "memory"), i, one)
        story_part(s, "%s%s has proved %s", i ? ", " : "", json_word(one, "host"),
                   json_word(one, "proved"));
}

static void rule(struct story *s, const json_t *route)
{
    const json_t *one = json_object_get(route, "rule");
    if (!json_is_object(one))
        return;
    story_part(s, "; rule for %s", json_word(one, "domain"));
    if (json_word(one, "tls")[0])
        story_part(s, " (tls %s)", json_word(one, "tls"));
    if (json_word(one, "reason")[0])
        story_part(s, ": %s", json_word(one, "reason"));
}

static void tell_host(struct story *s, const json_t *host)
{
    story_part(s, "%s (DNSSEC %s) ", json_word(host, "host"), json_word(host, "dnssec"));
    story_route_demand(s, host);
}

static void whole(struct story *s, const json_t *route)
{
    const json_t *one;
    size_t i;
    story_part(s, "%s: ", json_word(route, "domain"));
    json_array_foreach (json_object_get(route, "mx"), i, one) {
        buf_adds(&s->text, i ? "; " : "");
        tell_host(s, one);
    }
    if (!i)
        story_route_hosts(s, route);
    buf_adds(&s->text, "; MTA-STS ");
    story_route_policy(s, route);
    rule(s, route);
    if (json_array_size(json_object_get(route, "memory"))) {
        buf_adds(&s->text, "; ");
        story_route_memory(s, route);
    }
    if (json_word(route, "reason")[0])
        story_part(s, "; %s: %s", json_word(route, "verdict"), json_word(route, "reason"));
    story_say(s, "route", STORY_PLAIN);
}

// Both texts of a member that differs, with an arrow between.
static void change(struct story *s, const json_t *before, const json_t *now, const char *what,
                   void (*tell)(struct story *s, const json_t *route))
{
    struct buf all;
    buf_init(&all, s->text.max);
    buf_move(&all, &s->text);
    buf_init(&s->text, all.max);
    tell(s, before);
    struct buf old;
    buf_init(&old, all.max);
    buf_move(&old, &s->text);
    buf_init(&s->text, all.max);
    tell(s, now);
    bool same = span_equal(buf_span(&old), buf_span(&s->text));
    if (!same) {
        buf_addf(&all, "%s%s ", all.len ? "; " : "", what);
        buf_addspan(&all, buf_span(&old));
        buf_adds(&all, old.len ? " -> " : "-> ");
        buf_addspan(&all, buf_span(&s->text));
    }
    buf_free(&old);
    buf_move(&s->text, &all);
}

static void changes(struct story *s, const json_t *before, const json_t *now)
{
    const json_t *one;
    size_t i;
    change(s, before, now, "hosts", story_route_hosts);
    change(s, before, now, "MTA-STS", story_route_policy);
    json_array_foreach (json_object_get(now, "mx"), i, one) {
        const json_t *old = host_named(before, json_word(one, "host"));
        if (old)
            change(s, old, one, json_word(one, "host"), story_route_demand);
    }
    change(s, before, now, "memory", story_route_memory);
    if (!s->text.len && strcmp(json_word(before, "reason"), json_word(now, "reason")) != 0)
        story_part(s, "%s %s", json_word(now, "verdict"), json_word(now, "reason"));
    story_say(s, "changed", STORY_WAIT);
}

void story_route(struct story *s, const json_t *route)
{
    if (!json_object_size(route) || json_equal(route, s->route))
        return;
    bool same_domain = strcmp(json_word(route, "domain"), json_word(s->route, "domain")) == 0;
    if (s->route && same_domain)
        changes(s, s->route, route);
    else
        whole(s, route);
    json_decref(s->route);
    s->route = json_incref((json_t *)(uintptr_t)route);
}
