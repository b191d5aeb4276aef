// SPDX-License-Identifier: ISC
// The results of an attempt: each recipient ends as delivered, later or never (relay/deliver/outcome.h), with a log
// line, a RESULT in the spool and, where one is owed, a report to the sender.
#include "relay/queue/inside.h"
#include "relay/queue/line.h"
#include "relay/queue/met.h"
#include "relay/queue/tell.h"
#include "relay/queue/trace.h"
#include "relay/queue/unmet.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/base/words.h"
#include "relay/log/log.h"
#include "relay/login/habits.h"
#include "relay/deliver/retry.h"
#include "relay/route/routes.h"
#include "relay/smtp/reply_class.h"
#include "relay/state/reports.h"
#include "relay/suppress/suppress.h"

#define SETTLE_ARCHIVE_MS 3600000 // between two alarms about an archive

// One attempt of one delivery, as its recipients are settled.
struct settling {
    struct queue *q;
    struct delivery *d;
    const struct cfg_delivery *config;
    int64_t now, expires;
    struct why worst; // of those that stay: TLS before anything else
    bool again;       // a policy that stopped it is looked up once more before anything final
    char because[LINE_BECAUSE]; // why the next attempt is when it is
    int64_t next_ms;            // wall clock; 0 or INT64_MAX: not known
};

static void settle_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void note(struct settling *s, const struct delivery_rcpt *r, enum spool_outcome outcome,
                 const struct why *why)
{
    struct spool_result result = {
        .id = s->d->message->env.id,
        .address = r->recipient->address,
        .outcome = outcome,
        .attempts = s->d->attempts,
        .next_ms = s->d->next_ms,
        .delay_warned = r->delay_warned,
        .why = why,
        .reply = r->attempt && r->attempt->reply[0] ? r->attempt->reply : NULL,
    };
    spool_note(s->q->worker->relay->spool, &result);
}

// Why it is tried again, or not, where the status does not say it.
static const char *settle_because(const struct settling *s, const char *event,
                                  const struct why *why)
{
    if (strcmp(event, "deferred") == 0)
        return s->because;
    if (!why || why->tls == WHY_TLS_NONE || !s->d->second_look || s->d->returned)
        return NULL;
    return why_permanent(why) ? "policy and records were looked up a second time and say the same; "
                                "waiting would change nothing"
                              : "policy and records were looked up a second time and say the same";
}

static void log_outcome(const struct settling *s, const struct delivery_rcpt *r, const char *event,
                        enum log_level level, const struct why *why, const char *told)
{
    line_write(&(struct line){.d = s->d,
                              .r = r,
                              .event = event,
                              .level = level,
                              .why = why,
                              .because = settle_because(s, event, why),
                              .told = told,
                              .now_ms = s->now,
                              .next_ms = s->next_ms,
                              .expires_ms = s->expires});
}

// Our own TLS reports: their rows say what the host said.
static void tell_report(const struct settling *s, const struct delivery_rcpt *r,
                        enum sending_state end, const struct why *why)
{
    const struct relay *relay = s->q->worker->relay;
    const struct message *m = s->d->message;
    if (!m->env.uncounted || !relay->state)
        return;
    char *answer = why ? mem_printf("%s%s%s", why->text, why->reply[0] ? ": " : "", why->reply)
                       : mem_dup(r->attempt ? r->attempt->reply : "");
    state_sendings_mailed(relay->state, m->env.id, end, answer);
    free(answer);
    if (end == SENDING_FAILED)
        settle_count(&s->q->worker->relay->counters.reports_failed);
}

static void settle_ended(struct settling *s)
{
    atomic_fetch_sub_explicit(&s->q->worker->relay->counters.queued_now, 1, memory_order_relaxed);
}

// From the words of the log line, so that page, metrics and log say the same.
static enum protection protection_of(const struct attempt *a)
{
    if (strncmp(a->proof, "dane", 4) == 0)
        return PROTECTION_DANE;
    if (strcmp(a->proof, "none") != 0)
        return strcmp(a->source, "mta-sts") == 0 ? PROTECTION_STS : PROTECTION_PROVED;
    return a->tls[0] && strcmp(a->tls, "none") != 0 ? PROTECTION_ENCRYPT : PROTECTION_CLEAR;
}

static void settle_by(struct settling *s, enum settled what, const char *status)
{
    enum status_class class = status[0] == '2'   ? STATUS_GOOD
                              : status[0] == '5' ? STATUS_NEVER
                                                 : STATUS_LATER;
    settle_count(&s->q->worker->relay->counters.settled_by[what][class]);
}

static uint64_t age_us(const struct settling *s, int64_t at_ms)
{
    int64_t age = at_ms - s->d->message->env.created_ms; // a clock may have been set back
    return age > 0 ? (uint64_t)age * 1000 : 0;
}

static void delivered(struct settling *s, struct delivery_rcpt *r)
{
    struct counters *c = &s->q->worker->relay->counters;
    log_outcome(s, r, "delivered", LOG_INFO, NULL, NULL);
    queue_trace_result(s->d, r, "delivered", NULL, NULL);
    tell_report(s, r, SENDING_DONE, NULL);
    tell_outcome(s->q, s->d, r, EVENT_DELIVERED, NULL);
    note(s, r, SPOOL_DELIVERED, NULL);
    settle_count(&c->delivered);
    settle_count(&c->delivered_by[protection_of(r->attempt)]);
    settle_by(s, SETTLED_DELIVERED, "2");
    histogram_add(&c->delivery_delay, HISTOGRAM_WAIT, age_us(s, s->now));
    histogram_add(&c->queue_age, HISTOGRAM_WAIT, age_us(s, s->d->begun_ms));
    settle_ended(s);
    // RFC 3461 section 6.2.5: the next hop will not tell of success, so we say how far it came.
    if (!r->attempt->dsn && outcome_owes(&s->d->message->env, r->recipient, DSN_RELAYED)) {
        struct why taken; // no failure: who took it, and with which words
        why_clear(&taken);
        why_host(&taken, r->attempt->host);
        why_reply(&taken, r->attempt->reply);
        reports_add(s->q->reports, s->d, r,
                    &(struct report_cause){DSN_RELAYED, OUTCOME_DELIVERED, &taken, 0});
    }
}

// Nobody else hears of an archive's copy that did not arrive.
static void settle_tell_archive(const struct delivery_rcpt *r)
{
    if (r->recipient->copy)
        log_alarm_once("archive", r->why->reason, r->recipient->address, SETTLE_ARCHIVE_MS,
                       "a copy for %s did not arrive: %s%s%s", r->recipient->address, r->why->text,
                       r->why->reply[0] ? ": " : "", r->why->reply);
}

// A report that fails itself is told to nobody but the postmaster, where he wants that (relay/queue/report.c).
static const char *told_of_end(const struct settling *s, const struct delivery_rcpt *r)
{
    const struct envelope *env = &s->d->message->env;
    const char *postmaster = s->q->worker->setup->config->dsn_postmaster;
    if (env->dsn)
        return postmaster && postmaster[0] ? "postmaster" : "nobody";
    return outcome_owes(env, r->recipient, DSN_FAILED) ? "sender-of-failure" : "nobody";
}

static void finished(struct settling *s, struct delivery_rcpt *r, enum outcome outcome)
{
    struct counters *c = &s->q->worker->relay->counters;
    bool expired = outcome == OUTCOME_EXPIRED;
    log_outcome(s, r, expired ? "expired" : "failed", LOG_WARNING, r->why, told_of_end(s, r));
    queue_trace_result(s->d, r, expired ? "expired" : "failed", r->why, NULL);
    tell_report(s, r, SENDING_FAILED, r->why);
    tell_outcome(s->q, s->d, r, expired ? EVENT_EXPIRED : EVENT_FAILED, r->why);
    if (!expired && !s->d->message->env.dsn && !s->d->returned && !r->recipient->copy)
        suppress_bounced(s->q->worker->relay->suppress, s->d->message->env.from,
                         r->recipient->address, r->recipient->domain, r->why);
    settle_count(expired ? &c->expired : &c->failed);
    settle_by(s, expired ? SETTLED_EXPIRED : SETTLED_FAILED, r->why->status);
    settle_ended(s);
    settle_tell_archive(r);
    const struct envelope *env = &s->d->message->env;
    if (outcome_owes(env, r->recipient, DSN_FAILED) || env->dsn)
        reports_add(s->q->reports, s->d, r, &(struct report_cause){DSN_FAILED, outcome, r->why, 0});
    else
        note(s, r, SPOOL_FAILED, r->why);
}

// What became of a recipient is part of what is usual for the login that wrote to it.
static void count_result(const struct settling *s, bool failed)
{
    struct habits *habits = s->q->worker->relay->habits;
    const struct cfg_jumps *limits = &s->q->worker->setup->config->jumps;
    if (habits && limits->hold && s->d->message->env.principal)
        habits_result(habits, limits, s->d->message->env.principal, failed);
}

static bool settle_is_over(const struct delivery_rcpt *r)
{
    return r->standing == STANDING_DELIVERED || !r->recipient;
}

// MTA-STS and TLSA are looked up again before a TLS failure becomes final (case 21).
static bool second_look(struct settling *s, enum outcome outcome, const struct why *why)
{
    if (why->tls == WHY_TLS_NONE || s->d->second_look)
        return false;
    return outcome == OUTCOME_NEVER || outcome == OUTCOME_EXPIRED;
}

static void one(struct settling *s, struct delivery_rcpt *r)
{
    if (r->standing == STANDING_DELIVERED) {
        delivered(s, r);
        count_result(s, false);
        return;
    }
    if (r->standing == STANDING_OPEN) {
        // Cut short by a stop: nothing is known, so nothing is noted, and the next start tries at once.
        assert(s->q->stopping);
        r->recipient = NULL;
        return;
    }
    enum outcome o = outcome(r->why, s->now, s->expires);
    if (second_look(s, o, r->why)) {
        s->again = true;
        o = OUTCOME_LATER;
    }
    if (o == OUTCOME_LATER) {
        if (!why_is_set(&s->worst) || (r->why->tls != WHY_TLS_NONE && !s->worst.tls))
            s->worst = *r->why;
        return;
    }
    finished(s, r, o);
    if (o == OUTCOME_NEVER && !s->d->returned)
        count_result(s, true);
    r->recipient = NULL; // its end is told; nothing of it stays here
}

static int64_t warn_at(const struct settling *s)
{
    return delivery_notice_at(s->d, s->config, s->worst.tls != WHY_TLS_NONE);
}

// True: its sender is told now.
static bool warn(struct settling *s, struct delivery_rcpt *r, int64_t at, const struct why *why)
{
    if (r->delay_warned || !at || s->now < at)
        return false;
    r->delay_warned = true;
    if (!outcome_owes(&s->d->message->env, r->recipient, DSN_DELAYED))
        return false;
    reports_add(s->q->reports, s->d, r,
                &(struct report_cause){DSN_DELAYED, OUTCOME_LATER, why, s->next_ms});
    return true;
}

// What stopped it may be a policy or a record that is no longer so (RFC 8461 section 5.1, RFC 7671 section 8.1):
// before it waits for its next time, that is looked up again, and the fetch waited for.
static bool may_look(const struct settling *s)
{
    return s->worst.tls != WHY_TLS_NONE && !s->d->looked && !s->q->stopping && s->d->route &&
           s->d->next_ms != INT64_MAX;
}

static void settle_look(struct settling *s)
{
    struct delivery *d = s->d;
    d->looking = d->looked = true;
    queue_ask(s->q, d);
}

bool queue_looked(struct queue *q, struct delivery *d, const struct route *route)
{
    bool same = d->route && d->route->verdict == route->verdict && route_agree(d->route, route);
    d->looking = false;
    if (same) {
        queue_settle(d, q);
    } else {
        route_unref(d->route);
        d->route = NULL;
        delivery_reset(d);
    }
    return same;
}

static void deferred(struct settling *s, struct delivery_rcpt *r, int64_t warn_ms,
                     const struct why *why)
{
    bool told = warn(s, r, warn_ms, why);
    log_outcome(s, r, "deferred", LOG_INFO, why, told ? "sender-of-delay" : NULL);
    queue_trace_result(s->d, r, "deferred", why, s->because);
    tell_report(s, r, SENDING_QUEUED, why);
    tell_outcome(s->q, s->d, r, EVENT_DEFERRED, why);
    settle_count(&s->q->worker->relay->counters.deferred);
    settle_by(s, SETTLED_DEFERRED, why->status);
    note(s, r, SPOOL_DEFERRED, why);
}

// A site that asks for less mail has not refused this message: it goes when the site may be asked again.
static int64_t when_site_opens(const struct settling *s)
{
    const struct delivery *d = s->d;
    uint64_t wait_ms;
    if (!d->route || !deliver_wants_less(&s->worst) ||
        !lanes_opens(s->q->lanes, d->route->site, &wait_ms))
        return INT64_MAX;
    return s->now + (int64_t)wait_ms + QUEUE_AGAIN_MS;
}

// The schedule would have been later than what has to happen anyway: the notice, or the end.
static enum line_cut cut_of(const struct settling *s, uint64_t wait)
{
    if (s->d->next_ms >= s->now + (int64_t)wait)
        return LINE_WHOLE;
    return s->d->next_ms >= s->expires ? LINE_FOR_END : LINE_FOR_NOTICE;
}

// What remains waits for its next time.
static void later(struct settling *s)
{
    struct delivery *d = s->d;
    d->attempts++;
    d->looked = false;
    int64_t warn_ms = warn_at(s);
    uint64_t wait =
        retry_wait(s->config->retry, s->config->nretry, d->attempts, random_below(UINT64_MAX));
    bool warned = d->rcpts[0].delay_warned;
    d->next_ms = retry_at(s->now, wait, s->expires, warned ? 0 : warn_ms);
    line_say_step(s->config->retry, s->config->nretry, d->attempts, cut_of(s, wait), s->because);
    int64_t opens = when_site_opens(s);
    if (opens < d->next_ms) {
        d->next_ms = opens;
        snprintf(s->because, sizeof s->because, "its site, which asked for less, takes mail again");
    }
    if (s->again) {
        d->second_look = true;
        d->next_ms = s->now + QUEUE_SECOND_MS;
        snprintf(s->because, sizeof s->because,
                 "policy and records are looked up once more before it is final");
    }
    s->next_ms = d->next_ms;
    // Not before: what is settled again after a look has to say again what it would have ended with.
    outcome_agree(&s->worst);
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct delivery_rcpt *r = &d->rcpts[i];
        outcome_agree(r->why);
        deferred(s, r, warn_ms, r->why);
    }
    delivery_waits_for(d, &s->worst);
    // What waits keeps neither reasons nor bytes in memory.
    delivery_reset(d);
    content_unref(d->content);
    d->content = NULL;
    queue_wait(s->q, d);
}

void queue_settle(struct delivery *d, void *queue)
{
    struct queue *q = queue;
    struct settling s = {
        .q = q,
        .d = d,
        .config = &q->worker->setup->config->delivery,
        .now = clock_ms(),
    };
    s.expires = delivery_expires(d, s.config->expire);
    why_clear(&s.worst);
    met_note(q->worker->relay, d, s.expires);
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i].why && unmet(d->rcpts[i].attempt, d->rcpts[i].why))
            unmet_say(d->rcpts[i].why);
    for (size_t i = 0; i < d->nrcpts; i++)
        one(&s, &d->rcpts[i]);
    bool again = may_look(&s);
    if (s.worst.tls != WHY_TLS_NONE && (again || !d->looked) && d->route)
        routes_refresh(q->worker->relay->routes, d->route);
    if (delivery_prune(d, settle_is_over))
        delivery_free(d);
    else if (again)
        settle_look(&s);
    else
        later(&s);
    if (q->stopping && !lanes_sessions(q->lanes))
        queue_stop_soon(q);
}

void queue_kept(struct delivery *d, const struct why *why, void *queue)
{
    struct queue *q = queue;
    struct settling s = {.q = q,
                         .d = d,
                         .config = &q->worker->setup->config->delivery,
                         .now = clock_ms(),
                         .worst = *why};
    s.expires = delivery_expires(d, s.config->expire);
    if (s.now >= s.expires) {
        queue_unplace(q, d);
        queue_settle_all(q, d, why);
        return;
    }
    int64_t warn_ms = warn_at(&s);
    bool warned = d->rcpts[0].delay_warned || !warn_ms || s.now < warn_ms;
    if (d->reason && warned)
        return;
    s.next_ms = d->route ? lanes_asks_at(q->lanes, d->route->site) : INT64_MAX;
    line_say_site(why, d->route ? d->route->site : NULL, s.next_ms != INT64_MAX, s.because);
    for (size_t i = 0; i < d->nrcpts; i++)
        deferred(&s, &d->rcpts[i], warn_ms, why);
    delivery_waits_for(d, why);
}

void queue_settle_all(struct queue *q, struct delivery *d, const struct why *why)
{
    delivery_reset(d);
    for (size_t i = 0; i < d->nrcpts; i++)
        delivery_refuse(&d->rcpts[i], why);
    queue_settle(d, q);
}

void queue_bounce(struct queue *q, struct delivery *d, const struct why *why)
{
    d->second_look = true; // an operator's word is final
    d->returned = true;
    queue_settle_all(q, d, why);
}

void queue_note(struct queue *q, const struct delivery *d, enum spool_outcome outcome,
                const char *next_hop)
{
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct spool_result result = {
            .id = d->message->env.id,
            .address = d->rcpts[i].recipient->address,
            .outcome = outcome,
            .attempts = d->attempts,
            .next_ms = d->next_ms,
            .delay_warned = d->rcpts[i].delay_warned,
            .next_hop = next_hop,
        };
        spool_note(q->worker->relay->spool, &result);
    }
}
