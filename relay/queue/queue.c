// SPDX-License-Identifier: ISC
// A worker's queue: when each delivery is due, where it goes then. Decides no outcome (relay/queue/settle.c)
// and opens no connection (relay/queue/lane.h).
#include "relay/queue/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/words.h"
#include "relay/deliver/retry.h"
#include "relay/log/log.h"
#include "relay/login/habits.h"
#include "relay/queue/inside.h"
#include "relay/queue/tell.h"
#include "relay/queue/trace.h"
#include "relay/recent/recents.h"
#include "relay/route/near.h"
#include "relay/route/routes.h"
#include "relay/smtp/reply_class.h"

static void queue_tick(uv_timer_t *timer);
static void ask_due(struct queue *q);
static void queue_reroute(struct delivery *d, void *arg);
static void queue_busy(struct worker *worker, int change);

static void queue_on_report(struct message *report, void *arg)
{
    queue_add(arg, report);
}

// The recipient comes back, and fails once more later.
static void queue_on_report_lost(struct message *about, size_t recipient, unsigned attempts,
                                 bool delay_warned, const char *next_hop, void *arg)
{
    struct queue *q = arg;
    struct delivery *d = delivery_new(about, &recipient, 1);
    d->worker = q->worker;
    d->size = message_size(about);
    d->attempts = attempts;
    d->rcpts[0].delay_warned = delay_warned;
    words_drop(d->next_hop);
    d->next_hop = words_keep(next_hop);
    d->next_ms = clock_ms() + QUEUE_REPORT_RETRY;
    list_append(&q->all, &d->all);
    atomic_fetch_add_explicit(&q->worker->relay->counters.queued_now, 1, memory_order_relaxed);
    queue_wait(q, d);
}

static void queue_grace_over(uv_timer_t *timer);

static bool queue_is_empty(const struct queue *q)
{
    return !lanes_sessions(q->lanes) && !reports_pending(q->reports) && !q->nbusy;
}

// Told from the loop, never from the middle of what ends: a session that ends may settle other deliveries after the
// one whose report was just dropped.
static void queue_check_gone(struct queue *q)
{
    if (q->gone && queue_is_empty(q))
        uv_timer_start(&q->grace, queue_grace_over, 0, 0);
}

static void queue_on_report_end(void *arg)
{
    queue_check_gone(arg);
}

static void queue_on_lesson(void *queue)
{
    queue_keep_sites(queue);
}

struct queue *queue_new(struct worker *worker)
{
    struct queue *q = mem_new(sizeof *q);
    q->worker = worker;
    worker->busy = queue_busy;
    list_init(&q->all);
    list_init(&q->routing);
    list_init(&q->held);
    list_init(&q->gathering);
    list_init(&q->walker.all);
    fair_init(&q->due);
    q->near = near_new();
    q->refusals = refusals_new(worker->relay);
    struct lanes_owner lanes = {queue_settle, queue_reroute, queue_kept, queue_on_lesson, q};
    q->lanes = lanes_new(worker, q->refusals, &lanes);
    struct report_owner owner = {queue_on_report, queue_on_report_lost, queue_on_report_end, q};
    q->reports = reports_new(worker, &owner);
    uv_timer_t *timers[] = {&q->clock, &q->grace, &q->gather};
    for (size_t i = 0; i < 3; i++) {
        uv_timer_init(&worker->loop, timers[i]);
        timers[i]->data = q;
        q->handles++;
    }
    q->swept_ms = clock_mono_ms();
    uv_timer_start(&q->clock, queue_tick, QUEUE_SWEEP_MS, 0);
    return q;
}

// The longest step of the schedule. Ours, for a report that was not stored, may be longer.
static int64_t longest_step(const struct queue *q)
{
    const struct cfg_delivery *c = &q->worker->setup->config->delivery;
    uint64_t longest = QUEUE_REPORT_RETRY;
    for (size_t i = 0; i < c->nretry; i++)
        longest = c->retry[i] > longest ? c->retry[i] : longest;
    return (int64_t)longest;
}

// A time that was reckoned while the clock was ahead for a moment lies too far away once it is right again: nothing
// waits longer than the longest step (and its jitter) from now on. Cutting every time at the same moment keeps
// the heap in order.
static void bring_near(struct queue *q)
{
    int64_t step = longest_step(q), now = clock_ms();
    if (q->latest_ms <= now + step + step / 100 * RETRY_JITTER_PERCENT + 1000)
        return;
    q->latest_ms = 0;
    for (size_t i = 0; i < q->waiting.n; i++) {
        struct delivery *d = q->waiting.at[i];
        if (d->next_ms > now + step)
            d->next_ms = now + step;
        if (d->next_ms > q->latest_ms)
            q->latest_ms = d->next_ms;
    }
}

void queue_reload(struct queue *q)
{
    near_forget(q->near);
    lanes_reload(q->lanes);
    bring_near(q);
}

void queue_wake(struct queue *q)
{
    if (!q->stopping)
        lanes_wake(q->lanes);
}

// The clock sleeps until the first delivery is due, and never long: the wall clock may be set.
static void queue_arm(struct queue *q)
{
    uint64_t ms = QUEUE_SWEEP_MS;
    if (lanes_blocked(q->lanes))
        ms = QUEUE_TICK_MS;
    if (q->waiting.n && q->nrouting < QUEUE_ROUTING_MAX) {
        int64_t left = q->waiting.at[0]->next_ms - clock_ms();
        if (left < (int64_t)ms)
            ms = left > 0 ? (uint64_t)left : 0;
    }
    if (!q->stopping)
        uv_timer_start(&q->clock, queue_tick, ms, 0);
}

// Who only waits for a turn that comes soon is told nothing.
static bool is_late(const struct delivery *d, int64_t now)
{
    int64_t created = d->message->env.created_ms;
    return now - (d->next_ms > created ? d->next_ms : created) >= QUEUE_TOLD_MS;
}

// What is ready and kept by its site: told, warned of, and ended in time. Some of the queue at a time, so that one of
// any length costs no time at once.
static void look_after_ready(struct queue *q)
{
    int64_t now = clock_ms();
    if (list_empty(&q->walker.all))
        list_prepend(&q->all, &q->walker.all);
    for (size_t i = 0; i < QUEUE_LOOK; i++) {
        struct list *next = q->walker.all.next;
        if (next == &q->all) {
            list_remove(&q->walker.all);
            return;
        }
        list_append(next->next, &q->walker.all);
        struct delivery *d = list_of(next, struct delivery, all);
        struct why why;
        if (d->message && d->place == QUEUE_READY && is_late(d, now) &&
            lanes_waits(q->lanes, d, &why))
            queue_kept(d, &why, q);
    }
}

static void queue_tick(uv_timer_t *timer)
{
    struct queue *q = timer->data;
    if (clock_mono_ms() - q->swept_ms >= QUEUE_SWEEP_MS) {
        lanes_sweep(q->lanes);
        queue_keep_sites(q);
        look_after_ready(q);
        if (q->worker->index == 0) {
            habits_keep(q->worker->relay->habits);
            recents_keep(q->worker->relay->recents, false);
        }
        q->swept_ms = clock_mono_ms();
    }
    bring_near(q);
    if (spool_healthy(q->worker->relay->spool))
        lanes_wake(q->lanes);
    ask_due(q);
    queue_arm(q);
}

// Its route goes; where it led is remembered, for whoever asks what waits for a site.
static void queue_keep_site(struct delivery *d)
{
    if (d->route && d->route->nhosts && (!d->site || strcmp(d->site, d->route->site) != 0)) {
        words_drop(d->site);
        d->site = words_keep(d->route->site);
    }
    route_unref(d->route);
    d->route = NULL;
}

void queue_wait(struct queue *q, struct delivery *d)
{
    queue_keep_site(d);
    d->looking = false;
    if (d->next_ms == INT64_MAX) {
        delivery_move(d, QUEUE_HELD, &q->held);
        return;
    }
    delivery_move(d, QUEUE_WAITING, NULL);
    queue_heap_add(&q->waiting, d);
    if (d->next_ms > q->latest_ms)
        q->latest_ms = d->next_ms;
    bring_near(q);
    if (q->waiting.at[0] == d)
        queue_arm(q);
}

void queue_unplace(struct queue *q, struct delivery *d)
{
    assert(d->place != QUEUE_ACTIVE);
    queue_heap_remove(&q->waiting, d);
    if (d->asking) {
        route_cancel(d->asking);
        d->asking = NULL;
        q->nrouting--;
    }
    list_remove(&d->list);
}

// Routing

static void queue_gathered(uv_timer_t *timer)
{
    struct queue *q = timer->data;
    list_each_safe (it, &q->gathering)
        lanes_add(q->lanes, list_of(it, struct delivery, list));
}

// Into its lane. A delivery that has siblings waits a moment for those that go to the same hosts, so that
// one transaction serves them all.
static void enter(struct queue *q, struct delivery *d)
{
    if (!d->siblings || d->attempts) {
        lanes_add(q->lanes, d);
        return;
    }
    delivery_move(d, QUEUE_READY, &q->gathering);
    if (!uv_is_active((uv_handle_t *)&q->gather))
        uv_timer_start(&q->gather, queue_gathered, QUEUE_GATHER_MS, 0);
}

static void queue_arrive(struct item *item)
{
    struct delivery *d = list_of(item, struct delivery, item);
    struct queue *q = d->worker->queue;
    if (!q || q->stopping) {
        delivery_free(d); // its mail stays in the spool
        return;
    }
    list_append(&q->all, &d->all);
    enter(q, d);
}

static void to_lane(struct queue *q, struct delivery *d, struct route *route)
{
    d->route = route_ref(route);
    struct worker *owner = worker_for_site(q->worker->relay, route->site);
    if (owner == q->worker) {
        enter(q, d);
        return;
    }
    list_remove(&d->list);
    list_remove(&d->all);
    d->worker = owner;
    d->item.run = queue_arrive;
    inbox_post(owner->mail, &d->item);
}

// A route that leads nowhere: what TLS policy stopped is told host by host.
static void tell_refused(struct queue *q, const struct delivery *d, struct route *route)
{
    bool told = false;
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct route_host *host = &route->hosts[i];
        const struct why *why = host->demand.refuse ? &host->demand.why : &host->unusable;
        if (!host->demand.refuse && why->tls == WHY_TLS_NONE)
            continue;
        refusal_record(q->refusals, d->message, route, host, why);
        told = true;
    }
    if (!told && route->why.tls != WHY_TLS_NONE)
        refusal_record(q->refusals, d->message, route, NULL, &route->why);
}

static void queue_routed(struct route *route, void *arg)
{
    struct delivery *d = arg;
    struct queue *q = d->worker->queue;
    d->asking = NULL;
    q->nrouting--;
    list_remove(&d->list);
    if (d->looking && queue_looked(q, d, route)) {
        // settled
    } else if (route->verdict == ROUTE_DELIVER) {
        struct delivery_way way;
        delivery_wish(d, q->worker->setup->config, &way);
        near_keep(q->near, &way.wish, route);
        to_lane(q, d, route);
    } else {
        struct why why = route->why;
        // Only what the route calls a bounce may be one; and only with class 5. Where an operator sent it says nothing
        // about the recipient.
        if (d->next_hop)
            why.scope = WHY_OURS;
        else if (route->verdict == ROUTE_BOUNCE && why_permanent(&why))
            why.scope = WHY_DOMAIN;
        else if (why.scope != WHY_OURS)
            why.scope = WHY_HOST;
        d->route = route_ref(route);
        tell_refused(q, d, route);
        queue_settle_all(q, d, &why);
    }
    ask_due(q);
    queue_arm(q);
}

// The login has jumped since the message came: it waits with all that comes now. What was held when it came and is
// here all the same was let go by an operator.
static bool hold_for_login(struct queue *q, struct delivery *d)
{
    const struct envelope *env = &d->message->env;
    char text[HABITS_WHY];
    struct why why;
    if (!env->principal || (env->held_for && env->held_for[0]) ||
        !q->worker->setup->config->jumps.hold ||
        !habits_held(q->worker->relay->habits, env->principal, text))
        return false;
    why_say(&why, LOGIN_HELD, text);
    d->next_ms = INT64_MAX;
    delivery_waits_for(d, &why);
    queue_note(q, d, SPOOL_DEFERRED, NULL);
    tell_held(q, d, why.text, NULL);
    queue_wait(q, d);
    return true;
}

void queue_ask(struct queue *q, struct delivery *d)
{
    if (hold_for_login(q, d))
        return;
    delivery_move(d, QUEUE_ROUTING, &q->routing);
    q->nrouting++;
    struct delivery_way way;
    delivery_wish(d, q->worker->setup->config, &way);
    d->asking = route_ask(q->worker->relay->routes, q->worker->mail, &way.wish, queue_routed, d);
}

// Where mail for the same domain has just gone, it goes at once.
static bool goes_near(struct queue *q, struct delivery *d)
{
    struct delivery_way way;
    struct route *route;
    if (d->looking)
        return false;
    delivery_wish(d, q->worker->setup->config, &way);
    route = near_find(q->near, &way.wish, q->worker->setup);
    if (!route || hold_for_login(q, d))
        return route != NULL;
    to_lane(q, d, route);
    return true;
}

// Its turn came when its route no longer held: policy may say otherwise now.
static void queue_reroute(struct delivery *d, void *arg)
{
    queue_keep_site(d);
    queue_ask(arg, d);
}

// Those that are due ask in turn by who sent them.
static void ask_due(struct queue *q)
{
    int64_t now = clock_ms();
    struct delivery *d;
    for (size_t i = 0; i < QUEUE_DUE && q->waiting.n && q->waiting.at[0]->next_ms <= now; i++) {
        d = q->waiting.at[0];
        queue_heap_remove(&q->waiting, d);
        fair_add(&q->due, d, QUEUE_WAITING);
    }
    // So many at once and no more: the answer to the first that has to ask brings the next ones here.
    for (size_t near = 0;
         q->nrouting < QUEUE_ROUTING_MAX && !q->stopping && (d = fair_take(&q->due));)
        if (near == QUEUE_NEAR_MAX || !goes_near(q, d))
            queue_ask(q, d);
        else
            near++;
}

// Adding

static bool together(const struct recipient *a, const struct recipient *b)
{
    return strcmp(a->domain, b->domain) == 0 && a->attempts == b->attempts &&
           a->next_ms == b->next_ms && a->next_hop == b->next_hop; // equal words are one
}

// A delivery in the middle of which the relay ended uncleanly may be why: it starts with back-off, and after some times
// an operator has to say so.
static void suspect(struct queue *q, struct delivery *d)
{
    const struct cfg_delivery *c = &q->worker->setup->config->delivery;
    unsigned crashes = spool_crashes(q->worker->relay->spool, d->message->env.id, d->domain);
    if (!crashes || d->next_ms == INT64_MAX)
        return;
    if (crashes < QUEUE_CRASHES) {
        uint64_t wait = QUEUE_CRASH_MS << 2 * (crashes - 1), last = c->retry[c->nretry - 1];
        wait = wait < last ? wait : last;
        // Apart from what was under way with it, so that they do not meet again.
        int64_t next = clock_ms() + (int64_t)(wait / 2 + random_below(wait / 2 + 1));
        d->next_ms = next > d->next_ms ? next : d->next_ms;
        return;
    }
    char id[ID_TEXT];
    id_text(d->message->env.id, id);
    d->next_ms = INT64_MAX;
    struct why why;
    why_say(&why, HELD_CRASHES, crashes);
    delivery_waits_for(d, &why);
    tell_held(q, d, why.text, NULL);
    queue_note(q, d, SPOOL_DEFERRED, NULL);
    log_alarm("crash", REASON_HELD_CRASHES,
              "the relay ended uncleanly %u times in the middle of the delivery of %s to "
              "%s; it is held until 'waxwing queue release %s'",
              crashes, id, d->domain, id);
}

void queue_add(struct queue *q, struct message *m)
{
    struct envelope *env = &m->env;
    if (m->in_memory)
        queue_trace_made(q->worker, m);
    if (m->in_memory && env->held_for[0])
        tell_accepted_held(q, m);
    struct content *content = m->in_memory ? content_take(q->worker->relay, m) : NULL;
    size_t *which = mem_new((env->nrcpts ? env->nrcpts : 1) * sizeof *which);
    bool *done = mem_new(env->nrcpts ? env->nrcpts : 1);
    uint64_t size = message_size(m);
    message_meter(m, &q->worker->relay->counters.queue_memory,
                  (int64_t)(message_footprint(m) + spool_footprint(env->nrcpts)));
    for (size_t i = 0; i < env->nrcpts; i++) {
        size_t n = 0;
        for (size_t j = i; j < env->nrcpts && !done[i]; j++)
            if (!done[j] && together(&env->rcpts[i], &env->rcpts[j]))
                which[n++] = j;
        for (size_t k = 0; k < n; k++)
            done[which[k]] = true;
        if (!n)
            continue;
        struct delivery *d = delivery_new(m, which, n);
        d->worker = q->worker;
        d->size = size;
        d->siblings = n < env->nrcpts;
        d->content = content ? content_ref(content) : NULL;
        list_append(&q->all, &d->all);
        suspect(q, d);
        queue_wait(q, d);
    }
    atomic_fetch_add_explicit(&q->worker->relay->counters.queued_now, (int64_t)env->nrcpts,
                              memory_order_relaxed);
    free(which);
    free(done);
    content_unref(content);
    message_unref(m);
    ask_due(q);
}

// Ending

static void queue_busy(struct worker *worker, int change)
{
    struct queue *q = worker->queue;
    if (!q)
        return;
    q->nbusy += (size_t)change;
    queue_check_gone(q);
}

bool queue_idle(const struct queue *q)
{
    if (!queue_is_empty(q))
        return false;
    list_each (it, &q->all) {
        const struct delivery *d = list_of(it, struct delivery, all);
        if (d->message && d->place != QUEUE_HELD)
            return false;
    }
    return true;
}

static void queue_grace_over(uv_timer_t *timer)
{
    struct queue *q = timer->data;
    lanes_cut(q->lanes);
    if (!q->gone || !queue_is_empty(q))
        return;
    void (*gone)(void *) = q->gone;
    q->gone = NULL;
    gone(q->gone_arg);
}

// What asks for its way when the relay stops is not told where that leads: it waits, as the spool has it, and the next
// start asks again. So no answer begins a report that nobody waits for.
static void ask_no_more(struct queue *q)
{
    while (!list_empty(&q->routing)) {
        struct delivery *d = list_of(q->routing.next, struct delivery, list);
        queue_unplace(q, d);
        queue_wait(q, d);
    }
}

void queue_stop(struct queue *q, uint64_t grace_ms, void (*gone)(void *arg), void *arg)
{
    q->stopping = true;
    q->gone = gone;
    q->gone_arg = arg;
    lanes_stop(q->lanes);
    ask_no_more(q);
    uv_timer_stop(&q->clock);
    uv_timer_stop(&q->gather);
    reports_stop(q->reports);
    // At least one turn later, so that `gone` never runs inside this call.
    uv_timer_start(&q->grace, queue_grace_over, lanes_sessions(q->lanes) ? grace_ms : 0, 0);
}

void queue_stop_soon(struct queue *q)
{
    reports_flush(q->reports);
    uv_timer_start(&q->grace, queue_grace_over, 0, 0);
}

static void queue_timer_closed(uv_handle_t *handle)
{
    struct queue *q = handle->data;
    if (--q->handles == 0)
        free(q);
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    list_each_safe (it, &q->all) {
        struct delivery *d = list_of(it, struct delivery, all);
        if (!d->message) { // a mark, whose it is
            list_remove(it);
            continue;
        }
        queue_unplace(q, d);
        delivery_free(d);
    }
    list_remove(&q->walker.all);
    queue_keep_sites(q);
    lanes_free(q->lanes);
    fair_free(&q->due);
    reports_free(q->reports);
    refusals_free(q->refusals);
    near_free(q->near);
    free(q->waiting.at);
    q->worker->queue = NULL;
    uv_close((uv_handle_t *)&q->clock, queue_timer_closed);
    uv_close((uv_handle_t *)&q->grace, queue_timer_closed);
    uv_close((uv_handle_t *)&q->gather, queue_timer_closed);
}
