// SPDX-License-Identifier: ISC
// Whether an address lies in one of some networks.
#include "config/network.h"

#include <netinet/in.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/address.h"

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
    size_t n, nplain;
    const unsigned char *bytes = address_bytes(address, &n),
                        *plain = address_plain(address, &nplain);
    for (size_t i = 0; i < list->n; i++)
        if ((nplain == 4 && has_prefix(&list->at[i], AF_INET, plain)) ||
            (n == 16 && has_prefix(&list->at[i], AF_INET6, bytes)))
            return true;
    return false;
}
