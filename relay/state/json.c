// SPDX-License-Identifier: ISC
// The ledger as JSON: questions read, rows written.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/state/json.h"
#include "relay/log/json.h"
#include "tls/report.h"
#include "tls/sts.h"

// NULL where it is not asked for.
static const char *chosen(const json_t *request, const char *key)
{
    const char *text = json_string_value(json_object_get(request, key));
    return text && text[0] ? text : NULL;
}

const char *state_outcome_word(enum state_outcome outcome)
{
    static const char *const words[STATE_OUTCOMES] = {"", "refused", "shadow", "went-on"};
    return words[outcome];
}

static int read_policy(const char *word, struct state_query *query, struct why *why)
{
    query->policy = word ? POLICY_TLSA + 1 : 0;
    while (query->policy &&
           strcmp(word, policy_type_word((enum policy_type)(query->policy - 1))) != 0)
        query->policy--;
    if (word && !query->policy)
        return why_set(why, WHY_OURS, "5.5.4", "'%s' is none of tlsa, sts, no-policy-found", word);
    return 0;
}

static int read_outcome(const char *word, struct state_query *query, struct why *why)
{
    query->outcome = word ? STATE_OUTCOMES - 1 : STATE_ANY;
    while (query->outcome && strcmp(word, state_outcome_word(query->outcome)) != 0)
        query->outcome--;
    if (word && !query->outcome)
        return why_set(why, WHY_OURS, "5.5.4", "'%s' is none of refused, shadow, went-on", word);
    return 0;
}

static int read_choice(const json_t *request, struct state_query *query, struct why *why)
{
    query->host = chosen(request, "host");
    query->words = chosen(request, "words");
    query->until_ms = json_integer_value(json_object_get(request, "until"));
    if (read_policy(chosen(request, "policy"), query, why) < 0)
        return -1;
    return read_outcome(chosen(request, "result"), query, why);
}

int tls_query_read(const json_t *request, enum state_view view, struct state_query *query,
                   struct why *why)
{
    const char *type = json_string_value(json_object_get(request, "type"));
    const char *domain = json_string_value(json_object_get(request, "domain"));
    const char *day = json_string_value(json_object_get(request, "day"));
    *query = (struct state_query){.view = view, .result = -1};
    query->domain = domain;
    query->since_ms = json_integer_value(json_object_get(request, "since"));
    query->after = json_integer_value(json_object_get(request, "after"));
    json_int_t limit = json_integer_value(json_object_get(request, "limit"));
    query->limit = limit > 0 && limit < STATE_ROWS ? (size_t)limit : STATE_ROWS;
    if (type) {
        query->result = (int)why_tls_parse(type);
        if (query->result == WHY_TLS_NONE)
            return why_set(why, WHY_OURS, "5.5.4", "'%s' is no result type of RFC 8460", type);
    }
    if (view == STATE_FAILURES && read_choice(request, query, why) < 0)
        return -1;
    if (view == STATE_REPORT && (!day || ledger_day_parse(day, &query->day) < 0))
        return why_set(why, WHY_OURS, "5.5.4", "'%s' is no day, as in 2026-11-21", day ? day : "");
    return 0;
}

static void put_common(json_t *j, const struct ledger_entry *f)
{
    json_put_text(j, "domain", f->domain);
    json_put_text(j, "type",
                  f->result == WHY_TLS_NONE ? (f->refused ? "refused" : "success")
                                            : why_tls_word(f->result));
    json_put_text(j, "host", f->mx_host);
    json_object_set_new(j, "refused", json_boolean(f->refused));
    json_object_set_new(j, "shadow", json_boolean(f->shadow));
    json_put_text(j, "policy", policy_type_word(f->policy_type));
    json_put_text(j, "policy_domain", f->policy_domain);
    json_put_text(j, "demand", f->demand);
    json_put_text(j, "source", f->source);
    json_put_text(j, "proof", f->proof);
}

static json_t *failure_json(const struct ledger_row *row)
{
    const struct ledger_entry *f = row->entry;
    char when[40], id[ID_TEXT] = "";
    json_t *j = json_object();
    clock_rfc3339(f->time_ms, when);
    if (f->id)
        id_text(f->id, id);
    json_put_text(j, "time", when);
    put_common(j, f);
    json_put_text(j, "ip", f->mx_ip);
    json_put_text(j, "local_ip", f->local_ip);
    json_put_text(j, "helo", f->mx_helo);
    json_put_text(j, "protocol", f->protocol);
    json_put_text(j, "cipher", f->cipher);
    json_put_text(j, "reason", f->reason);
    json_put_text(j, "id", id);
    json_put_number(j, "number", row->number);
    if (!row->number) // of a fleet: many in one row
        json_put_number(j, "sessions", (int64_t)row->count);
    return j;
}

// The mode of an MTA-STS policy: `testing` failures are watched, `enforce` ones count.
static const char *mode_of(const struct ledger_entry *f)
{
    struct span rest = span_text(f->policy_string), line;
    while (f->policy_type == POLICY_STS && rest.n) {
        if (!span_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = span_of(NULL, 0);
        }
        if (span_starts_nocase(line, "mode:")) {
            struct span mode = span_trim(span_from(line, 5));
            return span_is(mode, "enforce") ? "enforce" : span_is(mode, "testing") ? "testing" : "";
        }
    }
    return "";
}

static json_t *sum_json(const struct ledger_row *row)
{
    char day[16], last[40];
    json_t *j = json_object();
    ledger_day_text(row->day, day);
    clock_rfc3339(row->entry->time_ms, last);
    json_put_text(j, "day", day);
    put_common(j, row->entry);
    json_put_text(j, "mode", mode_of(row->entry));
    json_put_number(j, "sessions", (int64_t)row->count);
    json_put_text(j, "last", last);
    return j;
}

json_t *tls_rows_json(const struct ledger_rows *rows, enum state_view view)
{
    json_t *list = json_array(), *j = json_object();
    for (size_t i = 0; i < rows->n; i++)
        json_array_append_new(list, view == STATE_FAILURES ? failure_json(&rows->at[i])
                                                           : sum_json(&rows->at[i]));
    json_object_set_new(j, "rows", list);
    return j;
}

struct report_sender state_report_sender(const struct config *config)
{
    return (struct report_sender){.organization = config->tls_report.organization,
                                  .contact = config->tls_report.contact,
                                  .hostname = config->hostname,
                                  .node = config->fleet.database[0] ? config->fleet.name : ""};
}

json_t *tls_reports_json(const struct ledger_rows *rows, int64_t day, const struct config *config)
{
    const struct report_sender sender = state_report_sender(config);
    json_t *list = json_array(), *j = json_object();
    for (size_t i = 0; i < rows->n;) {
        size_t n = report_rows(&rows->at[i], rows->n - i);
        const char *domain = rows->at[i].entry->domain;
        char *report = report_json(&sender, domain, day, &rows->at[i], n);
        json_t *one = json_object();
        json_put_text(one, "domain", domain);
        json_put_text(one, "text", report);
        json_array_append_new(list, one);
        free(report);
        i += n;
    }
    json_object_set_new(j, "reports", list);
    return j;
}

json_t *shadow_json(const struct shadow_rows *rows)
{
    json_t *list = json_array(), *j = json_object();
    for (size_t i = 0; i < rows->n; i++) {
        const struct shadow_row *row = &rows->at[i];
        json_t *one = json_object();
        json_put_text(one, "domain", row->domain);
        json_put_text(one, "host", row->host);
        json_put_text(one, "why", row->why);
        json_put_text(one, "type", row->type);
        json_put_text(one, "reason", row->text);
        json_put_number(one, "sessions", row->sessions);
        json_put_number(one, "messages", row->messages);
        json_put_number(one, "recipients", row->recipients);
        json_put_number(one, "bytes", row->bytes);
        json_put_number(one, "clear", row->clear);
        json_put_number(one, "unproved", row->unproved);
        json_put_number(one, "last", row->last_ms / 1000);
        json_array_append_new(list, one);
    }
    json_object_set_new(j, "rows", list);
    return j;
}

int sending_query_read(const json_t *request, struct sending_query *query, struct why *why)
{
    const char *day = json_string_value(json_object_get(request, "day"));
    json_int_t since = json_integer_value(json_object_get(request, "since"));
    *query = (struct sending_query){.domain = json_string_value(json_object_get(request, "domain")),
                                    .day = since ? ledger_day(since) : INT64_MIN,
                                    .before = INT64_MAX};
    if (!day)
        return 0;
    if (ledger_day_parse(day, &query->day) < 0)
        return why_set(why, WHY_OURS, "5.5.4", "'%s' is no day, as in 2026-11-21", day);
    query->before = query->day + 1;
    return 0;
}

static void put_moment(json_t *j, const char *key, int64_t ms)
{
    char when[40] = "";
    if (ms)
        clock_rfc3339(ms, when);
    json_put_text(j, key, when);
}

static json_t *sending_json(const struct sending *s)
{
    char day[16], id[ID_TEXT] = "";
    json_t *j = json_object();
    ledger_day_text(s->day, day);
    if (s->message)
        id_text(s->message, id);
    bool record = !s->rua[0];
    json_put_text(j, "day", day);
    json_put_text(j, "domain", s->domain);
    json_put_text(j, "to", s->rua);
    json_put_text(j, "state",
                  record && s->state == SENDING_DONE ? "found" : sending_state_word(s->state));
    json_put_number(j, "attempts", s->attempts);
    put_moment(j, "changed", s->changed_ms);
    put_moment(j, "next", s->state == SENDING_WAITS ? s->next_ms : 0);
    json_put_text(j, "id", id);
    json_put_text(j, "answer", s->answer);
    json_object_set_new(j, "by_hand", json_boolean(s->by_hand));
    return j;
}

json_t *sendings_json(const struct sendings *all)
{
    json_t *list = json_array(), *j = json_object();
    for (size_t i = 0; i < all->n; i++)
        json_array_append_new(list, sending_json(&all->at[i]));
    json_object_set_new(j, "rows", list);
    return j;
}

static void state_json_add_policy(void *arg, const struct sts_row *row)
{
    struct sts_policy policy;
    struct why why = {0};
    json_t *j = json_object();
    bool sound = sts_policy_parse(span_text(row->text), &policy, &why) == 0;
    json_put_text(j, "domain", row->domain);
    json_put_text(j, "mode", sound ? sts_mode_word(policy.mode) : "");
    json_put_text(j, "id", row->id);
    json_put_number(j, "fetched", row->fetched_s);
    json_put_number(j, "expires", row->expires_s);
    json_put_text(j, "policy", row->text);
    json_put_text(j, "error", sound ? "" : why.text);
    if (sound)
        sts_policy_free(&policy);
    json_array_append_new(json_object_get(arg, "policies"), j);
}

static void state_json_add_memory(void *arg, const char *domain, const struct memory_row *row)
{
    static const char *const owes[] = {"nothing", "tls", "certificate"};
    json_t *j = json_object();
    json_put_text(j, "domain", domain);
    json_put_text(j, "host", row->host);
    json_put_text(j, "proved", owes[row->owes]);
    json_object_set_new(j, "dane", json_boolean(row->dane));
    json_put_number(j, "seen", row->seen_s);
    json_array_append_new(json_object_get(arg, "memory"), j);
}

json_t *tls_policies_json(const char *state_file, struct why *why)
{
    json_t *j = json_pack("{s:[], s:[]}", "policies", "memory");
    if (state_read(state_file, state_json_add_policy, state_json_add_memory, j, why) == 0)
        return j;
    json_decref(j);
    return NULL;
}
