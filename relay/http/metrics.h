// SPDX-License-Identifier: ISC
// How the relay is, in numbers: a snapshot of counters and of what each thread says of itself, as Prometheus
// text and as the verdicts of /healthz and /readyz. Names of metrics are for keeps: dashboards rely on them.
#ifndef RELAY_HTTP_METRICS_H
#define RELAY_HTTP_METRICS_H

#include "relay/events/events.h"
#include "relay/http/process.h"
#include "relay/state/state.h"
#include "relay/trace/trace.h"
#include "relay/worker/relay.h"

#define METRICS_MAX 262144 // bytes of all metrics as text

struct metrics {
    enum relay_stage stage;
    int64_t started_ms;
    unsigned workers;
    int64_t certificate_expires; // Unix seconds; 0: no certificate
    uint64_t alarms, log_lost;
    int64_t reload_failed_ms;        // 0: the last reload took effect
    const struct buf *troubles;      // borrowed; NULL: none
    bool dns_defers;                 // mail waits where validation does not work
    const struct counters *counters; // borrowed
    struct events_state events;
    struct trace_state trace;
    uint64_t suppressed;
    uint64_t bans, routes, queue_memory_limit;
    bool logins;                                    // a series of each is wanted (metrics.logins)
    const struct tally *alarms_by;                  // borrowed; NULL: none
    const struct histogram *sync_times, *dns_times; // borrowed; NULL: none
    struct milters *milters;                        // borrowed; NULL: none
    struct health *health;                          // borrowed; NULL: none
    struct tokens *tokens;                          // borrowed; NULL: none
    struct fleet *fleet;                            // borrowed; NULL: none
    struct process process;
    struct spool_state spool;
    struct dns_state dns;
    struct state_health state;
};

// On the main thread, while the relay's threads run.
void metrics_take(struct metrics *m, struct relay *relay, const struct setup *setup);
// The text exposition format of Prometheus, version 0.0.4. (relay/http/numbers.c)
void metrics_print(const struct metrics *m, struct buf *out);
// Its part about filters. (relay/http/filters.c)
void metrics_print_filters(const struct metrics *m, struct buf *out);
// Its part about next hops, and those that are down and logins without a token, a call each. (relay/http/hops.c)
void metrics_print_hops(const struct metrics *m, struct buf *out);
void metrics_hops_away(const struct metrics *m,
                       void (*each)(const char *what, const char *reason, void *arg), void *arg);
// Its part about the fleet; nothing where there is none. True: its database does not answer; why. (relay/http/fleet.c)
void metrics_print_fleet(const struct metrics *m, struct buf *out);
bool metrics_fleet_away(const struct metrics *m, char *reason, size_t size);
// What is to come. (relay/http/coming.c)
void metrics_print_coming(struct buf *out);
// The filters that are away, a call each.
void metrics_filters_away(const struct metrics *m,
                          void (*each)(const char *name, const char *reason, void *arg), void *arg);
// Whether the relay accepts and delivers. `out` gets "ok", or one line that says why not; then a line beginning
// with "warning: " for each thing that is wrong although mail goes on.
bool metrics_ready(const struct metrics *m, struct buf *out);
// "ok", and all that is wrong as such lines.
void metrics_alive(const struct metrics *m, struct buf *out);

#endif
