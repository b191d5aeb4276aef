// SPDX-License-Identifier: ISC
// Defaults that follow from other keys or from the system.
#include <limits.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/login.h"
#include "config/rules.h"
#include "config/setting.h"
#include "config/value.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"

#define DNS_PORT 53
#define DOT_PORT 853 // RFC 7858 section 3.1

// As `hostname -f`: the name itself where it has a dot, else what the system resolves it to.
static char *system_hostname(void)
{
    char name[HOST_NAME_MAX + 1] = "";
    char *found = NULL;
    struct why why;
    if (gethostname(name, sizeof name - 1) < 0)
        return mem_dup("localhost");
    if (!strchr(name, '.')) {
        struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *info;
        if (getaddrinfo(name, NULL, &hints, &info) == 0) {
            if (info->ai_canonname && strchr(info->ai_canonname, '.') &&
                value_host(span_text(info->ai_canonname), &found, &why) < 0)
                found = NULL;
            freeaddrinfo(info);
        }
    }
    if (!found && value_host(span_text(name), &found, &why) < 0)
        found = mem_dup("localhost");
    return found;
}

static void add_value(const char *group_key, const char *key, void *config, const char *value)
{
    const struct schema_key *rows = schema_find(&schema_top, group_key, strlen(group_key));
    void *row = setting_add(rows, config);
    const struct schema_key *k = schema_find(rows->group, key, strlen(key));
    struct why why;
    if (setting_parse(k, span_text(value), "/", setting_field(k, row), &why) < 0)
        abort(); // our own text
}

static void complete_dns(struct cfg_dns *dns)
{
    if (dns->nservers == 0) {
        const struct schema_key *section = schema_find(&schema_top, "dns", 3);
        const struct schema_key *servers = schema_find(section->group, "servers", 7);
        const struct schema_key *address = schema_find(servers->group, "address", 7);
        struct why why;
        if (setting_parse(address, span_text("127.0.0.1"), "/", setting_add(servers, dns), &why) <
            0)
            abort(); // our own text
    }
    for (size_t i = 0; i < dns->nservers; i++) {
        struct sockaddr_storage *address = &dns->servers[i].address;
        if (!address_port((const struct sockaddr *)address))
            address_set_port(address, dns->servers[i].tls_name[0] ? DOT_PORT : DNS_PORT);
    }
}

static void complete_hops(struct cfg_next_hop *hops, size_t n, uint16_t port)
{
    for (size_t i = 0; i < n; i++)
        if (!hops[i].port)
            hops[i].port = port;
}

static void complete_delivery(struct config *config, const struct node *root)
{
    struct cfg_delivery *delivery = &config->delivery;
    const struct node *rows = node_get(node_get(root, "delivery"), "destinations");
    complete_hops(delivery->smarthost, delivery->nsmarthost, delivery->port);
    for (size_t i = 0; i < delivery->ndestinations; i++) {
        struct cfg_destination *d = &delivery->destinations[i];
        complete_hops(d->next_hops, d->nnext_hops, delivery->port);
        login_complete(&d->login);
        const struct node *row = node_row(rows, i);
        d->line = row ? row->line : 0;
        d->file = config->files[row ? row->file : 0];
    }
}

// What one recipient takes at the most, with a message of its own, is below a KiB.
static void complete_limits(struct cfg_limits *limits)
{
    if (!limits->queue_memory)
        limits->queue_memory = limits->queued * 1024;
}

static void complete_report(struct config *c)
{
    struct cfg_tls_report *report = &c->tls_report;
    setting_fill_in(&report->organization, mem_dup(c->hostname));
    setting_fill_in(&report->contact, c->postmaster[0]
                                          ? mem_printf("mailto:%s", c->postmaster)
                                          : mem_printf("mailto:postmaster@%s", c->hostname));
    setting_fill_in(&report->from, mem_printf("tls-reports@%s", c->hostname));
}

// Users are looked up once, here: a session must not wait for a directory service.
static void complete_sender(struct cfg_sender *sender)
{
    uint64_t number;
    struct passwd *user = sender->unix_user[0] ? getpwnam(sender->unix_user) : NULL;
    if (user)
        sender->uid = user->pw_uid;
    else if (span_number(span_text(sender->unix_user), UINT32_MAX - 1, &number))
        sender->uid = (uid_t)number;
    else
        return;
    sender->has_uid = true;
}

// What an address says of itself it says wherever it is named.
static void complete_sources(const struct cfg_delivery *delivery, struct cfg_sender *sender)
{
    for (size_t i = 0; i < sender->nsources; i++) {
        const struct cfg_source *known = NULL;
        for (size_t k = 0; k < delivery->nsources && !known; k++)
            if (address_same((const struct sockaddr *)&delivery->sources[k].address,
                             (const struct sockaddr *)&sender->sources[i].address))
                known = &delivery->sources[k];
        if (known)
            setting_fill_in(&sender->sources[i].helo, mem_dup(known->helo));
    }
}

void rules_complete(struct config *config, const struct node *root, const char *hostname)
{
    if (!config->hostname[0])
        setting_fill_in(&config->hostname, hostname ? mem_dup(hostname) : system_hostname());
    setting_fill_in(&config->authserv_id, mem_dup(config->hostname));
    setting_fill_in(&config->dsn_from, mem_printf("MAILER-DAEMON@%s", config->hostname));
    complete_report(config);
    complete_limits(&config->limits);
    rules_complete_events(config);
    rules_complete_fleet(config);
    if (config->nlisten == 0 && config->ncertificates > 0) {
        add_value("listen", "address", config, "0.0.0.0:587");
        add_value("listen", "address", config, "[::]:587");
    } else if (config->nlisten == 0) {
        add_value("listen", "address", config, "127.0.0.1:587");
    }
    for (size_t i = 0; i < config->nsenders; i++) {
        struct cfg_sender *sender = &config->senders[i];
        complete_sender(sender);
        complete_hops(sender->next_hops, sender->nnext_hops, config->delivery.port);
        login_complete(&sender->login);
        complete_sources(&config->delivery, sender);
        config->sender_ways |= sender->nnext_hops || sender->nsources;
    }
    complete_dns(&config->dns);
    complete_delivery(config, root);
}
