// SPDX-License-Identifier: ISC
// The addresses that mail leaves from.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "relay/audit/audit.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "relay/route/refused.h"

void audit_addresses_add(struct audit_addresses *list, const struct sockaddr_storage *address,
                         bool certain)
{
    list->at = mem_grow(list->at, list->n + 1, sizeof *list->at);
    list->at[list->n++] = (struct audit_address){*address, certain};
}

static bool family_used(const struct config *config, int family)
{
    return config->delivery.families[0] == family || config->delivery.families[1] == family;
}

static void add_interface(const struct config *config, const uv_interface_address_t *interface,
                          struct audit_addresses *out)
{
    // What no receiver can see is behind a translation, whose outside address nobody here knows.
    static const struct config defaults = {.delivery = {.refuse_default = true}};
    struct sockaddr_storage address = {0};
    const struct sockaddr_in6 *in6 = (const void *)&address;
    if (interface->address.address4.sin_family == AF_INET)
        memcpy(&address, &interface->address.address4, sizeof interface->address.address4);
    else
        memcpy(&address, &interface->address.address6, sizeof interface->address.address6);
    bool link_local = address.ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
    if (interface->is_internal || link_local || !family_used(config, address.ss_family))
        return;
    audit_addresses_add(out, &address,
                        !refused_address(&defaults, (const struct sockaddr *)&address));
}

static void add_interfaces(const struct config *config, struct audit_addresses *out)
{
    uv_interface_address_t *interfaces;
    int n;
    if (uv_interface_addresses(&interfaces, &n) < 0)
        return;
    for (int i = 0; i < n; i++)
        add_interface(config, &interfaces[i], out);
    uv_free_interface_addresses(interfaces, n);
}

static bool is_listed(const struct audit_addresses *list, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < list->n; i++)
        if (address_same((const void *)&list->at[i].address, (const void *)address))
            return true;
    return false;
}

void audit_addresses_find(const struct config *config, struct audit_addresses *out)
{
    *out = (struct audit_addresses){0};
    for (size_t i = 0; i < config->delivery.nsources; i++)
        audit_addresses_add(out, &config->delivery.sources[i].address, true);
    if (!out->n)
        add_interfaces(config, out);
    for (size_t i = 0; i < config->nsenders; i++)
        for (size_t k = 0; k < config->senders[i].nsources; k++)
            if (!is_listed(out, &config->senders[i].sources[k].address))
                audit_addresses_add(out, &config->senders[i].sources[k].address, true);
}

void audit_addresses_free(struct audit_addresses *list)
{
    free(list->at);
    *list = (struct audit_addresses){0};
}
