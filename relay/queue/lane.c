// SPDX-License-Identifier: ISC
// Lanes and when they start sessions. Speaks no SMTP and decides nothing about a delivery's fate.
#include "relay/base/clock.h"
#include "relay/base/table.h"

#include <assert.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/queue/lane.h"

struct lane {
    struct lanes *lanes;
    char *site;
    struct list ready;    // deliveries
    struct list sessions; // struct run
    size_t nsessions;
    struct list idle; // connections in the pool
    size_t nidle;
    struct list place; // among the dirty or the blocked; in neither: nothing to do
    UT_hash_handle hh;
};

struct run {
    struct list list;
    struct lane *lane;
    struct deliver *deliver;
};

struct lanes {
    struct worker *worker;
    struct setup *setup;
    struct refusals *refusals;
    lane_done *done;
    lane_stale *stale;
    void *arg;
    struct lane *table;
    struct list dirty;   // to be looked at before the loop waits
    struct list blocked; // wait for a connection to end, or for the spool
    size_t nsessions;
    bool stopping;
    struct pool *pool;
    uv_prepare_t *turn;
};

static void pump(struct lane *lane);

static void mark(struct lane *lane)
{
    list_append(&lane->lanes->dirty, &lane->place);
}

static void lane_before_waiting(uv_prepare_t *turn)
{
    struct lanes *lanes = turn->data;
    while (!list_empty(&lanes->dirty)) {
        struct lane *lane = list_of(lanes->dirty.next, struct lane, place);
        list_remove(&lane->place);
        pump(lane);
    }
}

static void lane_connection_freed(void *arg)
{
    lanes_wake(arg);
}

struct lanes *lanes_new(struct worker *worker, struct refusals *refusals, lane_done *done,
                        lane_stale *stale, void *arg)
{
    struct lanes *lanes = mem_new(sizeof *lanes);
    lanes->worker = worker;
    lanes->setup = setup_ref(worker->setup);
    lanes->refusals = refusals;
    lanes->done = done;
    lanes->stale = stale;
    lanes->arg = arg;
    list_init(&lanes->dirty);
    list_init(&lanes->blocked);
    lanes->pool = pool_new(worker, lane_connection_freed, lanes);
    lanes->turn = mem_new(sizeof *lanes->turn);
    lanes->turn->data = lanes;
    uv_prepare_init(&worker->loop, lanes->turn);
    uv_prepare_start(lanes->turn, lane_before_waiting);
    uv_unref((uv_handle_t *)lanes->turn);
    return lanes;
}

void lanes_reload(struct lanes *lanes, struct setup *setup)
{
    setup_unref(lanes->setup);
    lanes->setup = setup_ref(setup);
    pool_reload(lanes->pool, setup);
    lanes_wake(lanes);
}

void lanes_wake(struct lanes *lanes)
{
    list_each_safe (it, &lanes->blocked)
        mark(list_of(it, struct lane, place));
}

bool lanes_blocked(const struct lanes *lanes)
{
    return !list_empty(&lanes->blocked);
}

size_t lanes_sessions(const struct lanes *lanes)
{
    return lanes->nsessions;
}

static struct lane *lane_of(struct lanes *lanes, const char *site)
{
    struct lane *lane;
    HASH_FIND_STR(lanes->table, site, lane);
    if (lane)
        return lane;
    lane = mem_new(sizeof *lane);
    lane->lanes = lanes;
    lane->site = mem_dup(site);
    list_init(&lane->ready);
    list_init(&lane->sessions);
    list_init(&lane->idle);
    list_init(&lane->place);
    HASH_ADD_KEYPTR(hh, lanes->table, lane->site, strlen(lane->site), lane);
    return lane;
}

static void lane_free(struct lane *lane)
{
    HASH_DEL(lane->lanes->table, lane);
    list_remove(&lane->place);
    free(lane->site);
    free(lane);
}

void lanes_sweep(struct lanes *lanes)
{
    struct lane *lane, *next;
    HASH_ITER (hh, lanes->table, lane, next) {
        if (list_empty(&lane->ready) && !lane->nsessions && !lane->nidle)
            lane_free(lane);
    }
}

void lanes_add(struct lanes *lanes, struct delivery *d)
{
    struct lane *lane = lane_of(lanes, d->route->site);
    int64_t memory =
        atomic_load_explicit(&lanes->worker->relay->counters.memory_now, memory_order_relaxed);
    bool waits = !list_empty(&lane->ready) && lane->nsessions;
    // What cannot start at once keeps its bytes only while memory is plentiful.
    if (waits && memory > (int64_t)(lanes->setup->config->limits.memory / 2)) {
        content_unref(d->content);
        d->content = NULL;
    }
    delivery_move(d, QUEUE_READY, &lane->ready);
    mark(lane);
}

// Moves the first ready delivery, and those that share its transaction, into batch.
static void lane_collect(struct lane *lane, struct list *batch)
{
    struct delivery *first = list_of(lane->ready.next, struct delivery, list);
    list_append(batch, &first->list);
    unsigned seen = 0;
    if (!first->siblings)
        return;
    list_each_safe (it, &lane->ready) {
        struct delivery *d = list_of(it, struct delivery, list);
        if (seen++ >= LANE_SCAN)
            break;
        if (d->message == first->message && route_is_fresh(d->route) &&
            route_agree(d->route, first->route))
            list_append(batch, &d->list);
    }
}

static void lane_session_done(struct list *deliveries, bool attempted, void *arg)
{
    struct run *run = arg;
    struct lane *lane = run->lane;
    struct lanes *lanes = lane->lanes;
    struct spool *spool = lanes->worker->relay->spool;
    list_remove(&run->list);
    lane->nsessions--;
    lanes->nsessions--;
    free(run);
    if (!attempted && !lanes->stopping) {
        list_each_safe (it, deliveries) {
            struct delivery *d = list_of(it, struct delivery, list);
            spool_end(spool, d->underway, false);
            d->underway = 0;
            delivery_move(d, QUEUE_READY, &lane->ready);
        }
        list_append(&lanes->blocked, &lane->place);
        return;
    }
    while (!list_empty(deliveries)) {
        struct delivery *d = list_of(deliveries->next, struct delivery, list);
        list_remove(&d->list);
        unsigned underway = d->underway;
        d->underway = 0;
        lanes->done(d, lanes->arg);
        spool_end(spool, underway, true); // what became of it is settled, and d may be gone
    }
    if (!list_empty(&lane->ready))
        mark(lane);
    // Its connection may be idle now, and make room for another lane's.
    if (!list_empty(&lanes->blocked))
        mark(list_of(lanes->blocked.next, struct lane, place));
}

// The spool knows what is under way, so that the next start knows what a crash interrupted.
static void begin_all(struct spool *spool, struct list *batch)
{
    int64_t now = clock_ms();
    list_each (it, batch) {
        struct delivery *d = list_of(it, struct delivery, list);
        d->underway = spool_begin(spool, d->message->env.id, d->domain);
        d->begun_ms = now;
    }
}

// A session opens a connection: within the limits, idle connections make room for it.
static void lane_opening(void *arg)
{
    struct lane *lane = ((struct run *)arg)->lane;
    struct lanes *lanes = lane->lanes;
    if (lane->nsessions + lane->nidle > lanes->setup->config->delivery.per_site && lane->nidle)
        pool_close_idle(list_of(lane->idle.next, struct connection, site));
    if (!pool_has_room(lanes->pool))
        pool_evict(lanes->pool);
}

static void lane_start(struct lane *lane, struct list *batch)
{
    struct run *run = mem_new(sizeof *run);
    struct deliver_order order = {
        .worker = lane->lanes->worker,
        .pool = lane->lanes->pool,
        .refusals = lane->lanes->refusals,
        .idle = &lane->idle,
        .nidle = &lane->nidle,
        .opening = lane_opening,
        .done = lane_session_done,
        .arg = run,
    };
    run->lane = lane;
    list_init(&run->list);
    list_append(&lane->sessions, &run->list);
    lane->nsessions++;
    lane->lanes->nsessions++;
    begin_all(lane->lanes->worker->relay->spool, batch);
    run->deliver = deliver_new(&order, batch);
    deliver_run(run->deliver); // may end at once: run is gone then
}

// Sessions that still load their message have no connection yet, and will want one.
static bool may_start(const struct lane *lane)
{
    const struct lanes *lanes = lane->lanes;
    return lanes->nsessions < lanes->setup->config->delivery.total &&
           (pool_has_room(lanes->pool) || pool_has_idle(lanes->pool)) &&
           spool_healthy(lanes->worker->relay->spool);
}

// What waited longer than its route holds asks for another before anything is connected to.
static bool send_back_stale(struct lane *lane)
{
    struct delivery *first = list_of(lane->ready.next, struct delivery, list);
    if (route_is_fresh(first->route))
        return false;
    list_remove(&first->list);
    lane->lanes->stale(first, lane->lanes->arg);
    return true;
}

static void pump(struct lane *lane)
{
    uint64_t per_site = lane->lanes->setup->config->delivery.per_site;
    while (!list_empty(&lane->ready) && !lane->lanes->stopping) {
        if (lane->nsessions >= per_site)
            return; // the next session to end comes back here
        if (send_back_stale(lane))
            continue;
        if (!may_start(lane)) {
            list_append(&lane->lanes->blocked, &lane->place);
            return;
        }
        struct list batch;
        list_init(&batch);
        lane_collect(lane, &batch);
        lane_start(lane, &batch);
        if (!list_empty(&lane->place)) // blocked: every address has its full number
            return;
    }
}

void lanes_stop(struct lanes *lanes)
{
    lanes->stopping = true;
    pool_shut(lanes->pool);
}

void lanes_cut(struct lanes *lanes)
{
    struct lane *lane, *next;
    HASH_ITER (hh, lanes->table, lane, next) {
        while (!list_empty(&lane->sessions))
            deliver_cut(list_of(lane->sessions.next, struct run, list)->deliver);
    }
}

static void lane_turn_closed(uv_handle_t *handle)
{
    free(handle);
}

void lanes_free(struct lanes *lanes)
{
    if (!lanes)
        return;
    assert(lanes->nsessions == 0);
    pool_free(lanes->pool);
    struct lane *lane, *next;
    HASH_ITER (hh, lanes->table, lane, next) {
        assert(list_empty(&lane->ready));
        lane_free(lane);
    }
    uv_close((uv_handle_t *)lanes->turn, lane_turn_closed);
    setup_unref(lanes->setup);
    free(lanes);
}
