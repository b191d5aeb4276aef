// SPDX-License-Identifier: ISC
// One route being planned. DNS and MTA-STS are asked at the same time; the plan is evaluated whenever
// something new is known, and ends when it wants nothing more.
#include "relay/route/planning.h"

#include <stdio.h>
#include <stdlib.h>
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/route/own_addresses.h"
#include "relay/setup/principal.h"

// One of the domains whose policy counts.
struct subject {
    char domain[256];
    struct planning *planning;
    struct sts_request *request; // NULL: not asked, or answered
    struct sts_view sts;
    bool known;
    struct memory_view memory;
};

struct planning {
    const struct planning_world *world;
    struct setup *setup;
    struct route_wish wish;
    const struct cfg_sender *sender;
    struct cfg_next_hop redirect; // without a name: none
    struct facts *facts;
    struct dns_evaluation *evaluation;
    struct subject subjects[MAX_POLICIES];
    size_t nsubjects;
    struct own_addresses own, local;
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

// What every evaluation begins with.
static struct plan_input planning_input(const struct planning *p)
{
    return (struct plan_input){.setup = p->setup,
                               .domain = p->wish.domain,
                               .variant = p->wish.variant,
                               .sender = p->sender,
                               .redirect = p->redirect.name ? &p->redirect : NULL};
}

static struct route *planning_evaluate(struct planning *p)
{
    struct plan_policy policies[MAX_POLICIES];
    for (size_t i = 0; i < p->nsubjects; i++)
        policies[i] = (struct plan_policy){p->subjects[i].known ? &p->subjects[i].sts : NULL,
                                           &p->subjects[i].memory};
    struct plan_input in = planning_input(p);
    in.own = p->own.at;
    in.nown = p->own.n;
    in.local = p->local.at;
    in.nlocal = p->local.n;
    in.dns_broken = !dns_is_sound(&p->dns);
    in.dns_text = p->dns.text[0] ? p->dns.text : "it was not checked yet";
    in.policies = policies;
    in.npolicies = p->nsubjects;
    in.seed = p->seed;
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
    struct plan_input in = planning_input(p);
    uint64_t days = p->setup->config->delivery.memory_days;
    p->nsubjects = plan_policy_domains(&in, domains);
    for (size_t i = 0; i < p->nsubjects; i++) {
        struct subject *s = &p->subjects[i];
        s->planning = p;
        snprintf(s->domain, sizeof s->domain, "%s", domains[i]);
        s->sts = (struct sts_view){.mode = -1};
        s->known = !p->world->sts;
        if (p->world->memory)
            tls_memory_get(p->world->memory, domains[i], clock_s(), days, &s->memory);
        if (p->world->sts)
            s->request = sts_cache_get(p->world->sts, domains[i], planning_sts_came, s);
    }
}

// What a redirection names was read before it was kept; what cannot be read now leads nowhere (RFC 6761).
static void planning_redirect(struct planning *p)
{
    struct why why;
    if (!p->wish.next_hop)
        return;
    if (value_hop(span_text(p->wish.next_hop), &p->redirect, &why) < 0)
        p->redirect =
            (struct cfg_next_hop){.kind = HOP_HOST, .name = mem_dup("unreadable.invalid")};
    if (!p->redirect.port)
        p->redirect.port = p->setup->config->delivery.port;
}

static void planning_sender(struct planning *p)
{
    const struct config *config = p->setup->config;
    if (p->wish.sender) {
        char *client = mem_printf("[%s]", p->wish.sender); // explain may be given an address
        p->sender = principal_row(config, p->wish.sender, client);
        free(client);
    }
    if (config->delivery.nsources > 1 || (p->sender && p->sender->nsources))
        own_addresses_local(&p->local);
}

struct planning *planning_start(const struct planning_world *world, struct setup *setup,
                                const struct route_wish *wish, void (*done)(void *arg), void *arg)
{
    struct planning *p = mem_new(sizeof *p);
    p->world = world;
    p->setup = setup_ref(setup);
    route_wish_copy(&p->wish, wish);
    p->facts = facts_new();
    p->done = done;
    p->arg = arg;
    planning_redirect(p);
    planning_sender(p);
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
    own_addresses_free(&p->local);
    free(p->redirect.name);
    route_unref(p->route);
    setup_unref(p->setup);
    route_wish_free(&p->wish);
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

const struct route_wish *planning_wish(const struct planning *p)
{
    return &p->wish;
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

bool planning_waits_for(const struct planning *p, size_t i, const char **name, uint16_t *type)
{
    return dns_evaluation_waits(p->evaluation, i, name, type);
}

bool planning_waits_for_sts(const struct planning *p, size_t i, const char **domain)
{
    for (size_t s = 0; s < p->nsubjects; s++) {
        if (!p->subjects[s].request || i--)
            continue;
        *domain = p->subjects[s].domain;
        return true;
    }
    return false;
}

const struct planning_world *planning_world_of(const struct planning *p)
{
    return p->world;
}
