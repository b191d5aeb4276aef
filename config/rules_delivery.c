// SPDX-License-Identifier: ISC
// Checks across keys of the section `delivery`: rules for destinations above all, since a rule that
// does not mean what it seems to is a downgrade.
#include <stdlib.h>
#include <string.h>
#include "config/rules.h"
#include "config/value.h"
#include "relay/base/clock.h"

// What the rule asks of a connection, by itself or by the relay's default.
static enum tls_level demand(const struct config *c, const struct cfg_destination *d)
{
    return d->has_tls ? d->tls : c->delivery.tls;
}

// An exception is made of three: what it lowers to, until when, and why.
static void check_exception(const struct cfg_destination *d, const struct node *row,
                            struct messages *m)
{
    bool until = node_has(row, "until"), reason = node_has(row, "reason");
    if (until && !reason)
        messages_error(m, node_key(row, "until"), "until: needs a 'reason' beside it");
    if (reason && !until)
        messages_error(m, node_key(row, "reason"), "reason: needs an 'until' beside it");
    if (until && reason && !node_has(row, "tls"))
        messages_error(m, node_key(row, "until"),
                       "until: an exception says in 'tls' what is demanded instead");
    if (d->until > 0 && d->until < clock_s())
        messages_warning(m, node_get(row, "until"),
                         "until: the exception for %s is over and does not count (%s)", d->domain,
                         d->reason);
}

static void check_proof(const struct config *c, const struct cfg_destination *d,
                        const struct node *row, struct messages *m)
{
    enum tls_level level = demand(c, d);
    if (node_has(row, "names") && level != TLS_WEBPKI)
        messages_error(m, node_key(row, "names"), "names: count only with 'tls: webpki'");
    if (node_has(row, "ca_file") && level != TLS_WEBPKI)
        messages_warning(m, node_key(row, "ca_file"), "ca_file: counts only with 'tls: webpki'");
    if (node_has(row, "pin") && d->has_tls && level == TLS_OPPORTUNISTIC)
        messages_error(m, node_key(row, "pin"), "pin: contradicts 'tls: opportunistic'");
}

// A login is told to nobody who has not proved who he is.
static void check_login(const struct config *c, const struct cfg_destination *d,
                        const struct node *row, struct messages *m)
{
    const struct node *auth = node_get(row, "auth"), *oauth = node_get(row, "oauth");
    const struct node *at = auth ? node_key(row, "auth") : node_key(row, "oauth");
    if (!node_has(row, "auth") && !node_has(row, "oauth"))
        return;
    if (demand(c, d) < TLS_WEBPKI && !node_has(row, "pin"))
        messages_error(m, at,
                       "auth: needs 'tls: webpki', 'tls: dane' or a 'pin': a password is "
                       "told to nobody who has not proved who he is");
    rules_check_login(&d->login, "auth", at, oauth ? oauth : node_get(auth, "oauth"), m);
    if (!node_has(row, "next_hop") && !node_has(row, "names") && !node_has(row, "pin"))
        messages_warning(m, at,
                         "auth: whoever the DNS names as MX gets the password; name the "
                         "'next_hop'");
}

static void check_identity(const struct cfg_destination *d, const struct node *row,
                           struct messages *m)
{
    if (node_has(row, "certificate") && (!d->identity.chain[0] || !d->identity.key[0]))
        messages_error(m, node_key(row, "certificate"), "certificate: needs 'chain' and 'key'");
}

static const char *rules_delivery_destination_domain(const void *rows, size_t i)
{
    return ((const struct cfg_destination *)rows)[i].domain;
}

static void check_destinations(const struct config *c, const struct node *delivery,
                               struct messages *m)
{
    const struct node *rows = node_get(delivery, "destinations");
    rules_unique(rows, c->delivery.ndestinations, "domain", c->delivery.destinations,
                 rules_delivery_destination_domain, m);
    for (size_t i = 0; i < c->delivery.ndestinations; i++) {
        const struct cfg_destination *d = &c->delivery.destinations[i];
        const struct node *row = node_row(rows, i);
        if (!row || row->kind != NODE_MAP)
            continue;
        check_exception(d, row, m);
        if (node_has(row, "tls") && !d->has_tls)
            continue; // it did not parse; what follows from it would only mislead
        check_proof(c, d, row, m);
        check_login(c, d, row, m);
        check_identity(d, row, m);
    }
}

static void check_times(const struct cfg_delivery *d, const struct node *delivery,
                        struct messages *m)
{
    const struct node *retry = node_get(delivery, "retry"),
                      *warn = node_get(delivery, "warn_after");
    if (retry && !node_is_null(retry) && d->nretry == 0)
        messages_error(m, retry, "retry: needs at least one wait");
    else if (d->nretry && d->retry[0] >= d->expire)
        messages_warning(m, retry ? retry : node_get(delivery, "expire"),
                         "retry: the first wait is as long as 'expire', so nothing is tried twice");
    if (d->warn_after >= d->expire && warn)
        messages_warning(m, warn, "warn_after: a message has expired by then");
}

static void check_families(const struct cfg_delivery *d, const struct node *delivery,
                           struct messages *m)
{
    const struct node *families = node_get(delivery, "families");
    if (!families || node_is_null(families))
        return;
    if (families->kind == NODE_LIST && families->n == 0)
        messages_error(m, families, "families: needs ipv6 or ipv4");
    if (d->families[0] && d->families[0] == d->families[1])
        messages_error(m, families, "families: the same one twice");
}

void rules_check_delivery(const struct config *config, const struct node *root, struct messages *m)
{
    const struct node *delivery = node_get(root, "delivery");
    check_destinations(config, delivery, m);
    check_times(&config->delivery, delivery, m);
    check_families(&config->delivery, delivery, m);
}
