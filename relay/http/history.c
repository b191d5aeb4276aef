// SPDX-License-Identifier: ISC
#include "relay/http/history.h"

#include <inttypes.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

#define MINUTE_MS 60000
#define COLUMNS   (HISTORY_MINUTES / HISTORY_STEP)
#define HEIGHT    120 // of the plot, in its own units; a column is 5 wide
#define WIDTH     (COLUMNS * 5)

struct history {
    uv_timer_t timer;
    const struct counters *counters;
    uint64_t accepted, refused, delivered, deferred, failed; // at the last look
    int64_t delivered_ms;                                    // the look that last saw a delivery
    struct history_minute at[HISTORY_MINUTES];
    size_t n; // looks so far; the next stands at n modulo the size
};

static uint32_t since(uint64_t now, uint64_t *before)
{
    uint64_t n = now - *before;
    *before = now;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

void history_look(struct history *h)
{
    const struct counters *c = h->counters;
    h->at[h->n++ % HISTORY_MINUTES] = (struct history_minute){
        .accepted = since(c->accepted, &h->accepted),
        .refused = since(c->refused, &h->refused),
        .delivered = since(c->delivered, &h->delivered),
        .deferred = since(c->deferred, &h->deferred),
        .failed = since(c->failed + c->expired, &h->failed),
    };
    if (h->at[(h->n - 1) % HISTORY_MINUTES].delivered)
        h->delivered_ms = clock_ms();
}

static void history_on_minute(uv_timer_t *timer)
{
    history_look(timer->data);
}

struct history *history_start(uv_loop_t *loop, const struct counters *counters)
{
    struct history *h = mem_new(sizeof *h);
    h->counters = counters;
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    uv_timer_start(&h->timer, history_on_minute, MINUTE_MS, MINUTE_MS);
    return h;
}

static void history_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void history_stop(struct history *h)
{
    if (h)
        uv_close((uv_handle_t *)&h->timer, history_closed);
}

size_t history_minutes(const struct history *h, struct history_minute out[static HISTORY_MINUTES])
{
    size_t n = h->n < HISTORY_MINUTES ? h->n : HISTORY_MINUTES;
    for (size_t i = 0; i < n; i++)
        out[i] = h->at[(h->n - n + i) % HISTORY_MINUTES];
    return n;
}

struct history_recent history_recent(const struct history *h, size_t minutes)
{
    const struct counters *c = h->counters;
    struct history_recent r = {.accepted = c->accepted - h->accepted, // the minute that runs
                               .refused = c->refused - h->refused,
                               .delivered = c->delivered - h->delivered,
                               .deferred = c->deferred - h->deferred,
                               .failed = c->failed + c->expired - h->failed};
    r.delivered_ms = r.delivered ? clock_ms() : h->delivered_ms;
    for (size_t i = 1; i <= minutes && i <= h->n && i <= HISTORY_MINUTES; i++) {
        const struct history_minute *m = &h->at[(h->n - i) % HISTORY_MINUTES];
        r.accepted += m->accepted;
        r.refused += m->refused;
        r.delivered += m->delivered;
        r.deferred += m->deferred;
        r.failed += m->failed;
    }
    return r;
}

struct column {
    uint64_t delivered, deferred, failed;
};

// The newest minute belongs to the column at the right.
static void gather(const struct history_minute *minutes, size_t n, struct column *columns)
{
    for (size_t i = 0; i < n; i++) {
        struct column *c = &columns[(HISTORY_MINUTES - n + i) / HISTORY_STEP];
        c->delivered += minutes[i].delivered;
        c->deferred += minutes[i].deferred;
        c->failed += minutes[i].failed;
    }
}

static uint64_t highest(const struct column *columns)
{
    uint64_t top = 1;
    for (size_t i = 0; i < COLUMNS; i++) {
        uint64_t sum = columns[i].delivered + columns[i].deferred + columns[i].failed;
        if (sum > top)
            top = sum;
    }
    return top;
}

static uint64_t bar(struct buf *out, const char *css, size_t column, uint64_t floor, uint64_t value,
                    uint64_t top)
{
    uint64_t from = floor * HEIGHT / top, to = (floor + value) * HEIGHT / top;
    if (value && to == from)
        to++; // what happened is seen
    if (value)
        buf_addf(out,
                 "<rect class=\"%s\" x=\"%zu\" y=\"%" PRId64 "\" width=\"4\" height=\"%" PRIu64
                 "\"/>",
                 css, column * 5, (int64_t)HEIGHT - (int64_t)to, to - from);
    return floor + value;
}

uint64_t history_plot(const struct history_minute *minutes, size_t n, struct buf *out)
{
    struct column columns[COLUMNS] = {0};
    gather(minutes, n, columns);
    uint64_t top = highest(columns);
    buf_addf(
        out,
        "<svg class=\"plot\" viewBox=\"0 -2 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
        "aria-label=\"Recipients delivered, deferred and failed in the last 24 hours, in steps of "
        "%d minutes; the highest step has %" PRIu64 "\">",
        WIDTH, HEIGHT + 4, HISTORY_STEP, top);
    for (int i = 1; i < 4; i++)
        buf_addf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/>",
                 i * WIDTH / 4, i * WIDTH / 4, HEIGHT);
    for (size_t i = 0; i < COLUMNS; i++) {
        uint64_t floor = bar(out, "delivered", i, 0, columns[i].delivered, top);
        floor = bar(out, "deferred", i, floor, columns[i].deferred, top);
        bar(out, "failed", i, floor, columns[i].failed, top);
    }
    buf_addf(out, "<line class=\"base\" x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/></svg>\n", WIDTH,
             HEIGHT, HEIGHT);
    return top;
}
