// SPDX-License-Identifier: ISC
// The queue verbs of the control socket: asks every worker, gathers the rows, answers.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/control/control.h"
#include "relay/queue/queue.h"
#include "relay/log/json.h"

// One request on its way through the workers.
struct round {
    struct item item;
    struct control_call *call;
    struct inbox *mail;
    enum queue_verb verb;
    struct queue_filter filter;
    uint64_t *ids;
    char *domain, *sender;
    _Atomic unsigned waiting;
    struct list *rows; // one list a worker, so that none is shared
    unsigned nrows;
};

struct visit {
    struct round *round;
    struct list *rows;
};

static json_t *verbs_queue_describe(const struct queue_row *row)
{
    char id[ID_TEXT];
    id_text(row->id, id);
    json_t *j = json_object();
    json_object_set_new(j, "id", json_string(id));
    json_object_set_new(j, "created", json_integer(row->created_ms / 1000));
    json_object_set_new(j, "size", json_integer((json_int_t)row->size));
    json_object_set_new(j, "from", json_text(row->from));
    json_object_set_new(j, "to", json_text(row->to));
    json_object_set_new(j, "domain", json_text(row->domain));
    json_object_set_new(j, "state", json_string(queue_state_word(row->state)));
    json_object_set_new(j, "attempts", json_integer(row->attempts));
    bool timed = row->state == QUEUE_WAITING;
    json_object_set_new(j, "next", timed ? json_integer(row->next_ms / 1000) : json_null());
    json_object_set_new(j, "reason", json_text(row->reason));
    return j;
}

static void verbs_queue_answer(struct item *item)
{
    struct round *round = list_of(item, struct round, item);
    json_t *rows = json_array();
    for (unsigned i = 0; i < round->nrows; i++)
        list_each_safe (it, &round->rows[i]) {
            struct queue_row *row = list_of(it, struct queue_row, list);
            json_array_append_new(rows, verbs_queue_describe(row));
            list_remove(&row->list);
            queue_row_free(row);
        }
    bool none = json_array_size(rows) == 0 && round->filter.nids > 0;
    json_t *j = json_object();
    json_object_set_new(j, "rows", rows);
    control_answer(round->call, none ? 1 : 0, j);
    free(round->ids);
    free(round->domain);
    free(round->sender);
    free(round->rows);
    free(round);
}

static void verbs_queue_visit_worker(struct worker *worker, void *arg)
{
    struct visit *visit = arg;
    struct round *round = visit->round;
    queue_do(worker->queue, round->verb, &round->filter, visit->rows);
    free(visit);
    if (--round->waiting == 0)
        inbox_post(round->mail, &round->item);
}

static int read_ids(struct round *round, const json_t *request, char bad[static 64])
{
    const json_t *ids = json_object_get(request, "ids");
    size_t i;
    json_t *id;
    round->ids = mem_new((json_array_size(ids) + 1) * sizeof *round->ids);
    json_array_foreach (ids, i, id) {
        const char *s = json_string_value(id);
        if (!s || !id_parse(s, &round->ids[i])) {
            snprintf(bad, 64, "%s", s ? s : "");
            return -1;
        }
        round->filter.nids++;
    }
    round->filter.ids = round->filter.nids ? round->ids : NULL;
    return 0;
}

static int read_state(const json_t *request)
{
    const char *word = json_string_value(json_object_get(request, "state"));
    for (int s = QUEUE_ROUTING; word && s <= QUEUE_HELD; s++)
        if (strcmp(queue_state_word((enum queue_state)s), word) == 0)
            return s;
    return -1;
}

static void queue_round(struct control_call *call, struct relay *relay, const json_t *request,
                        enum queue_verb verb)
{
    struct round *round = mem_new(sizeof *round);
    round->item.run = verbs_queue_answer;
    round->call = call;
    round->mail = control_mail(call);
    round->verb = verb;
    char bad[64];
    if (read_ids(round, request, bad) < 0) {
        control_error(call, 64, "'%s' is not a message id", bad);
        free(round->ids);
        free(round);
        return;
    }
    round->domain = mem_dup(json_string_value(json_object_get(request, "domain")));
    round->sender = mem_dup(json_string_value(json_object_get(request, "sender")));
    round->filter.domain = round->domain;
    round->filter.sender = round->sender;
    round->filter.state = read_state(request);
    round->filter.older_ms = json_integer_value(json_object_get(request, "older_ms"));
    round->nrows = relay->nworkers;
    round->waiting = relay->nworkers;
    round->rows = mem_new(relay->nworkers * sizeof *round->rows);
    for (unsigned i = 0; i < relay->nworkers; i++) {
        list_init(&round->rows[i]);
        struct visit *visit = mem_new(sizeof *visit);
        *visit = (struct visit){round, &round->rows[i]};
        worker_call(relay->workers[i], verbs_queue_visit_worker, visit);
    }
}

#define QUEUE_VERB(name, verb)                                                                     \
    static void name(struct control_call *call, struct relay *relay, const json_t *request)        \
    {                                                                                              \
        queue_round(call, relay, request, verb);                                                   \
    }
QUEUE_VERB(list_queue, QUEUE_LIST)
QUEUE_VERB(retry_queue, QUEUE_RETRY)
QUEUE_VERB(hold_queue, QUEUE_HOLD)
QUEUE_VERB(release_queue, QUEUE_RELEASE)
QUEUE_VERB(remove_queue, QUEUE_REMOVE)
QUEUE_VERB(bounce_queue, QUEUE_BOUNCE)

// The message itself, read from the spool in the thread pool.
struct export
{
    uv_work_t work;
    struct control_call *call;
    struct spool *spool;
    uint64_t id;
    struct message *message;
    struct why why;
    struct buf content;
    bool header_only;
};

static void read_large(struct export *e)
{
    uint64_t at = 0;
    for (;;) {
        unsigned char *room;
        if (buf_reserve(&e->content, 262144, &room) < 0)
            return;
        ssize_t n = spool_read_large(e->spool, e->message, at, room, 262144, &e->why);
        if (n <= 0)
            return;
        e->content.len += (size_t)n;
        at += (uint64_t)n;
    }
}

static void verbs_queue_export_read(uv_work_t *work)
{
    struct export *e = work->data;
    e->message = spool_find(e->spool, e->id, &e->why);
    if (!e->message)
        return;
    message_sent_header(e->message, &e->content);
    if (e->header_only)
        return;
    if (e->message->large)
        read_large(e);
    else
        buf_addspan(&e->content, buf_span(&e->message->body));
}

static json_t *envelope(const struct message *m)
{
    char time[40], id[ID_TEXT];
    clock_rfc3339(m->env.created_ms, time);
    id_text(m->env.id, id);
    json_t *j = json_object();
    json_object_set_new(j, "id", json_string(id));
    json_object_set_new(j, "accepted", json_string(time));
    json_object_set_new(j, "from", json_text(m->env.from));
    json_object_set_new(j, "principal", json_text(m->env.principal));
    json_object_set_new(j, "client", json_text(m->env.client));
    json_object_set_new(j, "size", json_integer((json_int_t)message_size(m)));
    json_object_set_new(j, "requiretls", json_boolean(m->env.requiretls));
    return j;
}

// Content travels as Latin-1 code points, one a byte, so that JSON carries any message.
static json_t *as_json_bytes(struct span bytes)
{
    struct buf out;
    buf_init(&out, bytes.n * 2 + 1);
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] < 128) {
            buf_addc(&out, (char)bytes.p[i]);
        } else {
            buf_addc(&out, (char)(0xc0 | bytes.p[i] >> 6));
            buf_addc(&out, (char)(0x80 | (bytes.p[i] & 63)));
        }
    }
    json_t *j = json_stringn(buf_text(&out), out.len);
    buf_free(&out);
    return j;
}

static void verbs_queue_export_done(uv_work_t *work, int status)
{
    (void)status;
    struct export *e = work->data;
    if (!e->message) {
        control_error(e->call, 1, "%s", e->why.text);
    } else {
        json_t *j = envelope(e->message);
        json_object_set_new(j, "content", as_json_bytes(buf_span(&e->content)));
        control_answer(e->call, 0, j);
    }
    message_unref(e->message);
    buf_free(&e->content);
    free(e);
}

static void verbs_queue_export_message(struct control_call *call, struct relay *relay,
                                       const json_t *request)
{
    uint64_t id;
    const char *name = json_string_value(json_object_get(request, "id"));
    if (!name || !id_parse(name, &id)) {
        control_error(call, 64, "'%s' is not a message id", name ? name : "");
        return;
    }
    struct export *e = mem_new(sizeof *e);
    e->work.data = e;
    e->call = call;
    e->spool = relay->spool;
    e->id = id;
    e->header_only = json_is_true(json_object_get(request, "header_only"));
    buf_init(&e->content, CONTROL_ANSWER_MAX / 2);
    uv_queue_work(control_loop(call), &e->work, verbs_queue_export_read, verbs_queue_export_done);
}

const struct control_verb control_queue_verbs[] = {
    {"queue-list", false, list_queue},
    {"queue-retry", true, retry_queue},
    {"queue-hold", true, hold_queue},
    {"queue-release", true, release_queue},
    {"queue-remove", true, remove_queue},
    {"queue-bounce", true, bounce_queue},
    {"queue-export", true, verbs_queue_export_message},
    {NULL, false, NULL},
};
