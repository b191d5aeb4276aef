// SPDX-License-Identifier: ISC
// The queue verbs of the control socket: through the queues of all workers, a piece at a time.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/control/control.h"
#include "relay/control/inside.h"
#include "relay/fleet/fleet.h"
#include "relay/queue/queue.h"
#include "relay/queue/redirect.h"
#include "relay/log/json.h"
#include "relay/base/reasons.h"

#define ROUND_ROWS    200  // recipients that a worker looks after before its loop goes on
#define ROUND_NOTED   2000 // changed, after which the spool has its turn
#define ROUND_REST_MS 20   // until some reports are written
#define ROUND_TELL_MS 250  // between two words of progress

// One request on its way through the workers, one after the other: each fills a piece, which goes out before the next
// is asked for. What is changed is on disk before much more is changed, and before the answer.
struct round {
    struct item item;
    struct control_call *call;
    struct relay *relay;
    struct inbox *mail;
    struct queue_scan scan;
    struct control_filter chosen;
    char *next_hop, by[64];
    unsigned worker;   // whose queue it is in
    unsigned passes;   // through all of them
    uint64_t before;   // recipients when the present one began
    uint64_t noted;    // recipients that are on disk
    uint64_t told_ms;  // clock_mono_ms(): the last word of progress
    bool progress;     // somebody watches
    bool over;         // the piece is the last
    bool gone;         // nobody reads any more
    uv_timer_t *pause; // until some reports are written
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
    json_object_set_new(j, "login", json_text(row->login));
    json_object_set_new(j, "site", row->site ? json_text(row->site) : json_null());
    json_object_set_new(j, "next_hop", row->next_hop ? json_text(row->next_hop) : json_null());
    json_object_set_new(j, "state", json_string(queue_state_word(row->state)));
    json_object_set_new(j, "attempts", json_integer(row->attempts));
    bool timed = row->state == QUEUE_WAITING;
    json_object_set_new(j, "next", timed ? json_integer(row->next_ms / 1000) : json_null());
    json_object_set_new(j, "reason", json_text(row->reason));
    json_object_set_new(j, "class",
                        row->class && row->class[0] ? json_string(row->class) : json_null());
    json_object_set_new(j, "why", json_text(reason_row(row->why)->name));
    json_object_set_new(j, "act", json_text(act_word(row->act)));
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

static void verbs_queue_pause_closed(uv_handle_t *handle)
{
    free(handle);
}

static void round_free(struct round *round)
{
    queue_scan_leave(&round->scan);
    if (round->pause)
        uv_close((uv_handle_t *)round->pause, verbs_queue_pause_closed);
    buf_free(&round->piece);
    control_filter_free(&round->chosen);
    free(round->next_hop);
    free(round);
}

static bool is_change(const struct round *round)
{
    return round->scan.verb != QUEUE_LIST && !round->scan.dry;
}

static void round_end(struct round *round)
{
    const struct queue_scan *scan = &round->scan;
    if (scan->late) {
        control_error(round->call, EXIT_TEMP,
                      "the relay is stopping; %" PRIu64
                      " recipient%s bounced, the rest is as it was",
                      scan->recipients, scan->recipients == 1 ? " was" : "s were");
        round_free(round);
        return;
    }
    bool none = !scan->recipients && !scan->active && scan->filter.nids > 0;
    json_t *j = json_object();
    json_object_set_new(j, "recipients", json_integer((json_int_t)scan->recipients));
    json_object_set_new(j, "active", json_integer((json_int_t)scan->active));
    json_object_set_new(j, "unknown", json_integer((json_int_t)scan->unknown));
    json_object_set_new(j, "frozen",
                        json_integer((json_int_t)fleet_frozen(round->relay->fleet, scan->filter.ids,
                                                              scan->filter.nids)));
    control_answer(round->call, none ? EXIT_NO : EXIT_YES, j);
    round_free(round);
}

// A delivery may have gone from a worker not yet asked to one that was: what changes the queue goes round again. What
// is tried again is not tried twice.
static bool goes_round_again(struct round *round)
{
    bool again = is_change(round) && round->scan.verb != QUEUE_RETRY && !round->passes++ &&
                 round->scan.recipients > round->before;
    if (again) {
        round->worker = 0;
        round->scan.active = round->scan.unknown = 0;
    }
    return again;
}

// On a worker's thread: a piece more of its queue, or (nobody reads any more) only out of it.
static void verbs_queue_round_on_worker(struct worker *worker, void *arg)
{
    struct round *round = arg;
    struct spool *spool = round->relay->spool;
    bool more = false;
    if (round->gone || !worker->queue)
        queue_scan_leave(&round->scan);
    else
        more = queue_scan_on(worker->queue, &round->scan, ROUND_ROWS);
    round->worker += !more;
    bool last = round->worker == round->relay->nworkers && !goes_round_again(round);
    round->over = round->gone || last;
    uint64_t unnoted = is_change(round) ? round->scan.recipients - round->noted : 0;
    if (unnoted >= ROUND_NOTED || (unnoted && round->over)) {
        round->noted = round->scan.recipients;
        spool_barrier(spool, &round->item, round->mail);
    } else {
        inbox_post(round->mail, &round->item);
    }
}

static void verbs_queue_round_next(void *arg)
{
    struct round *round = arg;
    if (round->worker < round->relay->nworkers)
        worker_call(round->relay->workers[round->worker], verbs_queue_round_on_worker, round);
    else
        round_end(round); // the relay has ended meanwhile
}

static void verbs_queue_on_pause(uv_timer_t *timer)
{
    verbs_queue_round_next(timer->data);
}

static void round_rest(struct round *round)
{
    if (!round->pause) {
        round->pause = mem_new(sizeof *round->pause);
        uv_timer_init(control_loop(round->call), round->pause);
        round->pause->data = round;
    }
    uv_timer_start(round->pause, verbs_queue_on_pause, ROUND_REST_MS, 0);
}

// How far it is, for whoever watches.
static void tell_progress(struct round *round)
{
    uint64_t now = clock_mono_ms();
    if (!round->progress || round->over || now - round->told_ms < ROUND_TELL_MS)
        return;
    round->told_ms = now;
    int64_t queued = atomic_load(&round->relay->counters.queued_now);
    json_t *j = json_pack("{s:{s:I, s:I, s:I}}", "progress", "recipients",
                          (json_int_t)round->scan.recipients, "seen", (json_int_t)round->scan.seen,
                          "queued", (json_int_t)queued);
    json_dump_callback(j, verbs_queue_add_text, &round->piece, JSON_COMPACT);
    buf_addc(&round->piece, '\n');
    json_decref(j);
}

// Back on the main loop.
static void verbs_queue_round_on_piece(struct item *item)
{
    struct round *round = list_of(item, struct round, item);
    tell_progress(round);
    bool told = round->gone || !round->piece.len;
    if (!told && control_piece(round->call, &round->piece, verbs_queue_round_next, round)) {
        buf_init(&round->piece, CONTROL_ANSWER_MAX);
        return;
    }
    if (!told)
        round->gone = true;
    if (round->over || (round->gone && !round->scan.mark))
        round_end(round);
    else if (round->scan.full && !round->gone)
        round_rest(round);
    else
        verbs_queue_round_next(round);
}

static int round_next_hop(struct round *round, const json_t *request, char bad[static CONTROL_BAD])
{
    const char *text = json_string_value(json_object_get(request, "next_hop"));
    const char *hostname = round->relay->setup->config->hostname;
    struct why why;
    if (round->scan.verb != QUEUE_REDIRECT)
        return 0;
    if (text && queue_next_hop(text, hostname, &round->next_hop, &why) == 0) {
        round->scan.next_hop = round->next_hop;
        return 0;
    }
    snprintf(bad, CONTROL_BAD, "%s", text ? why.text : "redirect needs a next hop");
    return -1;
}

// Without a filter everything must be asked for by name.
static int read_round(struct round *round, const json_t *request, char bad[static CONTROL_BAD])
{
    if (control_filter_read(&round->chosen, request, bad) < 0 ||
        round_next_hop(round, request, bad) < 0)
        return -1;
    round->scan.filter = round->chosen.filter;
    if (round->scan.verb == QUEUE_LIST || json_is_true(json_object_get(request, "all")) ||
        queue_filter_chooses(&round->scan.filter))
        return 0;
    snprintf(bad, CONTROL_BAD, "message ids, a filter, or all?");
    return -1;
}

static void queue_round(struct control_call *call, struct relay *relay, const json_t *request,
                        enum queue_verb verb)
{
    struct round *round = mem_new(sizeof *round);
    char bad[CONTROL_BAD];
    round->item.run = verbs_queue_round_on_piece;
    round->call = call;
    round->relay = relay;
    round->mail = control_mail(call);
    round->told_ms = clock_mono_ms();
    round->progress = json_is_true(json_object_get(request, "progress"));
    control_by(call, round->by, sizeof round->by);
    buf_init(&round->piece, CONTROL_ANSWER_MAX);
    round->scan = (struct queue_scan){.verb = verb,
                                      .by = round->by,
                                      .each = verbs_queue_round_on_row,
                                      .arg = round,
                                      .dry = json_is_true(json_object_get(request, "dry"))};
    if (read_round(round, request, bad) < 0) {
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
QUEUE_VERB(redirect_queue, QUEUE_REDIRECT)
QUEUE_VERB(remove_queue, QUEUE_REMOVE)
QUEUE_VERB(bounce_queue, QUEUE_BOUNCE)

void control_release_login(struct control_call *call, struct relay *relay, const char *login)
{
    json_t *request = json_pack("{s:o, s:s}", "login", json_text(login), "state", "held");
    queue_round(call, relay, request, QUEUE_RELEASE);
    json_decref(request);
}

const struct control_verb control_queue_verbs[] = {
    {"queue-list", false, list_queue},
    {"queue-retry", true, retry_queue},
    {"queue-hold", true, hold_queue},
    {"queue-release", true, release_queue},
    {"queue-remove", true, remove_queue},
    {"queue-bounce", true, bounce_queue},
    {"queue-redirect", true, redirect_queue},
    {"queue-export", true, control_export},
    {"queue-summary", false, control_summary},
    {"queue-import", true, control_import},
    {NULL, false, NULL},
};
