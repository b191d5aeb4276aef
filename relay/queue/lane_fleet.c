// SPDX-License-Identifier: ISC
// Limits of sites that a fleet keeps together (relay/worker/slices.h): before each session the lane asks what it may
// have here, and every second it says what it uses. What it does not need goes back, idle connections first.
#include "relay/queue/lane_inside.h"

#include <stdlib.h>
#include "relay/base/mem.h"
#include "relay/worker/slices.h"

#define BEAT_MS    1000
#define BURST      0.02 // of what a site gets in a minute: what may be sent at once
#define PER_MINUTE 60000.0

static struct slices *lane_slices(const struct lanes *lanes)
{
    return lanes->worker->relay->slices;
}

// Twice the present number, so that growing waits for nobody.
static unsigned lane_wants(struct lane *lane, const struct shape_limits *limits)
{
    size_t window = 2 * (size_t)shape_window(&lane->site.shape, limits);
    size_t most = window < limits->connections ? window : limits->connections;
    size_t want = lane_connections(lane) + fair_count(&lane->ready, most);
    if (site_state(lane) >= SITE_SHUT)
        want = lane_connections(lane);
    return (unsigned)(want < most ? want : most);
}

// True: the fleet need not know of it any more.
static bool lane_tell(struct lane *lane)
{
    struct slices *slices = lane_slices(lane->lanes);
    struct shape_limits limits = site_limits(lane);
    const struct slice_use use = {.most = limits.connections ? limits.connections : 1,
                                  .used = (unsigned)(lane_connections(lane) + lane->nidle),
                                  .want = lane_wants(lane, &limits)};
    lane->places = slices_places(slices, lane->lanes->worker, lane->name, &use);
    return !use.used && !use.want;
}

bool lane_may_connect(struct lane *lane)
{
    if (!lane_slices(lane->lanes))
        return true;
    list_append(&lane->lanes->fleet, &lane->fleet);
    lane_tell(lane);
    return lane_connections(lane) < lane->places;
}

size_t lane_room(const struct lane *lane, unsigned window)
{
    return lane_slices(lane->lanes) && lane->places < window ? lane->places : window;
}

bool lane_may_send(struct lane *lane)
{
    struct slices *slices = lane_slices(lane->lanes);
    struct shape_limits limits = site_limits(lane);
    if (!slices || limits.pace <= 0)
        return true;
    double nodes = slices_count(slices), burst = limits.pace * BURST;
    const struct slice_budget budget = {.size = burst > nodes ? burst : nodes,
                                        .per_ms = limits.pace / PER_MINUTE};
    char *name = mem_printf("site %s", lane->name);
    bool some = slices_spend(slices, lane->lanes->worker, name, &budget, 1);
    free(name);
    return some;
}

static void lane_fleet_beat(uv_timer_t *timer)
{
    struct lanes *lanes = timer->data;
    list_each_safe (it, &lanes->fleet) {
        struct lane *lane = list_of(it, struct lane, fleet);
        if (lane_tell(lane))
            list_remove(&lane->fleet);
        while (lane->nidle && lane_connections(lane) + lane->nidle > lane->places)
            pool_close_idle(list_of(lane->idle.next, struct connection, site));
    }
    if (lanes->learned)
        lanes->owner.learned(lanes->owner.arg);
    lanes->learned = false;
    lanes_wake(lanes);
}

void lane_fleet_begin(struct lanes *lanes)
{
    list_init(&lanes->fleet);
    if (!lane_slices(lanes))
        return;
    lanes->beat = mem_new(sizeof *lanes->beat);
    lanes->beat->data = lanes;
    uv_timer_init(&lanes->worker->loop, lanes->beat);
    uv_timer_start(lanes->beat, lane_fleet_beat, BEAT_MS, BEAT_MS);
    uv_unref((uv_handle_t *)lanes->beat);
}

static void lane_fleet_closed(uv_handle_t *handle)
{
    free(handle);
}

void lane_fleet_end(struct lanes *lanes)
{
    if (lanes->beat)
        uv_close((uv_handle_t *)lanes->beat, lane_fleet_closed);
}
