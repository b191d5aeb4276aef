// SPDX-License-Identifier: ISC
// A walk over a worker's sites; an operator's pause; what is kept for the next start.
#include "relay/queue/lane_inside.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/queue/inside.h"

static void sites_view(struct lane *lane, struct site_view *view, struct site_row *row)
{
    const struct site *site = &lane->site;
    struct shape_limits limits = site_limits(lane);
    site_describe(lane, row);
    *view = (struct site_view){
        .row = row,
        .state = site_state(lane),
        .ready = fair_count(&lane->ready, SITES_COUNT),
        .sessions = lane->nsessions,
        .idle = lane->nidle,
        .window = shape_window(&site->shape, &limits),
        .ceiling = limits.connections,
        .pace = shape_pace(&site->shape, &limits),
        .minute = shape_taken(&site->shape, clock_mono_ms()),
        .taken = site->taken,
        .refused = site->refused,
    };
}

void sites_each(struct queue *queue, void (*fn)(const struct site_view *view, void *arg), void *arg)
{
    struct lane *lane, *next;
    HASH_ITER (hh, queue->lanes->table, lane, next) {
        struct site_view view;
        struct site_row row;
        sites_view(lane, &view, &row);
        fn(&view, arg);
        site_row_free(&row);
    }
}

static void log_pause(const struct lane *lane, const char *by, const struct site_pause *pause)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "operator", 0);
    log_text(&line, "verb", pause ? "pause" : "resume");
    log_text(&line, "site", lane->name);
    log_text(&line, "reason", pause && pause->reason[0] ? pause->reason : NULL);
    log_text(&line, "by", by);
    log_end(&line);
}

static void sites_keep(struct lanes *lanes, bool all)
{
    struct state *state = lanes->worker->relay->state;
    struct site_row *rows = NULL;
    size_t n = 0, room = 0;
    struct lane *lane, *next;
    if (!state)
        return;
    HASH_ITER (hh, lanes->table, lane, next) {
        bool told = lane->site.shape.taught != SHAPE_TAKEN || lane->site.pause.by;
        if (lane->site.kept || (!told && !all))
            continue;
        if (n == room)
            rows = mem_grow(rows, room = room ? 2 * room : 16, sizeof *rows);
        site_describe(lane, &rows[n++]);
        lane->site.kept = true;
    }
    if (n)
        state_sites_keep(state, rows, n);
}

void queue_keep_sites(struct queue *queue)
{
    sites_keep(queue->lanes, false);
}

bool sites_pause(struct queue *queue, const char *name, const struct site_pause *pause,
                 const char *by)
{
    struct lane *lane = lane_of(queue->lanes, name);
    struct site_pause *now = &lane->site.pause;
    if (!now->by && !pause)
        return false;
    free(now->by);
    free(now->reason);
    *now = (struct site_pause){0};
    if (pause)
        *now = (struct site_pause){mem_dup(pause->by), mem_dup(pause->reason), pause->since_ms,
                                   pause->until_ms};
    lane->site.used_ms = clock_mono_ms();
    lane->site.kept = false;
    log_pause(lane, by, pause);
    sites_keep(queue->lanes, true); // its row goes where nothing else is to be told
    lane_mark(lane);
    lanes_sweep(queue->lanes);
    return true;
}

void sites_restore(struct queue *queue, const struct site_row *row)
{
    site_restore(lane_of(queue->lanes, row->site), row);
}

void sites_hear(struct queue *queue, const struct site_row *row)
{
    site_hear(lane_of(queue->lanes, row->site), row);
}
