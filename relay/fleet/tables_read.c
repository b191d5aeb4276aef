// SPDX-License-Identifier: ISC
// The statements that only look. What they say is bounded: other nodes write there, too.
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/fleet/tables.h"

#define ROW_MAX (SPOOL_BATCH + SPOOL_TEXT + MAX_HEADER + MAX_MEMORY_BODY) // bytes of one

static int nonsense(struct why *why)
{
    return why_set(why, WHY_OURS, "4.3.0", "the journal has rows that cannot be read");
}

static bool read_segment(const struct rows *rows, size_t i, struct tables_segment *g)
{
    struct buf head;
    int64_t number = rows_number(rows, i, 1), last = rows_number(rows, i, 3),
            end = rows_number(rows, i, 4);
    buf_init(&head, sizeof g->head);
    g->id = rows_number(rows, i, 0);
    g->number = number > 0 ? (uint64_t)number : 0;
    g->last = last > 0 ? (uint64_t)last : 0; // no row: NULL
    g->end = end > 0 ? (uint64_t)end : 0;
    g->whole = rows_bytes(rows, i, 2, &head) && head.len == sizeof g->head;
    if (g->whole)
        memcpy(g->head, head.data, sizeof g->head);
    buf_free(&head);
    return g->id > 0 && g->number > 0;
}

int tables_list(struct tables *t, const char *log, struct tables_segment **out, size_t *n,
                struct why *why)
{
    struct rows *rows = NULL;
    *out = NULL;
    *n = 0;
    if (session_run(t->session,
                    "SELECT id, number, head, last, \"end\" FROM waxwing.journal_list($1)", &log, 1,
                    &rows, why) < 0)
        return -1;
    int rc = 0;
    *out = mem_new((rows_count(rows) + 1) * sizeof **out);
    for (size_t i = 0; i < rows_count(rows) && rc == 0; i++)
        rc = read_segment(rows, i, &(*out)[(*n)++]) ? 0 : nonsense(why);
    rows_free(rows);
    if (rc < 0)
        free(*out);
    return rc;
}

// Names of logs are ours: letters and digits. What is none is passed over.
static bool is_log(const char *name)
{
    size_t n = strlen(name);
    return n == 32 && strspn(name, "0123456789abcdef") == n;
}

int tables_logs(struct tables *t, char ***out, size_t *n, struct why *why)
{
    char node[SESSION_NUMBER];
    const char *const params[] = {node, t->log};
    struct rows *rows = NULL;
    *out = NULL;
    *n = 0;
    session_number(node, t->node);
    if (session_run(t->session,
                    "SELECT name FROM waxwing.log WHERE node = $1::smallint AND name <> $2"
                    " ORDER BY name",
                    params, 2, &rows, why) < 0)
        return -1;
    *out = mem_new((rows_count(rows) + 1) * sizeof **out);
    for (size_t i = 0; i < rows_count(rows); i++)
        if (is_log(rows_text(rows, i, 0)))
            (*out)[(*n)++] = mem_dup(rows_text(rows, i, 0));
    rows_free(rows);
    return 0;
}

int tables_bodies(struct tables *t, const char *log, struct tables_body **out, size_t *n,
                  struct why *why)
{
    struct rows *rows = NULL;
    *out = NULL;
    *n = 0;
    if (session_run(t->session, "SELECT name, pieces FROM waxwing.body_list($1)", &log, 1, &rows,
                    why) < 0)
        return -1;
    *out = mem_new((rows_count(rows) + 1) * sizeof **out);
    for (size_t i = 0; i < rows_count(rows); i++)
        if (is_log(rows_text(rows, i, 0))) // they look the same
            (*out)[(*n)++] = (struct tables_body){mem_dup(rows_text(rows, i, 0)),
                                                  (unsigned)rows_number(rows, i, 1)};
    rows_free(rows);
    return 0;
}

void tables_bodies_free(struct tables_body *bodies, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(bodies[i].name);
    free(bodies);
}

int tables_read(struct tables *t, int64_t id, uint64_t at, uint64_t *next, tables_fn *each,
                void *arg, struct why *why)
{
    char table[SESSION_NUMBER], from[SESSION_NUMBER];
    const char *const params[] = {table, from};
    struct rows *rows = NULL;
    session_number(table, id);
    session_number(from, (int64_t)at);
    *next = at;
    if (session_run(t->session,
                    "SELECT at, bytes FROM waxwing.journal_read($1::bigint, $2::bigint)", params, 2,
                    &rows, why) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < rows_count(rows) && rc == 0; i++) {
        struct buf bytes;
        int64_t place = rows_number(rows, i, 0);
        buf_init(&bytes, ROW_MAX);
        if (place < 0 || !rows_bytes(rows, i, 1, &bytes))
            rc = nonsense(why);
        else
            rc = each(arg, (uint64_t)place, buf_span(&bytes), why);
        *next = (uint64_t)place + (bytes.len ? bytes.len : 1);
        buf_free(&bytes);
    }
    rows_free(rows);
    return rc;
}

int tables_read_body(struct tables *t, const char *log, const char *name, unsigned piece,
                     struct buf *out, struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {log, name, number};
    struct rows *rows = NULL;
    session_number(number, piece);
    if (session_run(t->session, "SELECT waxwing.body_read($1, $2, $3::integer)", params, 3, &rows,
                    why) < 0)
        return -1;
    int rc = rows_bytes(rows, 0, 0, out) ? 0 : nonsense(why);
    rows_free(rows);
    return rc;
}

int tables_moved_ids(struct tables *t, const char *log, uint64_t **out, size_t *n, struct why *why)
{
    struct rows *rows = NULL;
    *out = NULL;
    *n = 0;
    if (session_run(t->session, "SELECT id FROM waxwing.moved WHERE log = $1 ORDER BY id", &log, 1,
                    &rows, why) < 0)
        return -1;
    *n = rows_count(rows);
    *out = mem_new((*n + 1) * sizeof **out);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (uint64_t)rows_number(rows, i, 0);
    rows_free(rows);
    return 0;
}
