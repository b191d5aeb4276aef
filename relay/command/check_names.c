// SPDX-License-Identifier: ISC
// The names of the addresses that mail leaves from: many receivers refuse an address without a PTR record, or
// whose name does not lead back to it (RFC 8601 section 2.7.3, iprev).
#include <stdio.h>
#include <string.h>
#include "dns/facts.h"
#include "dns/rdata.h"
#include "relay/audit/audit.h"
#include "relay/base/address.h"
#include "relay/command/check.h"

#define NAMES_MAX 10 // PTR names of one address that are looked at

struct iprev {
    const struct sockaddr *address;
    struct facts *facts;
    bool unknown;   // the DNS did not say
    bool back;      // `name` leads back
    char name[256]; // the one that leads back, else the first; "": there is none
};

static void reverse_name(const struct sockaddr *address, char out[static 80])
{
    static const char hex[] = "0123456789abcdef";
    size_t n;
    const unsigned char *b = address_bytes(address, &n);
    if (n == 4) {
        snprintf(out, 80, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        *out++ = hex[b[15 - i] & 15];
        *out++ = '.';
        *out++ = hex[b[15 - i] >> 4];
        *out++ = '.';
    }
    strcpy(out, "ip6.arpa");
}

// 1: it leads back, 0: it does not, -1: not known yet.
static int leads_back(struct iprev *p, const char *name)
{
    size_t n;
    const unsigned char *bytes = address_bytes(p->address, &n);
    const struct dns_answer *a = facts_ask(p->facts, name, n == 4 ? DNS_A : DNS_AAAA);
    if (!a)
        return -1;
    p->unknown |= a->outcome == DNS_FAILED;
    for (size_t i = 0; i < a->nrecords; i++)
        if (a->records[i].rdata.n == n && memcmp(a->records[i].rdata.p, bytes, n) == 0)
            return 1;
    return 0;
}

// True while it wants more facts.
static bool check_names_check_on_facts(void *arg)
{
    struct iprev *p = arg;
    char reverse[80], name[256];
    reverse_name(p->address, reverse);
    const struct dns_answer *names = facts_ask(p->facts, reverse, DNS_PTR);
    if (!names)
        return true;
    bool waits = false;
    p->unknown = names->outcome == DNS_FAILED;
    p->name[0] = 0;
    for (size_t i = 0; i < names->nrecords && i < NAMES_MAX; i++) {
        if (!rdata_name(names->records[i].rdata, name))
            continue;
        int back = leads_back(p, name);
        waits |= back < 0;
        if (back == 1 || !p->name[0])
            snprintf(p->name, sizeof p->name, "%s", name);
        if (back == 1) {
            p->back = true;
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

static const char *helo_of(const struct config *config, const struct sockaddr *address)
{
    const char *helo = helo_among(config->delivery.sources, config->delivery.nsources, address);
    for (size_t i = 0; !helo && i < config->nsenders; i++)
        helo = helo_among(config->senders[i].sources, config->senders[i].nsources, address);
    return helo ? helo : config->hostname;
}

static void say_names(struct report *r, const struct iprev *p, const char *helo)
{
    char text[ADDRESS_TEXT];
    address_text(p->address, text);
    if (p->back && strcmp(p->name, helo) == 0)
        check_say(r, "ok", "%s is %s, and that leads back", text, p->name);
    else if (p->back)
        check_say(r, "warning",
                  "%s is called %s in the DNS, and the relay says %s to its peers (hostname, helo)",
                  text, p->name, helo);
    else if (p->unknown)
        check_say(r, "warning",
                  "whether %s has a PTR record cannot be said: the DNS does not answer", text);
    else if (!p->name[0])
        check_say(r, "ERROR",
                  "%s has no PTR record: many receivers refuse its mail; it should be %s "
                  "(who lends you the address sets it)",
                  text, helo);
    else
        check_say(r, "ERROR",
                  "the PTR record of %s says %s, and that name does not lead back to it: publish "
                  "its address, or set the PTR record to %s",
                  text, p->name, helo);
}

void check_names(struct report *r, const struct config *config, struct dns *dns)
{
    if (config->delivery.nsmarthost)
        return; // others see the smarthost's address
    struct audit_addresses addresses;
    size_t looked = 0;
    audit_addresses_find(config, &addresses);
    for (size_t i = 0; i < addresses.n; i++) {
        const struct audit_address *a = &addresses.at[i];
        if (!a->certain)
            continue; // of a private network: receivers see another
        struct iprev p = {.address = (const struct sockaddr *)&a->address, .facts = facts_new()};
        dns_evaluate_blocking(dns, p.facts, check_names_check_on_facts, &p);
        say_names(r, &p, helo_of(config, p.address));
        facts_free(p.facts);
        looked++;
    }
    if (!looked)
        check_say(r, "warning",
                  "the address that receivers see is not known here (delivery.source can name "
                  "it), so its PTR record has not been looked at");
    audit_addresses_free(&addresses);
}
