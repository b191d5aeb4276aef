// SPDX-License-Identifier: ISC
// The names of the addresses that mail leaves from: many receivers refuse an address without a PTR record, or
// whose name does not lead back to it (RFC 8601 section 2.7.3, iprev).
#include <stdio.h>
#include <string.h>
#include "dns/facts.h"
#include "relay/audit/audit.h"
#include "relay/audit/iprev.h"
#include "relay/base/address.h"
#include "relay/command/check.h"

struct names_question {
    const struct sockaddr *address;
    struct facts *facts;
    struct iprev found;
};

static bool check_names_again(void *arg)
{
    struct names_question *q = arg;
    return iprev_look(q->address, q->facts, &q->found);
}

static void say_names(struct report *r, const struct sockaddr *address, const struct iprev *p,
                      const char *helo)
{
    char text[ADDRESS_TEXT];
    address_text(address, text);
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
        struct names_question q = {.address = (const struct sockaddr *)&a->address,
                                   .facts = facts_new()};
        dns_evaluate_blocking(dns, q.facts, check_names_again, &q);
        say_names(r, q.address, &q.found, iprev_helo(config, q.address));
        facts_free(q.facts);
        looked++;
    }
    if (!looked)
        check_say(r, "warning",
                  "the address that receivers see is not known here (delivery.source can name "
                  "it), so its PTR record has not been looked at");
    audit_addresses_free(&addresses);
}
