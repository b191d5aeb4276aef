// SPDX-License-Identifier: ISC
// Everything that /metrics has, in the order of the page; waxwing-metrics(7) says what each is for. Labels are bounded:
// words of ours, or names of the configuration, of which there are TALLY_NAMES at most.
#include <uv.h>
#include "relay/http/metrics.h"
#include "relay/http/series.h"

static const char *const classes[STATUS_CLASSES] = {"2xx", "4xx", "5xx"};

static void print_relay(const struct metrics *m, struct buf *out)
{
    static const char *const stages[] = {"starting", "running", "draining", "stopping", NULL};
    series_describe(out, "waxwing_info", "gauge", "The program, always 1.");
    series_value(out, "waxwing_info", "version", WAXWING_VERSION, NULL, NULL, 1);
    series_describe(out, "waxwing_build_info", "gauge", "What was built and runs, always 1.");
    series_value(out, "waxwing_build_info", "version", WAXWING_VERSION, "libuv",
                 uv_version_string(), 1);
    series_moment(out, "waxwing_start_time_seconds", m->started_ms,
                  "When the relay was started, Unix time.");
    series_choice(out, "waxwing_stage", "stage", stages, (int)m->stage, "What the relay is doing.");
    series_gauge(out, "waxwing_workers", m->workers, "Threads that take and deliver mail.");
    if (m->certificate_expires)
        series_gauge(out, "waxwing_certificate_expiry_timestamp_seconds", m->certificate_expires,
                     "When the first of the relay's own certificates expires, Unix time.");
}

// A series for each name of a tally that counted something of this kind.
static void print_tally(struct buf *out, const char *name, const char *label,
                        const struct tally *tally, unsigned kind, const char *help)
{
    struct tally_row rows[TALLY_NAMES + 1];
    size_t n = tally ? tally_read(tally, rows) : 0;
    if (n)
        series_describe(out, name, "counter", help);
    for (size_t i = 0; i < n; i++)
        series_value(out, name, label, rows[i].name, NULL, NULL, rows[i].n[kind]);
}

static void print_sites(const struct counters *c, struct buf *out)
{
    static const char *const states[] = {"open", "paced", "shut", "paused"};
    static const char *const signs[] = {"connections", "rate", "busy", "away"};
    series_describe(out, "waxwing_sites", "gauge",
                    "Sites that have mail or are remembered, by what holds their mail back.");
    for (int i = 0; i < 4; i++)
        series_value(out, "waxwing_sites", "state", states[i], NULL, NULL,
                     (uint64_t)(c->sites[i] > 0 ? c->sites[i] : 0));
    series_describe(out, "waxwing_site_lessons_total", "counter",
                    "How often a site made the relay send it less, by how it did.");
    for (int i = 0; i < 4; i++)
        series_value(out, "waxwing_site_lessons_total", "sign", signs[i], NULL, NULL,
                     c->lessons[i]);
}

static void print_log(const struct metrics *m, struct buf *out)
{
    series_counter(out, "waxwing_alarms_total", m->alarms, "Alarms written to the log.");
    print_tally(out, "waxwing_alarms_by_name_total", "what", m->alarms_by, 0,
                "The same by the word that the log calls them by.");
    series_counter(out, "waxwing_log_lost_total", m->log_lost,
                   "Lines of the log lost because nobody read them.");
}

static void print_logins(const struct metrics *m, struct buf *out)
{
    const struct tally *logins = &m->counters->logins;
    if (!m->logins)
        return;
    print_tally(out, "waxwing_login_messages_total", "login", logins, LOGIN_MESSAGES,
                "Messages accepted of a login or network row.");
    print_tally(out, "waxwing_login_recipients_total", "login", logins, LOGIN_RECIPIENTS,
                "Recipients accepted of a login or network row.");
    print_tally(out, "waxwing_login_refused_total", "login", logins, LOGIN_REFUSED,
                "Messages and recipients refused to a login or network row.");
}

// Those that can be offered to clients.
static void print_mechanisms(const struct counters *c, struct buf *out)
{
    series_describe(out, "waxwing_auth_mechanism_total", "counter",
                    "Logins by mechanism and result.");
    for (enum sasl_mechanism m = 0; m <= SASL_EXTERNAL; m++)
        for (enum login_result r = 0; r < LOGIN_RESULTS; r++)
            series_value(out, "waxwing_auth_mechanism_total", "mechanism", sasl_word(m), "result",
                         login_result_word(r), c->auth_by[m][r]);
}

static void print_preflight(const struct counters *c, struct buf *out)
{
    const char *name = "waxwing_preflight_total";
    series_describe(out, name, "counter", "Own messages in which pre-flight found something.");
    series_value(out, name, "result", "noted", NULL, NULL, c->noted);
    series_value(out, name, "result", "refused", NULL, NULL, c->noted_refused);
    print_tally(out, "waxwing_preflight_findings_total", "finding", &c->findings, 0,
                "What pre-flight found in own mail, by its name in the catalogue of reasons.");
}

static void print_inbound(const struct metrics *m, struct buf *out)
{
    const struct counters *c = m->counters;
    series_counter(out, "waxwing_connections_total", c->connections, "Inbound SMTP connections.");
    series_gauge(out, "waxwing_connections", c->connections_now, "Inbound SMTP connections now.");
    print_tally(out, "waxwing_listener_connections_total", "listener", &c->listeners, 0,
                "Inbound SMTP connections by the address of the listener.");
    series_describe(out, "waxwing_auth_total", "counter", "Logins by their result.");
    series_value(out, "waxwing_auth_total", "result", "ok", NULL, NULL, c->auth_ok);
    series_value(out, "waxwing_auth_total", "result", "failed", NULL, NULL, c->auth_failed);
    print_mechanisms(c, out);
    series_counter(out, "waxwing_bans_total", c->bans,
                   "Clients sent away for too many failed logins.");
    series_gauge(out, "waxwing_bans", (int64_t)m->bans, "Addresses and users that are banned now.");
    series_gauge(out, "waxwing_suppressed", (int64_t)m->suppressed,
                 "Entries of the suppression list.");
    series_counter(out, "waxwing_accepted_total", c->accepted, "Messages accepted.");
    series_counter(out, "waxwing_refused_total", c->refused,
                   "Messages and recipients refused to clients.");
    series_describe(out, "waxwing_refused_by_class_total", "counter",
                    "The same by the class of the reply.");
    for (int i = STATUS_LATER; i < STATUS_CLASSES; i++)
        series_value(out, "waxwing_refused_by_class_total", "class", classes[i], NULL, NULL,
                     c->refused_by[i]);
    print_preflight(c, out);
    series_gauge(out, "waxwing_memory_bytes", c->memory_now, "Messages and I/O buffers in memory.");
    series_histogram(out, "waxwing_accept_duration_seconds", &c->accept_time, HISTOGRAM_WORK,
                     "From the last byte of a message to its 250.");
    series_histogram(out, "waxwing_sign_duration_seconds", &c->sign_time, HISTOGRAM_WORK,
                     "Judging a message, and signing or sealing it.");
    metrics_print_filters(m, out);
    print_logins(m, out);
}

static void print_events(const struct events_state *e, struct buf *out)
{
    series_counter(out, "waxwing_events_total", e->posted, "Events for applications.");
    series_counter(out, "waxwing_events_written_total", e->written, "Events written to disk.");
    series_counter(out, "waxwing_events_sent_total", e->sent, "Events that sinks took.");
    series_counter(out, "waxwing_events_failed_total", e->failed_posts,
                   "Attempts of sinks that failed.");
    series_counter(out, "waxwing_events_dropped_total", e->dropped,
                   "Events that were dropped before a sink took them.");
    series_gauge(out, "waxwing_events_waiting", (int64_t)e->waiting,
                 "Events that the sink furthest behind has not taken.");
}

static void print_queue(const struct metrics *m, struct buf *out)
{
    const struct counters *c = m->counters;
    series_gauge(out, "waxwing_queued_recipients", c->queued_now, "Recipients in the queue.");
    series_moment(out, "waxwing_queue_oldest_timestamp_seconds", m->spool.oldest_ms,
                  "When the oldest message in the queue was accepted, Unix time; 0: it is empty.");
    series_gauge(out, "waxwing_queue_memory_bytes", c->queue_memory, "Memory for what is queued.");
    series_gauge(out, "waxwing_queue_memory_limit_bytes", (int64_t)m->queue_memory_limit,
                 "At which new mail is refused (limits.queue_memory).");
    metrics_print_hops(m, out);
    series_histogram(out, "waxwing_delivery_delay_seconds", &c->delivery_delay, HISTOGRAM_WAIT,
                     "From our 250 to the next hop's, of delivered recipients.");
    series_histogram(out, "waxwing_queue_age_seconds", &c->queue_age, HISTOGRAM_WAIT,
                     "Age of a delivered message when the session began that delivered it.");
}

static void print_settled(const struct counters *c, struct buf *out)
{
    static const char *const results[SETTLED] = {"delivered", "deferred", "failed", "expired"};
    const char *name = "waxwing_attempts_total";
    series_describe(out, name, "counter",
                    "What attempts came to for a recipient, with the class of the status.");
    for (int r = 0; r < SETTLED; r++)
        for (int i = 0; i < STATUS_CLASSES; i++)
            if ((r == SETTLED_DELIVERED) == (i == STATUS_GOOD))
                series_value(out, name, "result", results[r], "class", classes[i],
                             c->settled_by[r][i]);
}

static void print_tls(const struct counters *c, struct buf *out)
{
    static const char *const proofs[PROTECTIONS] = {"dane", "mta-sts", "certificate", "encrypted",
                                                    "clear"};
    series_describe(out, "waxwing_delivered_by_proof_total", "counter",
                    "Recipients delivered, by what their connection had proved.");
    for (int i = 0; i < PROTECTIONS; i++)
        series_value(out, "waxwing_delivered_by_proof_total", "proof", proofs[i], NULL, NULL,
                     c->delivered_by[i]);
    series_describe(out, "waxwing_tls_results_total", "counter",
                    "TLS failures by their type (RFC 8460), and whether delivery went on.");
    for (int i = WHY_TLS_NONE + 1; i < WHY_TLS_TYPES; i++)
        for (int refused = 0; refused < 2; refused++)
            series_value(out, "waxwing_tls_results_total", "type", why_tls_word((enum why_tls)i),
                         "result", refused ? "refused" : "survived", c->tls_by_type[i][refused]);
    series_describe(out, "waxwing_sessions_by_policy_total", "counter",
                    "Outbound sessions by who demanded what of them, and what was proved.");
    for (int s = 0; s < SOURCES; s++)
        for (int p = 0; p < PROOFS; p++)
            series_value(out, "waxwing_sessions_by_policy_total", "source",
                         demand_source_word((enum demand_source)s), "proof",
                         tls_proof_word((enum tls_proof)p), c->sessions_by[s][p]);
}

static void print_outbound(const struct counters *c, struct buf *out)
{
    series_counter(out, "waxwing_connections_out_total", c->connections_out,
                   "Outbound connections begun.");
    series_counter(out, "waxwing_overlapped_total", c->overlapped,
                   "Messages whose commands went out before the last one was answered.");
    series_counter(out, "waxwing_sessions_total", c->sessions,
                   "Outbound connection attempts in the ledger.");
    series_counter(out, "waxwing_delivered_total", c->delivered, "Recipients delivered.");
    series_counter(out, "waxwing_deferred_total", c->deferred,
                   "Attempts after which a recipient waits.");
    series_counter(out, "waxwing_failed_total", c->failed, "Recipients failed.");
    series_counter(out, "waxwing_expired_total", c->expired,
                   "Recipients given up because time was up.");
    print_settled(c, out);
    series_counter(out, "waxwing_dsn_total", c->dsn, "Delivery status notifications made.");
    series_counter(out, "waxwing_tls_refused_total", c->tls_refused,
                   "Hosts refused by TLS policy.");
    series_counter(out, "waxwing_tls_failure_total", c->tls_failure,
                   "TLS failures that delivery survived.");
    print_tls(c, out);
    series_counter(out, "waxwing_tls_reports_sent_total", c->reports_sent,
                   "TLS reports taken by a collector or, by mail, by the queue.");
    series_counter(out, "waxwing_tls_reports_failed_total", c->reports_failed,
                   "TLS reports given up.");
    series_counter(out, "waxwing_returns_total", c->returns,
                   "Recipients that were return addresses of ours (SRS, VERP).");
    series_counter(out, "waxwing_returns_refused_total", c->returns_refused,
                   "The same whose digest was wrong or whose time was over.");
}

static void print_spool(const struct metrics *m, struct buf *out)
{
    const struct spool_state *s = &m->spool;
    series_gauge(out, "waxwing_spool_healthy", s->healthy, "1: the spool can record results.");
    series_gauge(out, "waxwing_spool_room", s->room, "1: more than limits.disk_reserve is free.");
    series_gauge(out, "waxwing_spool_messages", (int64_t)s->messages, "Messages in the spool.");
    series_gauge(out, "waxwing_spool_bytes", (int64_t)s->bytes, "Bytes of the spool's segments.");
    series_gauge(out, "waxwing_spool_segments", (int64_t)s->segments, "Segments of the spool.");
    series_counter(out, "waxwing_spool_syncs_total", s->syncs,
                   "Times the spool was synced to disk.");
    series_counter(out, "waxwing_spool_stored_total", s->stored, "Messages written to the spool.");
    series_counter(out, "waxwing_spool_results_total", s->results, "Results written to the spool.");
    if (m->sync_times)
        series_histogram(out, "waxwing_spool_sync_duration_seconds", m->sync_times, HISTOGRAM_WORK,
                         "How long a sync of the spool took.");
}

static void print_dns(const struct metrics *m, struct buf *out)
{
    static const char *const words[] = {"unknown", "ok", "broken", "off", NULL};
    const struct dns_state *d = &m->dns;
    series_choice(out, "waxwing_dns_validation", "state", words, (int)d->health,
                  "What the self-check of DNSSEC validation last found.");
    series_gauge(out, "waxwing_dns_self_check_failed", d->health == DNS_HEALTH_BROKEN,
                 "1: DNSSEC validation does not work.");
    series_moment(out, "waxwing_dns_self_check_timestamp_seconds", d->checked_ms,
                  "When that was, Unix time; 0: never.");
    series_gauge(out, "waxwing_dns_stuck", d->stuck,
                 "1: the resolver thread has not turned for 5 s.");
    series_counter(out, "waxwing_dns_lookups_total", d->lookups, "Names looked up.");
    series_counter(out, "waxwing_dns_cache_hits_total", d->cache_hits,
                   "Lookups answered from the cache.");
    series_counter(out, "waxwing_dns_failures_total", d->failures, "Lookups that failed.");
    series_gauge(out, "waxwing_dns_cache_bytes", (int64_t)d->cache_bytes,
                 "Memory of the answer cache.");
    series_gauge(out, "waxwing_routes_cached", (int64_t)m->routes, "Routes that are kept.");
    if (m->dns_times)
        series_histogram(out, "waxwing_dns_lookup_duration_seconds", m->dns_times, HISTOGRAM_WORK,
                         "How long a lookup took that the cache could not answer.");
}

static void print_state(const struct state_health *s, struct buf *out)
{
    series_gauge(out, "waxwing_state_writable", s->writable,
                 "1: the state database can be written.");
    series_gauge(out, "waxwing_state_waiting", (int64_t)s->waiting,
                 "TLS facts that wait to be written.");
    series_counter(out, "waxwing_state_dropped_total", s->dropped, "TLS facts dropped unwritten.");
    series_moment(out, "waxwing_state_lost_timestamp_seconds", s->lost_ms,
                  "When a damaged state database was last moved aside, Unix time; 0: never.");
}

static void print_trace(const struct trace_state *t, struct buf *out)
{
    series_counter(out, "waxwing_trace_records_total", t->written,
                   "Records of message traces in the files.");
    series_counter(out, "waxwing_trace_lost_total", t->lost, "Records of message traces lost.");
    series_gauge(out, "waxwing_trace_bytes", (int64_t)t->bytes,
                 "What the files of traces take on disk.");
}

static void print_process(const struct metrics *m, struct buf *out)
{
    const struct process *p = &m->process;
    series_describe(out, "process_cpu_seconds_total", "counter", "User and system time spent.");
    buf_addf(out, "process_cpu_seconds_total %.6f\n", p->cpu_s);
    series_moment(out, "process_start_time_seconds", m->started_ms,
                  "When the process was started, Unix time.");
    if (p->resident) {
        series_gauge(out, "process_resident_memory_bytes", (int64_t)p->resident,
                     "Memory that is there.");
        series_gauge(out, "process_virtual_memory_bytes", (int64_t)p->virtual, "Memory asked for.");
        series_gauge(out, "process_threads", (int64_t)p->threads, "Threads.");
    }
    if (p->open_fds)
        series_gauge(out, "process_open_fds", (int64_t)p->open_fds, "Descriptors open.");
    series_gauge(out, "process_max_fds", (int64_t)p->max_fds, "Descriptors that may be open.");
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    print_relay(m, out);
    print_log(m, out);
    print_inbound(m, out);
    print_events(&m->events, out);
    print_trace(&m->trace, out);
    print_queue(m, out);
    print_outbound(m->counters, out);
    metrics_print_coming(out);
    print_sites(m->counters, out);
    print_spool(m, out);
    print_dns(m, out);
    print_state(&m->state, out);
    metrics_print_fleet(m, out);
    print_process(m, out);
}
