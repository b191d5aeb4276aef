// SPDX-License-Identifier: ISC
// Who may say what in From, and whose message it is (ARCHITECTURE.md, Who may say what): the rule
// against laundering among them.
#include "relay/ingest/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/maxima.h"

// How long a chain that only the DNS keeps us from judging is put off.
#define CHAIN_PATIENCE_S 3600
#define MAX_FROM_NAMES   2000 // names looked at in a From that cannot be read

static bool is_bounce_name(const char *address)
{
    const char *at = strrchr(address, '@');
    struct span local = span_of(address, at ? (size_t)(at - address) : strlen(address));
    return span_is_nocase(local, "MAILER-DAEMON") || span_is_nocase(local, "postmaster");
}

// The null sender's own: MAILER-DAEMON and postmaster at or below a domain of the principal.
static bool is_own_bounce(const struct ingest *g, const char *address, const char *domain)
{
    return !g->m->env.from[0] && is_bounce_name(address) &&
           principal_own_domain(g->s.principal->row, domain);
}

// Every From address is the principal's own, `*` aside.
static bool all_own(struct ingest *g)
{
    bool all = g->from.n > 0 && !g->from.group;
    for (size_t i = 0; i < g->from.n; i++) {
        char domain[256];
        ingest_domain(address_domain(g->from.at[i]), domain);
        bool own = principal_owns(g->s.principal->row, g->from.at[i], domain) ||
                   is_own_bounce(g, g->from.at[i], domain);
        g->own_from |= own;
        g->mixed_from |= strcmp(domain, g->from_domain) != 0;
        all &= own;
    }
    return all;
}

// A From that is no list of addresses may still show a reader one: the names behind each "@" tell
// whether it would be ours.
static bool mentions_own(const struct ingest *g)
{
    const struct field *from = header_find(&g->header, "From", 0);
    struct span rest = from ? from->value : span_of(NULL, 0);
    ptrdiff_t at;
    for (size_t names = 0; (at = span_find(rest, '@')) >= 0; names++) {
        if (names == MAX_FROM_NAMES)
            return true; // nobody writes so who means well
        size_t n = 0;
        char name[MAX_DOMAIN + 1], domain[256];
        rest = span_from(rest, (size_t)at + 1);
        while (n < rest.n && n < MAX_DOMAIN &&
               (ascii_is_alnum(rest.p[n]) || rest.p[n] > 127 || strchr("-_.", rest.p[n])))
            n++;
        snprintf(name, sizeof name, "%.*s", (int)n, (const char *)rest.p);
        ingest_domain(name, domain);
        if (principal_own_domain(g->s.principal->row, domain))
            return true;
    }
    return false;
}

static int check_sender(struct ingest *g, struct why *why)
{
    for (size_t i = 0; i < g->from.n; i++) {
        char domain[256];
        const char *address = g->from.at[i];
        ingest_domain(address_domain(address), domain);
        if (!principal_may_send(g->s.principal->row, address, domain) &&
            !is_own_bounce(g, address, domain))
            return why_set(why, WHY_MESSAGE, "5.7.1", "%s may not send as From %s",
                           g->s.principal->name, address);
    }
    return 0;
}

static int read_from(struct ingest *g, struct why *why)
{
    const struct field *from = header_find(&g->header, "From", 0);
    if (!from)
        return why_set(why, WHY_MESSAGE, "5.6.0", "the message has no From field");
    if (header_addresses(from->value, &g->from) < 0)
        return why_set(why, WHY_MESSAGE, "5.6.0", "the From field is not a list of addresses");
    if (g->from.group || !g->from.n)
        return why_set(why, WHY_MESSAGE, "5.6.0", "the From field names a group, not an author");
    ingest_domain(address_domain(g->from.at[0]), g->from_domain);
    return 0;
}

// Origin shown by the session itself: by XFORWARD, from this host's own users or networks.
static bool origin_shown(const struct ingest *g)
{
    const struct smtp_forward *f = g->s.forward;
    if (!f->given)
        return false;
    return f->local || (f->has_client && network_contains(&g->s.principal->row->own_networks,
                                                          (const struct sockaddr *)&f->addr));
}

static void tls_required_no(struct ingest *g)
{
    const struct field *field = header_find(&g->header, "TLS-Required", 0);
    int wish = g->s.principal->row->tls_required_no;
    bool honoured = wish < 0 ? g->kind == INGEST_OWN : wish == 1;
    g->m->env.tls_optional =
        field && honoured && !g->m->env.requiretls && span_is_nocase(span_trim(field->value), "No");
}

int ingest_check(struct ingest *g, struct why *why)
{
    if (header_count(&g->header, "Received") > MAX_RECEIVED)
        return why_set(why, WHY_MESSAGE, "5.4.6", "mail loop: more than %d Received fields",
                       MAX_RECEIVED);
    if (header_count(&g->header, "From") > 1)
        return why_set(why, WHY_MESSAGE, "5.6.0", "the message has more than one From field");
    bool forwards = g->s.principal->row->forward;
    struct why from_why = {0};
    int rc = read_from(g, &from_why);
    if (!forwards) {
        g->kind = INGEST_OWN;
        if (rc < 0)
            *why = from_why;
        else
            rc = check_sender(g, why);
        if (rc < 0)
            return -1;
        (void)all_own(g);
    } else if (!all_own(g)) {
        g->kind = INGEST_FOREIGN;
        if (rc < 0 && mentions_own(g))
            g->own_from = g->mixed_from = true;
    } else {
        g->kind = origin_shown(g) ? INGEST_OWN : INGEST_CLAIMED;
    }
    tls_required_no(g);
    return 0;
}

static bool all_aligned(const struct ingest *g)
{
    for (size_t i = 0; i < g->from.n; i++) {
        char domain[256];
        ingest_domain(address_domain(g->from.at[i]), domain);
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
    return dmarc == AUTH_FAIL || (dmarc == AUTH_PERMERROR && g->mixed_from && !origin_shown(g));
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
    bool decides = g->own_from || g->s.principal->row->refuse_dmarc_fail;
    if (dmarc == AUTH_TEMPERROR && decides)
        return why_set(why, WHY_MESSAGE, "4.4.3",
                       "the DNS could not tell now whether the message is from its From domain");
    // cv=fail ends a chain for good. RFC 8617 counts DNS trouble as failure, but the trouble may pass;
    // where it stays the message goes on all the same.
    if (g->s.setup->arc_key && message_auth_arc_temporary(g->auth) && came_just_now(g))
        return why_set(why, WHY_MESSAGE, "4.4.3",
                       "the DNS could not tell now whether the ARC chain of the message holds");
    return 0;
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
    if (is_forged(g, dmarc))
        return why_set(
            why, WHY_MESSAGE, "5.7.1",
            "From is in a domain of %s, but nothing shows that the message came from there "
            "(DMARC: %s)",
            g->s.principal->name, auth_result_word(dmarc));
    if (dmarc == AUTH_FAIL && g->s.principal->row->refuse_dmarc_fail)
        return why_set(why, WHY_MESSAGE, "5.7.1", "DMARC of %s fails", g->from_domain);
    return judge_later(g, dmarc, why);
}
