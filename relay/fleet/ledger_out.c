// SPDX-License-Identifier: ISC
// Pages, claimed reports and the book, in that order: "whole" is said behind what it is said of.
#include "relay/fleet/ledger_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/fleet/ledger_text.h"
#include "relay/log/json.h"
#include "relay/log/log.h"
#include "relay/report/schedule.h"

#define PAGES       200
#define PAGES_BYTES 1000000 // of one statement, about
#define CLEAN_MS    3600000
#define TELL_MS     3600000
#define BOOK_SILENT                                                                                \
    "1 minute" // a book that was not heard of for so long belongs to nobody who lives

// ---- the book

// `whole` -1: as it was. No day from `open` on is whole. *mine false: another relay that lives writes it.
static int write_book(struct ledger_out *out, struct session *s, int64_t whole, int64_t open,
                      bool *mine, struct why *why)
{
    char node[SESSION_NUMBER], since[SESSION_NUMBER], day[SESSION_NUMBER], last[SESSION_NUMBER];
    const char *const params[] = {
        out->generation,        node, atomic_load(&out->sends) ? "t" : "f", since,
        whole < 0 ? NULL : day, last};
    struct rows *rows = NULL;
    session_number(last, open < INT32_MAX ? open - 1 : INT32_MAX);
    session_number(node, out->node);
    session_number(since, atomic_load(&out->since));
    session_number(day, whole);
    if (session_run(s,
                    "INSERT INTO waxwing.book AS b(generation, node, sends, since, whole)"
                    " VALUES($1, $2::smallint, $3::boolean, $4::integer,"
                    " coalesce($5::integer, $4::integer - 1))"
                    " ON CONFLICT(generation) DO UPDATE SET node = excluded.node,"
                    " sends = excluded.sends, since = excluded.since,"
                    " whole = least(coalesce($5::integer, b.whole), $6::integer), at = now()"
                    " WHERE b.node = excluded.node OR b.at < now() - interval '" BOOK_SILENT
                    "' RETURNING 1",
                    params, 6, &rows, why) < 0)
        return -1;
    *mine = rows_count(rows) == 1;
    rows_free(rows);
    return 0;
}

static void begin_anew(struct ledger_out *out)
{
    struct why why;
    log_alarm("fleet", REASON_NONE,
              "the state database of this node is a copy of one that another node goes on with: "
              "what it counts from today on is told as its own, what the two have of today in "
              "common is counted twice");
    if (state_counts_anew(out->state, &why) == 0)
        out->generation[0] = out->twin[0] = 0;
    atomic_store(&out->since, -1);
}

// Under another number: this node was given another name a moment ago, or another goes on with the same database, which
// shows in that it goes on.
static int look_at_twin(struct ledger_out *out, struct session *s, struct why *why)
{
    const char *generation = out->generation;
    struct rows *rows = NULL;
    if (session_run(s, "SELECT at::text FROM waxwing.book WHERE generation = $1", &generation, 1,
                    &rows, why) < 0)
        return -1;
    const char *at = rows_count(rows) ? rows_text(rows, 0, 0) : "";
    bool lives = out->twin[0] && strcmp(out->twin, at) != 0;
    snprintf(out->twin, sizeof out->twin, "%s", at);
    rows_free(rows);
    if (lives)
        begin_anew(out);
    return 0;
}

// ---- pages

// The page as the statement wants it; NULL: there is nothing of that day any more, or too much to tell.
static json_t *page_of(const struct counts_page *page, size_t *bytes)
{
    char *text = page->rows.n ? ledger_text(&page->rows) : NULL;
    size_t n = text ? strlen(text) : 0;
    json_t *j = NULL;
    if (n > LEDGER_TEXT_MAX)
        log_alarm_once("fleet", REASON_NONE, page->domain, TELL_MS,
                       "what was counted of %s is too much for the fleet to be told", page->domain);
    else if (text)
        j = json_pack("{s:I, s:o, s:o}", "day", (json_int_t)page->day, "domain",
                      json_text(page->domain), "body", json_text(text));
    *bytes += n;
    free(text);
    return j;
}

static int push_pages(struct ledger_out *out, struct session *s, json_t *pages, struct why *why)
{
    char *text = json_dumps(pages, JSON_COMPACT);
    const char *const params[] = {text, out->generation};
    int rc =
        json_array_size(pages)
            ? session_run(s,
                          "INSERT INTO waxwing.ledger(generation, day, domain, body)"
                          " SELECT $2, n.day, n.domain, n.body FROM json_to_recordset($1::json)"
                          " AS n(day integer, domain text, body text)"
                          " ON CONFLICT(day, domain, generation)"
                          " DO UPDATE SET body = excluded.body, at = now()",
                          params, 2, NULL, why)
            : 0;
    free(text);
    json_decref(pages);
    return rc;
}

static int push_all(struct ledger_out *out, struct session *s, const struct counts *c,
                    struct why *why)
{
    int rc = 0;
    for (size_t i = 0; i < c->npages && rc == 0;) {
        json_t *pages = json_array();
        for (size_t bytes = 0; i < c->npages && bytes < PAGES_BYTES; i++) {
            json_t *page = page_of(&c->pages[i], &bytes);
            if (page)
                json_array_append_new(pages, page);
        }
        rc = push_pages(out, s, pages, why);
    }
    return rc;
}

// ---- reports

// NULL: how it stands is for the claim's own statements to tell (relay/fleet/claim.h).
static const char *ledger_out_word(const struct sending *row)
{
    static const char *const words[] = {
        [SENDING_WAITS] = "claimed", [SENDING_CLAIMED] = NULL,    [SENDING_QUEUED] = "going",
        [SENDING_DONE] = "sent",     [SENDING_FAILED] = "failed", [SENDING_UNKNOWN] = "unknown",
        [SENDING_NONE] = "failed"};
    // What may have arrived is not for others to send.
    return row->state == SENDING_WAITS && row->lost ? "going" : words[row->state];
}

// A row that a failover took away is there again; one that is another's by now stays as it is.
static int tell_report(struct ledger_out *out, struct session *s, const struct sending *row,
                       struct why *why)
{
    char day[SESSION_NUMBER], number[SESSION_NUMBER], node[SESSION_NUMBER], ms[SESSION_NUMBER],
        message[SESSION_NUMBER];
    int64_t left = row->state == SENDING_WAITS ? row->next_ms - clock_ms() : SCHEDULE_TRY_MS;
    json_t *answer = json_text(row->answer); // what a stranger said, as text that it takes
    const char *const params[] = {day,
                                  row->domain,
                                  row->rua,
                                  number,
                                  node,
                                  out->generation,
                                  ledger_out_word(row),
                                  ms,
                                  message,
                                  json_string_value(answer)};
    session_number(day, row->day);
    session_number(number, row->claim);
    session_number(node, out->node);
    session_number(ms, (left > 0 ? left : 0) + LEDGER_CLAIM_MS);
    session_number(message, (int64_t)row->message);
    int rc = session_run(
        s,
        "INSERT INTO waxwing.report AS r(day, domain, rua, report_id, number, node, generation,"
        " state, until, message, answer) VALUES($1::integer, $2, $3, '', $4::bigint, $5::smallint,"
        " $6, $7, clock_timestamp() + $8::bigint * interval '1 millisecond', $9::bigint,"
        " left($10, 1000)) ON CONFLICT(day, domain, rua) DO UPDATE SET state = excluded.state,"
        " until = excluded.until, message = excluded.message, answer = excluded.answer,"
        " changed = now() WHERE r.generation = excluded.generation AND r.number = excluded.number"
        " AND r.state IN ('claimed', 'going')",
        params, 10, NULL, why);
    json_decref(answer);
    return rc;
}

// Of a node whose mail this one took over.
static int tell_other(struct session *s, const struct counts_other *other, struct why *why)
{
    char message[SESSION_NUMBER];
    const struct sending row = {.state = other->state};
    json_t *answer = json_text(other->answer);
    const char *const params[] = {message, ledger_out_word(&row), json_string_value(answer)};
    session_number(message, (int64_t)other->message);
    int rc = session_run(s,
                         "UPDATE waxwing.report SET state = $2, answer = left($3, 1000),"
                         " changed = now() WHERE message = $1::bigint AND state = 'going'",
                         params, 3, NULL, why);
    json_decref(answer);
    return rc;
}

static int tell_reports(struct ledger_out *out, struct session *s, const struct counts *c,
                        struct why *why)
{
    int rc = 0;
    for (size_t i = 0; i < c->reports.n && rc == 0; i++)
        if (ledger_out_word(&c->reports.at[i]))
            rc = tell_report(out, s, &c->reports.at[i], why);
    for (size_t i = 0; i < c->nothers && rc == 0; i++)
        rc = tell_other(s, &c->others[i], why);
    return rc;
}

// ---- a turn

static int ledger_out_clean(struct ledger_out *out, struct session *s, struct why *why)
{
    char day[SESSION_NUMBER];
    const char *const params[] = {day};
    if (clock_mono_ms() < out->cleaned_at)
        return 0;
    out->cleaned_at = clock_mono_ms() + CLEAN_MS;
    session_number(day, ledger_day(clock_ms()) - atomic_load(&out->keep_days));
    static const char *const statements[] = {
        "DELETE FROM waxwing.ledger WHERE day < $1::integer",
        "DELETE FROM waxwing.report WHERE day < $1::integer",
        ("DELETE FROM waxwing.book AS b WHERE b.at < to_timestamp($1::integer * 86400.0)"
         " AND NOT EXISTS(SELECT FROM waxwing.ledger AS l WHERE l.generation = b.generation)")};
    int rc = 0;
    for (size_t i = 0; i < sizeof statements / sizeof *statements && rc == 0; i++)
        rc = session_run(s, statements[i], params, 1, NULL, why);
    return rc;
}

// Of which everything was in this look, and is out.
static int64_t whole_day(const struct counts *c)
{
    int64_t day = ledger_day(clock_ms() - SCHEDULE_SETTLE_MS) - 1;
    bool all = c->waiting <= c->npages || c->pages[c->npages - 1].day > day;
    return all ? day : -1;
}

static int tell_whole(struct ledger_out *out, struct session *s, const struct counts *c,
                      struct why *why)
{
    bool mine;
    int64_t day = whole_day(c);
    if (day < 0 || day == out->whole)
        return 0;
    if (write_book(out, s, day, INT64_MAX, &mine, why) < 0)
        return -1;
    out->whole = day;
    return 0;
}

static int tell(struct ledger_out *out, struct session *s, const struct counts *c, struct why *why)
{
    bool mine;
    struct why state; // what cannot be noted there goes out once more
    if (write_book(out, s, -1, c->oldest, &mine, why) < 0)
        return -1;
    if (c->oldest <= out->whole)
        out->whole = -1;
    if (!mine)
        return look_at_twin(out, s, why);
    if (push_all(out, s, c, why) < 0 || tell_reports(out, s, c, why) < 0)
        return -1;
    if (state_counts_told(out->state, c, &state) < 0)
        return 0;
    out->waiting = c->waiting > c->npages ? c->waiting - c->npages : 0;
    return tell_whole(out, s, c, why) == 0 ? ledger_out_clean(out, s, why) : -1;
}

static int ledger_out_look(struct ledger_out *out, const char *fleet, size_t limit,
                           struct counts *c)
{
    struct why why; // has an alarm of its own
    if (state_counts_look(out->state, fleet, limit, c, &why) < 0)
        return -1;
    memcpy(out->generation, c->generation, sizeof out->generation);
    atomic_store(&out->since, c->since);
    return 0;
}

int ledger_out_turn(struct ledger_out *out, struct session *s, const char *fleet, bool *more,
                    struct why *why)
{
    struct counts c;
    *more = false;
    if (ledger_out_look(out, fleet, PAGES, &c) < 0)
        return 0;
    out->waiting = c.waiting;
    int rc = tell(out, s, &c, why);
    *more = rc == 0 && c.npages == PAGES;
    counts_free(&c);
    return rc;
}

void ledger_out_begin(struct ledger_out *out)
{
    struct counts c;
    if (atomic_load(&out->since) < 0 && ledger_out_look(out, "", 0, &c) == 0)
        counts_free(&c);
}

void ledger_out_meet(struct ledger_out *out)
{
    out->whole = -1;
}
