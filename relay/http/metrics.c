// SPDX-License-Identifier: ISC
// What is known of the relay at a moment, and the words of /healthz and /readyz; its numbers are numbers.c's.
// Reads only; asks no thread to wait.
#include "relay/http/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/log/log.h"
#include "relay/login/bans.h"
#include "relay/suppress/suppress.h"
#include "relay/route/routes.h"

void metrics_take(struct metrics *m, struct relay *relay, const struct setup *setup)
{
    *m = (struct metrics){.stage = (enum relay_stage)relay->stage,
                          .started_ms = relay->started_ms,
                          .workers = relay->nworkers,
                          .certificate_expires = setup->creds ? creds_expires(setup->creds) : 0,
                          .alarms = log_alarms(),
                          .log_lost = log_lines_lost(),
                          .reload_failed_ms = relay->reload_failed_ms,
                          .troubles = &relay->troubles,
                          .dns_defers = setup->config->dns.defer_on_failure,
                          .counters = &relay->counters,
                          .suppressed = relay->suppress ? suppress_count(relay->suppress) : 0,
                          .bans = relay->bans ? bans_count(relay->bans) : 0,
                          .routes = relay->routes ? routes_cached(relay->routes) : 0,
                          .queue_memory_limit = setup->config->limits.queue_memory,
                          .logins = setup->config->metrics_logins,
                          .alarms_by = log_alarm_tally(),
                          .milters = relay->milters,
                          .health = relay->health,
                          .tokens = relay->tokens,
                          .fleet = relay->fleet,
                          .sync_times = spool_sync_times(relay->spool),
                          .dns_times = dns_lookup_times(relay->dns)};
    process_take(&m->process);
    spool_get_state(relay->spool, &m->spool);
    dns_get_state(relay->dns, &m->dns);
    state_get_health(relay->state, &m->state);
    events_get_state(relay->events, &m->events);
    trace_get_state(relay->trace, &m->trace);
}

// ---- health

// Words that may hold what a name server sent: one line, nothing that steers a terminal.
static void add_words(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_addc(out, (unsigned char)*text < ' ' || *text == 127 ? ' ' : *text);
}

static void warn(struct buf *out, const char *what, const char *text)
{
    buf_addf(out, "warning: %s%s", what, text[0] ? ": " : "");
    add_words(out, text);
    buf_addc(out, '\n');
}

static void metrics_warn_hop(const char *what, const char *reason, void *arg)
{
    warn(arg, what, reason);
}

static void metrics_warn_filter(const char *name, const char *reason, void *arg)
{
    char what[128];
    snprintf(what, sizeof what, "the filter %s does not do its work", name);
    warn(arg, what, reason);
}

static const char *failing(const struct metrics *m)
{
    if (m->stage == RELAY_STARTING)
        return "the relay is starting";
    if (m->stage == RELAY_DRAINING)
        return "the relay is draining: it takes no new mail";
    if (m->stage == RELAY_STOPPING)
        return "the relay is stopping";
    if (!m->spool.healthy)
        return "the spool cannot be written: no mail is delivered";
    if (!m->spool.room)
        return "the disk of the spool is full: new mail is refused";
    if (m->dns.stuck)
        return "the resolver is stuck: mail is deferred";
    if (m->dns_defers && m->dns.health == DNS_HEALTH_BROKEN)
        return "DNSSEC validation does not work: mail is deferred (dns.on_failure)";
    return NULL;
}

static void add_warnings(const struct metrics *m, struct buf *out)
{
    struct span rest = m->troubles ? buf_span(m->troubles) : (struct span){0}, line;
    while (span_cut(rest, '\n', &line, &rest)) {
        char *text = span_dup(line);
        warn(out, "a changed file cannot be used, the old one stays", text);
        free(text);
    }
    char since[40];
    clock_rfc3339(m->reload_failed_ms, since);
    if (m->reload_failed_ms)
        warn(out, "a reload failed, the configuration before it is in force", since);
    if (m->dns.health == DNS_HEALTH_BROKEN)
        warn(out, "DNSSEC validation does not work", m->dns.text);
    metrics_filters_away(m, metrics_warn_filter, out);
    metrics_hops_away(m, metrics_warn_hop, out);
    char reason[512];
    if (metrics_fleet_away(m, reason, sizeof reason))
        warn(out, "the fleet cannot be asked", reason);
    if (!m->state.writable)
        warn(out, "the state database cannot be written", "");
    if (m->state.lost_ms)
        warn(out, "the state database was replaced", m->state.lost);
}

bool metrics_ready(const struct metrics *m, struct buf *out)
{
    const char *reason = failing(m);
    buf_addf(out, "%s\n", reason ? reason : "ok");
    add_warnings(m, out);
    return !reason;
}

void metrics_alive(const struct metrics *m, struct buf *out)
{
    const char *reason = failing(m);
    buf_adds(out, "ok\n");
    if (reason)
        warn(out, reason, "");
    add_warnings(m, out);
}
