// SPDX-License-Identifier: ISC
// Checks across keys, all but those of the section `delivery`.
#include "config/rules.h"

#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/mem.h"

static const char *rules_listen_text(const void *rows, size_t i)
{
    const struct cfg_listen *listen = (const struct cfg_listen *)rows + i;
    const char *colon = listen->text ? strrchr(listen->text, ':') : NULL;
    // Any number of listeners may ask for any free port.
    return colon && strcmp(colon, ":0") == 0 ? "" : listen->text;
}

static void check_unix(const struct cfg_listen *listen, const struct node *row, struct messages *m)
{
    bool local = listen->address.ss_family == AF_UNIX;
    if (local && listen->implicit_tls)
        messages_error(m, node_get(row, "tls"), "tls: a Unix socket has no TLS");
    if (local && listen->proxy.n)
        messages_error(m, node_get(row, "proxy"), "proxy: a Unix socket has no addresses");
    if (!local && node_has(row, "mode"))
        messages_warning(m, node_key(row, "mode"), "mode: is for Unix sockets alone");
}

static void check_listen(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *rows = node_get(root, "listen");
    rules_unique(rows, c->nlisten, "address", c->listen, rules_listen_text, m);
    for (size_t i = 0; i < c->nlisten; i++) {
        const struct node *row = node_row(rows, i);
        if (c->listen[i].implicit_tls && !node_has(root, "certificate"))
            messages_error(m, node_get(row, "tls"), "tls: implicit TLS needs a 'certificate'");
        check_unix(&c->listen[i], row, m);
    }
}

static const char *rules_sender_user(const void *rows, size_t i)
{
    return ((const struct cfg_sender *)rows)[i].user;
}

static const char *rules_sender_unix(const void *rows, size_t i)
{
    return ((const struct cfg_sender *)rows)[i].unix_user;
}

static bool has_any(const struct cfg_sender *sender)
{
    for (size_t i = 0; i < sender->nfrom; i++)
        if (sender->from[i].text && sender->from[i].kind == SENDER_ANY)
            return true;
    return false;
}

static void check_user_row(const struct node *root, const struct node *row, struct messages *m)
{
    const struct node *auth = node_get(root, "auth");
    if (!node_has(root, "users") && !node_has(auth, "dovecot") && !node_has(auth, "command") &&
        !node_has(row, "certificate"))
        messages_error(m, node_get(row, "user"),
                       "user: nobody can log in without a 'users' file, 'auth.dovecot', "
                       "'auth.command' or a 'certificate' in the row");
    if (!node_has(root, "certificate"))
        messages_warning(m, node_get(row, "user"),
                         "user: cannot log in without a 'certificate': AUTH is offered only over "
                         "TLS");
}

static void check_network_row(const struct cfg_sender *sender, const struct node *root,
                              const struct node *row, struct messages *m)
{
    if (sender->tls_required && !node_has(root, "certificate"))
        messages_error(m, node_get(row, "tls"), "tls: cannot be required without a 'certificate'");
    if (sender->forward)
        messages_warning(m, node_get(row, "forward"),
                         "forward: whoever has such an address may send mail from any domain");
}

static bool has_unix_socket(const struct config *c)
{
    for (size_t i = 0; i < c->nlisten; i++)
        if (c->listen[i].address.ss_family == AF_UNIX)
            return true;
    return false;
}

static void check_unix_row(const struct config *c, const struct cfg_sender *sender,
                           const struct node *row, struct messages *m)
{
    char quoted[VALUE_QUOTE];
    if (!sender->has_uid && strcmp(sender->unix_user, "*") != 0)
        messages_error(
            m, node_get(row, "unix_user"),
            "unix_user: this machine has no user %s; a number stands for one that has no "
            "name here",
            value_quote(span_text(sender->unix_user), quoted));
    if (!has_unix_socket(c))
        messages_warning(m, node_get(row, "unix_user"),
                         "unix_user: has no effect without a listener such as "
                         "unix:/run/waxwing/submit.sock");
    if (sender->tls_required)
        messages_error(m, node_get(row, "tls"), "tls: a Unix socket has no TLS");
}

static void check_idle_forward_keys(const struct node *row, struct messages *m)
{
    static const char *const keys[] = {"own_networks",    "trust_results_of", "trusted_hops",
                                       "trusted_sealers", "on_own_fail",      "on_dmarc_fail"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (node_get(row, keys[i]))
            messages_warning(m, node_key(row, keys[i]), "%s: has no effect without 'forward: true'",
                             keys[i]);
}

// Keys that mean something only to a row that forwards.
static void check_forward_keys(const struct cfg_sender *sender, const struct node *row,
                               struct messages *m)
{
    if (!sender->forward) {
        check_idle_forward_keys(row, m);
        return;
    }
    if (has_any(sender))
        messages_warning(m, node_get(row, "from"),
                         "from: '*' does not count in a row with 'forward'");
    if (sender->trusted_hops && !sender->trust_results_of.n)
        messages_warning(m, node_key(row, "trusted_hops"),
                         "trusted_hops: has no effect without 'trust_results_of'");
}

static void check_senders(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *rows = node_get(root, "senders");
    rules_unique(rows, c->nsenders, "user", c->senders, rules_sender_user, m);
    rules_unique(rows, c->nsenders, "unix_user", c->senders, rules_sender_unix, m);
    for (size_t i = 0; i < c->nsenders; i++) {
        const struct cfg_sender *sender = &c->senders[i];
        const struct node *row = node_row(rows, i);
        bool user = node_has(row, "user"), network = node_has(row, "network");
        bool local = node_has(row, "unix_user");
        if (!row || row->kind != NODE_MAP)
            continue;
        if (user + network + local != 1)
            messages_error(m, row,
                           user || network || local
                               ? "senders: a row has one of 'user', 'network' and 'unix_user'"
                               : "senders: a row needs 'user', 'network' or 'unix_user'");
        else if (user)
            check_user_row(root, row, m);
        else if (local)
            check_unix_row(c, sender, row, m);
        else
            check_network_row(sender, root, row, m);
        check_forward_keys(sender, row, m);
        rules_check_sender_way(c, sender, row, m);
        if (!node_has(row, "from") && !sender->forward)
            messages_warning(m, row, "senders: a row without 'from' may send nothing");
    }
}

static const char *rules_dkim_name(const void *rows, size_t i)
{
    return ((const struct cfg_dkim_domain *)rows)[i].domain;
}

static const char *rules_key_selector(const void *rows, size_t i)
{
    return ((const struct cfg_key *)rows)[i].selector;
}

static bool names_from(const struct strings *fields)
{
    for (size_t i = 0; i < fields->n; i++)
        if (span_is_nocase(span_text(fields->at[i]), "From"))
            return true;
    return false;
}

void rules_fields(const struct strings *fields, const struct node *list, const char *key,
                  struct messages *m)
{
    char quoted[VALUE_QUOTE];
    for (size_t i = 0; i < fields->n; i++) {
        const char *name = fields->at[i];
        bool good = *name && strlen(name) <= 76;
        for (const char *c = name; *c; c++)
            good = good && *c > 32 && *c < 127 && *c != ':' && *c != ';';
        if (!good)
            messages_error(m, list, "%s: %s is no name of a header field", key,
                           value_quote(span_text(name), quoted));
    }
}

static void check_dkim(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *rows = node_get(node_get(root, "dkim"), "domains");
    rules_unique(rows, c->ndkim, "domain", c->dkim, rules_dkim_name, m);
    for (size_t i = 0; i < c->ndkim; i++) {
        const struct node *row = node_row(rows, i), *keys = node_get(row, "keys");
        rules_unique(keys, c->dkim[i].nkeys, "selector", c->dkim[i].keys, rules_key_selector, m);
        if (keys && !node_has(row, "keys"))
            messages_error(m, keys, "keys: a domain needs at least one key");
    }
    rules_fields(&c->signing.headers, node_get(node_get(root, "dkim"), "headers"), "headers", m);
    rules_fields(&c->signing.oversign, node_get(node_get(root, "dkim"), "oversign"), "oversign", m);
    if (c->signing.headers.n && !names_from(&c->signing.headers))
        messages_error(m, node_get(node_get(root, "dkim"), "headers"),
                       "headers: From has to be signed (RFC 6376 section 5.4)");
}

static void check_dns(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *rows = node_get(node_get(root, "dns"), "servers");
    if (c->dns.mode != DNS_RECURSIVE || !rows)
        return;
    for (size_t i = 0; i < c->dns.nservers; i++)
        if (c->dns.servers[i].tls_name[0])
            messages_warning(m, node_row(rows, i), "servers: are asked only in mode: stub");
}

static void check_limits(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *limits = node_get(root, "limits");
    const struct node *at = node_get(limits, "header_size");
    if (c->limits.header_size > c->limits.message_size)
        messages_error(m, at ? at : node_get(limits, "message_size"),
                       "header_size: is more than message_size");
}

// RFC 8460 section 3: collectors drop what comes by mail and is not signed.
static void check_report(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *report = node_get(root, "tls_report"), *from = node_get(report, "from");
    const char *at = strrchr(c->tls_report.from, '@');
    if (!c->tls_report.send || !at || config_dkim_for(c, at + 1))
        return;
    messages_warning(m, from ? from : node_get(report, "send"),
                     "%s: reports by mail come from %s unsigned, and receivers drop them; "
                     "dkim.domains has no key for %s",
                     from ? "from" : "send", c->tls_report.from, at + 1);
}

static void check_names(const struct config *c, const struct node *root, struct messages *m)
{
    if (!strchr(c->hostname, '.'))
        messages_warning(m, node_get(root, "hostname"),
                         "hostname: '%s' is no full host name; many servers refuse mail from it",
                         c->hostname);
    if (!c->postmaster[0] && c->nsenders)
        messages_warning(m, node_get(root, "postmaster"),
                         "postmaster: none, so mail to <postmaster> will be refused");
}

static void check_auth(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *auth = node_get(root, "auth"), *command = node_get(auth, "command");
    if (c->auth.dovecot[0] && c->auth.command.n)
        messages_error(m, command, "command: one of 'dovecot' and 'command' can prove logins");
    if (c->auth.command.n && c->auth.command.at[0][0] != '/')
        messages_error(m, command, "command: the program needs its whole path");
}

void rules_check(const struct config *config, const struct node *root, struct messages *m)
{
    check_names(config, root, m);
    check_listen(config, root, m);
    check_senders(config, root, m);
    check_auth(config, root, m);
    rules_check_client(config, root, m);
    rules_check_rewriting(config, root, m);
    rules_check_milters(config, root, m);
    check_dkim(config, root, m);
    check_dns(config, root, m);
    check_limits(config, root, m);
    check_report(config, root, m);
    rules_check_events(config, root, m);
    rules_check_fleet(config, root, m);
    rules_check_delivery(config, root, m);
}
