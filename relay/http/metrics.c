// SPDX-License-Identifier: ISC
// The numbers of /metrics and the words of /healthz and /readyz. Reads only; asks no thread to wait.
#include "relay/http/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/log/log.h"

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
                          .counters = &relay->counters};
    spool_get_state(relay->spool, &m->spool);
    dns_get_state(relay->dns, &m->dns);
    state_get_health(relay->state, &m->state);
}

// ---- Prometheus text

static void metrics_describe(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP waxwing_%s %s\n# TYPE waxwing_%s %s\n", name, help, name, type);
}

static void counter(struct buf *out, const char *name, uint64_t value, const char *help)
{
    metrics_describe(out, name, "counter", help);
    buf_addf(out, "waxwing_%s %" PRIu64 "\n", name, value);
}

static void gauge(struct buf *out, const char *name, int64_t value, const char *help)
{
    metrics_describe(out, name, "gauge", help);
    buf_addf(out, "waxwing_%s %" PRId64 "\n", name, value);
}

static void moment(struct buf *out, const char *name, int64_t ms, const char *help)
{
    metrics_describe(out, name, "gauge", help);
    buf_addf(out, "waxwing_%s %" PRId64 ".%03d\n", name, ms / 1000, (int)(ms % 1000));
}

// One of several words: a series for each, 1 at the one that holds.
static void choice(struct buf *out, const char *name, const char *label, const char *const *words,
                   int value, const char *help)
{
    metrics_describe(out, name, "gauge", help);
    for (int i = 0; words[i]; i++)
        buf_addf(out, "waxwing_%s{%s=\"%s\"} %d\n", name, label, words[i], i == value);
}

static void print_relay(const struct metrics *m, struct buf *out)
{
    static const char *const stages[] = {"starting", "running", "draining", "stopping", NULL};
    metrics_describe(out, "info", "gauge", "The program, always 1.");
    buf_addf(out, "waxwing_info{version=\"%s\"} 1\n", WAXWING_VERSION);
    moment(out, "start_time_seconds", m->started_ms, "When the relay was started, Unix time.");
    choice(out, "stage", "stage", stages, (int)m->stage, "What the relay is doing.");
    gauge(out, "workers", m->workers, "Threads that take and deliver mail.");
    counter(out, "alarms_total", m->alarms, "Alarms written to the log.");
    counter(out, "log_lost_total", m->log_lost, "Lines of the log lost because nobody read them.");
    if (m->certificate_expires)
        gauge(out, "certificate_expiry_timestamp_seconds", m->certificate_expires,
              "When the first of the relay's own certificates expires, Unix time.");
}

static void print_inbound(const struct counters *c, struct buf *out)
{
    counter(out, "connections_total", c->connections, "Inbound SMTP connections.");
    gauge(out, "connections", c->connections_now, "Inbound SMTP connections now.");
    metrics_describe(out, "auth_total", "counter", "Logins by their result.");
    buf_addf(out, "waxwing_auth_total{result=\"ok\"} %" PRIu64 "\n", c->auth_ok);
    buf_addf(out, "waxwing_auth_total{result=\"failed\"} %" PRIu64 "\n", c->auth_failed);
    counter(out, "accepted_total", c->accepted, "Messages accepted.");
    counter(out, "refused_total", c->refused, "Messages and recipients refused to clients.");
    gauge(out, "memory_bytes", c->memory_now, "Messages and I/O buffers in memory.");
}

static void print_outbound(const struct counters *c, struct buf *out)
{
    gauge(out, "queued_recipients", c->queued_now, "Recipients in the queue.");
    counter(out, "connections_out_total", c->connections_out, "Outbound connections begun.");
    counter(out, "sessions_total", c->sessions, "Outbound connection attempts in the ledger.");
    counter(out, "delivered_total", c->delivered, "Recipients delivered.");
    counter(out, "deferred_total", c->deferred, "Attempts after which a recipient waits.");
    counter(out, "failed_total", c->failed, "Recipients failed.");
    counter(out, "expired_total", c->expired, "Recipients given up because time was up.");
    counter(out, "dsn_total", c->dsn, "Delivery status notifications made.");
    counter(out, "tls_refused_total", c->tls_refused, "Hosts refused by TLS policy.");
    counter(out, "tls_failure_total", c->tls_failure, "TLS failures that delivery survived.");
    counter(out, "tls_reports_sent_total", c->reports_sent,
            "TLS reports taken by a collector or, by mail, by the queue.");
    counter(out, "tls_reports_failed_total", c->reports_failed, "TLS reports given up.");
}

static void print_spool(const struct spool_state *s, struct buf *out)
{
    gauge(out, "spool_healthy", s->healthy, "1: the spool can record results.");
    gauge(out, "spool_room", s->room, "1: more than limits.disk_reserve is free.");
    gauge(out, "spool_messages", (int64_t)s->messages, "Messages in the spool.");
    gauge(out, "spool_bytes", (int64_t)s->bytes, "Bytes of the spool's segments.");
    gauge(out, "spool_segments", (int64_t)s->segments, "Segments of the spool.");
    counter(out, "spool_syncs_total", s->syncs, "Times the spool was synced to disk.");
    counter(out, "spool_stored_total", s->stored, "Messages written to the spool.");
    counter(out, "spool_results_total", s->results, "Results written to the spool.");
}

static void print_dns(const struct dns_state *d, struct buf *out)
{
    static const char *const words[] = {"unknown", "ok", "broken", "off", NULL};
    choice(out, "dns_validation", "state", words, (int)d->health,
           "What the self-check of DNSSEC validation last found.");
    gauge(out, "dns_self_check_failed", d->health == DNS_HEALTH_BROKEN,
          "1: DNSSEC validation does not work.");
    moment(out, "dns_self_check_timestamp_seconds", d->checked_ms,
           "When that was, Unix time; 0: never.");
    gauge(out, "dns_stuck", d->stuck, "1: the resolver thread has not turned for 5 s.");
    counter(out, "dns_lookups_total", d->lookups, "Names looked up.");
    counter(out, "dns_cache_hits_total", d->cache_hits, "Lookups answered from the cache.");
    counter(out, "dns_failures_total", d->failures, "Lookups that failed.");
}

static void print_state(const struct state_health *s, struct buf *out)
{
    gauge(out, "state_writable", s->writable, "1: the state database can be written.");
    gauge(out, "state_waiting", (int64_t)s->waiting, "TLS facts that wait to be written.");
    counter(out, "state_dropped_total", s->dropped, "TLS facts dropped unwritten.");
    moment(out, "state_lost_timestamp_seconds", s->lost_ms,
           "When a damaged state database was last moved aside, Unix time; 0: never.");
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    print_relay(m, out);
    print_inbound(m->counters, out);
    print_outbound(m->counters, out);
    print_spool(&m->spool, out);
    print_dns(&m->dns, out);
    print_state(&m->state, out);
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
