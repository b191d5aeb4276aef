// SPDX-License-Identifier: ISC
// One route being planned. DNS and MTA-STS are asked at the same time; the plan is evaluated whenever
// something new is known, and ends when it wants nothing more.
#include "relay/route/planning.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/route/own_addresses.h"

// One of the domains whose policy counts.
struct subject {
    struct planning *planning;
    struct sts_request *request; // NULL: not asked, or answered
    struct sts_view sts;
    bool known;
    struct memory_view memory;
};

struct planning {
    const struct planning_world *world;
    struct setup *setup;
    char *domain;
    enum route_variant variant;
    struct facts *facts;
    struct dns_evaluation *evaluation;
    struct subject subjects[MAX_POLICIES];
    size_t nsubjects;
    struct own_addresses own;
    struct dns_state dns;
    uint64_t seed;
    struct route *route;
    void (*done)(void *arg);
    void *arg;
};

// Before the first self-check has ended nobody knows; by then the lookups of a route mostly have not either.
static bool dns_is_sound(const struct dns_state *state)
{
    return state->health == DNS_HEALTH_OK || state->health == DNS_HEALTH_OFF;
}

static struct route *planning_evaluate(struct planning *p)
{
    struct plan_policy policies[MAX_POLICIES];
    for (size_t i = 0; i < p->nsubjects; i++)
        policies[i] = (struct plan_policy){p->subjects[i].known ? &p->subjects[i].sts : NULL,
                                           &p->subjects[i].memory};
    struct plan_input in = {.setup = p->setup,
                            .domain = p->domain,
                            .variant = p->variant,
                            .own = p->own.at,
                            .nown = p->own.n,
                            .dns_broken = !dns_is_sound(&p->dns),
                            .dns_text = p->dns.text[0] ? p->dns.text : "it was not checked yet",
                            .policies = policies,
                            .npolicies = p->nsubjects,
                            .seed = p->seed};
    return route_plan(&in, p->facts);
}

// For the driver: true while DNS facts are wanted. A plan that waits for MTA-STS alone wants none.
static bool planning_look_again(void *arg)
{
    struct planning *p = arg;
    dns_get_state(p->world->dns, &p->dns); // the self-check of a start may have ended meanwhile
    p->route = planning_evaluate(p);
    return !p->route && facts_count_wanted(p->facts) > 0;
}

static void planning_evaluation(struct planning *p);

static void planning_driven(void *arg)
{
    struct planning *p = arg;
    p->evaluation = NULL;
    if (p->route)
        p->done(p->arg);
    else if (!planning_waits_for_policy(p))
        planning_evaluation(p); // the policy came while the last lookups were under way
}

static void planning_evaluation(struct planning *p)
{
    p->evaluation = dns_evaluate(p->world->dns, p->world->mail, p->facts, planning_look_again,
                                 planning_driven, p);
}

static void planning_sts_came(const struct sts_view *view, void *arg)
{
    struct subject *s = arg;
    s->request = NULL;
    sts_view_copy(&s->sts, view);
    s->known = true;
    if (!s->planning->evaluation && !planning_waits_for_policy(s->planning))
        planning_evaluation(s->planning);
}

static void ask_subjects(struct planning *p)
{
    char domains[MAX_POLICIES][256];
    struct plan_input in = {.setup = p->setup, .domain = p->domain, .variant = p->variant};
    uint64_t days = p->setup->config->delivery.memory_days;
    p->nsubjects = plan_policy_domains(&in, domains);
    for (size_t i = 0; i < p->nsubjects; i++) {
        struct subject *s = &p->subjects[i];
        s->planning = p;
        s->sts = (struct sts_view){.mode = -1};
        s->known = !p->world->sts;
        if (p->world->memory)
            tls_memory_get(p->world->memory, domains[i], clock_s(), days, &s->memory);
        if (p->world->sts)
            s->request = sts_cache_get(p->world->sts, domains[i], planning_sts_came, s);
    }
}

struct planning *planning_start(const struct planning_world *world, struct setup *setup,
                                const char *domain, enum route_variant variant,
                                void (*done)(void *arg), void *arg)
{
    struct planning *p = mem_new(sizeof *p);
    p->world = world;
    p->setup = setup_ref(setup);
    p->domain = mem_dup(domain);
    p->variant = variant;
    p->facts = facts_new();
    p->done = done;
    p->arg = arg;
    own_addresses_find(setup->config, &p->own);
    dns_get_state(world->dns, &p->dns);
    random_bytes(&p->seed, sizeof p->seed);
    ask_subjects(p);
    planning_evaluation(p);
    return p;
}

void planning_free(struct planning *p)
{
    if (!p)
        return;
    dns_evaluation_cancel(p->evaluation);
    facts_free(p->facts);
    for (size_t i = 0; i < p->nsubjects; i++) {
        sts_cache_cancel(p->subjects[i].request);
        sts_view_free(&p->subjects[i].sts);
        memory_view_free(&p->subjects[i].memory);
    }
    own_addresses_free(&p->own);
    route_unref(p->route);
    setup_unref(p->setup);
    free(p->domain);
    free(p);
}

struct route *planning_route(const struct planning *p)
{
    return p->route;
}

const struct facts *planning_facts(const struct planning *p)
{
    return p->facts;
}

const struct memory_view *planning_memory(const struct planning *p, size_t policy)
{
    return policy < p->nsubjects ? &p->subjects[policy].memory : NULL;
}

const struct dns_state *planning_dns(const struct planning *p)
{
    return &p->dns;
}

bool planning_waits_for_policy(const struct planning *p)
{
    for (size_t i = 0; i < p->nsubjects; i++)
        if (p->subjects[i].request)
            return true;
    return false;
}
