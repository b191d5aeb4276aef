// SPDX-License-Identifier: ISC
// Whether an address lies in one of some networks.
#include "config/network.h"

#include <netinet/in.h>
#include <string.h>
#include "config/value.h"

bool network_parse(const char *text, struct network *out)
{
    struct why why;
    return value_network(span_text(text), out, &why) == 0;
}

static bool has_prefix(const struct network *network, int family, const unsigned char *address)
{
    if (network->family != family)
        return false;
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->addr, address, whole) != 0)
        return false;
    unsigned mask = 0xFFU << (8 - rest) & 0xFFU;
    return rest == 0 || ((network->addr[whole] ^ address[whole]) & mask) == 0;
}

bool network_contains(const struct networks *list, const struct sockaddr *address)
{
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    const unsigned char *v4 = NULL, *v6 = NULL;
    if (address->sa_family == AF_INET) {
        v4 = (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr;
    } else if (address->sa_family == AF_INET6) {
        v6 = (const unsigned char *)&((const struct sockaddr_in6 *)address)->sin6_addr;
        // A listener on [::] sees IPv4 clients as ::ffff:a.b.c.d.
        if (memcmp(v6, mapped, sizeof mapped) == 0)
            v4 = v6 + sizeof mapped;
    }
    for (size_t i = 0; i < list->n; i++)
        if ((v4 && has_prefix(&list->at[i], AF_INET, v4)) ||
            (v6 && has_prefix(&list->at[i], AF_INET6, v6)))
            return true;
    return false;
}
