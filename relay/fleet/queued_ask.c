// SPDX-License-Identifier: ISC
// What the nodes told, read back. Whatever stands in the table, what comes out of here has its shape.
#include "relay/fleet/queued.h"

#include <string.h>
#include "relay/base/exit.h"
#include "relay/fleet/asker.h"
#include "relay/fleet/node.h"
#include "relay/log/json.h"

#define QUEUED_APPLICATION "waxwing queue"

static void copy_number(json_t *to, const json_t *from, const char *key)
{
    json_int_t n = json_number_of(from, key);
    json_object_set_new(to, key, json_integer(n > 0 ? n : 0));
}

static void copy_word(json_t *to, const json_t *from, const char *key)
{
    json_object_set_new(to, key, json_text(json_word(from, key)));
}

static json_t *read_row(const json_t *row)
{
    static const char *const words[] = {"domain", "state", "reason", "why", "act"};
    static const char *const numbers[] = {"recipients", "oldest", "attempts"};
    json_t *j = json_object();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        copy_word(j, row, words[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        copy_number(j, row, numbers[i]);
    json_object_set_new(j, "site", json_null());
    json_object_set_new(j, "next", json_null());
    if (json_word(row, "site")[0])
        copy_word(j, row, "site");
    if (json_number_of(row, "next") > 0)
        copy_number(j, row, "next");
    return j;
}

static json_t *read_states(const json_t *states)
{
    static const char *const words[] = {"routing", "waiting", "ready", "active", "held"};
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        json_t *j = json_object();
        copy_number(j, json_object_get(states, words[i]), "recipients");
        copy_number(j, json_object_get(states, words[i]), "oldest");
        json_object_set_new(out, words[i], j);
    }
    return out;
}

json_t *queued_read(const char *body)
{
    json_t *j =
        strlen(body) <= QUEUED_BYTES ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *others = json_object_get(j, "others"), *row;
    json_t *out = json_is_object(j) ? json_object() : NULL, *rows = json_array(),
           *rest = json_object();
    size_t i;
    json_array_foreach (json_object_get(j, "rows"), i, row)
        if (i < QUEUED_ROWS)
            json_array_append_new(rows, read_row(row));
    copy_number(rest, others, "rows");
    copy_number(rest, others, "recipients");
    copy_number(rest, others, "oldest");
    if (out) {
        json_object_set_new(out, "states", read_states(json_object_get(j, "states")));
        json_object_set(out, "rows", rows);
        json_object_set(out, "others", rest);
    }
    json_decref(rows);
    json_decref(rest);
    json_decref(j);
    return out;
}

enum queued_column { NUMBER, NAME, SELF, SILENT, AGE, BODY };

static json_t *describe_node(const struct rows *rows, size_t i)
{
    int64_t silent = rows_number(rows, i, SILENT), age = rows_number(rows, i, AGE);
    json_t *body = queued_read(rows_text(rows, i, BODY)), *j = json_object();
    json_object_set_new(j, "node", json_text(rows_text(rows, i, NAME)));
    json_object_set_new(j, "number", json_integer(rows_number(rows, i, NUMBER)));
    json_object_set_new(j, "self", json_boolean(rows_true(rows, i, SELF)));
    json_object_set_new(j, "live", json_boolean(silent >= 0 && silent < NODE_SILENT_S));
    json_object_set_new(j, "silent", json_integer(silent));
    json_object_set_new(j, "age", body && age >= 0 ? json_integer(age) : json_null());
    if (body)
        json_object_update(j, body);
    json_decref(body);
    return j;
}

json_t *queued_ask(const struct config *config, int *exit_status, struct why *why)
{
    const char *const params[] = {config->fleet.name};
    struct asker a;
    struct rows *rows = NULL;
    json_t *nodes = NULL;
    if (asker_open(&a, config, QUEUED_APPLICATION, exit_status, why) == 0 &&
        session_run(a.session,
                    "SELECT n.number, n.name, n.name = $1,"
                    " greatest(0, extract(epoch FROM now() - n.seen))::bigint,"
                    " greatest(0, extract(epoch FROM now() - q.at))::bigint, q.body"
                    " FROM waxwing.node AS n LEFT JOIN waxwing.queued AS q ON q.node = n.number"
                    " ORDER BY n.number LIMIT 255",
                    params, 1, &rows, why) == 0) {
        nodes = json_array();
        for (size_t i = 0; i < rows_count(rows); i++)
            json_array_append_new(nodes, describe_node(rows, i));
    } else if (*exit_status == EXIT_YES) {
        *exit_status = EXIT_TEMP;
    }
    rows_free(rows);
    asker_close(&a);
    return nodes;
}
