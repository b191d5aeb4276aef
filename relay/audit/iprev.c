// SPDX-License-Identifier: ISC
#include "relay/audit/iprev.h"

#include <stdio.h>
#include <string.h>
#include "dns/rdata.h"
#include "relay/base/address.h"

#define NAMES_MAX 10 // PTR names of one address that are looked at

int iprev_has(const char *name, const struct sockaddr *address, struct facts *facts)
{
    size_t n;
    const unsigned char *bytes = address_bytes(address, &n);
    const struct dns_answer *a = facts_ask(facts, name, n == 4 ? DNS_A : DNS_AAAA);
    if (!a)
        return -1;
    for (size_t i = 0; i < a->nrecords; i++)
        if (a->records[i].rdata.n == n && memcmp(a->records[i].rdata.p, bytes, n) == 0)
            return 1;
    return a->outcome == DNS_FAILED ? -2 : 0;
}

bool iprev_look(const struct sockaddr *address, struct facts *facts, struct iprev *out)
{
    char reverse[ADDRESS_REVERSE], name[256];
    bool waits = false;
    size_t n;
    const unsigned char *bytes = address_bytes(address, &n);
    *out = (struct iprev){0};
    address_reverse_name(bytes, n, reverse);
    const struct dns_answer *names = facts_ask(facts, reverse, DNS_PTR);
    if (!names)
        return true;
    out->unknown = names->outcome == DNS_FAILED;
    for (size_t i = 0; i < names->nrecords && i < NAMES_MAX; i++) {
        if (!rdata_name(names->records[i].rdata, name))
            continue;
        int has = iprev_has(name, address, facts);
        waits |= has == -1;
        out->unknown |= has == -2;
        if (has == 1 || !out->name[0])
            snprintf(out->name, sizeof out->name, "%s", name);
        if (has == 1) {
            out->back = true;
            out->unknown = false;
            return false;
        }
    }
    return waits;
}

static const char *helo_among(const struct cfg_source *sources, size_t n,
                              const struct sockaddr *address)
{
    for (size_t i = 0; i < n; i++)
        if (sources[i].helo[0] &&
            address_same((const struct sockaddr *)&sources[i].address, address))
            return sources[i].helo;
    return NULL;
}

const char *iprev_helo(const struct config *config, const struct sockaddr *address)
{
    const char *helo = helo_among(config->delivery.sources, config->delivery.nsources, address);
    for (size_t i = 0; !helo && i < config->nsenders; i++)
        helo = helo_among(config->senders[i].sources, config->senders[i].nsources, address);
    return helo ? helo : config->hostname;
}
