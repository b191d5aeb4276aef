// SPDX-License-Identifier: ISC
// The statements that write.
#include "relay/fleet/tables.h"

#include <string.h>

#define FENCE  "$1::smallint, $2::bigint, $3::bigint"
#define NFENCE 3

struct texts {
    char node[SESSION_NUMBER], epoch[SESSION_NUMBER], turn[SESSION_NUMBER];
};

static void tables_fill(const struct tables *t, struct texts *x, const char **params)
{
    session_number(x->node, t->node);
    session_number(x->epoch, t->epoch);
    session_number(x->turn, t->turn);
    params[0] = x->node;
    params[1] = x->epoch;
    params[2] = t->turn < 0 ? NULL : x->turn;
}

// A COMMIT whose wait for the standby was cut short is told with a warning, and counts as not heard of.
static enum tables_end ended(const struct tables *t, int rc, struct why *why)
{
    if (rc == 0 && !session_warned(t->session))
        return TABLES_DONE;
    if (rc == 0)
        why_set(why, WHY_OURS, "4.3.0",
                "the database did not wait for its standby, and has the mail alone");
    return rc < 0 && session_stands(t->session) && session_state(t->session)[0] ? TABLES_NOT
                                                                                : TABLES_UNKNOWN;
}

// `more` texts behind the fence's; `bytes` NULL: none behind them.
static enum tables_end tables_run(struct tables *t, const char *sql, const char *const *more,
                                  size_t nmore, const struct span *bytes, struct rows **rows,
                                  struct why *why)
{
    struct texts x;
    const char *params[NFENCE + 4];
    tables_fill(t, &x, params);
    for (size_t i = 0; i < nmore; i++)
        params[NFENCE + i] = more[i];
    int rc = bytes ? session_run_bytes(t->session, sql, params, NFENCE + nmore, *bytes, rows, why)
                   : session_run(t->session, sql, params, NFENCE + nmore, rows, why);
    enum tables_end end = ended(t, rc, why);
    if (rc == 0 && end != TABLES_DONE && rows) {
        rows_free(*rows);
        *rows = NULL;
    }
    return end;
}

enum tables_end tables_open(struct tables *t, struct why *why)
{
    struct texts x;
    struct rows *rows = NULL;
    const char *params[NFENCE];
    tables_fill(t, &x, params);
    int rc = session_run(t->session, "SELECT waxwing.journal_open($1::smallint, $2::bigint)",
                         params, 2, &rows, why);
    enum tables_end end = ended(t, rc, why);
    if (rc == 0)
        t->turn = rows_number(rows, 0, 0);
    rows_free(rows);
    return end;
}

enum tables_end tables_begin(struct tables *t, const char *number, struct span head, int64_t *id,
                             struct why *why)
{
    struct rows *rows = NULL;
    const char *const more[] = {t->log, number};
    enum tables_end end =
        tables_run(t, "SELECT waxwing.journal_begin(" FENCE ", $4, $5::bigint, $6)", more, 2, &head,
                   &rows, why);
    if (end == TABLES_DONE)
        *id = rows_number(rows, 0, 0);
    rows_free(rows);
    return end;
}

static enum tables_end tables_two(struct tables *t, const char *sql, int64_t id, uint64_t n,
                                  const struct span *bytes, struct rows **rows, struct why *why)
{
    char table[SESSION_NUMBER], number[SESSION_NUMBER];
    const char *const more[] = {table, number};
    session_number(table, id);
    session_number(number, (int64_t)n);
    return tables_run(t, sql, more, 2, bytes, rows, why);
}

enum tables_end tables_put(struct tables *t, int64_t id, uint64_t at, struct span bytes,
                           bool *alone, struct why *why)
{
    struct rows *rows = NULL;
    enum tables_end end =
        tables_two(t, "SELECT waxwing.journal_put(" FENCE ", $4::bigint, $5::bigint, $6)", id, at,
                   &bytes, &rows, why);
    if (end == TABLES_DONE)
        *alone = rows_text(rows, 0, 0)[0] == 0;
    rows_free(rows);
    return end;
}

enum tables_end tables_has(struct tables *t, int64_t id, uint64_t at, bool *there, struct why *why)
{
    struct rows *rows = NULL;
    enum tables_end end =
        tables_two(t, "SELECT waxwing.journal_has(" FENCE ", $4::bigint, $5::bigint) IS NOT NULL",
                   id, at, NULL, &rows, why);
    if (end == TABLES_DONE)
        *there = rows_true(rows, 0, 0);
    rows_free(rows);
    return end;
}

enum tables_end tables_cut(struct tables *t, int64_t id, uint64_t end, struct why *why)
{
    return tables_two(t, "SELECT waxwing.journal_cut(" FENCE ", $4::bigint, $5::bigint)", id, end,
                      NULL, NULL, why);
}

enum tables_end tables_drop(struct tables *t, int64_t id, struct why *why)
{
    char table[SESSION_NUMBER];
    const char *const more[] = {table};
    session_number(table, id);
    return tables_run(t, "SELECT waxwing.journal_drop(" FENCE ", $4::bigint)", more, 1, NULL, NULL,
                      why);
}

enum tables_end tables_body(struct tables *t, const char *name, unsigned piece, struct span bytes,
                            struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const more[] = {t->log, name, number};
    session_number(number, piece);
    return tables_run(t, "SELECT waxwing.body_put(" FENCE ", $4, $5, $6::integer, $7)", more, 3,
                      &bytes, NULL, why);
}

enum tables_end tables_forget(struct tables *t, const char *name, struct why *why)
{
    const char *const more[] = {t->log, name};
    return tables_run(t, "SELECT waxwing.body_drop(" FENCE ", $4, $5)", more, 2, NULL, NULL, why);
}

enum tables_end tables_moved(struct tables *t, const char *log, const char *ids, struct why *why)
{
    const char *const more[] = {log, ids};
    return tables_run(t, "SELECT waxwing.log_moved(" FENCE ", $4, $5::bigint[])", more, 2, NULL,
                      NULL, why);
}

enum tables_end tables_end_log(struct tables *t, const char *log, struct why *why)
{
    const char *const more[] = {log};
    return tables_run(t, "SELECT waxwing.log_drop(" FENCE ", $4)", more, 1, NULL, NULL, why);
}
