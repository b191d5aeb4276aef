// SPDX-License-Identifier: ISC
// One question for all that is due. On the fleet's thread.
#include "relay/fleet/spend.h"

#include <math.h>
#include <stdlib.h>
#include "relay/log/json.h"
#include "relay/queue/queue.h"
#include "relay/worker/worker.h"

static char *text_of_rates(const struct slice_list *list)
{
    json_t *asks = json_array();
    for (size_t i = 0; i < list->n; i++) {
        const struct slice_ask *a = &list->asks[i];
        json_array_append_new(asks, json_pack("{s:I, s:o, s:f, s:f, s:f, s:f}", "o", (json_int_t)i,
                                              "key", json_text(a->key), "size", a->size, "per_ms",
                                              a->per_ms, "debt", a->debt, "want", a->want));
    }
    char *text = json_dumps(asks, JSON_COMPACT);
    json_decref(asks);
    return text;
}

static char *text_of_places(const struct slice_list *list)
{
    json_t *asks = json_array();
    for (size_t i = 0; i < list->n; i++) {
        const struct slice_ask *a = &list->asks[i];
        json_array_append_new(asks,
                              json_pack("{s:I, s:o, s:I, s:I, s:I}", "o", (json_int_t)i, "key",
                                        json_text(a->key), "most", (json_int_t)a->use.most, "used",
                                        (json_int_t)a->use.used, "want", (json_int_t)a->use.want));
    }
    char *text = json_dumps(asks, JSON_COMPACT);
    json_decref(asks);
    return text;
}

// A number of the database, or 0 where it is none.
static double spend_number(const struct rows *rows, size_t row, size_t column)
{
    double n = strtod(rows_text(rows, row, column), NULL);
    return isfinite(n) ? n : 0;
}

static void take_rate(const struct rows *rows, size_t i, struct slice_ask *a)
{
    double granted = spend_number(rows, i, 1);
    a->granted = granted < 0 ? 0 : granted > a->want ? a->want : granted;
    a->tokens = spend_number(rows, i, 2);
}

static void take_places(const struct rows *rows, size_t i, struct slice_ask *a)
{
    int64_t held = rows_number(rows, i, 1), goal = rows_number(rows, i, 2);
    int64_t most = a->use.most > a->use.used ? a->use.most : a->use.used;
    a->held = (unsigned)(held < 0 ? 0 : held > most ? most : held);
    a->goal = (unsigned)(goal < 0 ? 0 : goal > most ? most : goal);
    a->starving = rows_true(rows, i, 3);
}

static void spend_wake_worker(struct worker *worker, void *arg)
{
    (void)arg;
    if (worker->queue)
        queue_wake(worker->queue);
}

static void spend_wake(struct worker *worker)
{
    worker_call(worker, spend_wake_worker, NULL);
}

static int spend_ask(struct session *s, unsigned node, unsigned nodes, struct slice_list *list,
                     struct why *why)
{
    bool rates = list->kind == SLICE_RATES;
    char number[SESSION_NUMBER], lease[SESSION_NUMBER];
    char *text = rates ? text_of_rates(list) : text_of_places(list);
    const char *const params[] = {text, number, lease};
    struct rows *rows = NULL;
    session_number(number, rates ? nodes : node);
    session_number(lease, SLICES_LEASE_MS);
    int rc = rates
                 ? session_run(s, "SELECT * FROM waxwing.draw($1::json, $2::integer)", params, 2,
                               &rows, why)
                 : session_run(s, "SELECT * FROM waxwing.hold($1::json, $2::smallint, $3::integer)",
                               params, 3, &rows, why);
    free(text);
    for (size_t i = 0; rc == 0 && i < rows_count(rows); i++) {
        int64_t o = rows_number(rows, i, 0);
        if (o >= 0 && (size_t)o < list->n && rates)
            take_rate(rows, i, &list->asks[o]);
        else if (o >= 0 && (size_t)o < list->n)
            take_places(rows, i, &list->asks[o]);
    }
    if (rc == 0)
        rows_free(rows);
    return rc;
}

int spend_turn(struct slices *slices, struct session *s, unsigned node, unsigned nodes, bool all,
               struct why *why)
{
    struct slice_list list;
    int rc = 0;
    for (enum slice_kind kind = SLICE_RATES; kind <= SLICE_PLACES && rc == 0; kind++) {
        do {
            slices_due(slices, kind, all, &list);
            size_t n = list.n;
            if (n)
                rc = spend_ask(s, node, nodes, &list, why);
            slices_settle(slices, &list, rc == 0, spend_wake);
            if (n < SLICES_ASK)
                break;
        } while (rc == 0);
    }
    return rc;
}
