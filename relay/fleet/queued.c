// SPDX-License-Identifier: ISC
// The reading, on the workers' threads one after the other, and the telling, on the fleet's.
#include "relay/fleet/queued.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/base/table.h"
#include "relay/log/json.h"
#include "relay/log/log.h"
#include "relay/queue/queue.h"
#include "relay/worker/worker.h"

#define PIECE_ROWS  2000  // recipients that a worker looks at before its loop goes on
#define TOLD_APART  10000 // rows that are reckoned; what comes later counts among the others
#define REASON_TEXT 300   // bytes of a reason
#define EVERY_MS    900   // the thread turns once a second
#define STALE_MS    3000  // what was read longer ago is not told as if it were so now
#define LEISURE     100   // a reading is followed by so many times what it took
#define REFUSED_MS  5000

struct row {
    UT_hash_handle hh;
    enum queue_state state;
    uint64_t recipients;
    int64_t oldest_ms, next_ms; // next: the earliest; 0: it is not waiting for a time
    unsigned attempts;          // the most of any message
    enum reason why;
    enum act act;
    char *reason, *site; // of the message that was tried most often; NULL: none
    char key[];          // a letter of the state, and the domain
};

struct queued {
    struct relay *relay;
    struct queue_scan walk;
    unsigned worker; // whose queue is read
    struct row *rows;
    struct {
        uint64_t recipients;
        int64_t oldest_ms;
    } states[QUEUE_HELD + 1], unknown; // unknown: of no row
    uint64_t busy_ns;
    int done; // eventfd
    // the fleet's thread's
    uint64_t due_at, refused_at;
    char *told;
    unsigned told_as;
    // all
    pthread_mutex_t lock;
    bool reading, resting;
    char *text; // of a reading that has ended; NULL: there is none
    uint64_t ended_at;
};

// ---- reading

static void queued_older(int64_t *oldest_ms, int64_t ms)
{
    if (!*oldest_ms || ms < *oldest_ms)
        *oldest_ms = ms;
}

static struct row *queued_row_of(struct queued *q, const struct queue_row *row)
{
    struct row *r;
    char key[300];
    size_t n = (size_t)snprintf(key, sizeof key, "%c%s", 'a' + (int)row->state, row->domain);
    if (n >= sizeof key)
        n = sizeof key - 1;
    HASH_FIND(hh, q->rows, key, n, r);
    if (r || HASH_COUNT(q->rows) >= TOLD_APART)
        return r;
    r = mem_new(sizeof *r + n + 1);
    r->state = row->state;
    memcpy(r->key, key, n);
    HASH_ADD(hh, q->rows, key, n, r);
    return r;
}

static void queued_replace(char **text, const char *with)
{
    free(*text);
    *text = with && with[0] ? mem_printf("%.*s", REASON_TEXT, with) : NULL;
}

static void queued_on_row(const struct queue_row *row, void *arg)
{
    struct queued *q = arg;
    struct row *r = queued_row_of(q, row);
    q->states[row->state].recipients++;
    queued_older(&q->states[row->state].oldest_ms, row->created_ms);
    if (!r) {
        q->unknown.recipients++;
        queued_older(&q->unknown.oldest_ms, row->created_ms);
        return;
    }
    bool first = !r->recipients++;
    queued_older(&r->oldest_ms, row->created_ms);
    if (row->state == QUEUE_WAITING)
        queued_older(&r->next_ms, row->next_ms);
    if (!first && row->attempts <= r->attempts)
        return;
    r->attempts = row->attempts;
    r->why = row->why;
    r->act = row->act;
    queued_replace(&r->reason, log_masks() ? NULL : row->reason);
    queued_replace(&r->site, row->site);
}

static int queued_by_recipients(const struct row *a, const struct row *b)
{
    return a->recipients != b->recipients ? (a->recipients < b->recipients ? 1 : -1)
                                          : strcmp(a->key, b->key);
}

static json_t *describe_row(const struct row *r)
{
    json_t *j = json_object();
    json_object_set_new(j, "domain", json_text(r->key + 1));
    json_object_set_new(j, "site", r->site ? json_text(r->site) : json_null());
    json_object_set_new(j, "state", json_string(queue_state_word(r->state)));
    json_object_set_new(j, "recipients", json_integer((json_int_t)r->recipients));
    json_object_set_new(j, "oldest", json_integer(r->oldest_ms / 1000));
    json_object_set_new(j, "next", r->next_ms ? json_integer(r->next_ms / 1000) : json_null());
    json_object_set_new(j, "attempts", json_integer(r->attempts));
    json_object_set_new(j, "reason", json_text(r->reason ? r->reason : ""));
    json_object_set_new(j, "why", json_text(reason_row(r->why)->name));
    json_object_set_new(j, "act", json_text(act_word(r->act)));
    return j;
}

static void forget_row(struct queued *q, struct row *r)
{
    HASH_DEL(q->rows, r);
    free(r->reason);
    free(r->site);
    free(r);
}

static json_t *queued_describe_rows(struct queued *q, json_t *others)
{
    json_t *rows = json_array();
    json_int_t more = 0, recipients = (json_int_t)q->unknown.recipients;
    struct row *r, *next;
    HASH_SORT(q->rows, queued_by_recipients);
    HASH_ITER (hh, q->rows, r, next) {
        if (json_array_size(rows) < QUEUED_ROWS) {
            json_array_append_new(rows, describe_row(r));
        } else {
            more++;
            recipients += (json_int_t)r->recipients;
            queued_older(&q->unknown.oldest_ms, r->oldest_ms);
        }
        forget_row(q, r);
    }
    json_object_set_new(others, "rows", json_integer(more));
    json_object_set_new(others, "recipients", json_integer(recipients));
    json_object_set_new(others, "oldest", json_integer(q->unknown.oldest_ms / 1000));
    return rows;
}

static char *queued_text(struct queued *q)
{
    json_t *j = json_object(), *states = json_object(), *others = json_object();
    for (int i = 0; i <= QUEUE_HELD; i++)
        json_object_set_new(states, queue_state_word((enum queue_state)i),
                            json_pack("{s:I, s:I}", "recipients",
                                      (json_int_t)q->states[i].recipients, "oldest",
                                      (json_int_t)(q->states[i].oldest_ms / 1000)));
    json_object_set_new(j, "states", states);
    json_object_set_new(j, "rows", queued_describe_rows(q, others));
    json_object_set_new(j, "others", others);
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(j);
    return text;
}

static void queued_end(struct queued *q)
{
    char *text = queued_text(q);
    pthread_mutex_lock(&q->lock);
    free(q->text);
    q->text = text;
    q->ended_at = clock_mono_ms();
    q->reading = false;
    pthread_mutex_unlock(&q->lock);
    eventfd_write(q->done, 1);
}

static void queued_on_worker(struct worker *worker, void *arg);

// Under a lock, so that what is posted is posted before queued_rest returns, hence met before the queues go.
static bool queued_ask_worker(struct queued *q)
{
    pthread_mutex_lock(&q->lock);
    bool asks = !q->resting;
    if (asks)
        worker_call(q->relay->workers[q->worker], queued_on_worker, q);
    q->reading = asks;
    pthread_mutex_unlock(&q->lock);
    return asks;
}

static void queued_on_worker(struct worker *worker, void *arg)
{
    struct queued *q = arg;
    uint64_t began = clock_mono_ns();
    if (!worker->queue || !queue_scan_on(worker->queue, &q->walk, PIECE_ROWS))
        q->worker++;
    q->busy_ns += clock_mono_ns() - began;
    if (q->worker == q->relay->nworkers)
        queued_end(q);
    else if (!queued_ask_worker(q))
        queue_scan_leave(&q->walk);
}

static void queued_begin(struct queued *q)
{
    q->worker = 0;
    q->busy_ns = 0;
    q->walk = (struct queue_scan){
        .verb = QUEUE_LIST, .filter = {.state = -1}, .each = queued_on_row, .arg = q};
    memset(q->states, 0, sizeof q->states);
    q->unknown.recipients = 0;
    q->unknown.oldest_ms = 0;
    queued_ask_worker(q);
}

// ---- telling

static int queued_tell(struct queued *q, struct session *s, unsigned node, const char *text,
                       struct why *why)
{
    char number[SESSION_NUMBER];
    bool same = q->told && q->told_as == node && strcmp(q->told, text) == 0;
    const char *const params[] = {number, same ? NULL : text};
    struct rows *rows = NULL;
    session_number(number, node);
    int rc = session_run(s, "SELECT waxwing.tell_queued($1::smallint, $2)", params, 2, &rows, why);
    bool told = rc == 0 && rows_count(rows) == 1 && rows_true(rows, 0, 0);
    rows_free(rows);
    free(q->told);
    q->told = told ? mem_dup(text) : NULL; // else all of it the next time
    q->told_as = node;
    return rc;
}

int queued_turn(struct queued *q, struct session *s, unsigned node, struct why *why)
{
    eventfd_t count;
    uint64_t now = clock_mono_ms();
    eventfd_read(q->done, &count);
    pthread_mutex_lock(&q->lock);
    bool reading = q->reading;
    char *text = q->text;
    q->text = NULL;
    if (text && now > q->ended_at + STALE_MS) { // the database was away
        free(text);
        text = NULL;
    }
    pthread_mutex_unlock(&q->lock);
    if (text) {
        uint64_t rest = q->busy_ns / 1000000 * LEISURE;
        q->due_at = now + (rest > EVERY_MS ? rest : EVERY_MS);
    }
    if (!reading && !text && now >= q->due_at)
        queued_begin(q);
    int rc = text && now >= q->refused_at ? queued_tell(q, s, node, text, why) : 0;
    free(text);
    if (rc == 0 || !session_state(s)[0])
        return rc;
    q->refused_at = now + REFUSED_MS; // by the server, whose disk is full, say
    return 0;
}

// ---- life

struct queued *queued_new(struct relay *relay)
{
    struct queued *q = mem_new(sizeof *q);
    q->relay = relay;
    q->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

void queued_rest(struct queued *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->resting = true;
    pthread_mutex_unlock(&q->lock);
}

int queued_wake(const struct queued *q)
{
    return q ? q->done : -1;
}

void queued_free(struct queued *q)
{
    struct row *r, *next;
    if (!q)
        return;
    HASH_ITER (hh, q->rows, r, next)
        forget_row(q, r);
    if (q->done >= 0)
        close(q->done);
    pthread_mutex_destroy(&q->lock);
    free(q->told);
    free(q->text);
    free(q);
}
