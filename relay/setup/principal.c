// SPDX-License-Identifier: ISC
// Principals and their patterns.
#include "relay/setup/principal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/pattern.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "relay/base/span.h"

void principal_network(const struct network *n, char out[static PRINCIPAL_NAME])
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(n->family, n->addr, text, sizeof text);
    snprintf(out, PRINCIPAL_NAME, "network:%s/%u", text, n->bits);
}

static const struct network *network_of(const struct networks *list, const struct sockaddr *client)
{
    for (size_t i = 0; i < list->n; i++) {
        struct networks one = {list->at + i, 1};
        if (network_contains(&one, client))
            return list->at + i;
    }
    return NULL;
}

// The user's own row, else the one for everybody.
static const struct cfg_sender *local_row(const struct config *config, uint32_t uid)
{
    const struct cfg_sender *any = NULL;
    for (size_t i = 0; i < config->nsenders; i++) {
        const struct cfg_sender *row = &config->senders[i];
        if (row->has_uid && row->uid == uid)
            return row;
        if (!any && strcmp(row->unix_user, "*") == 0)
            any = row;
    }
    return any;
}

// Limits go by the name: two users of one row do not share them.
static void find_local(const struct config *config, uint32_t uid, struct principal *out)
{
    out->row = local_row(config, uid);
    if (out->row && out->row->has_uid)
        snprintf(out->name, sizeof out->name, "unix:%s", out->row->unix_user);
    else if (out->row)
        snprintf(out->name, sizeof out->name, "uid:%u", uid);
}

static bool is_network_row(const struct cfg_sender *row)
{
    return !row->user[0] && !row->unix_user[0];
}

void principal_find(const struct config *config, const char *user, const struct sockaddr *client,
                    struct principal *out)
{
    uint32_t uid;
    *out = (struct principal){.is_user = user && *user};
    if (address_uid(client, &uid)) {
        find_local(config, uid, out);
        return;
    }
    if (out->is_user)
        snprintf(out->name, sizeof out->name, "%s", user);
    for (size_t i = 0; out->is_user && !out->row && i < config->nsenders; i++)
        if (strcmp(config->senders[i].user, user) == 0)
            out->row = &config->senders[i];
    for (size_t i = 0; !out->row && i < config->nsenders; i++) {
        const struct cfg_sender *row = &config->senders[i];
        const struct network *n = is_network_row(row) ? network_of(&row->networks, client) : NULL;
        if (!n)
            continue;
        out->row = row;
        if (!out->is_user)
            principal_network(n, out->name);
    }
}

void principal_row_name(const struct cfg_sender *row, char out[static PRINCIPAL_NAME])
{
    if (row->user[0])
        snprintf(out, PRINCIPAL_NAME, "%s", row->user);
    else if (row->unix_user[0])
        snprintf(out, PRINCIPAL_NAME, "unix:%s", row->unix_user);
    else if (row->networks.n)
        principal_network(&row->networks.at[0], out);
    else
        out[0] = 0;
}

static bool has_network_named(const struct cfg_sender *row, const char *name)
{
    char text[PRINCIPAL_NAME];
    for (size_t i = 0; is_network_row(row) && i < row->networks.n; i++) {
        principal_network(&row->networks.at[i], text);
        if (strcmp(text, name) == 0)
            return true;
    }
    return false;
}

static bool is_named(const struct cfg_sender *row, const char *name)
{
    if (row->user[0])
        return strcmp(row->user, name) == 0;
    if (row->unix_user[0])
        return strncmp(name, "unix:", 5) == 0 && strcmp(row->unix_user, name + 5) == 0;
    return has_network_named(row, name);
}

// Who logs in without a row of his own, or is one of all local users, has the row of his client.
static const struct cfg_sender *row_of_client(const struct config *config, const char *name,
                                              const char *client)
{
    struct sockaddr_storage address;
    struct principal found;
    uint64_t uid;
    if (strncmp(name, "uid:", 4) == 0 && span_number(span_text(name + 4), UINT32_MAX, &uid))
        return local_row(config, (uint32_t)uid);
    struct span text = span_text(client ? client : "");
    if (text.n < 2 || !address_read(span_slice(text, 1, text.n - 1), 0, &address))
        return NULL;
    principal_find(config, NULL, (const struct sockaddr *)&address, &found);
    return found.row;
}

const struct cfg_sender *principal_row(const struct config *config, const char *name,
                                       const char *client)
{
    for (size_t i = 0; i < config->nsenders; i++)
        if (is_named(&config->senders[i], name))
            return &config->senders[i];
    return row_of_client(config, name, client);
}

bool principal_trusts(const struct config *config, const struct sockaddr *client)
{
    uint32_t uid;
    if (address_uid(client, &uid))
        return local_row(config, uid) != NULL;
    for (size_t i = 0; i < config->nsenders; i++)
        if (is_network_row(&config->senders[i]) &&
            network_contains(&config->senders[i].networks, client))
            return true;
    return false;
}

void principal_origin(const struct cfg_sender *row, char out[static PRINCIPAL_NAME])
{
    out[0] = 0;
    for (size_t i = 0; row && !out[0] && i < row->nfrom; i++)
        if (row->from[i].kind == SENDER_ADDRESS || row->from[i].kind == SENDER_DOMAIN)
            snprintf(out, PRINCIPAL_NAME, "%s", row->from[i].text);
}

bool principal_may_send(const struct cfg_sender *row, const char *address, const char *domain)
{
    for (size_t i = 0; row && i < row->nfrom; i++)
        if (pattern_matches(&row->from[i], address, domain))
            return true;
    return false;
}

bool principal_owns(const struct cfg_sender *row, const char *address, const char *domain)
{
    for (size_t i = 0; row && i < row->nfrom; i++)
        if (row->from[i].kind != SENDER_ANY && pattern_matches(&row->from[i], address, domain))
            return true;
    return false;
}

bool principal_own_domain(const struct cfg_sender *row, const char *domain)
{
    return row && pattern_own_domain(row, domain);
}

static bool has_local_part(const char *address, const char *name)
{
    const char *at = strrchr(address, '@');
    return at && span_is_nocase(span_of(address, (size_t)(at - address)), name);
}

static bool is_bouncing_host(const struct cfg_sender *row, const char *domain)
{
    for (size_t i = 0; row && i < row->bounces_from.n; i++)
        if (span_is_nocase(span_text(row->bounces_from.at[i]), domain))
            return true;
    return false;
}

bool principal_bounces(const struct cfg_sender *row, const char *address, const char *domain)
{
    return is_bouncing_host(row, domain) &&
           (has_local_part(address, "MAILER-DAEMON") || has_local_part(address, "postmaster") ||
            has_local_part(address, "double-bounce"));
}

bool principal_double_bounce(const struct cfg_sender *row, const char *address, const char *domain)
{
    return is_bouncing_host(row, domain) && has_local_part(address, "double-bounce");
}
