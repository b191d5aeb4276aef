// SPDX-License-Identifier: ISC
// The queue verbs of the control socket: through the queues of all workers, a piece at a time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/control/control.h"
#include "relay/control/inside.h"
#include "relay/queue/queue.h"
#include "relay/log/json.h"

#define ROUND_ROWS 200 // recipients that a worker looks after before its loop goes on

// One request on its way through the workers, one after the other: each fills a piece, which goes out before the next
// is asked for.
struct round {
    struct item item;
    struct control_call *call;
    struct relay *relay;
    struct inbox *mail;
    struct queue_scan scan;
    uint64_t *ids;
    char *domain, *sender, by[64];
    unsigned worker; // whose queue it is in
    bool over;       // the piece is the last
    bool gone;       // nobody reads any more
    struct buf piece;
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

static int verbs_queue_add_text(const char *text, size_t n, void *piece)
{
    return buf_add(piece, text, n);
}

static void verbs_queue_round_on_row(const struct queue_row *row, void *arg)
{
    struct round *round = arg;
    json_t *j = verbs_queue_describe(row);
    json_dump_callback(j, verbs_queue_add_text, &round->piece, JSON_COMPACT);
    buf_addc(&round->piece, '\n');
    json_decref(j);
}

static void round_free(struct round *round)
{
    queue_scan_leave(&round->scan);
    buf_free(&round->piece);
    free(round->ids);
    free(round->domain);
    free(round->sender);
    free(round);
}

static void round_end(struct round *round)
{
    const struct queue_scan *scan = &round->scan;
    bool none = !scan->recipients && !scan->active && scan->filter.nids > 0;
    json_t *j = json_object();
    json_object_set_new(j, "recipients", json_integer((json_int_t)scan->recipients));
    json_object_set_new(j, "active", json_integer((json_int_t)scan->active));
    control_answer(round->call, none ? EXIT_NO : EXIT_YES, j);
    round_free(round);
}

// On a worker's thread: a piece more of its queue, or (nobody reads any more) only out of it.
static void verbs_queue_round_on_worker(struct worker *worker, void *arg)
{
    struct round *round = arg;
    bool more = false;
    if (round->gone || !worker->queue)
        queue_scan_leave(&round->scan);
    else
        more = queue_scan_on(worker->queue, &round->scan, ROUND_ROWS);
    round->worker += !more;
    round->over = round->gone || round->worker == round->relay->nworkers;
    inbox_post(round->mail, &round->item);
}

static void verbs_queue_round_next(void *arg)
{
    struct round *round = arg;
    if (round->worker < round->relay->nworkers)
        worker_call(round->relay->workers[round->worker], verbs_queue_round_on_worker, round);
    else
        round_end(round); // the relay has ended meanwhile
}

// Back on the main loop.
static void verbs_queue_round_on_piece(struct item *item)
{
    struct round *round = list_of(item, struct round, item);
    bool told = round->gone || !round->piece.len;
    if (!told && control_piece(round->call, &round->piece, verbs_queue_round_next, round)) {
        buf_init(&round->piece, CONTROL_ANSWER_MAX);
        return;
    }
    if (!told)
        round->gone = true;
    if (round->over || (round->gone && !round->scan.mark))
        round_end(round);
    else
        verbs_queue_round_next(round);
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
            snprintf(bad, 64, "'%.40s' is not a message id", s ? s : "");
            return -1;
        }
        round->scan.filter.nids++;
    }
    round->scan.filter.ids = round->scan.filter.nids ? round->ids : NULL;
    return 0;
}

static int read_state(struct queue_filter *filter, const json_t *request, char bad[static 64])
{
    const json_t *state = json_object_get(request, "state");
    const char *word = json_string_value(state);
    filter->state = -1;
    for (int s = QUEUE_ROUTING; word && s <= QUEUE_HELD; s++)
        if (strcmp(queue_state_word((enum queue_state)s), word) == 0)
            filter->state = s;
    if (!state || filter->state >= 0)
        return 0;
    snprintf(bad, 64, "'%.40s' is no state", word ? word : "");
    return -1;
}

// What is not understood never widens a filter, and without one everything must be asked for by name.
static int read_filter(struct round *round, const json_t *request, char bad[static 64])
{
    struct queue_filter *filter = &round->scan.filter;
    const json_t *older = json_object_get(request, "older_ms");
    round->domain = mem_dup(json_string_value(json_object_get(request, "domain")));
    round->sender = mem_dup(json_string_value(json_object_get(request, "sender")));
    filter->domain = round->domain;
    filter->sender = round->sender;
    filter->older_ms = json_integer_value(older);
    filter->newest = id_new();
    if (read_ids(round, request, bad) < 0 || read_state(filter, request, bad) < 0)
        return -1;
    bool all = json_is_true(json_object_get(request, "all"));
    if (round->scan.verb == QUEUE_LIST || all || filter->ids || filter->domain || filter->sender ||
        filter->state >= 0 || filter->older_ms)
        return 0;
    snprintf(bad, 64, "message ids, a filter, or all?");
    return -1;
}

static void queue_round(struct control_call *call, struct relay *relay, const json_t *request,
                        enum queue_verb verb)
{
    struct round *round = mem_new(sizeof *round);
    char bad[64];
    round->item.run = verbs_queue_round_on_piece;
    round->call = call;
    round->relay = relay;
    round->mail = control_mail(call);
    control_by(call, round->by, sizeof round->by);
    buf_init(&round->piece, CONTROL_ANSWER_MAX);
    round->scan = (struct queue_scan){.verb = verb,
                                      .by = round->by,
                                      .each = verbs_queue_round_on_row,
                                      .arg = round,
                                      .dry = json_is_true(json_object_get(request, "dry"))};
    if (read_filter(round, request, bad) < 0) {
        control_error(call, EXIT_USAGE, "%s", bad);
        round_free(round);
        return;
    }
    verbs_queue_round_next(round);
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

const struct control_verb control_queue_verbs[] = {
    {"queue-list", false, list_queue},      {"queue-retry", true, retry_queue},
    {"queue-hold", true, hold_queue},       {"queue-release", true, release_queue},
    {"queue-remove", true, remove_queue},   {"queue-bounce", true, bounce_queue},
    {"queue-export", true, control_export}, {"queue-summary", false, control_summary},
    {"queue-import", true, control_import}, {NULL, false, NULL},
};
