// SPDX-License-Identifier: ISC
// The statements of claims.
#include "relay/fleet/claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/fleet/ledger_text.h"
#include "relay/log/log.h"
#include "relay/report/schedule.h"

#define NONSENSE_MS  3600000 // how often the same node's nonsense is told
#define ORPHANS_MOST "100000"

static void say_why(struct claim_answer *out, enum claim_verdict verdict, const char *node,
                    const char *words, const char *more)
{
    out->verdict = verdict;
    snprintf(out->words, sizeof out->words, "%s %s%s%s", node, words, more[0] ? ": " : "", more);
}

// ---- what was counted

int claim_rows(struct session *s, int64_t day, const char *domain, struct ledger_rows *out,
               struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {number, domain};
    struct rows *rows = NULL;
    struct why trouble;
    session_number(number, day);
    if (session_run(s,
                    "SELECT l.body, coalesce(b.node, 0) FROM waxwing.ledger AS l"
                    " LEFT JOIN waxwing.book AS b USING(generation)"
                    " WHERE l.day = $1::integer AND l.domain = $2 ORDER BY l.generation",
                    params, 2, &rows, why) < 0)
        return -1;
    for (size_t i = 0; i < rows_count(rows); i++)
        if (ledger_text_read(rows_text(rows, i, 0), day, domain, out, &trouble) < 0)
            log_alarm_once("fleet", REASON_NONE, rows_text(rows, i, 1), NONSENSE_MS,
                           "node %s wrote what nobody can believe, and it is left alone: %s",
                           rows_text(rows, i, 1), trouble.text);
    rows_free(rows);
    return 0;
}

// ---- taking

// Whom it waits for.
static int look_early(struct session *s, const struct claim_question *q, struct claim_answer *out,
                      struct why *why)
{
    char day[SESSION_NUMBER];
    const char *const params[] = {day, q->patient ? "t" : "f"};
    struct rows *rows = NULL;
    session_number(day, q->day);
    if (session_run(s, "SELECT waxwing.report_waits($1::integer, $2::boolean)", params, 2, &rows,
                    why) < 0)
        return -1;
    const char *names = rows_count(rows) ? rows_text(rows, 0, 0) : "";
    if (names[0])
        say_why(out, CLAIM_EARLY, names, "has yet to tell what it counted that day", "");
    rows_free(rows);
    return 0;
}

enum claim_column { MINE, NUMBER, REPORT_ID, NODE, STATE, ANSWER, PAST };

static void read_claim(const struct rows *rows, struct claim_answer *out)
{
    const char *state = rows_text(rows, 0, STATE), *node = rows_text(rows, 0, NODE),
               *answer = rows_text(rows, 0, ANSWER);
    bool going = strcmp(state, "going") == 0, claimed = strcmp(state, "claimed") == 0;
    if (rows_true(rows, 0, MINE)) {
        out->verdict = CLAIM_MINE;
        out->number = rows_number(rows, 0, NUMBER);
        out->report_id = mem_dup(rows_text(rows, 0, REPORT_ID));
    } else if (claimed || (going && !rows_true(rows, 0, PAST))) {
        say_why(out, CLAIM_OTHERS, node, claimed ? "prepares it" : "sends it", answer);
    } else {
        say_why(out, CLAIM_OVER, node,
                going                          ? "was sending it when it was last heard of"
                : strcmp(state, "sent") == 0   ? "has sent it"
                : strcmp(state, "failed") == 0 ? "has given it up"
                                               : "has sent it, and no answer came",
                answer);
    }
}

static int take_claim(const struct ledger_out *self, struct session *s,
                      const struct claim_question *q, struct claim_answer *out, struct why *why)
{
    char day[SESSION_NUMBER], node[SESSION_NUMBER], ms[SESSION_NUMBER];
    const char *const params[] = {
        day, q->domain, q->rua, node, self->generation, q->report_id, ms, q->by_hand ? "t" : "f"};
    struct rows *rows = NULL;
    session_number(day, q->day);
    session_number(node, self->node);
    session_number(ms, LEDGER_CLAIM_MS);
    if (session_run(s,
                    "SELECT r.mine, r.number, r.report_id, coalesce(n.name, 'node ' || r.node),"
                    " r.state, r.answer, r.past FROM waxwing.report_claim($1::integer, $2, $3,"
                    " $4::smallint, $5, $6, $7::integer, $8::boolean) AS r"
                    " LEFT JOIN waxwing.node AS n ON n.number = r.node",
                    params, 8, &rows, why) < 0)
        return -1;
    if (rows_count(rows) == 1)
        read_claim(rows, out);
    rows_free(rows);
    return 0;
}

static int claim_take(const struct ledger_out *self, struct session *s,
                      const struct claim_question *q, struct claim_answer *out, struct why *why)
{
    out->verdict = CLAIM_MINE;
    if (look_early(s, q, out, why) < 0)
        return -1;
    if (out->verdict == CLAIM_EARLY)
        return 0;
    if (claim_rows(s, q->day, q->domain, &out->rows, why) < 0)
        return -1;
    if (out->rows.n)
        return take_claim(self, s, q, out, why);
    say_why(out, CLAIM_NOTHING, "the fleet's ledger", "has nothing of that day", "");
    return 0;
}

// ---- going

static int claim_go(const struct ledger_out *self, struct session *s,
                    const struct claim_question *q, struct claim_answer *out, struct why *why)
{
    char day[SESSION_NUMBER], number[SESSION_NUMBER], message[SESSION_NUMBER], ms[SESSION_NUMBER];
    const char *const params[] = {day, q->domain, q->rua, self->generation, number, message, ms};
    struct rows *rows = NULL;
    session_number(day, q->day);
    session_number(number, q->number);
    session_number(message, (int64_t)q->message);
    session_number(ms, SCHEDULE_TRY_MS + LEDGER_CLAIM_MS);
    if (session_run(s,
                    "UPDATE waxwing.report AS r SET state = 'going', message = $6::bigint,"
                    " until = clock_timestamp() + $7::bigint * interval '1 millisecond',"
                    " changed = now() WHERE r.day = $1::integer AND r.domain = $2 AND r.rua = $3"
                    " AND r.generation = $4 AND r.number = $5::bigint"
                    " AND r.state IN ('claimed', 'going') RETURNING 1",
                    params, 7, &rows, why) < 0)
        return -1;
    if (rows_count(rows) == 1)
        out->verdict = CLAIM_MINE;
    else
        say_why(out, CLAIM_OTHERS, "another node", "has it by now", "");
    rows_free(rows);
    return 0;
}

// ---- what nobody reports

#define LIVES "b.sends AND b.at > now() - interval '1 minute'"

static int claim_orphans(struct session *s, const struct claim_question *q,
                         struct claim_answer *out, struct why *why)
{
    char last[SESSION_NUMBER], first[SESSION_NUMBER];
    const char *const params[] = {first, last, q->by_hand ? "t" : "f", q->domain};
    struct rows *rows = NULL;
    session_number(last, q->day);
    session_number(first, q->day - (q->by_hand ? 0 : SCHEDULE_CATCH_UP - 1));
    if (session_run(s,
                    "SELECT DISTINCT l.day, l.domain FROM waxwing.ledger AS l"
                    " WHERE l.day BETWEEN $1::integer AND $2::integer"
                    " AND ($4::text IS NULL OR l.domain = $4 OR (left($4, 2) = '*.'"
                    " AND right(l.domain, length($4) - 1) = substr($4, 2)))"
                    " AND ($3::boolean OR NOT EXISTS(SELECT FROM waxwing.ledger AS o"
                    " JOIN waxwing.book AS b USING(generation)"
                    " WHERE o.day = l.day AND o.domain = l.domain AND " LIVES
                    ")) LIMIT " ORPHANS_MOST,
                    params, 4, &rows, why) < 0)
        return -1;
    size_t n = rows_count(rows);
    out->verdict = CLAIM_MINE;
    out->orphans.at = mem_new((n + 1) * sizeof *out->orphans.at);
    for (size_t i = 0; i < n; i++)
        out->orphans.at[out->orphans.n++] =
            (struct sending){.day = rows_number(rows, i, 0),
                             .domain = mem_dup(rows_text(rows, i, 1)),
                             .rua = mem_dup(""),
                             .answer = mem_dup("")};
    rows_free(rows);
    return 0;
}

int claim_ask(const struct ledger_out *self, struct session *s, const struct claim_question *q,
              struct claim_answer *out, struct why *why)
{
    switch (q->kind) {
    case CLAIM_TAKE:
        return claim_take(self, s, q, out, why);
    case CLAIM_GO:
        return claim_go(self, s, q, out, why);
    default:
        return claim_orphans(s, q, out, why);
    }
}
