// SPDX-License-Identifier: ISC
// Pages of the table `ledger`, the newest days first; what is asked for of their rows is chosen here.
#include "relay/fleet/ledger_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/fleet/asker.h"
#include "relay/fleet/ledger_text.h"
#include "relay/log/json.h"
#include "relay/state/json.h"

#define PAGE        "500"
#define PAGE_ROWS   500
#define APPLICATION "waxwing tls --fleet"
// $1: a domain, "*.domain", or NULL
#define OF_DOMAIN                                                                                  \
    "($1::text IS NULL OR domain = $1 OR (left($1, 2) = '*.' AND"                                  \
    " right(domain, length($1) - 1) = substr($1, 2)))"

// Until all is read, what is the matter passes.
static int look_open(struct asker *a, const struct config *config, int *exit_status,
                     struct why *why)
{
    int rc = asker_open(a, config, APPLICATION, exit_status, why);
    if (rc == 0)
        *exit_status = EXIT_TEMP;
    return rc;
}

// ---- what is asked for

// The name itself; "*.example.org": one below it.
static bool is_of(const char *name, const char *wanted)
{
    size_t n = strlen(name), m = wanted ? strlen(wanted) : 0;
    if (!wanted || strcmp(name, wanted) == 0)
        return true;
    return strncmp(wanted, "*.", 2) == 0 && n >= m && strcmp(name + n - (m - 1), wanted + 1) == 0;
}

static bool has_words(const struct ledger_entry *f, const char *words)
{
    struct buf all;
    if (!words)
        return true;
    buf_init(&all, 65536);
    buf_addf(&all, "%s %s %s %s %s %s %s", f->domain, f->mx_host, f->mx_ip, why_tls_word(f->result),
             f->demand, f->source, f->reason);
    char *in = span_dup_lower(buf_span(&all)), *wanted = span_dup_lower(span_text(words));
    buf_free(&all);
    bool has = strstr(in, wanted) != NULL;
    free(in);
    free(wanted);
    return has;
}

static enum state_outcome outcome_of(const struct ledger_entry *f)
{
    return f->refused ? STATE_REFUSED : f->shadow ? STATE_SHADOWED : STATE_WENT_ON;
}

static bool look_is_wanted(const struct ledger_entry *f, const struct state_query *q)
{
    if (q->view == STATE_REPORT)
        return true;
    if ((q->result >= 0 && f->result != (enum why_tls)q->result) || f->time_ms < q->since_ms)
        return false;
    if (q->view != STATE_FAILURES)
        return true;
    return (f->result != WHY_TLS_NONE || f->refused) && is_of(f->mx_host, q->host) &&
           has_words(f, q->words) && (!q->policy || (int)f->policy_type == q->policy - 1) &&
           (q->outcome == STATE_ANY || q->outcome == outcome_of(f)) &&
           (!q->until_ms || f->time_ms < q->until_ms);
}

static void keep_wanted(struct ledger_rows *page, const struct state_query *q,
                        struct ledger_rows *out)
{
    for (size_t i = 0; i < page->n; i++)
        if (out->n < STATE_ROWS && look_is_wanted(page->at[i].entry, q))
            ledger_rows_add(out, &page->at[i]);
        else
            ledger_entry_free(page->at[i].entry);
    page->n = 0;
}

// ---- pages

// Behind which page the next one begins.
struct place {
    char day[SESSION_NUMBER];
    char *domain, *generation;
};

static void place_set(struct place *place, const char *day, const char *domain,
                      const char *generation)
{
    snprintf(place->day, sizeof place->day, "%s", day);
    free(place->domain);
    free(place->generation);
    place->domain = mem_dup(domain);
    place->generation = mem_dup(generation);
}

static void look_read_page(const struct rows *rows, const struct state_query *q,
                           struct ledger_rows *out)
{
    struct why why; // its nodes tell of it
    for (size_t i = 0; i < rows_count(rows); i++) {
        struct ledger_rows page = {0};
        if (ledger_text_read(rows_text(rows, i, 3), rows_number(rows, i, 0), rows_text(rows, i, 1),
                             &page, &why) == 0)
            keep_wanted(&page, q, out);
        ledger_rows_free(&page);
    }
}

// *more: there may be a further page.
static int look_page(struct session *s, const struct state_query *q, struct place *place,
                     struct ledger_rows *out, bool *more, struct why *why)
{
    char first[SESSION_NUMBER], last[SESSION_NUMBER];
    bool one = q->view == STATE_REPORT;
    const char *const params[] = {q->domain,  first,         last,
                                  place->day, place->domain, place->generation};
    struct rows *rows = NULL;
    session_number(first, one ? q->day : ledger_day(q->since_ms));
    session_number(last, one ? q->day : (int64_t)INT32_MAX);
    if (session_run(s,
                    "SELECT day, domain, generation, body FROM waxwing.ledger WHERE " OF_DOMAIN
                    " AND day BETWEEN $2::integer AND $3::integer"
                    " AND (-day, domain, generation) > (-$4::integer, $5, $6)"
                    " ORDER BY -day, domain, generation LIMIT " PAGE,
                    params, 6, &rows, why) < 0)
        return -1;
    size_t n = rows_count(rows);
    look_read_page(rows, q, out);
    if (n)
        place_set(place, rows_text(rows, n - 1, 0), rows_text(rows, n - 1, 1),
                  rows_text(rows, n - 1, 2));
    *more = n == PAGE_ROWS && out->n < STATE_ROWS;
    rows_free(rows);
    return 0;
}

static int look_all(struct session *s, const struct state_query *q, struct ledger_rows *out,
                    struct why *why)
{
    struct place place = {.domain = NULL};
    bool more = true;
    int rc = 0;
    place_set(&place, "2147483647", "", "");
    while (more && rc == 0)
        rc = look_page(s, q, &place, out, &more, why);
    free(place.domain);
    free(place.generation);
    return rc;
}

static int ledger_look_latest_first(const void *a, const void *b)
{
    int64_t one = ((const struct ledger_row *)a)->entry->time_ms,
            two = ((const struct ledger_row *)b)->entry->time_ms;
    return one < two ? 1 : one > two ? -1 : 0;
}

static void cut_to(struct ledger_rows *rows, size_t limit)
{
    while (limit && rows->n > limit)
        ledger_entry_free(rows->at[--rows->n].entry);
}

static int look_in(struct session *s, const struct state_query *q, struct ledger_rows *out,
                   struct why *why)
{
    if (look_all(s, q, out, why) < 0) {
        ledger_rows_free(out);
        return -1;
    }
    if (q->view == STATE_FAILURES && out->n)
        qsort(out->at, out->n, sizeof *out->at, ledger_look_latest_first);
    if (q->view == STATE_FAILURES)
        cut_to(out, q->limit);
    return 0;
}

int ledger_look(const struct config *config, const struct state_query *query,
                struct ledger_rows *out, int *exit_status, struct why *why)
{
    *out = (struct ledger_rows){0};
    struct asker a;
    int rc =
        look_open(&a, config, exit_status, why) == 0 ? look_in(a.session, query, out, why) : -1;
    asker_close(&a);
    if (rc == 0)
        *exit_status = EXIT_YES;
    return rc;
}

// ---- reports

// The id that it was claimed with; NULL: it was not. -1 with why.
static int look_id(struct session *s, int64_t day, const char *domain, char **out, struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {number, domain};
    struct rows *rows = NULL;
    session_number(number, day);
    if (session_run(s,
                    "SELECT report_id FROM waxwing.report WHERE day = $1::integer AND domain = $2"
                    " AND report_id <> '' LIMIT 1",
                    params, 2, &rows, why) < 0)
        return -1;
    *out = rows_count(rows) ? mem_dup(rows_text(rows, 0, 0)) : NULL;
    rows_free(rows);
    return 0;
}

static int add_report(struct session *s, const struct config *config, int64_t day,
                      const struct ledger_row *rows, size_t n, json_t *list, struct why *why)
{
    const char *domain = rows[0].entry->domain;
    struct report_sender sender = state_report_sender(config);
    char *id = NULL;
    if (look_id(s, day, domain, &id, why) < 0)
        return -1;
    sender.node = NULL;
    sender.id = id;
    char *text = report_json(&sender, domain, day, rows, n);
    json_array_append_new(
        list, json_pack("{s:o, s:o}", "domain", json_text(domain), "text", json_text(text)));
    free(text);
    free(id);
    return 0;
}

json_t *ledger_look_reports(const struct config *config, const struct state_query *query,
                            int *exit_status, struct why *why)
{
    struct ledger_rows rows = {0};
    struct asker a;
    int rc =
        look_open(&a, config, exit_status, why) == 0 ? look_in(a.session, query, &rows, why) : -1;
    json_t *list = json_array();
    for (size_t i = 0, n; i < rows.n && rc == 0; i += n) {
        n = report_rows(&rows.at[i], rows.n - i);
        rc = add_report(a.session, config, query->day, &rows.at[i], n, list, why);
    }
    ledger_rows_free(&rows);
    asker_close(&a);
    if (rc == 0)
        *exit_status = EXIT_YES;
    json_t *j = rc == 0 ? json_pack("{s:O}", "reports", list) : NULL;
    json_decref(list);
    return j;
}

// ---- claims

static const char *look_word(const char *state)
{
    return strcmp(state, "claimed") == 0 ? "waiting"
           : strcmp(state, "going") == 0 ? "sending"
                                         : state;
}

static json_t *claim_of(const struct rows *rows, size_t i)
{
    char day[16], changed[40], id[ID_TEXT] = "";
    ledger_day_text(rows_number(rows, i, 0), day);
    clock_rfc3339(rows_number(rows, i, 5), changed);
    uint64_t message = (uint64_t)strtoll(rows_text(rows, i, 6), NULL, 10);
    if (message)
        id_text(message, id);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:o}", "day", day, "domain",
                     json_text(rows_text(rows, i, 1)), "to", json_text(rows_text(rows, i, 2)),
                     "state", json_text(look_word(rows_text(rows, i, 3))), "node",
                     json_text(rows_text(rows, i, 4)), "changed", changed, "id", id, "report_id",
                     json_text(rows_text(rows, i, 7)), "answer", json_text(rows_text(rows, i, 8)));
}

json_t *ledger_look_claims(const struct config *config, const struct sending_query *query,
                           int *exit_status, struct why *why)
{
    char first[SESSION_NUMBER], before[SESSION_NUMBER], most[SESSION_NUMBER];
    const char *const params[] = {query->domain, first, before, most};
    struct rows *rows = NULL;
    session_number(first, query->day < 0 ? 0 : query->day);
    session_number(before, query->before > INT32_MAX ? INT32_MAX : query->before);
    session_number(most, STATE_ROWS);
    struct asker a;
    int rc =
        look_open(&a, config, exit_status, why) == 0
            ? session_run(a.session,
                          "SELECT day, domain, rua, state, coalesce(n.name, 'node ' || r.node),"
                          " (extract(epoch FROM changed) * 1000)::bigint, message, report_id,"
                          " answer FROM waxwing.report AS r LEFT JOIN waxwing.node AS n"
                          " ON n.number = r.node WHERE " OF_DOMAIN
                          " AND day >= $2::integer AND day < $3::integer"
                          " ORDER BY day DESC, domain, rua LIMIT $4::integer",
                          params, 4, &rows, why)
            : -1;
    json_t *list = json_array();
    for (size_t i = 0; rc == 0 && i < rows_count(rows); i++)
        json_array_append_new(list, claim_of(rows, i));
    if (rc == 0)
        rows_free(rows);
    asker_close(&a);
    if (rc == 0)
        *exit_status = EXIT_YES;
    json_t *j = rc == 0 ? json_pack("{s:O}", "rows", list) : NULL;
    json_decref(list);
    return j;
}
