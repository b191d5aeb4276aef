// SPDX-License-Identifier: ISC
// The addresses that mail leaves from, as receivers see them before they have seen a message: their names (PTR, HELO),
// SPF of the HELO name, and the blocklists that the site names. Findings of the relay, not of a domain.
#include <stdio.h>
#include <string.h>
#include "relay/audit/inside.h"
#include "relay/audit/iprev.h"
#include "relay/base/address.h"
#include "sign/spf.h"

#define NO_PTR    "Gmail 550 5.7.25 (421 4.7.23 first); Yahoo 421, 553; many others 550 5.7.1"
#define NO_HELO   "504 5.5.2, 550 5.7.1"
#define NO_SPF    "Gmail 550 5.7.26 and 5.7.27 of notifications (null sender)"
#define IS_LISTED "550 5.7.1, 554 5.7.1 of hosts that use the list"

static void host_publish_ptr(struct audit_finding *f, const struct sockaddr *address,
                             const char *helo)
{
    char reverse[ADDRESS_REVERSE];
    size_t n;
    const unsigned char *bytes = address_bytes(address, &n);
    address_reverse_name(bytes, n, reverse);
    audit_publish(f, reverse, "PTR", "%s.", helo);
}

static void host_ptr(struct audit_pass *a, const struct sockaddr *address, const char *text,
                     const char *helo)
{
    struct iprev p;
    struct audit_finding *f;
    if (iprev_look(address, a->facts, &p)) {
        a->waits = true;
        return;
    }
    if (p.back) {
        audit_say(a, AUDIT_OK, "ptr", "%s is called %s, and that leads back", text, p.name);
        if (strcmp(p.name, helo) != 0)
            audit_say(a, AUDIT_ADVICE, "ptr", "%s is called %s, and the relay says %s to its peers",
                      text, p.name, helo);
        return;
    }
    if (p.unknown)
        f = audit_say(a, AUDIT_PROBLEM, "ptr",
                      "whether %s has a name that leads back is not known: the DNS did not answer",
                      text);
    else if (!p.name[0])
        f = audit_say(a, AUDIT_PROBLEM, "ptr",
                      "%s has no name in the DNS (who lends you it sets that)", text);
    else
        f = audit_say(a, AUDIT_PROBLEM, "ptr", "%s is called %s, and that name does not lead back",
                      text, p.name);
    f->temporary = p.unknown;
    f->prevents = NO_PTR;
    if (!p.unknown)
        host_publish_ptr(f, address, helo);
}

static void host_helo(struct audit_pass *a, const struct sockaddr *address, const char *text,
                      const char *helo)
{
    struct audit_finding *f;
    int has = iprev_has(helo, address, a->facts);
    if (has == -1) {
        a->waits = true;
        return;
    }
    if (has == 1) {
        audit_say(a, AUDIT_OK, "helo", "the name %s that the relay says leads to %s", helo, text);
        return;
    }
    if (!strchr(helo, '.'))
        f = audit_say(a, AUDIT_PROBLEM, "helo", "the relay says '%s', which is no full name", helo);
    else if (has == -2)
        f = audit_say(a, AUDIT_ADVICE, "helo",
                      "whether %s leads to %s is not known: the DNS did not answer", helo, text);
    else
        f = audit_say(a, AUDIT_ADVICE, "helo",
                      "the name %s that the relay says does not lead to %s", helo, text);
    f->temporary = has == -2 && strchr(helo, '.');
    f->prevents = NO_HELO;
    if (has == 0 && strchr(helo, '.'))
        audit_publish(f, helo, address->sa_family == AF_INET ? "A" : "AAAA", "%s", text);
}

// Notifications have no sender: receivers look at the SPF record of the HELO name (RFC 7208 section 2.4).
static void host_spf(struct audit_pass *a, const struct sockaddr *address, const char *text,
                     const char *helo)
{
    struct spf_result r;
    struct spf_input in = {.client = address, .helo = helo, .mail_from = "", .now_s = a->in->now_s};
    if (spf_evaluate(&in, a->facts, &r)) {
        a->waits = true;
        return;
    }
    if (r.result == AUTH_PASS) {
        audit_say(a, AUDIT_OK, "helo", "%s may send as %s (%s)", text, helo, r.reason);
        return;
    }
    bool wrong = r.result == AUTH_FAIL || r.result == AUTH_PERMERROR;
    struct audit_finding *f =
        audit_say(a, wrong || r.result == AUTH_TEMPERROR ? AUDIT_PROBLEM : AUDIT_ADVICE, "helo",
                  "SPF of %s, which notifications are judged by, says %s of %s%s%s", helo,
                  auth_result_word(r.result), text, *r.reason ? ": " : "", r.reason);
    f->temporary = r.result == AUTH_TEMPERROR;
    f->prevents = NO_SPF;
    if (r.result == AUTH_NONE)
        audit_publish(f, helo, "TXT", "v=spf1 a -all");
}

// ---- blocklists (RFC 5782)

// Of the answers of a list: 127.0.0.2 and above is a listing, 127.255.255.x a refusal to answer this resolver, and what
// else comes is a resolver or a zone that answers anything.
enum listing { LISTING_NONE, LISTING_YES, LISTING_REFUSED, LISTING_ODD };

static enum listing listing_of(const struct dns_answer *answer, char code[static 20])
{
    enum listing found = LISTING_NONE;
    for (size_t i = 0; i < answer->nrecords; i++) {
        const unsigned char *b = answer->records[i].rdata.p;
        if (answer->records[i].rdata.n != 4)
            continue;
        bool refused = b[0] == 127 && b[1] == 255 && b[2] == 255;
        bool odd = b[0] != 127 || (b[1] == 0 && b[2] == 0 && b[3] < 2);
        enum listing one = refused ? LISTING_REFUSED : odd ? LISTING_ODD : LISTING_YES;
        if (found != LISTING_NONE && one != LISTING_YES)
            continue;
        found = one;
        snprintf(code, 20, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        if (one == LISTING_YES)
            break;
    }
    return found;
}

static void host_listed(struct audit_pass *a, const char *name, const char *text, const char *zone,
                        const char *code)
{
    struct audit_texts texts = {0};
    const struct dns_answer *reason = facts_ask(a->facts, name, DNS_TXT);
    if (!reason) {
        a->waits = true;
        return;
    }
    audit_texts_read(reason, &texts);
    struct span said = texts.n
                           ? span_slice(texts.at[0], 0, texts.at[0].n < 200 ? texts.at[0].n : 200)
                           : span_text("");
    struct audit_finding *f =
        audit_say(a, AUDIT_PROBLEM, "dnsbl", "%s is listed in %s (%s)%s%.*s", text, zone, code,
                  said.n ? ": " : "", (int)said.n, (const char *)said.p);
    f->prevents = IS_LISTED;
    audit_texts_free(&texts);
}

static void host_list(struct audit_pass *a, const struct sockaddr *address, const char *text,
                      const char *zone)
{
    char name[ADDRESS_REVERSE + 260], code[20] = "";
    size_t n;
    const unsigned char *bytes = address_bytes(address, &n);
    address_reverse(bytes, n, name);
    n = strlen(name);
    snprintf(name + n, sizeof name - n, "%s", zone);
    const struct dns_answer *answer = facts_ask(a->facts, name, DNS_A);
    if (!answer) {
        a->waits = true;
        return;
    }
    enum listing found = listing_of(answer, code);
    if (answer->outcome == DNS_FAILED) {
        audit_say(a, AUDIT_PROBLEM, "dnsbl", "whether %s is listed in %s is not known: %s", text,
                  zone, answer->why.text)
            ->temporary = true;
    } else if (found == LISTING_YES) {
        host_listed(a, name, text, zone, code);
    } else if (found == LISTING_NONE) {
        audit_say(a, AUDIT_OK, "dnsbl", "%s is not listed in %s", text, zone);
    } else {
        audit_say(a, AUDIT_ADVICE, "dnsbl",
                  "whether %s is listed in %s is not known: it answers %s, %s", text, zone, code,
                  found == LISTING_REFUSED ? "which refuses this resolver" : "which is no listing")
            ->temporary = true;
    }
}

void audit_host(struct audit_pass *a)
{
    const struct audit_input *in = a->in;
    if (in->smarthost)
        return; // receivers see its addresses
    for (size_t i = 0; i < in->addresses->n; i++) {
        const struct audit_address *at = &in->addresses->at[i];
        const struct sockaddr *address = (const struct sockaddr *)&at->address;
        const char *helo = in->config ? iprev_helo(in->config, address) : in->helo;
        char text[ADDRESS_TEXT];
        if (!at->certain)
            continue; // receivers see another
        address_text(address, text);
        host_ptr(a, address, text, helo);
        host_helo(a, address, text, helo);
        host_spf(a, address, text, helo);
        for (size_t k = 0; in->config && k < in->config->audit.dnsbl.n; k++)
            host_list(a, address, text, in->config->audit.dnsbl.at[k]);
    }
}
