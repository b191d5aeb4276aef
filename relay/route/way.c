// SPDX-License-Identifier: ISC
// Whose word counts for a way out.
#include "relay/route/way.h"

#include <string.h>
#include <xxhash.h>
#include "config/login.h"
#include "relay/base/address.h"
#include "relay/base/clock.h"

static bool names_everything(const struct cfg_destination *rule)
{
    return strcmp(rule->domain, "*") == 0;
}

struct way way_find(const struct plan_input *in)
{
    const struct cfg_delivery *d = &in->setup->config->delivery;
    const struct cfg_destination *rule = config_destination(in->setup->config, in->domain);
    bool named = rule && rule->nnext_hops;
    if (in->redirect)
        return (struct way){WORD_OPERATOR, in->redirect, 1, rule};
    if (named && !names_everything(rule))
        return (struct way){WORD_RULE, rule->next_hops, rule->nnext_hops, rule};
    if (in->sender && in->sender->nnext_hops)
        return (struct way){WORD_SENDER, in->sender->next_hops, in->sender->nnext_hops, rule};
    if (named)
        return (struct way){WORD_RULE, rule->next_hops, rule->nnext_hops, rule};
    if (d->nsmarthost)
        return (struct way){WORD_SMARTHOST, d->smarthost, d->nsmarthost, rule};
    return (struct way){WORD_DOMAIN, NULL, 0, rule};
}

// The rule that names the host itself: what is said of every domain says nothing of a host that a sender or an
// operator chose, its password least of all.
static const struct cfg_destination *rule_of_hop(const struct config *config,
                                                 const struct cfg_next_hop *hop)
{
    const struct cfg_destination *rule =
        hop->kind == HOP_ADDRESS ? NULL : config_destination(config, hop->name);
    return rule && !names_everything(rule) ? rule : NULL;
}

static bool way_shadow(const struct config *config, const struct cfg_destination *rule)
{
    return (rule && rule->mode >= 0 ? rule->mode : (int)config->delivery.mode) == MODE_SHADOW;
}

static const struct cfg_login *login_or_none(const struct cfg_login *login)
{
    return login_kind(login) == LOGIN_NONE ? NULL : login;
}

// A demand that a rule raises for a domain holds wherever its mail is sent.
static enum tls_level raised(const struct cfg_destination *rule)
{
    return rule && rule->has_tls && rule->until == 0 ? rule->tls : TLS_OPPORTUNISTIC;
}

struct way_terms way_terms(const struct plan_input *in, const struct way *way,
                           const struct cfg_next_hop *hop)
{
    const struct config *config = in->setup->config;
    struct way_terms t = {.rule = way->rule};
    if (way->word == WORD_SENDER || way->word == WORD_OPERATOR) {
        t.rule = rule_of_hop(config, hop);
        t.least = raised(way->rule);
    }
    t.login = login_or_none(t.rule ? &t.rule->login : NULL);
    const struct cfg_login *own =
        way->word == WORD_SENDER ? login_or_none(&in->sender->login) : NULL;
    if (own)
        t.login = own;
    if (own && t.least < TLS_WEBPKI && !(t.rule && t.rule->pins.n))
        t.least = TLS_WEBPKI;
    t.shadow = way_shadow(config, t.rule);
    return t;
}

static bool is_here(const struct plan_input *in, const struct cfg_source *source)
{
    for (size_t i = 0; i < in->nlocal; i++)
        if (address_same((const void *)&in->local[i], (const void *)&source->address))
            return true;
    return false;
}

static uint64_t weight_of(const struct cfg_source *source, const char *site)
{
    size_t n;
    const void *bytes = address_bytes((const void *)&source->address, &n);
    return XXH3_64bits_withSeed(site, strlen(site), XXH3_64bits(bytes, n));
}

static const struct cfg_source *heaviest(const struct plan_input *in,
                                         const struct cfg_source *sources, size_t n,
                                         const char *site, int family, bool here)
{
    const struct cfg_source *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        if (sources[i].address.ss_family != family || (here && !is_here(in, &sources[i])))
            continue;
        uint64_t weight = weight_of(&sources[i], site);
        if (!best || weight > most) {
            best = &sources[i];
            most = weight;
        }
    }
    return best;
}

const struct cfg_source *way_source(const struct plan_input *in, const char *site, int family)
{
    const struct cfg_delivery *d = &in->setup->config->delivery;
    bool own = in->sender && in->sender->nsources;
    const struct cfg_source *sources = own ? in->sender->sources : d->sources;
    size_t n = own ? in->sender->nsources : d->nsources;
    const struct cfg_source *here = heaviest(in, sources, n, site, family, true);
    // Where none is here the connection says so; a system that binds foreign addresses can do it.
    return here ? here : heaviest(in, sources, n, site, family, false);
}

bool way_uses(const struct plan_input *in, int family)
{
    bool any = !in->sender || !in->sender->nsources;
    for (size_t i = 0; !any && i < in->sender->nsources; i++)
        any = in->sender->sources[i].address.ss_family == family;
    return any;
}
