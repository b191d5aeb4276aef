// SPDX-License-Identifier: ISC
// The SPF part of an audit: does the record let this relay's addresses send?
#include <stdio.h>
#include <stdlib.h>
#include "relay/audit/inside.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "sign/spf.h"
#include "sign/spf_record.h"

#define NOT_COVERED "Gmail 5.7.27 (4.7.27 first), 5.7.26; Yahoo 554 5.7.9; Outlook.com 550 5.7.515"

struct spf_look {
    struct spf_result *results; // beside in->addresses
    struct audit_texts texts;   // of the domain
    struct span terms;          // of its one record; p NULL: none, or several
    struct buf fixed;           // the record that would do
};

static void find_terms(struct spf_look *look)
{
    struct span terms, wrong;
    size_t found = 0;
    for (size_t i = 0; i < look->texts.n; i++)
        if (spf_record_is(look->texts.at[i], &terms) && found++ == 0)
            look->terms = terms;
    if (found != 1 || !spf_record_valid(look->terms, &wrong))
        look->terms = span_of(NULL, 0);
}

// The record there is, with what is missing in front of it; where there is none of use, a new one.
static void fix_record(const struct audit_pass *a, struct spf_look *look)
{
    char text[64];
    buf_adds(&look->fixed, "v=spf1");
    for (size_t i = 0; i < a->in->addresses->n; i++) {
        const struct audit_address *address = &a->in->addresses->at[i];
        if (look->results[i].result == AUTH_PASS)
            continue;
        address_text((const struct sockaddr *)&(address)->address, text);
        buf_addf(&look->fixed, " %s:%s", address->address.ss_family == AF_INET ? "ip4" : "ip6",
                 text);
    }
    if (look->terms.p)
        buf_addspan(&look->fixed, look->terms);
    else
        buf_adds(&look->fixed, " -all");
}

static void say_address(struct audit_pass *a, struct spf_look *look, size_t i)
{
    const struct audit_address *address = &a->in->addresses->at[i];
    const struct spf_result *r = &look->results[i];
    char text[64];
    address_text((const struct sockaddr *)&(address)->address, text);
    if (r->result == AUTH_PASS) {
        audit_say(a, AUDIT_OK, "spf", "%s may send for %s (%s)", text, a->in->domain, r->reason);
        return;
    }
    bool ours = address->certain && !a->in->smarthost;
    struct audit_finding *f = audit_say(
        a, ours ? AUDIT_PROBLEM : AUDIT_ADVICE, "spf", "%s may not send for %s: %s%s%s%s", text,
        a->in->domain, auth_result_word(r->result), *r->reason ? ", " : "", r->reason,
        a->in->smarthost    ? "; only the smarthost's addresses have to"
        : !address->certain ? "; it is a private address, --ip names the outside one"
                            : "");
    f->temporary = r->result == AUTH_TEMPERROR;
    f->prevents = ours ? NOT_COVERED : NULL;
    if (!f->temporary && ours)
        audit_publish(f, a->in->domain, "TXT", "%s", buf_text(&look->fixed));
}

// What the record says of everybody else.
static void say_rest(struct audit_pass *a, const struct spf_look *look)
{
    struct spf_term term;
    struct span terms = look->terms;
    char all = 0;
    bool redirect = false;
    while (terms.p && spf_term_next(&terms, &term) > 0) {
        redirect |= term.kind == SPF_REDIRECT;
        if (term.kind == SPF_ALL)
            all = term.qualifier;
    }
    if (all == '+')
        audit_say(a, AUDIT_PROBLEM, "spf", "the record of %s lets everybody send (+all)",
                  a->in->domain);
    else if (look->terms.p && !all && !redirect)
        audit_publish(audit_say(a, AUDIT_ADVICE, "spf",
                                "the record of %s does not say what holds for others (no all)",
                                a->in->domain),
                      a->in->domain, "TXT", "v=spf1%.*s -all", (int)look->terms.n,
                      (const char *)look->terms.p);
}

static bool evaluate_all(struct audit_pass *a, struct spf_look *look)
{
    char sender[300];
    bool waits = false;
    snprintf(sender, sizeof sender, "postmaster@%s", a->in->domain);
    for (size_t i = 0; i < a->in->addresses->n; i++) {
        struct spf_input in = {
            .client = (const struct sockaddr *)&a->in->addresses->at[i].address,
            .helo = a->in->helo,
            .mail_from = sender,
            .now_s = a->in->now_s,
        };
        waits |= spf_evaluate(&in, a->facts, &look->results[i]);
    }
    return waits;
}

void audit_spf(struct audit_pass *a)
{
    struct spf_look look = {0};
    const struct dns_answer *answer = audit_ask(a, "spf", a->in->domain, DNS_TXT);
    look.results = mem_new((a->in->addresses->n + 1) * sizeof *look.results);
    bool waits = evaluate_all(a, &look);
    a->waits |= waits;
    if (answer && !waits) {
        buf_init(&look.fixed, AUDIT_MAX_RECORD);
        audit_texts_read(answer, &look.texts);
        find_terms(&look);
        fix_record(a, &look);
        for (size_t i = 0; i < a->in->addresses->n; i++)
            say_address(a, &look, i);
        if (!a->in->addresses->n)
            audit_say(a, AUDIT_ADVICE, "spf",
                      "it is not known which addresses mail leaves from; --ip names one");
        say_rest(a, &look);
        audit_texts_free(&look.texts);
        buf_free(&look.fixed);
    }
    free(look.results);
}
