// SPDX-License-Identifier: ISC
// The addresses of our own listeners.
#include "relay/route/own_addresses.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "relay/base/address.h"
#include "relay/base/mem.h"

static void own_addresses_add(struct own_addresses *own, const struct sockaddr_storage *a)
{
    own->at = mem_grow(own->at, own->n + 1, sizeof *own->at);
    own->at[own->n++] = *a;
}

static bool is_wildcard(const struct sockaddr_storage *a)
{
    const struct sockaddr_in *in = (const void *)a;
    const struct sockaddr_in6 *in6 = (const void *)a;
    return a->ss_family == AF_INET ? in->sin_addr.s_addr == 0
                                   : IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

// Of one family, AF_UNSPEC: any; with this port.
static void add_interfaces(struct own_addresses *own, int family, uint16_t port)
{
    uv_interface_address_t *interfaces;
    int n;
    if (uv_interface_addresses(&interfaces, &n) < 0)
        return;
    for (int i = 0; i < n; i++) {
        struct sockaddr_storage a = {0};
        const struct sockaddr *own_one = (const struct sockaddr *)&interfaces[i].address;
        if (family != AF_UNSPEC && own_one->sa_family != family)
            continue;
        memcpy(&a, own_one, address_size(own_one)); // with the scope of a link-local address
        address_set_port(&a, port);
        own_addresses_add(own, &a);
    }
    uv_free_interface_addresses(interfaces, n);
}

void own_addresses_find(const struct config *config, struct own_addresses *out)
{
    *out = (struct own_addresses){0};
    for (size_t i = 0; i < config->nlisten; i++) {
        const struct sockaddr_storage *a = &config->listen[i].address;
        if (a->ss_family == AF_UNIX)
            continue;
        if (is_wildcard(a))
            add_interfaces(out, a->ss_family, address_port((const struct sockaddr *)a));
        else
            own_addresses_add(out, a);
    }
}

void own_addresses_local(struct own_addresses *out)
{
    *out = (struct own_addresses){0};
    add_interfaces(out, AF_UNSPEC, 0);
}

void own_addresses_free(struct own_addresses *own)
{
    free(own->at);
    *own = (struct own_addresses){0};
}
