// SPDX-License-Identifier: ISC
// A node's side. What is asked is as hostile as anything else that stands in the database.
#include "relay/fleet/question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/log/json.h"
#include "relay/log/log.h"
#include "relay/trace/brief.h"
#include "relay/trace/read.h"

struct answer {
    const char *directory;
    json_t *messages;
    size_t bytes;
    // the present message's
    json_t *records;
    struct brief brief;
    bool cut;
};

static bool question_on_record(const json_t *record, void *arg)
{
    struct answer *a = arg;
    brief_add(record, &a->brief);
    char *text = a->bytes < QUESTION_BYTES ? json_dumps(record, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : QUESTION_BYTES;
    free(text);
    if (a->bytes + n > QUESTION_BYTES) {
        a->cut = true;
        return true;
    }
    a->bytes += n;
    json_array_append_new(a->records, json_deep_copy(record));
    return true;
}

static int answer_message(struct answer *a, const char *id, struct why *why)
{
    size_t n;
    a->records = json_array();
    a->brief = (struct brief){0};
    a->cut = false;
    int rc = read_message(a->directory, id, question_on_record, a, &n, why);
    if (rc == 0 && n) {
        json_t *j = json_pack("{s:s, s:I}", "id", id, "at", (json_int_t)a->brief.at_ms);
        json_object_set_new(j, "event", json_text(a->brief.event ? a->brief.event : ""));
        json_object_set_new(j, "from", json_text(a->brief.from ? a->brief.from : ""));
        json_object_set_new(j, "to", json_text(a->brief.to ? a->brief.to : ""));
        json_object_set(j, "records", a->records);
        json_object_set_new(j, "cut", json_boolean(a->cut));
        json_array_append_new(a->messages, j);
    }
    json_decref(a->records);
    brief_free(&a->brief);
    return rc;
}

// Oldest first, as everything that is told in time.
static int answer_found(struct answer *a, enum trace_key kind, const char *what, size_t most,
                        bool *more, struct why *why)
{
    struct read_found found = {0};
    int rc = read_find(a->directory, kind, what, most, &found, why);
    for (size_t i = found.n; rc == 0 && i-- > 0;)
        rc = answer_message(a, found.ids[i], why);
    *more = found.more;
    read_found_free(&found);
    return rc;
}

char *question_answer(const char *directory, const char *kind, const char *what, size_t most)
{
    struct answer a = {.directory = directory, .messages = json_array()};
    struct why why = {.text = ""};
    bool more = false, address = strcmp(kind, "address") == 0, named = strcmp(kind, "id") == 0;
    uint64_t id;
    int rc = 0;
    if (named && id_parse(what, &id))
        rc = answer_message(&a, what, &why);
    else if (!named)
        rc = answer_found(&a, address ? TRACE_KEY_ADDRESS : TRACE_KEY_MESSAGE_ID, what,
                          most < QUESTION_MOST ? most : QUESTION_MOST, &more, &why);
    json_t *j =
        json_pack("{s:b, s:o, s:b, s:o}", "masked", address && log_masks(), "trouble",
                  json_text(rc < 0 ? why.text : ""), "more", (int)more, "messages", a.messages);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static int give(struct session *s, const char *question, const char *node, const char *body,
                struct why *why)
{
    const char *const params[] = {question, node, body};
    // Whoever asked may wait no longer: his question is gone then.
    return session_run(s,
                       QUESTION_HASTY "INSERT INTO waxwing.answer(question, node, body)"
                                      " SELECT q.id, $2::smallint, $3 FROM waxwing.question AS q, c"
                                      " WHERE q.id = $1::bigint AND c.set_config IS NOT NULL"
                                      " FOR KEY SHARE OF q ON CONFLICT DO NOTHING",
                       params, 3, NULL, why);
}

enum question_column { ID, KIND, WHAT, MOST };

int question_turn(struct session *s, unsigned node, const char *directory, bool *more,
                  struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {number};
    struct rows *rows = NULL;
    session_number(number, node);
    int rc = session_run(s,
                         "SELECT q.id, q.kind, q.what, q.most FROM waxwing.question AS q"
                         " WHERE q.at > now() - interval '30 seconds' AND NOT EXISTS"
                         " (SELECT FROM waxwing.answer AS a"
                         " WHERE a.question = q.id AND a.node = $1::smallint)"
                         " ORDER BY q.id LIMIT 1",
                         params, 1, &rows, why);
    *more = rc == 0 && rows_count(rows) == 1;
    if (*more) {
        int64_t most = rows_number(rows, 0, MOST);
        char *text = question_answer(directory, rows_text(rows, 0, KIND), rows_text(rows, 0, WHAT),
                                     most > 0 ? (size_t)most : 1);
        rc = give(s, rows_text(rows, 0, ID), number, text, why);
        free(text);
    }
    rows_free(rows);
    return rc;
}
