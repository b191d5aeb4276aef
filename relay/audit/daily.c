// SPDX-License-Identifier: ISC
// Audits in the running relay.
#include "relay/audit/daily.h"

#include <stdlib.h>
#include <string.h>
#include "relay/audit/json.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/route/refused.h"
#include "tls/sts_cache.h"

#define FIRST_MS 5000     // after the start: the relay has other things to do first
#define DAY_MS   86400000 // between two audits
#define SOON_MS  3600000  // where the DNS did not answer

struct audit_daily {
    uv_loop_t *loop;
    struct inbox *mail;
    struct dns *dns;
    struct setup *setup, *next; // next: what a reload brought, for the next run
    uv_timer_t timer;
    // while a run is under way
    struct https *https;
    struct sts_cache *sts;
    struct audit_addresses addresses;
    size_t domain; // its number in dkim.domains
    bool temporary;
    struct sts_request *request;
    struct sts_view policy;
    struct facts *facts;
    int64_t *key_made_s;
    struct dns_evaluation *evaluation;
    struct audit audit;
    json_t *last;
};

static const struct setup_domain *subject(const struct audit_daily *d)
{
    return &d->setup->domains[d->domain];
}

static void end_run(struct audit_daily *d)
{
    sts_cache_cancel(d->request);
    dns_evaluation_cancel(d->evaluation);
    facts_free(d->facts);
    free(d->key_made_s);
    d->key_made_s = NULL;
    sts_view_free(&d->policy);
    audit_free(&d->audit);
    audit_addresses_free(&d->addresses);
    if (d->sts)
        sts_cache_close(d->sts);
    if (d->https)
        https_close(d->https);
    d->request = NULL;
    d->evaluation = NULL;
    d->facts = NULL;
    d->sts = NULL;
    d->https = NULL;
}

static bool daily_look(void *arg)
{
    struct audit_daily *d = arg;
    struct audit_input in = {.domain = subject(d)->config->domain,
                             .keys = subject(d),
                             .helo = d->setup->config->hostname,
                             .addresses = &d->addresses,
                             .smarthost = d->setup->config->delivery.nsmarthost > 0,
                             .sts = &d->policy,
                             .config = d->setup->config,
                             .key_made_s = d->key_made_s,
                             .certificate_ends_s =
                                 d->setup->creds ? creds_expires(d->setup->creds) : 0,
                             .now_s = clock_s()};
    return audit_evaluate(&in, d->facts, &d->audit);
}

static void next_domain(struct audit_daily *d);

static void keep_last(struct audit_daily *d)
{
    const char *domain = subject(d)->config->domain;
    json_t *found = audit_json(domain, &d->audit);
    json_object_set_new(found, "at", json_integer(clock_s()));
    json_object_set_new(d->last, domain, found);
}

const json_t *audit_daily_last(const struct audit_daily *d)
{
    return d->last;
}

// What is about the relay is told once, with the first domain.
static void tell(const struct audit_daily *d, const struct audit_finding *f)
{
    if (f->severity != AUDIT_PROBLEM || f->temporary || (f->relay && d->domain))
        return;
    log_alarm("audit", REASON_AUDIT_FINDING, "%s: %s: %s%s%s%s%s%s%s",
              f->relay ? d->setup->config->hostname : subject(d)->config->domain, f->about, f->text,
              f->prevents ? "; receivers answer: " : "", f->prevents ? f->prevents : "",
              f->name ? "; publish " : "", f->name ? f->name : "", f->name ? ": " : "",
              f->name ? f->record : "");
}

static void daily_looked(void *arg)
{
    struct audit_daily *d = arg;
    d->evaluation = NULL;
    for (size_t i = 0; i < d->audit.n; i++)
        tell(d, &d->audit.at[i]);
    keep_last(d);
    d->temporary |= audit_worth_repeating(&d->audit);
    audit_free(&d->audit);
    facts_free(d->facts);
    d->facts = NULL;
    d->domain++;
    next_domain(d);
}

static void daily_policy_came(const struct sts_view *view, void *arg)
{
    struct audit_daily *d = arg;
    d->request = NULL;
    sts_view_free(&d->policy);
    sts_view_copy(&d->policy, view);
    d->facts = facts_new();
    free(d->key_made_s);
    d->key_made_s = audit_key_dates(subject(d));
    d->evaluation = dns_evaluate(d->dns, d->mail, d->facts, daily_look, daily_looked, d);
}

static void daily_on_timer(uv_timer_t *timer);

static void next_domain(struct audit_daily *d)
{
    if (d->domain < d->setup->config->ndkim) {
        d->request =
            sts_cache_refresh(d->sts, subject(d)->config->domain, true, daily_policy_came, d);
        return;
    }
    uv_timer_start(&d->timer, daily_on_timer, d->temporary ? SOON_MS : DAY_MS, 0);
    end_run(d);
}

static void daily_on_timer(uv_timer_t *timer)
{
    struct audit_daily *d = timer->data;
    struct why why;
    if (d->next) {
        setup_unref(d->setup);
        d->setup = d->next;
        d->next = NULL;
    }
    const struct config *config = d->setup->config;
    struct https_options https = {.mail = d->mail,
                                  .dns = d->dns,
                                  .rules = {d->setup->trust, refused_by, d->setup->config, NULL}};
    d->domain = 0;
    d->temporary = false;
    d->https = config->ndkim ? https_open(&https, &why) : NULL;
    if (!d->https) { // without own domains there is nothing to audit
        uv_timer_start(&d->timer, daily_on_timer, DAY_MS, 0);
        if (config->ndkim)
            log_alarm("audit", why.reason, "no audit today: %s", why.text);
        return;
    }
    struct sts_cache_options sts = {
        .loop = d->loop, .mail = d->mail, .dns = d->dns, .https = d->https};
    d->sts = sts_cache_open(&sts);
    audit_addresses_find(config, &d->addresses);
    next_domain(d);
}

struct audit_daily *audit_daily_start(uv_loop_t *loop, struct inbox *mail, struct dns *dns,
                                      struct setup *setup)
{
    struct audit_daily *d = mem_new(sizeof *d);
    d->loop = loop;
    d->mail = mail;
    d->dns = dns;
    d->setup = setup_ref(setup);
    d->policy.mode = -1;
    d->last = json_object();
    uv_timer_init(loop, &d->timer);
    d->timer.data = d;
    uv_timer_start(&d->timer, daily_on_timer, FIRST_MS, 0);
    return d;
}

void audit_daily_reload(struct audit_daily *d, struct setup *setup)
{
    setup_unref(d->next);
    d->next = setup_ref(setup);
}

static void daily_timer_closed(uv_handle_t *handle)
{
    struct audit_daily *d = handle->data;
    setup_unref(d->setup);
    setup_unref(d->next);
    json_decref(d->last);
    free(d);
}

void audit_daily_stop(struct audit_daily *d)
{
    if (!d)
        return;
    end_run(d);
    uv_close((uv_handle_t *)&d->timer, daily_timer_closed);
}
