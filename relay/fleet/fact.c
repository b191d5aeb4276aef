// SPDX-License-Identifier: ISC
// Reading facts, each kind by its own rule.
#include "relay/fleet/fact.h"

#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/mem.h"
#include "tls/sts.h"

#define FACT_WINDOW 100000             // connections
#define FACT_PACE   1e9                // messages a minute
#define FACT_LINE   600                // bytes of what a site said
#define FACT_TIME   ((int64_t)1 << 53) // no moment of ours is as late, in ms

static int nonsense(struct why *why, const char *what)
{
    return why_set(why, WHY_OURS, "4.3.0", "this is no %s", what);
}

static bool is_domain(const char *text)
{
    char *canonical = NULL;
    struct why why;
    bool same =
        value_domain(span_text(text), &canonical, &why) == 0 && strcmp(canonical, text) == 0;
    free(canonical);
    return same;
}

// One line that no screen obeys.
static bool fact_is_line(const char *text, size_t most)
{
    size_t n = strlen(text);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return false;
    return n < most;
}

static bool fact_number(const struct fact *f, size_t i, int64_t most, int64_t *out)
{
    const json_t *j = json_array_get(f->body, i);
    *out = json_integer_value(j);
    return json_is_integer(j) && *out >= 0 && *out <= most;
}

static const char *fact_text(const struct fact *f, size_t i)
{
    return json_string_value(json_array_get(f->body, i)); // NULL: it is none
}

// [id, text, fetched, expires]. What it says must be a policy, in force no longer than that says.
static int read_policy(struct fact *f, int64_t now_s, struct why *why)
{
    const char *id = fact_text(f, 0), *text = fact_text(f, 1);
    int64_t fetched, expires;
    struct sts_policy policy;
    if (!is_domain(f->first) || f->second[0] || json_array_size(f->body) != 4 || !id || !text ||
        !id[0] || strlen(id) > STS_ID_MAX ||
        id[strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")] ||
        !fact_number(f, 2, now_s + FACT_AHEAD, &fetched) ||
        !fact_number(f, 3, FACT_TIME / 1000, &expires) ||
        sts_policy_parse(span_text(text), &policy, why) < 0)
        return nonsense(why, "policy");
    int64_t age = policy.max_age < 60 ? 60 : (int64_t)policy.max_age;
    sts_policy_free(&policy);
    f->at_ms = fetched * 1000;
    if (fetched > now_s) // a clock that is ahead makes nothing last longer
        fetched = now_s;
    if (expires > fetched + age)
        expires = fetched + age;
    f->policy = (struct sts_row){f->first, id, text, fetched, expires};
    return 0;
}

// [owes, dane, seen]
static int read_memory(struct fact *f, int64_t now_s, struct why *why)
{
    int64_t owes, dane, seen;
    if (!is_domain(f->first) || !is_domain(f->second) || json_array_size(f->body) != 3 ||
        !fact_number(f, 0, OWES_CERTIFICATE, &owes) || !fact_number(f, 1, 1, &dane) ||
        !fact_number(f, 2, now_s + FACT_AHEAD, &seen) || (!owes && !dane))
        return nonsense(why, "memory of a host");
    f->memory = (struct memory_row){f->second, seen < now_s ? seen : now_s, (enum memory_owes)owes,
                                    dane != 0};
    f->at_ms = seen * 1000;
    return 0;
}

static bool is_suppressed_name(const struct fact *f)
{
    char name[SUPPRESS_NAME];
    struct why why;
    return (!f->first[0] || is_domain(f->first)) &&
           suppress_name(span_text(f->second), name, &why) == 0 && strcmp(name, f->second) == 0;
}

// [origin, since, until, reason]
static int read_suppressed(struct fact *f, int64_t now_s, struct why *why)
{
    int64_t origin, since, until;
    const char *reason = fact_text(f, 3);
    if (!is_suppressed_name(f) || json_array_size(f->body) != 4 || !reason ||
        !fact_is_line(reason, SUPPRESS_REASON) || !fact_number(f, 0, SUPPRESS_IMPORT, &origin) ||
        !fact_number(f, 1, (now_s + FACT_AHEAD) * 1000, &since) ||
        !fact_number(f, 2, FACT_TIME, &until))
        return nonsense(why, "suppressed address");
    f->suppressed = (struct suppressed_row){f->first, f->second, (enum suppress_origin)origin,
                                            since,    until,     reason};
    f->at_ms = since;
    return 0;
}

// [since, until, failures]
static int read_ban(struct fact *f, int64_t now_s, struct why *why)
{
    int64_t since, until, failures;
    bool client = strcmp(f->first, "0") == 0;
    if ((!client && strcmp(f->first, "1") != 0) || !f->second[0] ||
        !fact_is_line(f->second, FACT_KEY) || json_array_size(f->body) != 3 ||
        !fact_number(f, 0, (now_s + FACT_AHEAD) * 1000, &since) ||
        !fact_number(f, 1, FACT_TIME, &until) || !fact_number(f, 2, FACT_TIME, &failures))
        return nonsense(why, "ban");
    f->ban = (struct ban){client ? BAN_CLIENT : BAN_USER, f->second, since, until,
                          (uint64_t)(failures ? failures : 1)};
    f->at_ms = since;
    return 0;
}

static bool fact_real(const struct fact *f, size_t i, double *out)
{
    const json_t *j = json_array_get(f->body, i);
    *out = json_number_value(j);
    return json_is_number(j) && *out >= 0 && *out <= FACT_PACE;
}

// A text of the site's own, empty where no screen should have it.
static char *fact_line(const struct fact *f, size_t i)
{
    static char none[] = "";
    const char *text = fact_text(f, i);
    return text && fact_is_line(text, FACT_LINE) ? (char *)(uintptr_t)text : none;
}

// [window, pace, fast, taught, taught at, host, status, reply, text]. Only that it asked for less is told.
static int read_site(struct fact *f, int64_t now_s, struct why *why)
{
    int64_t window, taught, at;
    double pace, fast;
    if (!f->first[0] || f->second[0] || !fact_is_line(f->first, FACT_KEY) ||
        json_array_size(f->body) != 9 || !fact_number(f, 0, FACT_WINDOW, &window) ||
        !fact_real(f, 1, &pace) || !fact_real(f, 2, &fast) || !fact_number(f, 3, 3, &taught) ||
        taught < 2 || !fact_number(f, 4, (now_s + FACT_AHEAD) * 1000, &at))
        return nonsense(why, "lesson of a site");
    f->at_ms = at;
    f->site = (struct site_row){.site = f->first,
                                .window = (unsigned)window,
                                .pace = pace,
                                .fast = fast,
                                .taught = (int)taught,
                                .taught_ms = at < now_s * 1000 ? at : now_s * 1000,
                                .host = fact_line(f, 5),
                                .status = fact_line(f, 6),
                                .reply = fact_line(f, 7),
                                .text = fact_line(f, 8)};
    return 0;
}

static int read_body(struct fact *f, int64_t now_s, struct why *why)
{
    switch (f->kind) {
    case SHARED_POLICY:
        return read_policy(f, now_s, why);
    case SHARED_MEMORY:
        return read_memory(f, now_s, why);
    case SHARED_SUPPRESSED:
        return read_suppressed(f, now_s, why);
    case SHARED_BAN:
        return read_ban(f, now_s, why);
    case SHARED_SITE:
        return read_site(f, now_s, why);
    default:
        return nonsense(why, "kind of fact");
    }
}

// A policy is never taken out, it expires; the other keys have the form that their rows have.
static int read_gone(struct fact *f, int64_t now_ms, struct why *why)
{
    bool good = (f->kind == SHARED_MEMORY && is_domain(f->first) && is_domain(f->second)) ||
                (f->kind == SHARED_SUPPRESSED && is_suppressed_name(f)) ||
                (f->kind == SHARED_BAN && f->second[0] &&
                 (strcmp(f->first, "0") == 0 || strcmp(f->first, "1") == 0));
    if (!good || f->at_ms < 0 || f->at_ms > now_ms + FACT_AHEAD * 1000)
        return nonsense(why, "row that can be taken out");
    if (f->at_ms > now_ms)
        f->at_ms = now_ms;
    return 0;
}

int fact_read(enum shared_kind kind, const char *key, const char *body, int64_t at_ms,
              int64_t now_ms, struct fact *out, struct why *why)
{
    struct span first = span_text(key), second = {0};
    *out = (struct fact){.kind = kind, .gone = !body, .at_ms = at_ms};
    if (strlen(key) > FACT_KEY || (body && strlen(body) > FACT_BODY))
        return nonsense(why, "fact: it is too long");
    span_cut(span_text(key), '\n', &first, &second);
    out->first = span_dup(first);
    out->second = span_dup(second);
    if (!body)
        return read_gone(out, now_ms, why);
    out->body = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    return json_is_array(out->body) ? read_body(out, now_ms / 1000, why)
                                    : nonsense(why, "fact: it is no JSON array");
}

void fact_free(struct fact *f)
{
    free(f->first);
    free(f->second);
    json_decref(f->body);
    *f = (struct fact){.gone = true};
}
