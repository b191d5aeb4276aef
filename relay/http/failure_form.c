// SPDX-License-Identifier: ISC
#include "relay/http/failure_form.h"

#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/http/form.h"
#include "relay/http/views.h"
#include "relay/log/json.h"
#include "relay/state/json.h"

const char *failure_outcome(enum state_outcome outcome)
{
    static const char *const texts[STATE_OUTCOMES] = {"any result", "refused",
                                                      "would have been refused", "went on"};
    return texts[outcome];
}

static int failure_form_put_text(json_t *request, const char *name, const char *text,
                                 struct why *why)
{
    if (strlen(text) > FORM_TEXT)
        return why_set(why, WHY_OURS, "5.5.4", "%s: longer than %d bytes", name, FORM_TEXT);
    if (text[0])
        json_object_set_new(request, name, json_text(text));
    return 0;
}

// A name is asked for as it is kept: in lower case, as A-labels.
static int failure_form_put_name(json_t *request, const char *name, const char *text,
                                 struct why *why)
{
    char *rule;
    if (!text[0])
        return 0;
    if (value_rule(span_text(text), &rule, why) < 0)
        return -1;
    if (strcmp(rule, "*") != 0)
        json_object_set_new(request, name, json_text(rule));
    free(rule);
    return 0;
}

// Fields as the form names them, and the verb.
static const struct {
    const char *field, *key;
    int (*put)(json_t *request, const char *name, const char *text, struct why *why);
} texts[] = {
    {"q", "words", failure_form_put_text},       {"domain", "domain", failure_form_put_name},
    {"host", "host", failure_form_put_name},     {"type", "type", failure_form_put_text},
    {"result", "result", failure_form_put_text}, {"policy", "policy", failure_form_put_text}};
#define TEXTS (sizeof texts / sizeof *texts)

static const char *argument(struct http_call *call, const char *name)
{
    const char *text = http_argument(call, name);
    return text ? text : "";
}

bool failure_form_chosen(struct http_call *call)
{
    bool chosen = argument(call, "since")[0] || argument(call, "day")[0];
    for (size_t i = 0; i < TEXTS; i++)
        chosen = chosen || argument(call, texts[i].field)[0];
    return chosen;
}

// "4h" before now, or a day's beginning.
static int put_since(json_t *request, const char *text, struct why *why)
{
    uint64_t ago;
    int64_t day;
    if (ledger_day_parse(text, &day) == 0)
        json_object_set_new(request, "since", json_integer(day * LEDGER_DAY_MS));
    else if (value_duration(span_text(text), &ago, why) == 0)
        json_object_set_new(request, "since", json_integer(clock_ms() - (int64_t)ago));
    else
        return -1;
    return 0;
}

static int put_day(json_t *request, const char *text, struct why *why)
{
    int64_t day, since = json_integer_value(json_object_get(request, "since"));
    char quoted[VALUE_QUOTE];
    if (ledger_day_parse(text, &day) < 0)
        return why_set(why, WHY_OURS, "5.5.4", "%s is no day, as in 2026-11-21",
                       value_quote(span_text(text), quoted));
    if (since < day * LEDGER_DAY_MS)
        json_object_set_new(request, "since", json_integer(day * LEDGER_DAY_MS));
    json_object_set_new(request, "until", json_integer((day + 1) * LEDGER_DAY_MS));
    return 0;
}

json_t *failure_form_request(struct http_call *call, struct why *why)
{
    json_t *request = views_newest_failures();
    const char *since = argument(call, "since"), *day = argument(call, "day");
    struct state_query query;
    int rc = 0;
    for (size_t i = 0; i < TEXTS; i++)
        rc = rc < 0 ? rc : texts[i].put(request, texts[i].key, argument(call, texts[i].field), why);
    if (rc == 0 && since[0])
        rc = put_since(request, since, why);
    if (rc == 0 && day[0])
        rc = put_day(request, day, why);
    if (rc == 0)
        rc = tls_query_read(request, STATE_FAILURES, &query, why);
    if (rc == 0)
        return request;
    json_decref(request);
    return NULL;
}

static void choose_type(struct buf *out, const char *chosen)
{
    form_choice_begin(out, "type", "Failure", chosen);
    form_choice(out, "", "any failure", chosen);
    for (int tls = WHY_TLS_NONE + 1; tls < WHY_TLS_TYPES; tls++)
        form_choice(out, why_tls_word((enum why_tls)tls), NULL, chosen);
    form_choice_end(out);
}

static void choose_result(struct buf *out, const char *chosen)
{
    form_choice_begin(out, "result", "Delivery", chosen);
    for (int i = STATE_ANY; i < STATE_OUTCOMES; i++)
        form_choice(out, state_outcome_word((enum state_outcome)i),
                    failure_outcome((enum state_outcome)i), chosen);
    form_choice_end(out);
}

static void choose_policy(struct buf *out, const char *chosen)
{
    form_choice_begin(out, "policy", "Policy", chosen);
    form_choice(out, "", "any or none", chosen);
    form_choice(out, policy_type_word(POLICY_TLSA), "DANE (tlsa)", chosen);
    form_choice(out, policy_type_word(POLICY_STS), "MTA-STS (sts)", chosen);
    form_choice(out, policy_type_word(POLICY_NONE_FOUND), "none was found", chosen);
    form_choice_end(out);
}

static void choose_since(struct buf *out, const char *chosen)
{
    static const char *const spans[][2] = {
        {"", "any time"}, {"1h", "last hour"}, {"1d", "last 24 hours"}, {"7d", "last 7 days"}};
    bool listed = false;
    form_choice_begin(out, "since", "Since", chosen);
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        form_choice(out, spans[i][0], spans[i][1], chosen);
        listed = listed || strcmp(chosen, spans[i][0]) == 0;
    }
    if (!listed)
        form_choice(out, chosen, NULL, chosen);
    form_choice_end(out);
}

void failure_form(struct http_call *call, struct buf *out)
{
    form_begin(out, "/failures", "Choose failures");
    form_text(out, "q", "Search", argument(call, "q"), "words of the reason, an address …");
    form_text(out, "domain", "Domain", argument(call, "domain"), "example.net, *.net");
    form_text(out, "host", "Host", argument(call, "host"), "mx.example.net");
    choose_type(out, argument(call, "type"));
    choose_result(out, argument(call, "result"));
    choose_policy(out, argument(call, "policy"));
    choose_since(out, argument(call, "since"));
    form_day(out, "day", "Day (UTC)", argument(call, "day"));
    form_end(out, failure_form_chosen(call) ? "/failures" : NULL);
}
