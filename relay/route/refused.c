// SPDX-License-Identifier: ISC
// Addresses that mail is not sent to.
#include "relay/route/refused.h"

// RFC 6890 and RFC 4291: what is not a public unicast address.
static const char *const special[] = {
    "0.0.0.0/8",     "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "224.0.0.0/3", "::/128",
    "::1/128",       "fc00::/7",     "fe80::/10",      "ff00::/8",
};
#define SPECIAL (sizeof special / sizeof *special)

static bool in_special(const struct sockaddr *address)
{
    for (size_t i = 0; i < SPECIAL; i++) {
        struct network network;
        struct networks one = {&network, 1};
        if (network_parse(special[i], &network) && network_contains(&one, address))
            return true;
    }
    return false;
}

// ::ffff:127.0.0.1 reaches 127.0.0.1, and a network knows it.
bool refused_address(const struct config *config, const struct sockaddr *address)
{
    const struct cfg_delivery *d = &config->delivery;
    return d->refuse_default ? in_special(address) : network_contains(&d->refuse, address);
}
