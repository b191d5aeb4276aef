// SPDX-License-Identifier: ISC
// Checks of what rows of `senders` say about rewriting and return addresses: nothing may be written there that the row
// could not have said itself.
#include <string.h>
#include "config/pattern.h"
#include "config/rules.h"
#include "config/value.h"

static void check_rewrite(const struct cfg_sender *sender, const struct node *rows,
                          struct messages *m)
{
    for (size_t i = 0; i < sender->nrewrites; i++) {
        const struct sender_pattern *to = &sender->rewrites[i].to;
        const struct node *at = node_get(node_row(rows, i), "to");
        if (!to->text || !at)
            continue;
        if (to->kind != SENDER_ADDRESS && to->kind != SENDER_DOMAIN)
            messages_error(m, at, "to: an address or a domain belongs here");
        else if (!pattern_allowed(sender, to))
            messages_error(m, at, "to: the row's 'from' does not let it send as %s", to->text);
    }
}

static void check_own_address(const struct cfg_sender *sender, const char *address,
                              const struct node *row, const char *key, struct messages *m)
{
    const struct sender_pattern p = {SENDER_ADDRESS, (char *)(uintptr_t)address};
    if (address[0] && !pattern_allowed(sender, &p))
        messages_error(m, node_get(row, key), "%s: the row's 'from' does not let it send as %s",
                       key, address);
}

// What holds a message together, says whose it is, or keeps it from going round for ever.
static const char *why_kept(const char *pattern)
{
    static const struct {
        const char *name, *why;
    } kept[] = {
        {"From", "says who sends; 'force_from' replaces it"},
        {"Received", "ends mail loops; 'received: no-client' hides the client in ours"},
        {"MIME-Version", "the message cannot be read without it"},
        {"Content-Type", "the message cannot be read without it"},
        {"Content-Transfer-Encoding", "the message cannot be read without it"},
        {"DKIM-Signature", "signatures are kept"},
        {"ARC-Seal", "signatures are kept"},
        {"ARC-Message-Signature", "signatures are kept"},
        {"ARC-Authentication-Results", "signatures are kept"},
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (pattern_field(pattern, span_text(kept[i].name)))
            return kept[i].why;
    return NULL;
}

static void check_stripped(const struct cfg_sender *sender, const struct node *row,
                           struct messages *m)
{
    const struct node *list = node_get(row, "strip_headers");
    rules_fields(&sender->strip_headers, list, "strip_headers", m);
    for (size_t i = 0; i < sender->strip_headers.n; i++) {
        const char *name = sender->strip_headers.at[i], *why = why_kept(name);
        char quoted[VALUE_QUOTE];
        if (why)
            messages_error(m, list, "strip_headers: %s: %s", value_quote(span_text(name), quoted),
                           why);
        else if (strchr(name, '*') && strchr(name, '*')[1])
            messages_error(m, list, "strip_headers: %s: a * stands at the end alone",
                           value_quote(span_text(name), quoted));
    }
}

static void check_return(const struct cfg_sender *sender, const struct cfg_return *r,
                         const struct node *at, const char *key, struct messages *m)
{
    if (r->domain[0] && !pattern_own_domain(sender, r->domain))
        messages_error(m, node_get(at, "domain"),
                       "%s: %s is not, and is not below, a domain in the row's 'from'", key,
                       r->domain);
}

static bool has_returns(const struct config *c)
{
    for (size_t i = 0; i < c->nsenders; i++)
        if (c->senders[i].returns)
            return true;
    return false;
}

static bool has_return_domain(const struct config *c)
{
    for (size_t i = 0; i < c->nsenders; i++)
        if (c->senders[i].srs.domain[0] || c->senders[i].verp.domain[0])
            return true;
    return false;
}

static void check_returns(const struct config *c, const struct cfg_sender *sender,
                          const struct node *row, struct messages *m)
{
    const struct node *srs = node_get(row, "srs"), *verp = node_get(row, "verp");
    check_return(sender, &sender->srs, srs, "srs", m);
    check_return(sender, &sender->verp, verp, "verp", m);
    if (sender->srs.domain[0] && !sender->forward)
        messages_warning(m, node_key(row, "srs"), "srs: has no effect without 'forward: true'");
    if (sender->returns && !has_return_domain(c))
        messages_warning(m, node_key(row, "returns"),
                         "returns: has no effect where no row has 'srs' or 'verp'");
    const struct node *at = srs ? node_key(row, "srs") : node_key(row, "verp");
    if ((sender->srs.domain[0] || sender->verp.domain[0]) && !has_returns(c))
        messages_warning(m, at, "%s: nothing comes back while no row has 'returns: true'",
                         srs ? "srs" : "verp");
}

void rules_check_rewriting(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *rows = node_get(root, "senders");
    for (size_t i = 0; i < c->nsenders; i++) {
        const struct cfg_sender *sender = &c->senders[i];
        const struct node *row = node_row(rows, i);
        if (!row || row->kind != NODE_MAP)
            continue;
        check_rewrite(sender, node_get(row, "rewrite"), m);
        check_own_address(sender, sender->default_from, row, "default_from", m);
        check_own_address(sender, sender->force_from, row, "force_from", m);
        check_stripped(sender, row, m);
        check_returns(c, sender, row, m);
    }
}
