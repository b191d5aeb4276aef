// SPDX-License-Identifier: ISC
// Addresses, TLSA records and demand of one host. *Absent* and *failed* never mix: a lookup that failed
// makes the host unusable until the next look, it never makes it "without DANE" (RFC 7672 section 2.1.3).
#include "relay/route/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dns/name.h"
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/route/refused.h"
#include "tls/dane.h"
#include "tls/sts.h"

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->nhosts; i++) {
        free(plan->hosts[i].host);
        free(plan->hosts[i].hop);
        free(plan->hosts[i].addresses);
        demand_free(&plan->hosts[i].demand);
    }
    free(plan->hosts);
    plan->hosts = NULL;
    plan->nhosts = 0;
}

static struct route_host *new_host(struct plan *plan, const struct hop *hop, const char *host,
                                   uint16_t preference)
{
    plan->hosts = mem_grow(plan->hosts, plan->nhosts + 1, sizeof *plan->hosts);
    struct route_host *h = &plan->hosts[plan->nhosts++];
    *h = (struct route_host){.host = mem_dup(host),
                             .port = hop->port,
                             .implicit_tls = hop->implicit_tls,
                             .preference = preference,
                             .mx_proof = hop->mx_proof,
                             .address_proof = DNS_INSECURE,
                             .rank = hop->rank,
                             .rule = hop->terms->rule,
                             .login = hop->terms->login};
    h->addresses = mem_new(MAX_ADDRESSES * sizeof *h->addresses);
    if (hop->configured)
        h->hop = mem_printf("%s:%u%s%s", host, (unsigned)hop->port, h->login ? " as " : "",
                            h->login ? h->login->user : "");
    return h;
}

static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    const struct sockaddr *x = (const struct sockaddr *)a, *y = (const struct sockaddr *)b;
    return address_same(x, y) && address_port(x) == address_port(y);
}

// What became of a host's addresses: how many there were, and why some were left out.
struct found {
    bool own, refused, failed, secure, insecure;
    struct sockaddr_storage ours; // with own: which address it is
    bool elsewhere;               // of a family that this sender has no source address of
    struct why why;               // of a failed lookup
};

static void take_address(const struct plan_input *in, const struct hop *hop, struct route_host *h,
                         const struct sockaddr_storage *address, struct found *found)
{
    for (size_t i = 0; i < in->nown; i++)
        if (is_same(&in->own[i], address)) {
            found->own = true;
            found->ours = *address;
            return;
        }
    if (!way_uses(in, address->ss_family)) {
        found->elsewhere = true;
        return;
    }
    if (!hop->configured && refused_address(in->setup->config, (const struct sockaddr *)address)) {
        found->refused = true;
        return;
    }
    if (h->naddresses < MAX_ADDRESSES)
        h->addresses[h->naddresses++] = *address;
}

// One family. A failing AAAA does not keep A from being used, nor the other way round (case 26).
static const struct dns_answer *take_family(const struct plan_input *in, const struct hop *hop,
                                            struct route_host *h, struct facts *facts, int family,
                                            struct found *found)
{
    uint16_t type = family == AF_INET ? DNS_A : DNS_AAAA;
    size_t bytes = family == AF_INET ? 4 : 16;
    const struct dns_answer *a = facts_ask(facts, h->host, type);
    if (!a)
        return NULL;
    if (a->outcome == DNS_FAILED) {
        found->failed = true;
        found->why = a->why;
        why_server(&found->why, a->server);
        if (a->proof == DNS_BOGUS)
            found->why.tls = WHY_DNSSEC_INVALID;
    }
    if (a->outcome != DNS_FOUND)
        return NULL;
    found->secure = found->secure || a->proof == DNS_SECURE;
    found->insecure = found->insecure || a->proof != DNS_SECURE;
    for (size_t i = 0; i < a->nrecords; i++) {
        struct sockaddr_storage address;
        struct span rdata = a->records[i].rdata;
        if (rdata.n == bytes && address_make(rdata.p, rdata.n, h->port, &address))
            take_address(in, hop, h, &address, found);
    }
    return a;
}

static void no_address(struct route_host *h, const struct hop *hop, const struct found *found)
{
    char ours[ADDRESS_TEXT];
    if (h->naddresses)
        return;
    if (found->failed) {
        why_say(&h->unusable, ADDRESS_LOOKUP_FAILED, h->host,
                found->why.text[0] ? why_cause(&found->why) : "lookup failed");
        h->unusable.tls = found->why.tls;
        why_server(&h->unusable, found->why.server);
    } else if (found->own)
        why_say(&h->unusable, HOST_IS_US, h->host,
                address_text((const struct sockaddr *)&found->ours, ours));
    else if (found->refused)
        why_say(&h->unusable, ADDRESSES_REFUSED, h->host);
    else if (found->elsewhere)
        why_say(&h->unusable, SOURCE_FAMILY, h->host);
    else
        why_say(&h->unusable, NO_ADDRESS, h->host);
    if (hop->configured) // an operator's mistake costs no mail
        h->unusable.status[0] = '4';
    why_host(&h->unusable, h->host);
}

// RFC 7672 section 2.2.2: candidates for the TLSA base domain, best first.
static size_t tlsa_bases(const struct dns_answer *address, const char **bases)
{
    if (!address)
        return 0;
    size_t n = 0;
    if (address->alias && address->proof == DNS_SECURE)
        bases[n++] = address->canonical;
    if (address->proof == DNS_SECURE || (address->alias && address->alias_secure))
        bases[n++] = address->name;
    return n;
}

struct tlsa_set {
    enum tlsa_state state;
    const char *base;
    struct span *rdata;
    size_t n;
    enum dns_proof proof; // of a lookup that failed
    struct why why;
};

static void take_tlsa(const struct dns_answer *a, struct tlsa_set *set)
{
    set->rdata = mem_new((a->nrecords + 1) * sizeof *set->rdata);
    set->state = TLSA_UNUSABLE;
    for (size_t i = 0; i < a->nrecords && set->n < MAX_TLSA; i++) {
        struct dns_tlsa t;
        if (!rdata_tlsa(a->records[i].rdata, &t))
            continue;
        set->rdata[set->n++] = a->records[i].rdata;
        if (dane_usable(&t))
            set->state = TLSA_USABLE;
    }
}

static void tlsa_failed(const char *host, const char *base, const struct dns_answer *a,
                        struct tlsa_set *set)
{
    set->state = TLSA_FAILED;
    set->proof = a->proof;
    why_say(&set->why, TLSA_LOOKUP_FAILED, base,
            a->why.text[0] ? why_cause(&a->why) : "lookup failed", host);
    why_host(&set->why, host);
    why_server(&set->why, a->server);
}

// Cases 22 to 25. An insecure address is not even asked for.
static void look_up_tlsa(struct facts *facts, const struct route_host *h,
                         const struct dns_answer *address, struct tlsa_set *set)
{
    const char *bases[2];
    size_t n = tlsa_bases(address, bases);
    for (size_t i = 0; i < n && set->state == TLSA_NONE; i++) {
        char name[280];
        snprintf(name, sizeof name, "_%u._tcp.%s", h->port, bases[i]);
        const struct dns_answer *a = facts_ask(facts, name, DNS_TLSA);
        if (!a)
            return;
        set->base = bases[i];
        if (a->outcome == DNS_FAILED)
            tlsa_failed(h->host, bases[i], a, set);
        else if (a->outcome == DNS_FOUND && a->proof == DNS_SECURE && a->nrecords)
            take_tlsa(a, set);
    }
}

// An unknown host of a known domain owes the lowest level that every known host of it proved.
static enum memory_owes recall(const struct plan_input *in, const struct memory_view *memory,
                               const char *host)
{
    const struct cfg_delivery *d = &in->setup->config->delivery;
    if (!memory || d->memory == MEMORY_OFF)
        return OWES_NOTHING;
    int64_t oldest = clock_s() - (int64_t)d->memory_days * 86400;
    enum memory_owes lowest = OWES_CERTIFICATE;
    bool any = false;
    for (size_t i = 0; i < memory->n; i++) {
        const struct memory_row *row = &memory->rows[i];
        if (row->seen_s < oldest)
            continue;
        enum memory_owes owes = row->owes;
        if (d->memory == MEMORY_TLS && owes > OWES_TLS)
            owes = OWES_TLS;
        if (strcmp(row->host, host) == 0)
            return owes;
        any = true;
        lowest = owes < lowest ? owes : lowest;
    }
    return any ? lowest : OWES_NOTHING;
}

// The weakest part counts: a failed TLSA lookup, then the addresses, then the MX records.
static enum dns_proof weakest(const struct route_host *h, const struct tlsa_set *set)
{
    if (set->state == TLSA_FAILED)
        return set->proof == DNS_BOGUS ? DNS_BOGUS : DNS_UNPROVEN;
    if (h->address_proof != DNS_SECURE)
        return h->address_proof;
    return h->mx_proof;
}

static struct trust *trust_for(const struct plan_input *in, const struct cfg_destination *rule)
{
    struct setup *s = in->setup;
    struct trust *own = rule ? s->destination_trust[rule - s->config->delivery.destinations] : NULL;
    return own ? own : s->trust;
}

static struct creds *identity_for(const struct plan_input *in, const struct cfg_destination *rule)
{
    struct setup *s = in->setup;
    return rule ? s->destination_identity[rule - s->config->delivery.destinations] : NULL;
}

// Each next hop has a policy and a memory of its own; what the operator names as a host has none.
static int policy_index(const struct plan_input *in, const struct hop *hop)
{
    char domains[MAX_POLICIES][256];
    size_t n = hop->looked_up ? plan_policy_domains(in, domains) : 0;
    for (size_t i = 0; i < n && i < in->npolicies; i++)
        if (strcmp(domains[i], hop->next_hop_domain) == 0)
            return (int)i;
    return -1;
}

static void decide(const struct plan_input *in, const struct hop *hop, struct route_host *h,
                   const struct tlsa_set *set, bool literal)
{
    h->policy = policy_index(in, hop);
    h->identity = identity_for(in, h->rule);
    const struct plan_policy *ours = h->policy < 0 ? NULL : &in->policies[h->policy];
    const struct sts_view *sts = ours ? ours->sts : NULL;
    // RFC 8689: an MTA-STS enforce match makes the name authentic.
    bool sts_names = sts && sts->mode == STS_ENFORCE && !literal && sts_view_covers(sts, h->host);
    h->authentic = !literal && (hop->mx_proof == DNS_SECURE || sts_names);
    struct policy_input p = {
        .delivery = &in->setup->config->delivery,
        .rule = h->rule,
        .least = hop->terms->least,
        .requiretls = in->variant == ROUTE_REQUIRETLS,
        .tls_optional = in->variant == ROUTE_TLS_OPTIONAL,
        .shadow = hop->terms->shadow,
        .host = literal ? NULL : h->host,
        .next_hop_domain = hop->next_hop_domain,
        .next_hop_canonical = hop->canonical,
        .authentic = h->authentic,
        .tlsa_state = set->state,
        .tlsa_base = set->base,
        .tlsa = set->rdata,
        .ntlsa = set->n,
        .tlsa_why = set->why,
        .sts = sts,
        .owes = literal || !ours ? OWES_NOTHING : recall(in, ours->memory, h->host),
        .trust = trust_for(in, h->rule),
        .now_s = clock_s(),
    };
    policy_decide(&p, &h->demand);
    h->dnssec = literal ? DNS_INSECURE : weakest(h, set);
}

// An MX record can hold anything; only the name of a host is looked up, connected to and told.
static void add_no_host(const struct plan_input *in, struct plan *plan, const struct hop *hop,
                        const char *name, uint16_t preference)
{
    char shown[256];
    struct sockaddr_storage at;
    name_show(name, shown, sizeof shown);
    struct route_host *h = new_host(plan, hop, shown, preference);
    bool address = address_read(span_text(name), 0, &at);
    why_say(&h->unusable, MX_NAME_INVALID, hop->next_hop_domain, shown,
            address ? "an address and not the name of a host (RFC 5321 section 5.1)"
                    : "no host name");
    struct tlsa_set none = {.state = TLSA_NONE};
    decide(in, hop, h, &none, false);
}

void plan_add_host(const struct plan_input *in, struct plan *plan, struct facts *facts,
                   const struct hop *hop, const char *host, uint16_t preference)
{
    if (plan->nhosts >= MAX_MX_HOSTS || (plan->met_ourselves && preference >= plan->own_preference))
        return;
    if (!name_is_host(host)) {
        add_no_host(in, plan, hop, host, preference);
        return;
    }
    struct route_host *h = new_host(plan, hop, host, preference);
    struct found found = {0};
    const struct dns_answer *answer = NULL;
    for (size_t i = 0; i < 2; i++) {
        int family = in->setup->config->delivery.families[i];
        if (!family)
            continue;
        const struct dns_answer *a = take_family(in, hop, h, facts, family, &found);
        if (a && (!answer || a->proof != DNS_SECURE)) // one insecure answer makes all insecure
            answer = a;
    }
    no_address(h, hop, &found);
    if (found.own && !hop->configured) {
        plan->met_ourselves = true;
        plan->own_preference = preference;
    }
    h->address_proof = found.secure && !found.insecure ? DNS_SECURE
                       : found.failed && !h->naddresses
                           ? (found.why.tls == WHY_DNSSEC_INVALID ? DNS_BOGUS : DNS_UNPROVEN)
                           : DNS_INSECURE;
    struct tlsa_set set = {.state = TLSA_NONE};
    bool ask = hop->mx_proof == DNS_SECURE || in->setup->config->dns.half_dane;
    if (ask && h->naddresses)
        look_up_tlsa(facts, h, answer, &set);
    decide(in, hop, h, &set, false);
    free(set.rdata);
}

void plan_add_address(const struct plan_input *in, struct plan *plan, const struct hop *hop,
                      const char *address)
{
    struct route_host *h = new_host(plan, hop, address, 0);
    struct sockaddr_storage a;
    struct found found = {0};
    if (address_read(span_text(address), h->port, &a))
        take_address(in, hop, h, &a, &found);
    no_address(h, hop, &found);
    struct tlsa_set none = {.state = TLSA_NONE};
    decide(in, hop, h, &none, true);
}
