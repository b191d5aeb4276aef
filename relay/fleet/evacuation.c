// SPDX-License-Identifier: ISC
// The side of the nodes. What stands in the rows is as hostile as anything else in the database.
#include "relay/fleet/evacuation.h"

#include <stdio.h>
#include "relay/base/mem.h"
#include "relay/fleet/question.h"

// Nothing of it needs to last: a node that did not hear that it obeyed finds its order again.
int evacuation_order(struct session *s, unsigned node, int64_t epoch, struct evacuation_order *out,
                     struct why *why)
{
    char number[SESSION_NUMBER], of[SESSION_NUMBER];
    const char *const params[] = {number, of};
    struct rows *rows = NULL;
    session_number(number, node);
    session_number(of, epoch);
    if (session_run(s,
                    QUESTION_HASTY
                    "UPDATE waxwing.evacuation AS e SET stage = 'leaving'"
                    " FROM waxwing.node AS n, c WHERE n.number = e.heir AND e.node = $1::smallint"
                    " AND e.epoch = $2::bigint AND e.heir <> e.node"
                    " AND (e.stage = 'leaving' OR (e.stage = 'asked' AND e.at >"
                    " now() - " EVACUATION_OBEY "))"
                    " AND c.set_config IS NOT NULL RETURNING e.heir, n.name, e.asker",
                    params, 2, &rows, why) < 0)
        return -1;
    int64_t heir = rows_count(rows) == 1 ? rows_number(rows, 0, 0) : 0;
    bool asked = heir > 0 && heir <= SELF_NUMBERS;
    if (asked) {
        out->heir = (unsigned)heir;
        snprintf(out->name, sizeof out->name, "%s", rows_text(rows, 0, 1));
        snprintf(out->asker, sizeof out->asker, "%s", rows_text(rows, 0, 2));
    }
    rows_free(rows);
    return asked;
}

// Handing gave one epoch, and the start another.
int evacuation_before(struct session *s, unsigned node, int64_t epoch, char heir[static SELF_NAME],
                      struct why *why)
{
    char number[SESSION_NUMBER], of[SESSION_NUMBER];
    const char *const params[] = {number, of};
    struct rows *rows = NULL;
    session_number(number, node);
    session_number(of, epoch - 2);
    if (session_run(s,
                    "SELECT n.name FROM waxwing.evacuation AS e JOIN waxwing.node AS n"
                    " ON n.number = e.heir WHERE e.node = $1::smallint AND e.epoch = $2::bigint"
                    " AND e.stage IN ('handed', 'through')",
                    params, 2, &rows, why) < 0)
        return -1;
    bool was = rows_count(rows) == 1;
    if (was)
        snprintf(heir, SELF_NAME, "%s", rows_text(rows, 0, 0));
    rows_free(rows);
    return was;
}

int evacuation_arrivals(struct session *s, unsigned heir, struct evacuation_arrival **out,
                        size_t *n, struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {number};
    struct rows *rows = NULL;
    session_number(number, heir);
    if (session_run(s,
                    "SELECT e.node, n.name, e.messages FROM waxwing.evacuation AS e"
                    " JOIN waxwing.node AS n ON n.number = e.node WHERE e.heir = $1::smallint"
                    " AND e.stage = 'handed' AND EXISTS(SELECT FROM waxwing.log AS o"
                    " WHERE o.node = e.heir AND o.origin = e.node) LIMIT 255",
                    params, 1, &rows, why) < 0)
        return -1;
    *n = rows_count(rows);
    *out = mem_new((*n + 1) * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        (*out)[i].node = (unsigned)rows_number(rows, i, 0);
        (*out)[i].messages = rows_number(rows, i, 2);
        snprintf((*out)[i].name, SELF_NAME, "%s", rows_text(rows, i, 1));
    }
    rows_free(rows);
    return 0;
}

int evacuation_through(struct session *s, unsigned heir, unsigned node, struct why *why)
{
    char number[SESSION_NUMBER], of[SESSION_NUMBER];
    const char *const params[] = {number, of};
    session_number(number, heir);
    session_number(of, node);
    return session_run(s,
                       QUESTION_HASTY
                       "UPDATE waxwing.evacuation SET stage = 'through' FROM c"
                       " WHERE heir = $1::smallint AND node = $2::smallint AND stage = 'handed'"
                       " AND c.set_config IS NOT NULL",
                       params, 2, NULL, why);
}
