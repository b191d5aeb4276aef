// SPDX-License-Identifier: ISC
// What is due, and when. Sends nothing itself: relay/report/outgoing.c does.
#include "relay/report/reporter.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/report/claims.h"
#include "relay/report/inside.h"
#include "relay/report/schedule.h"
#include "relay/route/refused.h"
#include "tls/https.h"

#define FIRST_LOOK_MS 1000    // after the start
#define LOOK_MS       60000   // at most so long between two looks: the wall clock may be set
#define ORPHANS_MS    3600000 // between two looks for what nobody reports
#define AWAY_MS       15000   // where the fleet cannot be asked
#define STOP_MS       5000    // what is on its way over HTTPS when the relay stops

static void reporter_on_timer(uv_timer_t *timer);

static void reporter_arm(struct reporter *r, int64_t next_ms)
{
    uint64_t ms = LOOK_MS, now = clock_mono_ms();
    int64_t left = next_ms - clock_ms();
    if (left < (int64_t)ms)
        ms = left > 0 ? (uint64_t)left : 0;
    if (r->rest_until > now && ms < r->rest_until - now)
        ms = r->rest_until - now;
    if (r->nrunning && ms > REPORTER_SAVE_MS)
        ms = REPORTER_SAVE_MS;
    if (r->relay->claims && !r->stopping && r->orphans_at < now + ms)
        ms = r->orphans_at > now ? r->orphans_at - now : 1;
    uv_timer_start(&r->timer, reporter_on_timer, ms, 0);
}

bool reporter_suppresses(const struct reporter *r, const char *domain)
{
    const struct strings *list = &r->setup->config->tls_report.suppress;
    for (size_t i = 0; i < list->n; i++) {
        const char *rule = list->at[i];
        size_t n = strlen(domain), below = strlen(rule) - 1;
        if (strcmp(rule, "*") == 0 || strcmp(rule, domain) == 0)
            return true;
        if (rule[0] == '*' && n > below && strcmp(domain + n - below, rule + 1) == 0)
            return true;
    }
    return false;
}

int64_t reporter_again(const struct reporter *r, const struct sending *row)
{
    const struct cfg_delivery *d = &r->setup->config->delivery;
    return schedule_again(d->retry, d->nretry, row->attempts, random_below(UINT64_MAX), clock_ms(),
                          row->until_ms);
}

void reporter_rest(struct reporter *r)
{
    r->rest_until = clock_mono_ms() + REPORTER_REST_MS;
}

// --- the fetcher ---

static void close_https(struct reporter *r)
{
    if (r->https)
        https_close(r->https);
    setup_unref(r->https_setup);
    r->https = NULL;
    r->https_setup = NULL;
}

struct https *reporter_https(struct reporter *r, struct why *why)
{
    struct config *config = r->setup->config;
    const struct https_options options = {
        .mail = r->mail,
        .dns = r->relay->dns,
        .rules = {.trust = r->setup->trust, .refused = refused_by, .arg = config}};
    if (!r->https) {
        r->https = https_open(&options, why);
        if (r->https)
            r->https_setup = setup_ref(r->setup);
    }
    if (r->https)
        r->nposts++;
    return r->https;
}

void reporter_posted(struct reporter *r)
{
    r->nposts--;
}

// --- looking ---

static void look_again(struct reporter *r, int64_t next_ms)
{
    r->looking = false;
    if (r->again || r->stopping)
        reporter_look(r);
    else
        reporter_arm(r, next_ms);
}

static void reporter_found_due(struct sendings *found, const struct why *why, void *arg)
{
    struct reporter *r = arg;
    int64_t now = clock_ms(), next = INT64_MAX;
    if (why)
        reporter_rest(r);
    for (size_t i = 0; i < found->n && !r->stopping; i++) {
        const struct sending *row = &found->at[i];
        if (outgoing_is(r, row))
            continue;
        if (row->next_ms > now) {
            next = row->next_ms;
            break;
        }
        if (r->nrunning >= REPORTER_AT_ONCE)
            break; // whichever ends looks again
        outgoing_start(r, row);
    }
    look_again(r, next);
}

static void ask_due(struct reporter *r)
{
    // Those on their way may still wait in the database, so they are asked for as well.
    state_sendings_due(r->relay->state, !r->setup->config->tls_report.send,
                       r->nrunning + REPORTER_AT_ONCE + 1, r->mail, reporter_found_due, r);
}

static void plan_next(struct reporter *r);

static void reporter_planned(struct sendings *found, const struct why *why, void *arg)
{
    struct reporter *r = arg;
    (void)found;
    if (why) {
        reporter_rest(r);
        look_again(r, INT64_MAX);
        return;
    }
    r->planned = r->planning;
    plan_next(r);
}

static void plan_next(struct reporter *r)
{
    const struct cfg_tls_report *config = &r->setup->config->tls_report;
    int64_t now = clock_ms(), day = schedule_day(r->planned, now);
    if (!config->send || day == SCHEDULE_NEVER || r->stopping) {
        ask_due(r);
        return;
    }
    struct sending_plan plan = {.day = day};
    r->planning = day;
    schedule_window(day, config->spread, now, &plan.start_ms, &plan.spread_ms);
    state_sendings_plan(r->relay->state, &plan, r->mail, reporter_planned, r);
}

// --- orphans ---

// Reports of what nodes of a fleet counted that do not live any more, or send none: each node that lives plans them,
// and whoever claims one sends it.
static void reporter_orphans_planned(struct sendings *found, const struct why *why, void *arg)
{
    struct reporter *r = arg;
    (void)found;
    if (why)
        reporter_rest(r);
    r->nwishes--;
    reporter_look(r);
}

static void reporter_orphans_came(struct claim_answer *answer, void *arg)
{
    struct reporter *r = arg;
    int64_t now = clock_ms();
    struct sending_plan plan = {.by_hand = false};
    r->orphans = NULL;
    r->orphans_at = clock_mono_ms() + (answer->verdict == CLAIM_MINE ? ORPHANS_MS : AWAY_MS);
    if (!answer->orphans.n || r->stopping) {
        reporter_look(r);
        return;
    }
    schedule_window(ledger_day(now - SCHEDULE_SETTLE_MS) - 1, r->setup->config->tls_report.spread,
                    now, &plan.start_ms, &plan.spread_ms);
    r->nwishes++;
    state_sendings_adopt(r->relay->state, &answer->orphans, &plan, r->mail,
                         reporter_orphans_planned, r);
}

static void look_for_orphans(struct reporter *r)
{
    const struct claim_question q = {.kind = CLAIM_ORPHANS,
                                     .day = ledger_day(clock_ms() - SCHEDULE_SETTLE_MS) - 1};
    if (!r->relay->claims || r->orphans || clock_mono_ms() < r->orphans_at)
        return;
    r->orphans_at = clock_mono_ms() + ORPHANS_MS;
    if (r->setup->config->tls_report.send)
        r->orphans = claims_ask(r->relay->claims, &q, r->mail, reporter_orphans_came, r);
}

static void forget_orphans(struct reporter *r)
{
    claims_cancel(r->orphans);
    r->orphans = NULL;
}

// --- a look ---

static void reporter_end_if_over(struct reporter *r);

void reporter_look(struct reporter *r)
{
    bool rests = r->rest_until > clock_mono_ms();
    if (r->looking) {
        r->again = true;
        return;
    }
    if (r->stopping) {
        reporter_end_if_over(r);
        return;
    }
    r->again = false;
    // While the relay drains it takes no new mail, its own neither.
    if (rests || r->relay->stage != RELAY_RUNNING) {
        reporter_arm(r, INT64_MAX);
        return;
    }
    if (!r->nposts)
        close_https(r);
    look_for_orphans(r);
    r->looking = true;
    plan_next(r);
}

static void reporter_on_timer(uv_timer_t *timer)
{
    struct reporter *r = timer->data;
    if (r->stopping && clock_mono_ms() >= r->stop_at)
        outgoing_cancel(r, true);
    else
        outgoing_save_again(r);
    reporter_look(r);
}

// --- by hand ---

struct wish {
    struct reporter *r;
    int64_t day;
    char *domain;
    bool asked; // what other nodes counted
    void (*done)(const struct why *why, void *arg);
    void *arg;
};

static void reporter_wish_planned(struct sendings *found, const struct why *why, void *arg);

// Of those that other nodes counted: where they cannot be asked, this node's own are sent.
static void reporter_wish_heard(struct claim_answer *answer, void *arg)
{
    struct wish *wish = arg;
    const struct sending_plan plan = {.start_ms = clock_ms(), .by_hand = true};
    state_sendings_adopt(wish->r->relay->state, &answer->orphans, &plan, wish->r->mail,
                         reporter_wish_planned, wish);
}

static bool ask_others(struct wish *wish)
{
    struct claims *claims = wish->r->relay->claims;
    const struct claim_question q = {
        .kind = CLAIM_ORPHANS, .day = wish->day, .domain = wish->domain, .by_hand = true};
    if (wish->asked || !claims || claims_of_day(claims, wish->day) != 1)
        return false;
    wish->asked = true;
    claims_ask(claims, &q, wish->r->mail, reporter_wish_heard, wish);
    return true;
}

static void reporter_wish_planned(struct sendings *found, const struct why *why, void *arg)
{
    struct wish *wish = arg;
    (void)found;
    if (!why && ask_others(wish))
        return;
    wish->done(why, wish->arg);
    wish->r->nwishes--;
    reporter_look(wish->r);
    free(wish->domain);
    free(wish);
}

void reporter_send(struct reporter *r, int64_t day, const char *domain,
                   void (*done)(const struct why *why, void *arg), void *arg)
{
    struct wish *wish = mem_new(sizeof *wish);
    *wish = (struct wish){.r = r, .day = day, .domain = mem_dup(domain), .done = done, .arg = arg};
    const struct sending_plan plan = {
        .day = day, .start_ms = clock_ms(), .domain = domain, .by_hand = true};
    r->rest_until = 0;
    r->nwishes++;
    state_sendings_plan(r->relay->state, &plan, r->mail, reporter_wish_planned, wish);
}

// --- life ---

struct reporter *reporter_open(struct relay *relay, uv_loop_t *loop, struct inbox *mail,
                               struct setup *setup)
{
    struct reporter *r = mem_new(sizeof *r);
    r->relay = relay;
    r->loop = loop;
    r->mail = mail;
    r->setup = setup_ref(setup);
    r->planned = SCHEDULE_NEVER;
    list_init(&r->running);
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, reporter_on_timer, FIRST_LOOK_MS, 0);
    return r;
}

void reporter_reload(struct reporter *r, struct setup *setup)
{
    setup_unref(r->setup);
    r->setup = setup_ref(setup);
    r->planned = SCHEDULE_NEVER; // sending may have been off until now
    reporter_look(r);
}

static void reporter_timer_closed(uv_handle_t *handle)
{
    struct reporter *r = handle->data;
    setup_unref(r->setup);
    r->gone(r->gone_arg);
    free(r);
}

static void reporter_end_if_over(struct reporter *r)
{
    if (uv_is_closing((uv_handle_t *)&r->timer))
        return;
    if (r->looking || r->nrunning || r->nwishes) {
        reporter_arm(r, clock_ms() +
                            STOP_MS); // for what goes over HTTPS; the others come by themselves
        return;
    }
    close_https(r);
    uv_close((uv_handle_t *)&r->timer, reporter_timer_closed);
}

void reporter_stop(struct reporter *r, void (*gone)(void *arg), void *arg)
{
    r->stopping = true;
    r->stop_at = clock_mono_ms() + STOP_MS;
    r->gone = gone;
    r->gone_arg = arg;
    outgoing_cancel(r, false);
    forget_orphans(r);
    // Not inside this call, whatever is left.
    uv_timer_start(&r->timer, reporter_on_timer, 0, 0);
}
