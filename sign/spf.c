// SPDX-License-Identifier: ISC
// check_host(), RFC 7208 section 4: finds the record, walks its terms, follows include and redirect, fetches
// the explanation. The grammar is in sign/spf_record.c, macros in sign/spf_macro.c, addresses in
// sign/spf_mechanism.c.
#include "sign/spf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "sign/spf_inside.h"

static bool check_host(struct spf_eval *e, const char *domain, struct spf_result *out);

static bool sign_spf_ended(struct spf_eval *e, struct spf_result *out, enum auth_result result)
{
    out->result = result;
    memcpy(out->reason, e->reason, sizeof out->reason);
    return false;
}

static bool ended_in(struct spf_eval *e, struct spf_result *out, enum spf_match match)
{
    return match == SPF_WAIT ||
           sign_spf_ended(e, out, match == SPF_TEMPERROR ? AUTH_TEMPERROR : AUTH_PERMERROR);
}

// A domain that cannot be looked up, or has no dot: the result is none (section 4.3).
static bool usable_domain(const char *domain)
{
    char normal[NAME_TEXT];
    return name_normal(domain, normal) && strchr(normal, '.');
}

// The record of a domain, joined. SPF_NO: it has none.
static enum spf_match find_record(struct spf_eval *e, const char *domain, struct buf *record,
                                  struct span *terms)
{
    const struct dns_answer *answer = facts_ask(e->facts, domain, DNS_TXT);
    if (!answer)
        return SPF_WAIT;
    if (answer->outcome == DNS_FAILED) {
        snprintf(e->reason, sizeof e->reason, "the DNS did not answer for %s TXT", answer->name);
        return SPF_TEMPERROR;
    }
    size_t found = 0;
    struct buf text;
    buf_init(&text, SPF_MAX_RECORD);
    for (size_t i = 0; i < answer->nrecords; i++) {
        buf_reset(&text);
        struct span rest;
        if (rdata_txt(answer->records[i].rdata, &text) && spf_record_is(buf_span(&text), &rest) &&
            found++ == 0)
            buf_move(record, &text);
    }
    buf_free(&text);
    if (found > 1)
        return spf_perm(e, "%s has %zu SPF records", answer->name, found);
    snprintf(e->reason, sizeof e->reason, "%s has no SPF record", answer->name);
    return found && spf_record_is(buf_span(record), terms) ? SPF_YES : SPF_NO;
}

static bool asks_dns(enum spf_kind kind)
{
    return kind == SPF_INCLUDE || kind == SPF_A || kind == SPF_MX || kind == SPF_PTR ||
           kind == SPF_EXISTS || kind == SPF_REDIRECT;
}

// What the included record says decides whether the mechanism matches (section 5.2).
static enum spf_match sign_spf_include(struct spf_eval *e, const char *target)
{
    struct spf_result inner;
    e->including++;
    bool wants = check_host(e, target, &inner);
    e->including--;
    if (wants)
        return SPF_WAIT;
    switch (inner.result) {
    case AUTH_PASS:
        return SPF_YES;
    case AUTH_FAIL:
    case AUTH_SOFTFAIL:
    case AUTH_NEUTRAL:
        return SPF_NO;
    case AUTH_TEMPERROR:
        return SPF_TEMPERROR;
    case AUTH_NONE:
        return spf_perm(e, "include:%s, which has no SPF record", target);
    default:
        return SPF_PERMERROR;
    }
}

// The expanded target of a term, counted as a lookup; `domain` itself where it names none.
static enum spf_match target_of(struct spf_eval *e, const char *domain, const struct spf_term *term,
                                char out[static 256])
{
    if (asks_dns(term->kind) && spf_count_lookup(e) != SPF_YES)
        return SPF_PERMERROR;
    if (term->domain.n)
        return spf_expand_domain(e, domain, term->domain, out);
    snprintf(out, 256, "%s", domain);
    return SPF_YES;
}

static enum spf_match sign_spf_look_at(struct spf_eval *e, const char *domain,
                                       const struct spf_term *term)
{
    char target[256];
    enum spf_match match = target_of(e, domain, term, target);
    if (match != SPF_YES)
        return match;
    return term->kind == SPF_INCLUDE ? sign_spf_include(e, target) : spf_mechanism(e, term, target);
}

static enum auth_result qualified(char qualifier)
{
    return qualifier == '+'   ? AUTH_PASS
           : qualifier == '-' ? AUTH_FAIL
           : qualifier == '~' ? AUTH_SOFTFAIL
                              : AUTH_NEUTRAL;
}

// Printable ASCII alone: everything else is no explanation (section 6.2).
static bool printable(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] > '~')
            return false;
    return true;
}

// Fetches what the domain wants said about a failure. Whatever goes wrong here changes no result.
static bool explain(struct spf_eval *e, const char *domain, struct span spec,
                    struct spf_result *out)
{
    char target[256];
    enum spf_match match = spf_expand_domain(e, domain, spec, target);
    const struct dns_answer *answer =
        match == SPF_YES && *target ? facts_ask(e->facts, target, DNS_TXT) : NULL;
    if (match != SPF_YES || !*target)
        return match == SPF_WAIT;
    if (!answer)
        return true;
    struct buf text, words;
    buf_init(&text, SPF_MAX_RECORD);
    buf_init(&words, SPF_MAX_EXPANDED);
    if (answer->nrecords == 1 && rdata_txt(answer->records[0].rdata, &text))
        match = spf_expand(e, domain, buf_span(&text), true, &words);
    if (match == SPF_YES && printable(buf_span(&words)))
        snprintf(out->explanation, sizeof out->explanation, "%s", buf_text(&words));
    buf_free(&text);
    buf_free(&words);
    return match == SPF_WAIT;
}

// A mechanism matched: its qualifier is the result, and where that is a failure exp= explains it.
static bool matched(struct spf_eval *e, const char *domain, const struct spf_term *term,
                    struct span exp, struct spf_result *out)
{
    snprintf(e->reason, sizeof e->reason, "%.*s of %s",
             (int)(term->text.n < 120 ? term->text.n : 120), (const char *)term->text.p, domain);
    sign_spf_ended(e, out, qualified(term->qualifier));
    return out->result == AUTH_FAIL && exp.n && !e->including && explain(e, domain, exp, out);
}

// No mechanism matched: another record decides (section 6.1), or nobody does.
static bool redirected(struct spf_eval *e, const char *domain, const struct spf_term *redirect,
                       struct spf_result *out)
{
    char target[256];
    if (!redirect->domain.n) {
        snprintf(e->reason, sizeof e->reason, "no mechanism of %s matched", domain);
        return sign_spf_ended(e, out, AUTH_NEUTRAL);
    }
    enum spf_match match = target_of(e, domain, redirect, target);
    if (match != SPF_YES)
        return ended_in(e, out, match);
    if (check_host(e, target, out))
        return true;
    if (out->result != AUTH_NONE)
        return false;
    spf_perm(e, "redirect=%s, which has no SPF record", target);
    return sign_spf_ended(e, out, AUTH_PERMERROR);
}

// Takes the terms in order; the first mechanism that matches decides (section 4.6.2).
static bool spf_walk(struct spf_eval *e, const char *domain, struct span terms,
                     struct spf_result *out)
{
    struct spf_term term, redirect = {.kind = SPF_REDIRECT};
    struct span wrong, exp = {0}, rest = terms;
    if (!spf_record_valid(terms, &wrong)) {
        spf_perm(e, "the record of %s has a syntax error at '%.*s'", domain,
                 (int)(wrong.n < 100 ? wrong.n : 100), (const char *)wrong.p);
        return sign_spf_ended(e, out, AUTH_PERMERROR);
    }
    while (spf_term_next(&rest, &term) > 0) { // modifiers stand anywhere and count for the whole
        if (term.kind == SPF_REDIRECT)
            redirect = term;
        if (term.kind == SPF_EXP)
            exp = term.domain;
    }
    while (spf_term_next(&terms, &term) > 0) {
        if (term.kind >= SPF_REDIRECT)
            continue;
        enum spf_match match = sign_spf_look_at(e, domain, &term);
        if (match == SPF_YES)
            return matched(e, domain, &term, exp, out);
        if (match != SPF_NO)
            return ended_in(e, out, match);
    }
    return redirected(e, domain, &redirect, out);
}

// True: wants more facts. Recursion is bounded by the limit on lookups.
static bool check_host(struct spf_eval *e, const char *domain, struct spf_result *out)
{
    *out = (struct spf_result){0};
    if (!usable_domain(domain)) {
        snprintf(e->reason, sizeof e->reason, "no domain name that could have an SPF record");
        return sign_spf_ended(e, out, AUTH_NONE);
    }
    struct buf record;
    struct span terms;
    buf_init(&record, SPF_MAX_RECORD);
    enum spf_match match = find_record(e, domain, &record, &terms);
    bool wants = match == SPF_YES  ? spf_walk(e, domain, terms, out)
                 : match == SPF_NO ? sign_spf_ended(e, out, AUTH_NONE)
                                   : ended_in(e, out, match);
    buf_free(&record);
    return wants;
}

static bool read_client(struct spf_eval *e, const struct sockaddr *client)
{
    size_t n;
    const unsigned char *bytes = address_plain(client, &n);
    if (!bytes)
        return false;
    e->family = n == 4 ? AF_INET : AF_INET6;
    memcpy(e->address, bytes, n);
    return true;
}

// The domain as the DNS knows it (RFC 8616 section 4, RFC 7208 section 4.3); one that has no such form stays,
// and is found unusable.
static char *ascii_domain(const char *domain)
{
    char ascii[IDN_NAME];
    return mem_dup(idn_to_ascii(domain, ascii) == 0 ? ascii : domain);
}

// The sender that is checked: the null sender is postmaster at the HELO name (section 2.4), and a missing
// local part is postmaster too (section 4.3).
static void read_sender(struct spf_eval *e)
{
    const char *mail_from = e->in->mail_from ? e->in->mail_from : "";
    e->helo = ascii_domain(e->in->helo ? e->in->helo : "");
    const char *at = *mail_from ? strrchr(mail_from, '@') : NULL;
    char *ascii = *mail_from ? ascii_domain(at ? at + 1 : mail_from) : mem_dup(e->helo);
    if (at && at > mail_from)
        e->sender = mem_printf("%.*s@%s", (int)(at - mail_from), mail_from, ascii);
    else
        e->sender = mem_printf("postmaster@%s", ascii);
    free(ascii);
    char *domain = strrchr(e->sender, '@') + 1;
    e->nlocal = (size_t)(domain - e->sender) - 1;
    size_t n = strlen(domain);
    if (n && domain[n - 1] == '.')
        domain[n - 1] = '\0';
    e->sender_domain = domain;
}

bool spf_evaluate(const struct spf_input *in, struct facts *facts, struct spf_result *out)
{
    struct spf_eval e = {.in = in, .facts = facts};
    *out = (struct spf_result){0};
    if (!read_client(&e, in->client)) {
        snprintf(out->reason, sizeof out->reason, "the client has no IP address");
        return false;
    }
    read_sender(&e);
    bool wants = check_host(&e, e.sender_domain, out);
    for (char *c = out->reason; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    free(e.sender);
    free(e.helo);
    return wants;
}
