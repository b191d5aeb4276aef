// SPDX-License-Identifier: ISC
// The side of whoever asks. What comes back is read with care.
#include "relay/fleet/question.h"

#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/fleet/asker.h"
#include "relay/fleet/node.h"
#include "relay/fleet/share.h"
#include "relay/log/json.h"

#define QUESTION_APPLICATION "waxwing trace"
#define QUESTION_LOOK_US     100000
#define RECORDS_MOST         10000

// ---- what nodes answered

static bool is_record(const json_t *record, const char *id)
{
    return json_is_object(record) && strcmp(json_word(record, "id"), id) == 0;
}

static json_t *read_one(const json_t *message)
{
    static const char *const words[] = {"id", "event", "from", "to"};
    json_t *j = json_object(), *records = json_array(), *record;
    size_t i;
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        json_object_set_new(j, words[w], json_text(json_word(message, words[w])));
    json_object_set_new(j, "at", json_integer(json_number_of(message, "at")));
    json_object_set_new(j, "cut", json_boolean(json_says(message, "cut")));
    json_array_foreach (json_object_get(message, "records"), i, record)
        if (i < RECORDS_MOST && is_record(record, json_word(message, "id")))
            json_array_append(records, record);
    json_object_set_new(j, "records", records);
    return j;
}

json_t *question_read(const char *body)
{
    json_t *j =
        strlen(body) <= QUESTION_BODY ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *out = json_object(), *messages = json_array(), *message;
    size_t i;
    json_array_foreach (json_object_get(j, "messages"), i, message)
        if (i < QUESTION_MOST)
            json_array_append_new(messages, read_one(message));
    json_object_set_new(out, "masked", json_boolean(json_says(j, "masked")));
    json_object_set_new(out, "trouble",
                        json_text(j ? json_word(j, "trouble") : "its answer cannot be read"));
    json_object_set_new(out, "more", json_boolean(json_says(j, "more")));
    json_object_set_new(out, "messages", messages);
    json_decref(j);
    return out;
}

// ---- asking

enum ask_column { NUMBER, NAME, SELF, SILENT, ANSWERED, BODY };

static json_t *describe_answer(const struct rows *rows, size_t i)
{
    int64_t silent = rows_number(rows, i, SILENT);
    bool answered = rows_true(rows, i, ANSWERED);
    json_t *j = json_object();
    json_t *answer =
        question_read(answered ? rows_text(rows, i, BODY) : "{}"); // it has said nothing
    json_object_set_new(j, "node", json_text(rows_text(rows, i, NAME)));
    json_object_set_new(j, "number", json_integer(rows_number(rows, i, NUMBER)));
    json_object_set_new(j, "self", json_boolean(rows_true(rows, i, SELF)));
    json_object_set_new(j, "live", json_boolean(silent >= 0 && silent < NODE_SILENT_S));
    json_object_set_new(j, "silent", json_integer(silent));
    json_object_set_new(j, "answered", json_boolean(answered));
    json_object_update(j, answer);
    json_decref(answer);
    return j;
}

// How many that live have not answered; -1 with why.
static int64_t question_missing(struct session *s, const char *question, struct why *why)
{
    const char *const params[] = {question};
    struct rows *rows = NULL;
    if (session_run(s,
                    "SELECT count(*) FROM waxwing.node AS n WHERE now() - n.seen <"
                    " make_interval(secs => 30) AND NOT EXISTS (SELECT FROM waxwing.answer AS a"
                    " WHERE a.question = $1::bigint AND a.node = n.number)",
                    params, 1, &rows, why) < 0)
        return -1;
    int64_t n = rows_number(rows, 0, 0);
    rows_free(rows);
    return n < 0 ? 0 : n;
}

static int question_wait(struct session *s, const char *question, struct why *why)
{
    uint64_t end = clock_mono_ms() + QUESTION_WAIT_S * 1000;
    for (;;) {
        int64_t left = question_missing(s, question, why);
        if (left <= 0 || clock_mono_ms() >= end)
            return left < 0 ? -1 : 0;
        usleep(QUESTION_LOOK_US);
    }
}

static json_t *collect(struct session *s, const char *self, const char *question, struct why *why)
{
    const char *const params[] = {self, question};
    struct rows *rows = NULL;
    if (session_run(s,
                    "SELECT n.number, n.name, n.name = $1,"
                    " greatest(0, extract(epoch FROM now() - n.seen))::bigint,"
                    " a.body IS NOT NULL, a.body"
                    " FROM waxwing.node AS n LEFT JOIN waxwing.answer AS a"
                    " ON a.node = n.number AND a.question = $2::bigint"
                    " ORDER BY n.number LIMIT 255",
                    params, 2, &rows, why) < 0)
        return NULL;
    json_t *nodes = json_array();
    for (size_t i = 0; i < rows_count(rows); i++)
        json_array_append_new(nodes, describe_answer(rows, i));
    rows_free(rows);
    return nodes;
}

static int put_question(struct session *s, enum trace_key kind, const char *what, uint64_t most,
                        char *question, size_t size, struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {kind == TRACE_KEY_ID        ? "id"
                                  : kind == TRACE_KEY_ADDRESS ? "address"
                                                              : "message-id",
                                  what, number};
    struct rows *rows = NULL;
    session_number(number, (int64_t)most);
    if (session_run(s,
                    QUESTION_HASTY "INSERT INTO waxwing.question(kind, what, most)"
                                   " SELECT $1, $2, $3::integer FROM c"
                                   " WHERE c.set_config IS NOT NULL"
                                   " AND pg_notify('" SHARE_CHANNEL "', '') IS NOT NULL"
                                   " RETURNING id",
                    params, 3, &rows, why) < 0)
        return -1;
    snprintf(question, size, "%s", rows_text(rows, 0, 0));
    rows_free(rows);
    return 0;
}

json_t *question_ask(const struct config *config, enum trace_key kind, const char *what,
                     uint64_t most, int *exit_status, struct why *why)
{
    struct asker a;
    struct why gone; // else the nodes take it away
    char question[24];
    const char *const params[] = {question};
    json_t *nodes = NULL;
    bool opened = asker_open(&a, config, QUESTION_APPLICATION, exit_status, why) == 0;
    if (opened && put_question(a.session, kind, what, most, question, sizeof question, why) == 0 &&
        question_wait(a.session, question, why) == 0)
        nodes = collect(a.session, config->fleet.name, question, why);
    if (opened && !nodes)
        *exit_status = EXIT_TEMP;
    if (nodes)
        (void)!session_run(a.session,
                           QUESTION_HASTY "DELETE FROM waxwing.question USING c"
                                          " WHERE id = $1::bigint AND c.set_config IS NOT NULL",
                           params, 1, NULL, &gone);
    asker_close(&a);
    return nodes;
}
