// SPDX-License-Identifier: ISC
// What happened in each of the last 24 hours' minutes, for the plot: the counters, looked at once a minute. Lives
// as long as the relay: after a restart it begins anew.
#ifndef RELAY_HTTP_HISTORY_H
#define RELAY_HTTP_HISTORY_H

#include <uv.h>
#include "relay/base/buf.h"
#include "relay/worker/relay.h"

#define HISTORY_MINUTES 1440

struct history_minute {
    uint32_t accepted, refused;           // at submission: messages, replies
    uint32_t delivered, deferred, failed; // recipients
};

struct history;
struct history *history_start(uv_loop_t *loop, const struct counters *counters);
void history_stop(struct history *history); // accepts NULL; its memory is freed by the loop
void history_look(struct history *history); // a minute has ended: the timer does it
// The minutes known, oldest first; returns how many.
size_t history_minutes(const struct history *history,
                       struct history_minute out[static HISTORY_MINUTES]);
// What happened in the last `minutes`, at most HISTORY_MINUTES, and when something was delivered last, to a minute; 0: never.
struct history_recent {
    uint64_t accepted, refused, delivered, deferred, failed;
    int64_t delivered_ms;
};
struct history_recent history_recent(const struct history *history, size_t minutes);
// An SVG of them: three areas over 24 hours, in steps of HISTORY_STEP minutes; returns what the highest has. Pure.
#define HISTORY_STEP 10
uint64_t history_plot(const struct history_minute *minutes, size_t n, struct buf *out);

#endif
