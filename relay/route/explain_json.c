// SPDX-License-Identifier: ISC
// A planning as JSON.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/login.h"
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/route/explain.h"
#include "relay/route/waits.h"
#include "relay/log/json.h"
#include "relay/base/reasons.h"
#include "tls/sts.h"

static json_t *describe_sts(const struct sts_view *sts)
{
    static const struct sts_view none = {.mode = -1};
    if (!sts)
        sts = &none;
    static const char *const sources[] = {"none", "cache", "fetch"};
    json_t *j = json_object(), *mx = json_array();
    json_object_set_new(j, "mode",
                        json_text(sts->mode < 0 ? "" : sts_mode_word((enum sts_mode)sts->mode)));
    json_object_set_new(j, "id", json_text(sts->id));
    json_object_set_new(j, "expires", json_integer(sts->mode < 0 ? 0 : sts->expires_s));
    json_object_set_new(j, "fetched", json_integer(sts->mode < 0 ? 0 : sts->fetched_s));
    json_object_set_new(j, "source", json_text(sources[sts->source]));
    json_object_set_new(j, "error", json_text(sts->error.text));
    json_object_set_new(j, "error_type", json_text(why_tls_word(sts->error.tls)));
    for (size_t i = 0; i < sts->nmx; i++)
        json_array_append_new(mx, json_text(sts->mx[i]));
    json_object_set_new(j, "mx", mx);
    return j;
}

static json_t *describe_addresses(const struct route_host *h)
{
    json_t *j = json_array();
    for (size_t i = 0; i < h->naddresses; i++) {
        char out[ADDRESS_TEXT];
        address_text((const struct sockaddr *)&h->addresses[i], out);
        json_array_append_new(j, json_text(out));
    }
    return j;
}

static json_t *describe_tlsa(const struct demand *d)
{
    json_t *j = json_array();
    for (size_t i = 0; i < d->ntlsa; i++) {
        struct buf line;
        buf_init(&line, 131072);
        buf_addf(&line, "%u %u %u ", d->tlsa[i].usage, d->tlsa[i].selector, d->tlsa[i].matching);
        for (size_t b = 0; b < d->tlsa[i].data.n; b++)
            buf_addf(&line, "%02x", d->tlsa[i].data.p[b]);
        json_array_append_new(j, json_text(buf_text(&line)));
        buf_free(&line);
    }
    return j;
}

static json_t *describe_names(const struct demand *d)
{
    json_t *j = json_array();
    for (size_t i = 0; i < d->nnames; i++)
        json_array_append_new(j, json_text(d->names[i]));
    return j;
}

// What a reason is called and who can mend it; NULL: there is none.
static void explain_json_why(json_t *j, const struct why *why)
{
    json_object_set_new(j, "why", json_text(why ? reason_row(why->reason)->name : ""));
    json_object_set_new(j, "act", json_text(why ? act_word(why->act) : ""));
}

static json_t *describe_login(const struct cfg_login *login)
{
    if (!login)
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "user", json_text(login->user));
    json_object_set_new(j, "by", json_text(login_kind_word(login_kind(login))));
    return j;
}

static json_t *describe_host(const struct route_host *h)
{
    const struct demand *d = &h->demand;
    bool unusable = why_is_set(&h->unusable), refuse = unusable || d->refuse;
    const struct why *why = unusable ? &h->unusable : &d->why;
    json_t *j = json_object();
    json_object_set_new(j, "host", json_text(h->host));
    json_object_set_new(j, "port", json_integer(h->port));
    json_object_set_new(j, "preference", json_integer(h->preference));
    json_object_set_new(j, "addresses", describe_addresses(h));
    json_object_set_new(j, "dnssec", json_text(dns_proof_word(h->dnssec)));
    json_object_set_new(j, "demand", json_text(refuse ? "refuse" : tls_level_word(d->level)));
    json_object_set_new(j, "source", json_text(demand_source_word(d->source)));
    json_object_set_new(j, "tlsa_base", json_text(d->tlsa_base));
    json_object_set_new(j, "tlsa", describe_tlsa(d));
    json_object_set_new(j, "sni", json_text(d->sni));
    json_object_set_new(j, "names", describe_names(d));
    if (h->hop)
        json_object_set_new(j, "next_hop", json_integer(h->rank + 1));
    json_object_set_new(j, "login", describe_login(h->login));
    json_object_set_new(j, "certificate", json_boolean(h->identity));
    json_object_set_new(j, "reason", json_text(refuse || d->shadowed ? why->text : ""));
    json_object_set_new(j, "type", json_text(refuse ? why_tls_word(why->tls) : ""));
    explain_json_why(j, refuse || d->shadowed ? why : NULL);
    if (d->observe > d->level)
        json_object_set_new(j, "watched", json_text(tls_level_word(d->observe)));
    return j;
}

// How we come there: the addresses that connections come from, and the names said in EHLO.
static json_t *describe_sources(const struct route *route)
{
    json_t *list = json_array();
    for (size_t i = 0; i < 2; i++) {
        const struct cfg_source *s = route->sources[i];
        char text[ADDRESS_TEXT];
        if (!s)
            continue;
        json_t *j = json_object();
        json_object_set_new(j, "address",
                            json_text(address_text((const struct sockaddr *)&s->address, text)));
        json_object_set_new(j, "helo",
                            json_text(s->helo[0] ? s->helo : route->setup->config->hostname));
        json_array_append_new(list, j);
    }
    return list;
}

// By whose word mail goes there. A sender that nobody's row is about has no say.
static void describe_way(const struct planning *planning, const struct route *route, json_t *j)
{
    const struct route_wish *wish = planning_wish(planning);
    json_object_set_new(j, "way", json_text(route_word_text(route->word)));
    json_object_set_new(j, "site", json_text(route->site));
    json_object_set_new(j, "source", describe_sources(route));
    if (wish->sender)
        json_object_set_new(j, "sender", json_text(wish->sender));
    if (wish->sender && !route->sender)
        json_object_set_new(j, "sender_unknown", json_true());
}

static json_t *describe_answer(const struct dns_answer *a)
{
    static const char *const outcomes[] = {"found", "absent", "failed"};
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(a->name));
    json_object_set_new(j, "type", json_text(dns_type_word(a->type)));
    json_object_set_new(
        j, "outcome",
        json_text(a->outcome == DNS_ABSENT && a->nxdomain ? "no such name" : outcomes[a->outcome]));
    json_object_set_new(j, "dnssec", json_text(dns_proof_word(a->proof)));
    json_object_set_new(j, "ttl", json_integer(a->ttl));
    json_object_set_new(j, "records", json_integer((json_int_t)a->nrecords));
    if (a->alias)
        json_object_set_new(j, "canonical", json_text(a->canonical));
    if (a->outcome == DNS_FAILED)
        json_object_set_new(j, "reason", json_text(a->why.text));
    if (a->server)
        json_object_set_new(j, "server", json_text(a->server));
    return j;
}

static json_t *describe_memory(const struct memory_view *memory)
{
    static const char *const owes[] = {"nothing", "tls", "certificate"};
    json_t *j = json_array();
    for (size_t i = 0; memory && i < memory->n; i++) {
        json_t *row = json_object();
        json_object_set_new(row, "host", json_text(memory->rows[i].host));
        json_object_set_new(row, "proved", json_text(owes[memory->rows[i].owes]));
        json_object_set_new(row, "dane", json_boolean(memory->rows[i].dane));
        json_object_set_new(row, "seen", json_integer(memory->rows[i].seen_s));
        json_array_append_new(j, row);
    }
    return j;
}

// Where a rule names several next hops: each with its policy and its memory.
static json_t *describe_policies(const struct planning *planning, const struct route *route)
{
    json_t *list = json_array();
    for (size_t i = 0; i < route->npolicies; i++) {
        json_t *j = json_object();
        json_object_set_new(j, "domain", json_text(route->policies[i].domain));
        json_object_set_new(j, "sts", describe_sts(&route->policies[i].sts));
        json_object_set_new(j, "memory", describe_memory(planning_memory(planning, i)));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *describe_rule(const struct cfg_destination *rule)
{
    if (!rule)
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "domain", json_text(rule->domain));
    json_object_set_new(j, "tls",
                        rule->has_tls ? json_text(tls_level_word(rule->tls)) : json_null());
    json_object_set_new(j, "until",
                        rule->until == INT64_MAX ? json_text("never")
                        : rule->until            ? json_integer(rule->until)
                                                 : json_null());
    json_object_set_new(j, "expired", json_boolean(rule->until && rule->until < clock_s()));
    json_object_set_new(j, "reason", json_text(rule->reason));
    json_object_set_new(j, "next_hop", json_boolean(rule->nnext_hops > 0));
    return j;
}

// The part that a route says.
static void describe_route(const struct planning *planning, const struct route *route, json_t *j)
{
    static const char *const verdicts[] = {"deliver", "defer", "bounce"};
    json_t *mx = json_array();
    json_object_set_new(j, "verdict", json_text(verdicts[route->verdict]));
    bool delivers = route->verdict == ROUTE_DELIVER;
    json_object_set_new(j, "reason", json_text(delivers ? "" : route->why.text));
    json_object_set_new(j, "status", json_text(delivers ? "" : route->why.status));
    explain_json_why(j, delivers ? NULL : &route->why);
    json_object_set_new(j, "next_hop_domain", json_text(route->next_hop_domain));
    json_object_set_new(j, "shadow", json_boolean(route->shadow));
    describe_way(planning, route, j);
    json_object_set_new(j, "sts", describe_sts(route_sts(route, NULL)));
    if (route->npolicies > 1)
        json_object_set_new(j, "next_hops", describe_policies(planning, route));
    for (size_t i = 0; i < route->nhosts; i++)
        json_array_append_new(mx, describe_host(&route->hosts[i]));
    json_object_set_new(j, "mx", mx);
    json_object_set_new(j, "rule", describe_rule(route->rule));
}

// Nothing is planned yet: mail waits for that too.
static void describe_nothing(json_t *j)
{
    json_object_set_new(j, "verdict", json_text("defer"));
    json_object_set_new(j, "reason", json_text("its records are still being looked up"));
    json_object_set_new(j, "status", json_text(""));
    explain_json_why(j, NULL);
    json_object_set_new(j, "sts", describe_sts(NULL));
    json_object_set_new(j, "mx", json_array());
    json_object_set_new(j, "rule", json_null());
}

json_t *explain_json(const struct planning *planning, const struct route *known, const char *domain)
{
    const struct route *route = planning_route(planning);
    const struct dns_state *dns = planning_dns(planning);
    json_t *j = json_object(), *records = json_array();
    bool broken = dns->health == DNS_HEALTH_BROKEN;
    json_object_set_new(j, "domain", json_text(domain));
    if (!route) {
        json_object_set_new(j, "running", waits_json(planning));
        json_object_set_new(j, "known_before", json_boolean(known));
        route = known;
    }
    route ? describe_route(planning, route, j) : describe_nothing(j);
    const struct dns_answer *a;
    for (size_t i = 0; (a = facts_at(planning_facts(planning), i)); i++)
        json_array_append_new(records, describe_answer(a));
    json_object_set_new(j, "records", records);
    json_object_set_new(j, "memory", describe_memory(planning_memory(planning, 0)));
    json_object_set_new(j, "dns", json_text(broken ? dns->text : ""));
    return j;
}
