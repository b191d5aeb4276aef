// SPDX-License-Identifier: ISC
// Checks across the keys of a next hop: what a login needs, and what a row of senders says of its way.
#include <string.h>
#include "config/login.h"
#include "config/rules.h"
#include "config/value.h"

// What each grant needs beside its own file.
static const char *missing(const struct cfg_login *login, enum login_kind kind)
{
    const struct cfg_oauth *o = &login->oauth;
    bool microsoft = login_provider_is(login, "microsoft");
    if (!o->token_endpoint[0])
        return "needs a 'provider' or a 'token_endpoint'";
    if (kind == LOGIN_BY_REFRESH && !o->client_id[0])
        return "a refresh token is good for one application: 'client_id' is missing";
    if (kind == LOGIN_BY_CLIENT && !o->client_secret_file[0])
        return "'client_secret_file', 'refresh_token_file' or 'service_account_file' is missing";
    if (kind == LOGIN_BY_CLIENT && microsoft && !o->tenant[0])
        return "an application that acts by itself belongs to a 'tenant', which is missing";
    if (kind == LOGIN_BY_CLIENT && login_provider_is(login, "google"))
        return "Google wants a 'service_account_file' or a 'refresh_token_file'";
    if (kind == LOGIN_BY_ACCOUNT && !o->scope[0])
        return "'scope' is missing";
    return NULL;
}

static void check_fetching(const struct cfg_login *login, const char *key, const struct node *at,
                           struct messages *m)
{
    struct why why;
    struct value_url url = {0};
    const struct cfg_oauth *o = &login->oauth;
    enum login_kind kind = login_kind(login);
    if (o->refresh_token_file[0] && o->service_account_file[0])
        messages_error(m, at, "%s: oauth: has a refresh token and a service account", key);
    const char *lacks = missing(login, kind);
    if (lacks)
        messages_error(m, at, "%s: oauth: %s", key, lacks);
    else if (value_url(span_text(o->token_endpoint), &url, &why) < 0)
        messages_error(m, at, "%s: token_endpoint: %s", key, why.text);
    value_url_free(&url);
}

void rules_check_login(const struct cfg_login *login, const char *key, const struct node *at,
                       const struct node *oauth, struct messages *m)
{
    static const char *const fetched[] = {"client_id", "client_secret_file", "refresh_token_file",
                                          "service_account_file"};
    bool password = login->password_file[0], command = login->oauth.token_command[0];
    bool fetches = false;
    for (size_t i = 0; i < sizeof fetched / sizeof *fetched; i++)
        fetches |= node_has(oauth, fetched[i]);
    bool token = command || fetches;
    if (password == token)
        messages_error(m, at,
                       password ? "%s: has a password and a token"
                                : "%s: needs a 'password_file' or 'oauth'",
                       key);
    if (command && fetches)
        messages_error(m, at, "%s: oauth: has a command and a way to fetch a token", key);
    if (!login->user[0])
        messages_error(m, at, "%s: 'user' is missing", key);
    else if (fetches && !command && !password)
        check_fetching(login, key, at, m);
    if (token && login->mechanism[0])
        messages_warning(m, at, "%s: mechanism: is about passwords", key);
}

static void check_sender_login(const struct cfg_sender *sender, const struct node *row,
                               struct messages *m)
{
    const struct node *auth = node_get(row, "next_hop_auth"), *at = node_key(row, "next_hop_auth");
    if (!node_has(row, "next_hop_auth"))
        return;
    rules_check_login(&sender->login, "next_hop_auth", at, node_get(auth, "oauth"), m);
    if (!sender->nnext_hops)
        messages_error(m, at, "next_hop_auth: needs the 'next_hop' where to log in");
    for (size_t i = 0; i < sender->nnext_hops; i++)
        if (sender->next_hops[i].kind == HOP_ADDRESS)
            messages_error(m, at, "next_hop_auth: [%s] has no name that a certificate could prove",
                           sender->next_hops[i].name);
}

void rules_check_sender_way(const struct config *config, const struct cfg_sender *sender,
                            const struct node *row, struct messages *m)
{
    const int *families = config->delivery.families;
    bool reachable = !sender->nsources;
    check_sender_login(sender, row, m);
    for (size_t i = 0; i < sender->nsources; i++)
        reachable |= sender->sources[i].address.ss_family == families[0] ||
                     sender->sources[i].address.ss_family == families[1];
    if (!reachable)
        messages_error(m, node_key(row, "source"),
                       "source: no address is of a family of delivery.families, so nothing could "
                       "be sent");
}
