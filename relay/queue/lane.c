// SPDX-License-Identifier: ISC
// Lanes and when they start sessions. Speaks no SMTP and decides nothing about a delivery's fate.
#include "relay/queue/lane_inside.h"

#include <assert.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

struct run {
    struct list list;
    struct lane *lane;
    struct deliver *deliver;
    struct list open;  // its place among those whose connection another may share
    bool rides;        // it shares another's
    uint64_t begun_ms; // clock_mono_ms()
};

static bool pump(struct lane *lane);

void lane_mark(struct lane *lane)
{
    list_append(&lane->lanes->dirty, &lane->place);
}

// One session a lane and round, so that no site takes what all share.
static void lane_before_waiting(uv_prepare_t *turn)
{
    struct lanes *lanes = turn->data;
    while (!list_empty(&lanes->dirty)) {
        struct lane *lane = list_of(lanes->dirty.next, struct lane, place);
        list_remove(&lane->place);
        if (pump(lane))
            lane_mark(lane);
    }
}

static void lane_connection_freed(void *arg)
{
    lanes_wake(arg);
}

struct lanes *lanes_new(struct worker *worker, struct refusals *refusals,
                        const struct lanes_owner *owner)
{
    struct lanes *lanes = mem_new(sizeof *lanes);
    lanes->worker = worker;
    lanes->refusals = refusals;
    lanes->owner = *owner;
    list_init(&lanes->dirty);
    list_init(&lanes->blocked);
    lanes->pool = pool_new(worker, lane_connection_freed, lanes);
    lanes->turn = mem_new(sizeof *lanes->turn);
    lanes->turn->data = lanes;
    uv_prepare_init(&worker->loop, lanes->turn);
    uv_prepare_start(lanes->turn, lane_before_waiting);
    uv_unref((uv_handle_t *)lanes->turn);
    lane_fleet_begin(lanes);
    return lanes;
}

void lanes_reload(struct lanes *lanes)
{
    pool_reload(lanes->pool);
    lanes_wake(lanes);
}

void lanes_wake(struct lanes *lanes)
{
    list_each_safe (it, &lanes->blocked)
        lane_mark(list_of(it, struct lane, place));
}

bool lanes_blocked(const struct lanes *lanes)
{
    return !list_empty(&lanes->blocked);
}

size_t lanes_sessions(const struct lanes *lanes)
{
    return lanes->nsessions;
}

struct lane *lane_of(struct lanes *lanes, const char *site)
{
    struct lane *lane;
    HASH_FIND_STR(lanes->table, site, lane);
    if (lane)
        return lane;
    lane = mem_new(sizeof *lane);
    lane->lanes = lanes;
    lane->name = mem_dup(site);
    fair_init(&lane->ready);
    list_init(&lane->sessions);
    list_init(&lane->open);
    list_init(&lane->idle);
    list_init(&lane->place);
    list_init(&lane->fleet);
    HASH_ADD_KEYPTR(hh, lanes->table, lane->name, strlen(lane->name), lane);
    return lane;
}

static void lane_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void lane_free(struct lane *lane)
{
    HASH_DEL(lane->lanes->table, lane);
    list_remove(&lane->place);
    list_remove(&lane->fleet);
    if (lane->timer)
        uv_close((uv_handle_t *)lane->timer, lane_timer_closed);
    fair_free(&lane->ready);
    site_free(&lane->site);
    free(lane->name);
    free(lane);
}

// Those used longest ago stand first in the table.
void lanes_sweep(struct lanes *lanes)
{
    struct lane *lane, *next;
    uint64_t now = clock_mono_ms();
    size_t states[SITE_STATES] = {0};
    HASH_ITER (hh, lanes->table, lane, next) {
        if (site_forgettable(lane, now)) {
            lane_free(lane);
            continue;
        }
        states[site_state(lane)]++;
        if (!fair_empty(&lane->ready) && list_empty(&lane->place))
            lane_mark(lane); // the wall clock, by which a pause ends, may have been set
    }
    _Atomic int64_t *sites = lanes->worker->relay->counters.sites;
    for (int i = 0; i < SITE_STATES; i++)
        atomic_fetch_add_explicit(&sites[i], (int64_t)states[i] - (int64_t)lanes->states[i],
                                  memory_order_relaxed);
    memcpy(lanes->states, states, sizeof states);
}

static void lane_timer_over(uv_timer_t *timer)
{
    lane_mark(timer->data);
}

// It goes on then.
static void lane_sleep(struct lane *lane, uint64_t ms)
{
    if (!lane->timer) {
        lane->timer = mem_new(sizeof *lane->timer);
        uv_timer_init(&lane->lanes->worker->loop, lane->timer);
        uv_unref((uv_handle_t *)lane->timer);
        lane->timer->data = lane;
    }
    uv_timer_start(lane->timer, lane_timer_over, ms, 0);
}

void lanes_add(struct lanes *lanes, struct delivery *d)
{
    struct lane *lane = lane_of(lanes, d->route->site);
    if (d->asked)
        site_probe_now(lane);
    int64_t memory =
        atomic_load_explicit(&lanes->worker->relay->counters.memory_now, memory_order_relaxed);
    bool held_up = site_state(lane) >= SITE_SHUT;
    bool waits = held_up || (lane->nsessions && !fair_empty(&lane->ready));
    // What cannot start at once keeps its bytes only while memory is plentiful.
    if (waits && memory > (int64_t)(lanes->worker->setup->config->limits.memory / 2)) {
        content_unref(d->content);
        d->content = NULL;
    }
    fair_add(&lane->ready, d, QUEUE_READY);
    lane_mark(lane);
    struct why why;
    if (held_up && lanes->owner.waits && site_waits(lane, &why))
        lanes->owner.waits(d, &why, lanes->owner.arg);
}

bool lanes_waits(struct lanes *lanes, const struct delivery *d, struct why *why)
{
    struct lane *lane;
    HASH_FIND_STR(lanes->table, d->route->site, lane);
    return lane && site_waits(lane, why);
}

bool lanes_opens(struct lanes *lanes, const char *site, uint64_t *wait_ms)
{
    struct lane *lane;
    HASH_FIND_STR(lanes->table, site, lane);
    if (!lane || lane->site.shape.strikes > LANE_STRIKES)
        return false;
    const struct shape *shape = &lane->site.shape;
    uint64_t now = clock_mono_ms();
    *wait_ms = shape->phase == SHAPE_SHUT && shape->until_ms > now ? shape->until_ms - now : 0;
    return true;
}

int64_t lanes_asks_at(struct lanes *lanes, const char *site)
{
    struct lane *lane;
    HASH_FIND_STR(lanes->table, site, lane);
    return lane ? site_asked_at(lane) : INT64_MAX;
}

// Moves the ready delivery whose turn it is, and those that share its transaction, into batch.
static void lane_collect(struct lane *lane, struct list *batch)
{
    struct delivery *first = fair_take(&lane->ready);
    list_append(batch, &first->list);
    struct list *beside = first->siblings ? fair_beside(&lane->ready, first) : NULL;
    if (!beside)
        return;
    unsigned seen = 0;
    list_each_safe (it, beside) {
        struct delivery *d = list_of(it, struct delivery, list);
        if (seen++ >= LANE_SCAN)
            break;
        if (d->message == first->message && route_is_fresh(d->route) &&
            route_agree(d->route, first->route))
            list_append(batch, &d->list);
    }
}

static void lane_session_done(struct list *deliveries, const struct deliver_met *met, void *arg)
{
    struct run *run = arg;
    struct lane *lane = run->lane;
    struct lanes *lanes = lane->lanes;
    struct spool *spool = lanes->worker->relay->spool;
    list_remove(&run->list);
    list_remove(&run->open);
    lane->nriding -= run->rides;
    lane->nsessions--;
    lane->nreached -= met->reached;
    lane->handed = lane->handed && lane->nreached;
    lane->nreached -= lane->handed; // whoever has its connection now is not beside it
    lanes->nsessions--;
    if (met->attempted && !lanes->stopping)
        site_learn(lane, met, run->begun_ms);
    lane->nreached += lane->handed;
    lane->handed = false;
    free(run);
    if (!met->attempted && !lanes->stopping) {
        list_each_safe (it, deliveries) {
            struct delivery *d = list_of(it, struct delivery, list);
            spool_end(spool, d->underway, false);
            d->underway = 0;
            fair_add(&lane->ready, d, QUEUE_READY);
        }
        list_append(&lanes->blocked, &lane->place);
        return;
    }
    while (!list_empty(deliveries)) {
        struct delivery *d = list_of(deliveries->next, struct delivery, list);
        list_remove(&d->list);
        unsigned underway = d->underway;
        d->underway = 0;
        lanes->owner.done(d, lanes->owner.arg);
        spool_end(spool, underway, true); // what became of it is settled, and d may be gone
    }
    if (!fair_empty(&lane->ready))
        lane_mark(lane);
    // Its connection may be idle now, and make room for another lane's.
    if (!list_empty(&lanes->blocked))
        lane_mark(list_of(lanes->blocked.next, struct lane, place));
}

// Its message is out, and awaits its answer.
static void lane_message_sent(void *arg)
{
    struct run *run = arg;
    list_append(&run->lane->open, &run->open);
    if (!fair_empty(&run->lane->ready))
        lane_mark(run->lane);
}

static void lane_rides_no_more(void *arg)
{
    struct run *run = arg;
    run->lane->nriding -= run->rides;
    run->lane->handed = true;
    run->rides = false;
}

// A second address is tried only where the site takes one connection more.
static bool lane_beside(void *arg, bool more)
{
    struct lane *lane = ((struct run *)arg)->lane;
    struct shape_limits limits = site_limits(lane);
    if (!more) {
        lane->nbeside--;
        return true;
    }
    unsigned window = shape_window(&lane->site.shape, &limits);
    if (lane_connections(lane) + lane->nidle >= lane_room(lane, window))
        return false;
    lane->nbeside++;
    return true;
}

// The session whose connection the next message may share; NULL: none. Where there is a pace, time is no matter.
static struct run *lane_open_run(struct lane *lane)
{
    struct shape_limits limits = site_limits(lane);
    const struct shape *shape = &lane->site.shape;
    if (shape->phase != SHAPE_OPEN || shape_pace(shape, &limits) > 0)
        return NULL;
    list_each_safe (it, &lane->open) {
        struct run *run = list_of(it, struct run, open);
        if (deliver_takes_rider(run->deliver, fair_peek(&lane->ready)->route))
            return run;
    }
    return NULL;
}

// The spool knows what is under way, so that the next start knows what a crash interrupted.
// True: an operator asked for one of them.
static bool begin_all(struct spool *spool, struct list *batch)
{
    int64_t now = clock_ms();
    bool asked = false;
    list_each (it, batch) {
        struct delivery *d = list_of(it, struct delivery, list);
        asked |= d->asked;
        d->asked = false;
        d->underway = spool_begin(spool, d->message->env.id, d->domain);
        d->begun_ms = now;
    }
    return asked;
}

// A session opens a connection: within the limits, idle connections make room for it.
static void lane_opening(void *arg)
{
    struct lane *lane = ((struct run *)arg)->lane;
    struct lanes *lanes = lane->lanes;
    struct shape_limits limits = site_limits(lane);
    unsigned window = shape_window(&lane->site.shape, &limits);
    if (lane_connections(lane) + lane->nidle > lane_room(lane, window) && lane->nidle)
        pool_close_idle(list_of(lane->idle.next, struct connection, site));
    if (!pool_has_room(lanes->pool))
        pool_evict(lanes->pool);
}

// Alone on its connection, or behind another (NULL: none).
static void lane_start(struct lane *lane, struct list *batch, struct run *behind)
{
    struct run *run = mem_new(sizeof *run);
    struct deliver_order order = {
        .worker = lane->lanes->worker,
        .pool = lane->lanes->pool,
        .refusals = lane->lanes->refusals,
        .behind = behind ? behind->deliver : NULL,
        .sent = lane_message_sent,
        .first = lane_rides_no_more,
        .beside = lane_beside,
        .idle = &lane->idle,
        .nidle = &lane->nidle,
        .opening = lane_opening,
        .nreached = &lane->nreached,
        .probe = lane->site.shape.probing,
        .done = lane_session_done,
        .arg = run,
    };
    run->lane = lane;
    run->rides = behind;
    run->begun_ms = clock_mono_ms();
    list_init(&run->list);
    list_init(&run->open);
    lane->nriding += run->rides;
    if (behind)
        list_remove(&behind->open);
    list_append(&lane->sessions, &run->list);
    lane->nsessions++;
    lane->lanes->nsessions++;
    if (begin_all(lane->lanes->worker->relay->spool, batch))
        order.probe = true;
    run->deliver = deliver_new(&order, batch);
    deliver_run(run->deliver); // may end at once: run is gone then
}

// Sessions that still load their message have no connection yet, and will want one. The last part of what all
// share is for sites that took mail of late: those that never do cannot fill it.
static bool may_start(const struct lane *lane)
{
    const struct lanes *lanes = lane->lanes;
    uint64_t total = lanes->worker->setup->config->delivery.total;
    uint64_t room = lane->site.taken ? total : total - total / LANE_PROVED;
    return lanes->nsessions < room && (pool_has_room(lanes->pool) || pool_has_idle(lanes->pool)) &&
           spool_healthy(lanes->worker->relay->spool);
}

// What waited longer than its route holds asks for another before anything is connected to.
static bool send_back_stale(struct lane *lane)
{
    if (route_is_fresh(fair_peek(&lane->ready)->route))
        return false;
    lane->lanes->owner.stale(fair_take(&lane->ready), lane->lanes->owner.arg);
    return true;
}

// The site gets its next message now; else what it waits for is arranged. Where it has all connections that it takes,
// *behind is the session that the message may share one with.
static bool site_lets(struct lane *lane, struct run **behind)
{
    uint64_t when, now = clock_mono_ms();
    struct shape_limits limits = site_limits(lane);
    if (site_paused(&lane->site)) {
        int64_t until = lane->site.pause.until_ms, left = until - clock_ms();
        if (until)
            lane_sleep(lane, left > 0 ? (uint64_t)left : 1);
        return false;
    }
    switch (shape_ask(&lane->site.shape, &limits, (unsigned)lane_connections(lane), now, &when)) {
    case SHAPE_WAIT_TIME:
        lane_sleep(lane, when > now ? when - now : 1);
        return false;
    case SHAPE_WAIT_END: // the next session to end comes back here
        *behind = lane_open_run(lane);
        return *behind;
    case SHAPE_GO:
        break;
    }
    if (lane_may_connect(lane))
        return true;
    *behind = lane_open_run(lane);
    if (!*behind)
        list_append(&lane->lanes->blocked, &lane->place);
    return *behind;
}

// Starts one session; true: there may be another.
static bool pump(struct lane *lane)
{
    struct lanes *lanes = lane->lanes;
    while (!lanes->stopping && !fair_empty(&lane->ready)) {
        struct run *behind = NULL;
        if (!site_lets(lane, &behind))
            return false;
        if (send_back_stale(lane))
            continue;
        if (!behind && !may_start(lane))
            behind = lane_open_run(lane);
        if ((!behind && !may_start(lane)) || !lane_may_send(lane)) {
            list_append(&lanes->blocked, &lane->place);
            return false;
        }
        struct shape_limits limits = site_limits(lane);
        struct list batch;
        list_init(&batch);
        lane_collect(lane, &batch);
        shape_begin(&lane->site.shape, &limits, clock_mono_ms());
        lane_start(lane, &batch, behind);
        return list_empty(&lane->place); // blocked: every address has its full number
    }
    return false;
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
        lane_free(lane);
    }
    uv_close((uv_handle_t *)lanes->turn, lane_turn_closed);
    lane_fleet_end(lanes);
    free(lanes);
}
