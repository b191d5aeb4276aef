// SPDX-License-Identifier: ISC
// The plan from a recipient domain to an ordered list of hosts: next hops, MX, and the verdict. What
// concerns one host (addresses, TLSA, demand) is relay/route/host.c.
#include "relay/route/plan.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/login.h"
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/route/host.h"

#define FAILED_ROUTE_S 60  // a route made while something failed lives no longer
#define ROUTE_S        300 // nor any other: MTA-STS and memory have a say beside the DNS

static size_t add_domain(char out[MAX_POLICIES][256], size_t n, const char *domain)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(out[i], domain) == 0)
            return n;
    if (n < MAX_POLICIES)
        snprintf(out[n++], 256, "%s", domain);
    return n;
}

size_t plan_policy_domains(const struct plan_input *in, char out[MAX_POLICIES][256])
{
    struct way way = way_find(in);
    size_t found = 0;
    if (!way.nhops)
        return in->domain[0] == '[' ? 0 : add_domain(out, 0, in->domain);
    for (size_t i = 0; i < way.nhops; i++)
        if (way.hops[i].kind == HOP_MX)
            found = add_domain(out, found, way.hops[i].name);
    return found;
}

static bool is_own_name(const struct plan_input *in, const char *host)
{
    return strcmp(host, in->setup->config->hostname) == 0;
}

// Fisher-Yates over hosts of one preference, from a seed, so that a plan can be repeated.
static void shuffle(struct dns_mx *mx, size_t n, uint64_t *seed)
{
    for (size_t i = n; i > 1; i--) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        size_t j = (size_t)((*seed >> 33) % i);
        struct dns_mx swap = mx[i - 1];
        mx[i - 1] = mx[j];
        mx[j] = swap;
    }
}

static int plan_by_preference(const void *a, const void *b)
{
    const struct dns_mx *x = a, *y = b;
    return x->preference != y->preference ? x->preference - y->preference
                                          : strcmp(x->host, y->host);
}

static size_t read_mx(const struct plan_input *in, const struct dns_answer *answer,
                      struct dns_mx *mx, bool *null_mx)
{
    size_t n = 0;
    *null_mx = false;
    for (size_t i = 0; i < answer->nrecords && n < MAX_MX_ANSWERS; i++) {
        if (!rdata_mx(answer->records[i].rdata, &mx[n]))
            continue;
        *null_mx = *null_mx || !mx[n].host[0];
        n += mx[n].host[0] != 0;
    }
    *null_mx = *null_mx && n == 0; // RFC 7505: the only record
    qsort(mx, n, sizeof *mx, plan_by_preference);
    uint64_t seed = in->seed;
    for (size_t start = 0, end; start < n; start = end) {
        for (end = start; end < n && mx[end].preference == mx[start].preference;)
            end++;
        shuffle(mx + start, end - start, &seed);
    }
    return n;
}

// RFC 5321 section 5.1: our own name drops itself and everything of its preference and behind.
static size_t drop_ourselves(const struct plan_input *in, struct dns_mx *mx, size_t n, bool *own)
{
    unsigned best = 65536;
    for (size_t i = 0; i < n; i++)
        if (is_own_name(in, mx[i].host) && mx[i].preference < best)
            best = mx[i].preference;
    *own = best < 65536;
    size_t kept = 0;
    while (kept < n && mx[kept].preference < best)
        kept++;
    return kept < MAX_MX_HOSTS ? kept : MAX_MX_HOSTS;
}

static void mx_failed(struct plan *plan, const char *domain, const struct dns_answer *answer)
{
    why_say(&plan->trouble, MX_LOOKUP_FAILED, domain,
            answer->why.text[0] ? why_cause(&answer->why) : "lookup failed");
    why_server(&plan->trouble, answer->server);
    if (answer->proof == DNS_BOGUS)
        plan->trouble.tls = WHY_DNSSEC_INVALID;
}

// The MX hosts of one domain, or the domain itself where it has none (RFC 5321 section 5.1).
static void expand_mx(const struct plan_input *in, struct plan *plan, struct facts *facts,
                      const struct hop *base, const char *domain)
{
    const struct dns_answer *answer = facts_ask(facts, domain, DNS_MX);
    if (!answer)
        return;
    if (answer->outcome == DNS_FAILED) {
        mx_failed(plan, domain, answer);
        return;
    }
    struct hop hop = *base;
    hop.mx_proof = answer->proof;
    hop.canonical = answer->alias && answer->proof == DNS_SECURE ? answer->canonical : "";
    hop.looked_up = true;
    if (answer->outcome == DNS_ABSENT) {
        if (answer->nxdomain)
            why_say(&plan->never, NO_SUCH_DOMAIN, domain);
        else
            plan_add_host(in, plan, facts, &hop, domain, 0);
        return;
    }
    struct dns_mx mx[MAX_MX_ANSWERS];
    bool null_mx, own;
    size_t n = read_mx(in, answer, mx, &null_mx);
    if (null_mx) {
        why_say(&plan->never, NULL_MX, domain);
        return;
    }
    size_t kept = drop_ourselves(in, mx, n, &own);
    if (own && kept == 0)
        why_say(&plan->never, MX_IS_US, domain, (unsigned)mx[0].preference, mx[0].host);
    else if (n == 0)
        why_say(&plan->trouble, MX_WITHOUT_HOST, domain);
    for (size_t i = 0; i < kept; i++)
        plan_add_host(in, plan, facts, &hop, mx[i].host, mx[i].preference);
}

static void expand_hop(const struct plan_input *in, struct plan *plan, struct facts *facts,
                       const struct way *way, size_t i)
{
    const struct cfg_next_hop *next = &way->hops[i];
    struct way_terms terms = way_terms(in, way, next);
    struct hop hop = {.port = next->port,
                      .implicit_tls = next->implicit_tls,
                      .mx_proof = DNS_SECURE, // the operator vouches for the name
                      .next_hop_domain = next->name,
                      .canonical = "",
                      .configured = true,
                      .rank = (unsigned)i,
                      .terms = &terms};
    if (next->kind == HOP_MX)
        expand_mx(in, plan, facts, &hop, next->name);
    else if (next->kind == HOP_HOST)
        plan_add_host(in, plan, facts, &hop, next->name, 0);
    else
        plan_add_address(in, plan, &hop, next->name);
}

static void expand_literal(const struct plan_input *in, struct plan *plan,
                           const struct way_terms *terms)
{
    if (!in->setup->config->delivery.address_literals) {
        why_say(&plan->never, ADDRESS_LITERAL, in->domain);
        return;
    }
    char text[64];
    struct span inner = span_slice(span_text(in->domain), 1, strlen(in->domain) - 1);
    if (span_starts_nocase(inner, "IPv6:"))
        inner = span_from(inner, 5);
    snprintf(text, sizeof text, "%.*s", (int)inner.n, (const char *)inner.p);
    struct hop hop = {.port = in->setup->config->delivery.port,
                      .mx_proof = DNS_INSECURE,
                      .next_hop_domain = in->domain,
                      .canonical = "",
                      .terms = terms};
    plan_add_address(in, plan, &hop, text);
}

static void expand(const struct plan_input *in, struct plan *plan, struct facts *facts,
                   const struct way *way)
{
    for (size_t i = 0; i < way->nhops; i++)
        expand_hop(in, plan, facts, way, i);
    if (way->nhops)
        return;
    struct way_terms terms = way_terms(in, way, NULL);
    struct hop hop = {
        .port = in->setup->config->delivery.port, .next_hop_domain = in->domain, .terms = &terms};
    if (in->domain[0] == '[')
        expand_literal(in, plan, &terms);
    else
        expand_mx(in, plan, facts, &hop, in->domain);
}

static bool is_exception(const struct cfg_destination *rule)
{
    return rule && rule->has_tls && rule->until != 0 && rule->until >= clock_s();
}

// What lifts DANE of this message or destination lifts the wait for it too.
static bool dane_is_lifted(const struct plan_input *in, const struct route *route)
{
    return in->variant != ROUTE_REQUIRETLS &&
           (in->variant == ROUTE_TLS_OPTIONAL || route->shadow || is_exception(route->rule));
}

// dns.on_failure: what is known to have DANE waits, the rest goes on (or all waits).
static bool waits_for_dns(const struct plan_input *in, const struct route *route, struct why *why)
{
    if (!in->dns_broken)
        return false;
    bool known = in->setup->config->dns.defer_on_failure;
    int64_t oldest = clock_s() - (int64_t)in->setup->config->delivery.memory_days * 86400;
    for (size_t p = 0; p < in->npolicies && !dane_is_lifted(in, route); p++) {
        const struct memory_view *memory = in->policies[p].memory;
        for (size_t i = 0; memory && i < memory->n; i++)
            known = known || (memory->rows[i].dane && memory->rows[i].seen_s >= oldest);
    }
    if (!known)
        return false;
    why_say(why, DNSSEC_BROKEN, in->domain, in->dns_text);
    return true;
}

// The first host that can be used decides; where none can, the gravest common reason.
static void give_verdict(const struct plan_input *in, struct plan *plan, struct route *route)
{
    bool usable = false, passing = false;
    const struct why *first = NULL;
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct route_host *h = &route->hosts[i];
        const struct why *why = why_is_set(&h->unusable) ? &h->unusable
                                : h->demand.refuse       ? &h->demand.why
                                                         : NULL;
        usable = usable || !why;
        passing = passing || (why && !why_permanent(why));
        if (why && (!first || (why_permanent(first) && !why_permanent(why))))
            first = why;
    }
    if (waits_for_dns(in, route, &route->why)) {
        route->verdict = ROUTE_DEFER;
    } else if (usable) {
        route->verdict = ROUTE_DELIVER;
    } else if (why_is_set(&plan->trouble)) {
        route->why = plan->trouble;
        route->verdict = ROUTE_DEFER;
    } else if (first) {
        route->why = *first;
        route->verdict = passing ? ROUTE_DEFER : ROUTE_BOUNCE;
    } else {
        route->why = plan->never;
        if (!why_is_set(&route->why))
            why_say(&route->why, NO_HOST, in->domain);
        if (plan->configured) // the operator's mistake, or a day on which his DNS is wrong, costs no mail
            route->why.status[0] = '4';
        route->verdict = why_permanent(&route->why) ? ROUTE_BOUNCE : ROUTE_DEFER;
    }
}

static int plan_by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The sorted host set: domains hosted in one place share a lane.
static void name_hosts(const struct route *route, struct buf *site)
{
    char **names = mem_new(route->nhosts * sizeof *names);
    for (size_t i = 0; i < route->nhosts; i++)
        names[i] = mem_printf("%s:%u", route->hosts[i].host, route->hosts[i].port);
    qsort(names, route->nhosts, sizeof *names, plan_by_name);
    for (size_t i = 0; i < route->nhosts; i++) {
        buf_addf(site, "%s%s", i ? " " : "", names[i]);
        free(names[i]);
    }
    free(names);
}

// What a host counts by beside itself: who logs in, and where its sender's mail comes from.
static void name_ourselves(const struct route *route, struct buf *site)
{
    const char *before = " as ";
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct cfg_login *login = route->hosts[i].login;
        if (!login || (i && login_same(login, route->hosts[i - 1].login)))
            continue;
        buf_addf(site, "%s%s", before, login->user);
        before = "+";
    }
    before = " from ";
    bool own = route->sender && route->sender->nsources;
    for (size_t i = 0; own && i < 2; i++) {
        char text[ADDRESS_TEXT];
        if (!route->sources[i])
            continue;
        buf_addf(site, "%s%s", before,
                 address_text((const struct sockaddr *)&route->sources[i]->address, text));
        before = "+";
    }
}

static void settle_site(const struct plan_input *in, struct route *route)
{
    struct buf site;
    buf_init(&site, 65536);
    if (route->nhosts)
        name_hosts(route, &site);
    else
        buf_addf(&site, "domain %s", route->domain);
    route->sources[0] = way_source(in, buf_text(&site), AF_INET);
    route->sources[1] = way_source(in, buf_text(&site), AF_INET6);
    name_ourselves(route, &site);
    route->site = buf_take(&site);
}

// A lookup of MTA-STS that failed, or DNSSEC that cannot be checked, may be well in a minute: what was decided
// without them must not stand as long as the MX records do.
static uint64_t life_s(const struct plan_input *in, const struct facts *facts,
                       const struct route *route)
{
    uint64_t life = facts_ttl(facts, ROUTE_S), most = ROUTE_S;
    if (route->verdict != ROUTE_DELIVER || in->dns_broken)
        most = FAILED_ROUTE_S;
    for (size_t i = 0; i < route->npolicies; i++) {
        const struct sts_view *sts = &route->policies[i].sts;
        int64_t left = sts->mode < 0 ? 0 : sts->expires_s - clock_s();
        if (sts->error.tls != WHY_TLS_NONE && most > FAILED_ROUTE_S)
            most = FAILED_ROUTE_S;
        if (left > 0 && (uint64_t)left < most)
            most = (uint64_t)left;
    }
    life = life < most ? life : most;
    return life < 1 ? 1 : life;
}

static bool policies_known(const struct plan_input *in)
{
    for (size_t i = 0; i < in->npolicies; i++)
        if (!in->policies[i].sts)
            return false;
    return true;
}

static void keep_policies(const struct plan_input *in, struct route *route)
{
    char domains[MAX_POLICIES][256];
    route->npolicies = plan_policy_domains(in, domains);
    assert(route->npolicies == in->npolicies);
    route->policies = mem_new((route->npolicies + 1) * sizeof *route->policies);
    for (size_t i = 0; i < route->npolicies; i++) {
        route->policies[i].domain = mem_dup(domains[i]);
        sts_view_copy(&route->policies[i].sts, in->policies[i].sts);
    }
}

// The first hop's terms speak for the route where only one can.
static void keep_terms(const struct plan_input *in, const struct way *way, struct route *route)
{
    struct way_terms first = way_terms(in, way, way->nhops ? &way->hops[0] : NULL);
    route->word = way->word;
    route->rule = first.rule;
    route->shadow = first.shadow;
    route->sender = in->sender;
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct cfg_destination *rule = route->hosts[i].rule;
        if (is_exception(rule) && (!route->ends_s || rule->until < route->ends_s))
            route->ends_s = rule->until;
    }
    if (!route->ends_s && is_exception(route->rule))
        route->ends_s = route->rule->until;
}

struct route *route_plan(const struct plan_input *in, struct facts *facts)
{
    struct way way = way_find(in);
    struct plan plan = {.configured = way.nhops > 0};
    expand(in, &plan, facts, &way);
    if (facts_count_wanted(facts) || !policies_known(in)) {
        plan_free(&plan);
        return NULL;
    }
    struct route *route = mem_new(sizeof *route);
    route->refs = 1;
    route->domain = mem_dup(in->domain);
    keep_policies(in, route);
    route->next_hop_domain = mem_dup(route->npolicies ? route->policies[0].domain : in->domain);
    route->variant = in->variant;
    route->setup = setup_ref(in->setup);
    route->hosts = plan.hosts;
    route->nhosts = plan.nhosts;
    keep_terms(in, &way, route);
    settle_site(in, route);
    give_verdict(in, &plan, route);
    route->expires_ms = clock_mono_ms() + life_s(in, facts, route) * 1000;
    return route;
}
