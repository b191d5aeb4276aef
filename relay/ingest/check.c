// SPDX-License-Identifier: ISC
// Who may say what in From, and whose message it is (ARCHITECTURE.md, Who may say what): the rule
// against laundering among them.
#include "relay/ingest/inside.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "sign/trusted.h"

// How long a chain that only the DNS keeps us from judging is put off.
#define CHAIN_PATIENCE_S 3600

static bool is_bounce_name(const char *address)
{
    const char *at = strrchr(address, '@');
    struct span local = span_of(address, at ? (size_t)(at - address) : strlen(address));
    return span_is_nocase(local, "MAILER-DAEMON") || span_is_nocase(local, "postmaster");
}

static bool is_bounce(const struct ingest *g)
{
    const char *sender = g->m->env.from;
    char domain[256];
    idn_domain(address_domain(sender), domain);
    return !*sender || principal_double_bounce(g->s.principal->row, sender, domain);
}

// The null sender's own: MAILER-DAEMON and postmaster at or below a domain of the principal, or at a host
// whose notices it hands on.
static bool is_own_bounce(const struct ingest *g, const char *address, const char *domain)
{
    const struct cfg_sender *row = g->s.principal->row;
    if (!is_bounce(g))
        return false;
    return (is_bounce_name(address) && principal_own_domain(row, domain)) ||
           principal_bounces(row, address, domain);
}

// Every From address is the principal's own, `*` aside.
static bool all_own(struct ingest *g)
{
    bool all = g->from.n > 0 && !g->from.group;
    for (size_t i = 0; i < g->from.n; i++) {
        char domain[256];
        idn_domain(address_domain(g->from.at[i]), domain);
        bool own = principal_owns(g->s.principal->row, g->from.at[i], domain) ||
                   is_own_bounce(g, g->from.at[i], domain);
        g->own_from |= own;
        g->mixed_from |= strcmp(domain, g->from_domain) != 0;
        all &= own;
    }
    return all;
}

static bool is_unreadable(const struct ingest *g, int rc)
{
    for (size_t i = 0; i < g->from.n; i++) {
        char domain[256];
        idn_domain(address_domain(g->from.at[i]), domain);
        if (!domain[0])
            return true;
    }
    return rc < 0;
}

// Where strict reading finds no author, an own domain that any reading finds counts.
static void read_leniently(struct ingest *g)
{
    const struct field *from = header_find(&g->header, "From", 0);
    if (from && ingest_mentions_own(g->s.principal->row, from->value))
        g->own_from = g->unread_from = true;
}

static int may_not_send(const struct ingest *g, const char *address, const char *domain,
                        struct why *why)
{
    if (!g->m->env.from[0] && is_bounce_name(address))
        return why_say(why, BOUNCE_FROM_NOT_OWN, g->s.principal->name, address, domain);
    return why_say(why, FROM_NOT_OWN, g->s.principal->name, address);
}

static int check_sender(struct ingest *g, struct why *why)
{
    for (size_t i = 0; i < g->from.n; i++) {
        char domain[256];
        const char *address = g->from.at[i];
        idn_domain(address_domain(address), domain);
        if (!principal_may_send(g->s.principal->row, address, domain) &&
            !is_own_bounce(g, address, domain))
            return may_not_send(g, address, domain, why);
    }
    return 0;
}

static int read_from(struct ingest *g, struct why *why)
{
    const struct field *from = header_find(&g->header, "From", 0);
    if (!from)
        return why_say(why, FROM_MISSING);
    if (header_addresses(from->value, &g->from) < 0)
        return why_say(why, FROM_UNREADABLE);
    if (!g->from.group && !g->from.n)
        return why_say(why, FROM_EMPTY);
    if (g->from.group)
        return why_say(why, FROM_GROUP);
    idn_domain(address_domain(g->from.at[0]), g->from_domain);
    return 0;
}

// A content filter that hands mail back to Postfix makes a stranger's mail local: what a trusted host found
// before speaks against it.
static void read_vetoes(struct ingest *g)
{
    const struct cfg_sender *row = g->s.principal->row;
    struct trust trust = {.ids = &row->trust_results_of,
                          .hops = row->trusted_hops,
                          .helo = g->s.forward->helo,
                          .mail_from = g->m->env.from};
    struct trusted trusted;
    trusted_read(&trusted, &g->header, &trust);
    g->vetoed = trusted_vetoes(&trusted, NULL);
    trusted_free(&trusted);
}

// Origin shown by the session itself: by XFORWARD, from this host's own users or networks.
static bool origin_shown(const struct ingest *g)
{
    const struct smtp_forward *f = g->s.forward;
    if (!f->given)
        return false;
    return (f->local && !g->vetoed) ||
           (f->has_client && network_contains(&g->s.principal->row->own_networks,
                                              (const struct sockaddr *)&f->addr));
}

bool ingest_origin_shown(struct ingest *g)
{
    read_vetoes(g);
    return origin_shown(g);
}

static void tls_required_no(struct ingest *g)
{
    const struct field *field = header_find(&g->header, "TLS-Required", 0);
    int wish = g->s.principal->row->tls_required_no;
    bool honoured = wish < 0 ? g->kind == INGEST_OWN : wish == 1;
    g->m->env.tls_optional =
        field && honoured && !g->m->env.requiretls && span_is_nocase(span_trim(field->value), "No");
}

static int check_submitted(struct ingest *g, int rc, const struct why *from_why, struct why *why)
{
    g->kind = INGEST_OWN;
    if (rc < 0)
        *why = *from_why;
    if (rc < 0 || check_sender(g, why) < 0)
        return -1;
    (void)all_own(g);
    tls_required_no(g);
    return 0;
}

int ingest_check(struct ingest *g, struct why *why)
{
    if (header_count(&g->header, "Received") > MAX_RECEIVED)
        return why_say(why, MAIL_LOOP, MAX_RECEIVED);
    if (header_count(&g->header, "From") > 1)
        return why_say(why, FROM_TWICE);
    struct why from_why = {0};
    int rc = read_from(g, &from_why);
    if (!g->s.principal->row->forward && ingest_is_return(g)) {
        g->kind = INGEST_FOREIGN; // by whoever wrote it: the address it came to vouches for it
        return 0;
    }
    if (!g->s.principal->row->forward)
        return check_submitted(g, rc, &from_why, why);
    read_vetoes(g);
    if (all_own(g)) {
        g->kind = origin_shown(g) ? INGEST_OWN : INGEST_CLAIMED;
    } else {
        g->kind = INGEST_FOREIGN;
        if (is_unreadable(g, rc))
            read_leniently(g);
    }
    tls_required_no(g);
    return 0;
}

static bool all_aligned(const struct ingest *g)
{
    for (size_t i = 0; i < g->from.n; i++) {
        char domain[256];
        idn_domain(address_domain(g->from.at[i]), domain);
        if (!message_auth_dkim_aligned(g->auth, domain))
            return false;
    }
    return g->from.n > 0;
}

// An own domain in a From that nothing shows to be genuine. Where From names several domains, or is
// no list of addresses, DMARC has no answer, which must not let a forgery through.
static bool is_forged(const struct ingest *g, enum auth_result dmarc)
{
    if (!g->own_from)
        return false;
    if (g->unread_from || (dmarc == AUTH_PERMERROR && g->mixed_from))
        return !origin_shown(g);
    return dmarc == AUTH_FAIL || message_auth_dmarc_open(g->auth);
}

// When the host that hands the message on took it: the date of the topmost Received, which is its own.
// A stranger who could write it would only hasten the verdict on his own chain.
static bool came_just_now(const struct ingest *g)
{
    const struct field *received = header_find(&g->header, "Received", 0);
    char *text = received ? span_dup(received->value) : NULL;
    const char *date = text ? strrchr(text, ';') : NULL;
    int64_t then = 0, now = clock_s();
    bool known = date && clock_read_rfc5322(date + 1, &then);
    free(text);
    return known && then <= now + CHAIN_PATIENCE_S && now - then < CHAIN_PATIENCE_S;
}

// What a later look at the DNS may judge otherwise is not for us to make final: 4.4.3, come back.
static int judge_later(const struct ingest *g, enum auth_result dmarc, struct why *why)
{
    const struct cfg_sender *row = g->s.principal->row;
    bool decides = g->own_from ? row->on_own_fail != OWN_FAIL_SEAL : row->refuse_dmarc_fail;
    if (dmarc == AUTH_TEMPERROR && decides)
        return why_say(why, ORIGIN_UNKNOWN_NOW);
    // cv=fail ends a chain for good. RFC 8617 counts DNS trouble as failure, but the trouble may pass;
    // where it stays the message goes on all the same.
    if (g->s.setup->arc_key && message_auth_arc_temporary(g->auth) && came_just_now(g))
        return why_say(why, ARC_UNKNOWN_NOW);
    return 0;
}

// Sealed it stays foreign: nothing of ours says that it is genuine.
static int judge_forged(struct ingest *g, enum auth_result dmarc, struct why *why)
{
    switch (g->s.principal->row->on_own_fail) {
    case OWN_FAIL_SEAL:
        return 0;
    case OWN_FAIL_DISCARD:
        g->discarded = true;
        return 0;
    case OWN_FAIL_REFUSE:
        break;
    }
    return why_say(why, ORIGIN_NOT_SHOWN, g->s.principal->name, auth_result_word(dmarc));
}

int ingest_judge(struct ingest *g, struct why *why)
{
    if (g->kind == INGEST_OWN)
        return 0;
    if (g->kind == INGEST_CLAIMED) {
        bool shown = message_auth_trusted_auth(g->auth) || all_aligned(g);
        g->kind = shown ? INGEST_OWN : INGEST_FOREIGN;
        tls_required_no(g);
        if (shown)
            return 0;
    }
    enum auth_result dmarc = message_auth_dmarc(g->auth);
    const struct cfg_sender *row = g->s.principal->row;
    if (is_forged(g, dmarc))
        return judge_forged(g, dmarc, why);
    if (dmarc == AUTH_FAIL && row->refuse_dmarc_fail &&
        !message_auth_arc_vouches(g->auth, &row->trusted_sealers))
        return why_say(why, DMARC_FAILS, g->from_domain);
    return judge_later(g, dmarc, why);
}

// The From that a filter wrote is not for strangers' mail to gain: what was found of it speaks of another.
static int check_gained(struct ingest *g, bool readable, struct why *why)
{
    (void)all_own(g);
    if (!readable)
        read_leniently(g);
    return g->own_from ? why_say(why, FILTER_CHANGE, "From",
                                 "it is an own domain now, and the message is somebody else's")
                       : 0;
}

int ingest_check_changed(struct ingest *g, struct why *why)
{
    struct why from_why = {0};
    addresses_free(&g->from);
    g->from_domain[0] = 0;
    g->own_from = g->mixed_from = g->unread_from = false;
    if (header_count(&g->header, "From") > 1)
        return why_say(why, FILTER_CHANGE, "From", "there is more than one");
    int rc = read_from(g, &from_why);
    if (g->kind != INGEST_OWN)
        return check_gained(g, rc == 0, why);
    if (rc == 0 && (g->s.principal->row->forward ? all_own(g) : check_sender(g, &from_why) == 0))
        return 0;
    return why_say(why, FILTER_CHANGE, "From",
                   why_is_set(&from_why) ? from_why.text : "it is no own address any more");
}
