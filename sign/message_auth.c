// SPDX-License-Identifier: ISC
// The one door to what is true of a message: runs DKIM, ARC, SPF and DMARC over one table of facts, and hears
// what trusted hosts found before. What comes of it is written in sign/message_auth_write.c.
#include "sign/message_auth_inside.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/utf8.h"
#include "sign/dkim_sign.h"
#include "sign/dmarc.h"
#include "sign/selection.h"
#include "sign/spf.h"
#include "sign/trusted.h"

#define MAX_THEIR_DKIM 20 // trusted dkim=pass that count

// The domain of header From, where there is one and only one.
static char *single_from_domain(const struct header *header)
{
    const struct field *from = header_find(header, "From", 0);
    struct addresses list;
    if (header_count(header, "From") != 1 || header_addresses(from->value, &list) < 0)
        return NULL;
    char *domain = list.n ? mem_dup(address_domain(list.at[0])) : NULL;
    for (size_t i = 1; i < list.n; i++)
        if (strcmp(address_domain(list.at[i]), domain) != 0) {
            free(domain);
            domain = NULL;
            break;
        }
    addresses_free(&list);
    return domain;
}

static void find_ours(struct message_auth *a)
{
    for (size_t i = 0; i < a->header->n; i++) {
        const struct field *f = &a->header->fields[i];
        if (!span_is_nocase(f->name, "Authentication-Results"))
            continue;
        char *id = authres_id(f->value);
        if (id && trusted_same(id, a->authserv_id)) {
            a->ours = mem_grow(a->ours, a->nours + 1, sizeof *a->ours);
            a->ours[a->nours++] = i;
        }
        free(id);
    }
}

static void read_trusted(struct message_auth *a, const struct message_auth_input *in)
{
    struct trust trust = {.ids = in->trust_results_of,
                          .hops = in->trusted_hops,
                          .everywhere = in->trust_own_results ? in->authserv_id : NULL,
                          .helo = in->helo,
                          .mail_from = in->mail_from};
    trusted_read(&a->trusted, in->header, &trust);
}

static bool is_internationalized(struct span header)
{
    bool beyond_ascii = false;
    for (size_t n; header.n; header = span_from(header, n)) {
        beyond_ascii |= header.p[0] > 127;
        n = utf8_length(header);
        if (!n)
            return false;
    }
    return beyond_ascii;
}

struct message_auth *message_auth_new(const struct message_auth_input *in)
{
    struct message_auth *a = mem_new(sizeof *a);
    a->header = in->header;
    a->authserv_id = mem_dup(in->authserv_id);
    a->has_client = in->has_client;
    a->client = in->client;
    a->helo = mem_dup(in->helo ? in->helo : "");
    a->mail_from = mem_dup(in->mail_from ? in->mail_from : "");
    a->own_headers = mem_dup(in->own_headers ? in->own_headers : dkim_default_headers(false));
    a->now_s = in->now_s;
    a->dkim = dkim_checks_new(in->header, in->min_rsa_bits, in->now_s);
    a->chain = arc_new(in->header, in->min_rsa_bits);
    a->hashes = body_hashes_new();
    // What a seal needs, whatever the message's own signatures use up.
    body_hashes_want(a->hashes, CANON_RELAXED, CANON_NO_LIMIT);
    dkim_checks_want(a->dkim, a->hashes);
    arc_want(a->chain, a->hashes);
    read_trusted(a, in);
    a->utf8 = is_internationalized(in->header->bytes);
    find_ours(a);
    a->from_domain = single_from_domain(in->header);
    a->spf_done = !in->has_client;
    if (!a->from_domain) {
        a->dmarc.result = AUTH_PERMERROR;
        a->dmarc_done = true;
    }
    return a;
}

void message_auth_free(struct message_auth *a)
{
    if (!a)
        return;
    dkim_checks_free(a->dkim);
    arc_free(a->chain);
    body_hashes_free(a->hashes);
    trusted_free(&a->trusted);
    free(a->ours);
    free(a->from_domain);
    free(a->mail_from);
    free(a->helo);
    free(a->own_headers);
    free(a->authserv_id);
    free(a);
}

struct body_hashes *message_auth_hashes(struct message_auth *a)
{
    return a->hashes;
}

static bool evaluate_spf(struct message_auth *a, struct facts *facts)
{
    if (a->spf_done)
        return false;
    struct spf_input in = {
        .client = (const struct sockaddr *)&a->client,
        .helo = a->helo,
        .mail_from = a->mail_from,
        .receiver = a->authserv_id,
        .now_s = a->now_s,
    };
    if (spf_evaluate(&in, facts, &a->spf))
        return true;
    a->spf_done = true;
    return false;
}

// Passed, or might have while the DNS did not say.
static bool message_auth_counts(enum auth_result result, bool hopeful)
{
    return result == AUTH_PASS || (hopeful && result == AUTH_TEMPERROR);
}

// The sender whom a trusted spf=pass is about. smtp.helo speaks for the null sender alone (RFC 9989 section
// 4.4.2 knows no other use of it). False: nobody that DMARC asks for.
static bool their_sender(const struct message_auth *a, const struct authres_result *spf,
                         char out[static 256])
{
    if (trusted_domain(spf, "smtp", "mailfrom", out))
        return true;
    return !*a->mail_from && trusted_domain(spf, "smtp", "helo", out);
}

// The domain that SPF vouches for, in out; false: it does not.
static bool spf_domain(const struct message_auth *a, bool hopeful, char out[static 256])
{
    const struct authres_result *theirs = NULL;
    bool any = false;
    while ((theirs = trusted_next(&a->trusted, "spf", theirs))) {
        any = true;
        if (strcmp(theirs->result, "pass") == 0 && their_sender(a, theirs, out))
            return true;
    }
    if (any || !a->has_client || !message_auth_counts(a->spf.result, hopeful))
        return false;
    return idn_to_ascii(*a->mail_from ? address_domain(a->mail_from) : a->helo, out) == 0;
}

// Nobody here or there could look at SPF.
static bool spf_unknown(const struct message_auth *a)
{
    return !a->has_client && !trusted_find(&a->trusted, "spf");
}

// The domains of signatures that hold, here or when a trusted host looked: a list may have changed the
// message since. Strings in `kept`.
static size_t dkim_domains(const struct message_auth *a, bool hopeful, char kept[][256],
                           const char *domains[])
{
    size_t n = 0;
    for (size_t i = 0; i < dkim_checks_count(a->dkim); i++)
        if (message_auth_counts(dkim_checks_at(a->dkim, i)->result, hopeful))
            domains[n++] = dkim_checks_at(a->dkim, i)->domain;
    const struct authres_result *r = NULL;
    for (size_t k = 0; k < MAX_THEIR_DKIM && (r = trusted_next(&a->trusted, "dkim", r));)
        if (strcmp(r->result, "pass") == 0 && (trusted_domain(r, "header", "d", kept[k]) ||
                                               trusted_domain(r, "header", "i", kept[k])))
            domains[n++] = kept[k++];
    return n;
}

static bool compare_dmarc(const struct message_auth *a, struct facts *facts, bool hopeful,
                          struct dmarc_result *out)
{
    char spf[256], kept[MAX_THEIR_DKIM][256];
    const char *domains[DKIM_MAX_LISTED + MAX_THEIR_DKIM];
    bool passed = spf_domain(a, hopeful, spf);
    struct dmarc_input in = {
        .from_domain = a->from_domain,
        .spf_domain = passed ? spf : NULL,
        .dkim_domains = domains,
        .ndkim = dkim_domains(a, hopeful, kept, domains),
    };
    return dmarc_evaluate(&in, facts, out);
}

// A failure that is one of the DNS alone must not count as one of the sender, nor one of SPF that nobody
// could look at.
static bool evaluate_dmarc(struct message_auth *a, struct facts *facts)
{
    struct dmarc_result hopeful = {0};
    if (a->dmarc_done)
        return false;
    if (compare_dmarc(a, facts, false, &a->dmarc))
        return true;
    if (a->dmarc.result == AUTH_FAIL && compare_dmarc(a, facts, true, &hopeful))
        return true;
    if (hopeful.result == AUTH_PASS || hopeful.result == AUTH_TEMPERROR)
        a->dmarc.result = AUTH_TEMPERROR;
    a->dmarc_open = a->dmarc.result == AUTH_FAIL && spf_unknown(a);
    if (a->dmarc_open)
        a->dmarc.result = AUTH_NONE;
    a->dmarc_done = true;
    return false;
}

// Asks for everything it can before it waits: also for the records of DMARC, so that they are there
// when some key is not at the deadline.
bool message_auth_evaluate(struct message_auth *a, struct facts *facts)
{
    bool dkim = dkim_checks_evaluate(a->dkim, a->hashes, facts);
    bool arc = arc_evaluate(a->chain, a->hashes, facts);
    bool spf = evaluate_spf(a, facts);
    if (!dkim && !spf)
        return evaluate_dmarc(a, facts) || arc;
    if (!a->dmarc_done)
        compare_dmarc(a, facts, true, &(struct dmarc_result){0});
    return true;
}

void message_auth_give_up(struct message_auth *a, struct facts *facts)
{
    dkim_checks_give_up(a->dkim);
    arc_give_up(a->chain);
    if (!a->spf_done)
        a->spf = (struct spf_result){.result = AUTH_TEMPERROR};
    a->spf_done = true;
    if (evaluate_dmarc(a, facts))
        a->dmarc = (struct dmarc_result){.result = AUTH_TEMPERROR};
    a->dmarc_done = true;
}

// A result as a value; false: none that is known.
static bool known(const struct authres_result *theirs, enum auth_result *result)
{
    for (int r = AUTH_NONE; r <= AUTH_PERMERROR; r++)
        if (strcmp(theirs->result, auth_result_word(r)) == 0) {
            *result = r;
            return true;
        }
    return false;
}

// What a trusted host said of the method, as a value; false: nobody said anything that is known.
bool message_auth_heard(const struct message_auth *a, const char *method, enum auth_result *result)
{
    const struct authres_result *theirs = trusted_find(&a->trusted, method);
    return theirs && known(theirs, result);
}

// What a trusted host said of DMARC for this From; NULL: nothing. Their trouble with the DNS then is no
// trouble of ours now.
const struct authres_result *message_auth_their_dmarc(const struct message_auth *a)
{
    const struct authres_result *r = NULL;
    char domain[256];
    while (a->from_domain && (r = trusted_next(&a->trusted, "dmarc", r))) {
        bool about_from =
            !authres_get(r, "header", "from") ||
            (trusted_domain(r, "header", "from", domain) && trusted_same(domain, a->from_domain));
        if (about_from && strcmp(r->result, "temperror") != 0 && known(r, &(enum auth_result){0}))
            return r;
    }
    return NULL;
}

enum auth_result message_auth_dmarc(const struct message_auth *a)
{
    enum auth_result result = a->dmarc.result;
    const struct authres_result *theirs = message_auth_their_dmarc(a);
    if (theirs)
        known(theirs, &result);
    return result;
}

bool message_auth_dmarc_open(const struct message_auth *a)
{
    return a->dmarc_open && !message_auth_their_dmarc(a);
}

const char *message_auth_dmarc_policy(const struct message_auth *a)
{
    return a->dmarc.policy;
}

enum auth_result message_auth_spf(const struct message_auth *a)
{
    enum auth_result result;
    return message_auth_heard(a, "spf", &result) ? result
           : a->has_client                       ? a->spf.result
                                                 : AUTH_NONE;
}

// A trusted host saw the message before anybody here changed it, so its word on the signatures counts; a
// chain that is broken in itself stays broken.
enum arc_cv message_auth_chain_status(const struct message_auth *a)
{
    enum arc_cv found = arc_result(a->chain);
    enum auth_result theirs;
    if (found == ARC_NONE || !arc_complete(a->chain) || !message_auth_heard(a, "arc", &theirs))
        return found;
    return theirs == AUTH_PASS ? ARC_PASS : theirs == AUTH_FAIL ? ARC_FAIL : found;
}

const char *message_auth_arc(const struct message_auth *a)
{
    return arc_cv_word(message_auth_chain_status(a));
}

bool message_auth_arc_temporary(const struct message_auth *a)
{
    return message_auth_chain_status(a) == ARC_FAIL && arc_temporary(a->chain);
}

bool message_auth_dkim_aligned(const struct message_auth *a, const char *from_domain)
{
    size_t f = strlen(from_domain);
    for (size_t i = 0; i < dkim_checks_count(a->dkim); i++) {
        const struct signature *s = dkim_checks_at(a->dkim, i);
        size_t d = strlen(s->domain);
        if (s->result == AUTH_PASS && f >= d && trusted_same(from_domain + f - d, s->domain) &&
            (f == d || from_domain[f - d - 1] == '.') &&
            selection_covers(a->header, s->signed_fields, a->own_headers))
            return true;
    }
    return false;
}

bool message_auth_trusted_auth(const struct message_auth *a)
{
    const struct authres_result *theirs = trusted_find(&a->trusted, "auth");
    return theirs && strcmp(theirs->result, "pass") == 0 &&
           !trusted_vetoes(&a->trusted, a->from_domain);
}

bool message_auth_arc_vouches(const struct message_auth *a, const struct strings *sealers)
{
    if (message_auth_chain_status(a) != ARC_PASS || !a->from_domain)
        return false;
    for (size_t i = arc_instances(a->chain); i > 0; i--) {
        bool listed = false;
        for (size_t k = 0; k < sealers->n && !listed; k++)
            listed = trusted_same(sealers->at[k], arc_sealer(a->chain, i));
        if (!listed)
            return false;
        if (arc_records_dmarc_pass(a->chain, i, a->from_domain))
            return true;
    }
    return false;
}

bool message_auth_left_out(const struct message_auth *a, size_t i, size_t *field)
{
    if (i >= a->nours)
        return false;
    *field = a->ours[i];
    return true;
}

const struct dkim_checks *message_auth_dkim(const struct message_auth *a)
{
    return a->dkim;
}

const struct arc_chain *message_auth_chain(const struct message_auth *a)
{
    return a->chain;
}

enum auth_result message_auth_spf_found(const struct message_auth *a, const char **reason,
                                        const char **explanation)
{
    *reason = a->spf.reason;
    *explanation = a->spf.explanation;
    return a->spf.result;
}

enum auth_result message_auth_dmarc_found(const struct message_auth *a, const char **domain,
                                          const char **organizational)
{
    *domain = a->dmarc.domain;
    *organizational = a->dmarc.org;
    return a->dmarc.result;
}
