// SPDX-License-Identifier: ISC
// The one door to what is true of a message: runs DKIM, ARC, SPF and DMARC over one table of facts, hears
// what trusted hosts found before, and writes the sum as Authentication-Results and as an ARC set.
#include "sign/message_auth.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "sign/dkim_sign.h"
#include "sign/dmarc.h"
#include "sign/selection.h"
#include "sign/spf.h"
#include "sign/trusted.h"

struct message_auth {
    const struct header *header;
    char *authserv_id, *helo, *mail_from;
    bool has_client;
    struct sockaddr_storage client;
    int64_t now_s;
    struct dkim_checks *dkim;
    struct arc_chain *chain;
    struct body_hashes *hashes;
    struct trusted trusted;
    bool spf_done, dmarc_done;
    struct spf_result spf;
    struct dmarc_result dmarc;
    char *from_domain; // NULL: From names no single domain
    size_t *ours;      // places of the Authentication-Results that claim our authserv-id
    size_t nours;
};

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

struct message_auth *message_auth_new(const struct message_auth_input *in)
{
    struct message_auth *a = mem_new(sizeof *a);
    a->header = in->header;
    a->authserv_id = mem_dup(in->authserv_id);
    a->has_client = in->has_client;
    a->client = in->client;
    a->helo = mem_dup(in->helo ? in->helo : "");
    a->mail_from = mem_dup(in->mail_from ? in->mail_from : "");
    a->now_s = in->now_s;
    a->dkim = dkim_checks_new(in->header, in->min_rsa_bits, in->now_s);
    a->chain = arc_new(in->header, in->min_rsa_bits);
    a->hashes = body_hashes_new();
    // What a seal needs, whatever the message's own signatures use up.
    body_hashes_want(a->hashes, CANON_RELAXED, CANON_NO_LIMIT);
    dkim_checks_want(a->dkim, a->hashes);
    arc_want(a->chain, a->hashes);
    trusted_read(&a->trusted, in->header, in->trust_results_of,
                 in->trust_own_results ? in->authserv_id : NULL);
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

// The domain that SPF vouches for; NULL: it does not.
static const char *spf_domain(const struct message_auth *a, bool hopeful)
{
    const struct authres_result *theirs = trusted_find(&a->trusted, "spf");
    if (theirs) {
        const char *sender = authres_get(theirs, "smtp", "mailfrom");
        const char *domain = sender ? address_domain(sender) : "";
        return strcmp(theirs->result, "pass") != 0 || !sender ? NULL : *domain ? domain : sender;
    }
    if (!a->has_client || !message_auth_counts(a->spf.result, hopeful))
        return NULL;
    return *a->mail_from ? address_domain(a->mail_from) : a->helo;
}

static bool compare_dmarc(const struct message_auth *a, struct facts *facts, bool hopeful,
                          struct dmarc_result *out)
{
    const char *domains[DKIM_MAX_LISTED];
    size_t n = 0;
    for (size_t i = 0; i < dkim_checks_count(a->dkim); i++)
        if (message_auth_counts(dkim_checks_at(a->dkim, i)->result, hopeful))
            domains[n++] = dkim_checks_at(a->dkim, i)->domain;
    struct dmarc_input in = {
        .from_domain = a->from_domain,
        .spf_domain = spf_domain(a, hopeful),
        .dkim_domains = domains,
        .ndkim = n,
    };
    return dmarc_evaluate(&in, facts, out);
}

// A failure that is one of the DNS alone must not count as one of the sender.
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

// What a trusted host said of the method, as a value; false: nobody said anything that is known.
static bool heard(const struct message_auth *a, const char *method, enum auth_result *result)
{
    const struct authres_result *theirs = trusted_find(&a->trusted, method);
    for (int r = AUTH_NONE; theirs && r <= AUTH_PERMERROR; r++)
        if (strcmp(theirs->result, auth_result_word(r)) == 0) {
            *result = r;
            return true;
        }
    return false;
}

enum auth_result message_auth_dmarc(const struct message_auth *a)
{
    enum auth_result result;
    // Their trouble with the DNS then is no trouble of ours now.
    return heard(a, "dmarc", &result) && result != AUTH_TEMPERROR ? result : a->dmarc.result;
}

const char *message_auth_dmarc_policy(const struct message_auth *a)
{
    return a->dmarc.policy;
}

enum auth_result message_auth_spf(const struct message_auth *a)
{
    enum auth_result result;
    return heard(a, "spf", &result) ? result : a->has_client ? a->spf.result : AUTH_NONE;
}

// A trusted host saw the message before anybody here changed it, so its word on the signatures counts; a
// chain that is broken in itself stays broken.
static enum arc_cv chain_status(const struct message_auth *a)
{
    enum arc_cv found = arc_result(a->chain);
    enum auth_result theirs;
    if (found == ARC_NONE || !arc_complete(a->chain) || !heard(a, "arc", &theirs))
        return found;
    return theirs == AUTH_PASS ? ARC_PASS : theirs == AUTH_FAIL ? ARC_FAIL : found;
}

const char *message_auth_arc(const struct message_auth *a)
{
    return arc_cv_word(chain_status(a));
}

bool message_auth_temporary(const struct message_auth *a)
{
    for (size_t i = 0; i < dkim_checks_count(a->dkim); i++)
        if (dkim_checks_at(a->dkim, i)->result == AUTH_TEMPERROR)
            return true;
    return arc_temporary(a->chain) || message_auth_spf(a) == AUTH_TEMPERROR ||
           message_auth_dmarc(a) == AUTH_TEMPERROR;
}

bool message_auth_arc_temporary(const struct message_auth *a)
{
    return chain_status(a) == ARC_FAIL && arc_temporary(a->chain);
}

bool message_auth_dkim_aligned(const struct message_auth *a, const char *from_domain)
{
    size_t f = strlen(from_domain);
    for (size_t i = 0; i < dkim_checks_count(a->dkim); i++) {
        const struct signature *s = dkim_checks_at(a->dkim, i);
        size_t d = strlen(s->domain);
        if (s->result == AUTH_PASS && f >= d && trusted_same(from_domain + f - d, s->domain) &&
            (f == d || from_domain[f - d - 1] == '.') &&
            selection_covers(a->header, s->signed_fields, dkim_default_headers(false)))
            return true;
    }
    return false;
}

bool message_auth_trusted_auth(const struct message_auth *a)
{
    const struct authres_result *theirs = trusted_find(&a->trusted, "auth");
    return theirs && strcmp(theirs->result, "pass") == 0;
}

bool message_auth_left_out(const struct message_auth *a, size_t i, size_t *field)
{
    if (i >= a->nours)
        return false;
    *field = a->ours[i];
    return true;
}

static enum auth_result dkim_overall(const struct message_auth *a)
{
    enum auth_result result = AUTH_NONE;
    for (size_t i = 0; i < dkim_checks_count(a->dkim); i++) {
        enum auth_result one = dkim_checks_at(a->dkim, i)->result;
        if (i == 0 || one == AUTH_PASS)
            result = one;
    }
    return result;
}

void message_auth_summary(const struct message_auth *a, struct buf *out)
{
    enum auth_result dkim;
    if (!heard(a, "dkim", &dkim))
        dkim = dkim_overall(a);
    buf_addf(out, "spf=%s dkim=%s", auth_result_word(message_auth_spf(a)), auth_result_word(dkim));
    if (dkim_checks_count(a->dkim) > 1)
        buf_addf(out, "/%zu", dkim_checks_count(a->dkim));
    buf_addf(out, " arc=%s dmarc=%s", message_auth_arc(a), auth_result_word(message_auth_dmarc(a)));
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

static void tag_property(struct authres_writer *w, const struct signature *s, const char *tag,
                         const char *property, size_t most)
{
    const struct tag *found = tags_find(&s->tags, tag);
    if (!found || !found->value.n)
        return;
    char *text =
        span_dup(span_slice(found->value, 0, found->value.n < most ? found->value.n : most));
    authres_property(w, property, text);
    free(text);
}

static void message_auth_write_dkim(const struct message_auth *a, struct authres_writer *w)
{
    size_t n = dkim_checks_count(a->dkim);
    if (!n)
        authres_result(w, "dkim", "none");
    for (size_t i = 0; i < n; i++) {
        const struct signature *s = dkim_checks_at(a->dkim, i);
        authres_result(w, "dkim", auth_result_word(s->result));
        char key[32];
        snprintf(key, sizeof key, "%u-bit key", s->bits);
        if (s->bits)
            authres_comment(w, key);
        if (*s->reason)
            authres_reason(w, s->reason);
        tag_property(w, s, "d", "header.d", MAX_DOMAIN);
        tag_property(w, s, "i", "header.i", MAX_PATH);
        tag_property(w, s, "s", "header.s", MAX_DOMAIN);
        tag_property(w, s, "a", "header.a", 32);
        tag_property(w, s, "b", "header.b", 8);
    }
}

static void message_auth_write_arc(const struct message_auth *a, struct authres_writer *w)
{
    enum arc_cv cv = chain_status(a);
    authres_result(w, "arc", arc_cv_word(cv));
    char text[64];
    snprintf(text, sizeof text, "i=%zu", arc_instances(a->chain));
    if (cv != ARC_NONE)
        authres_comment(w, text);
    if (cv == ARC_FAIL && *arc_reason(a->chain))
        authres_reason(w, arc_reason(a->chain));
    snprintf(text, sizeof text, "%zu", arc_oldest_pass(a->chain));
    if (cv == ARC_PASS && arc_result(a->chain) == ARC_PASS)
        authres_property(w, "header.oldest-pass", text);
    const struct sockaddr_in *in = (const void *)&a->client;
    const struct sockaddr_in6 *in6 = (const void *)&a->client;
    const void *address = a->client.ss_family == AF_INET ? (const void *)&in->sin_addr
                                                         : (const void *)&in6->sin6_addr;
    // smtp.remote-ip lets a later reader of the chain know the client (RFC 8617 section 4.1.1).
    if (a->has_client && inet_ntop(a->client.ss_family, address, text, sizeof text))
        authres_property(w, "smtp.remote-ip", text);
}

static void message_auth_write_spf(const struct message_auth *a, struct authres_writer *w)
{
    if (!a->has_client)
        return;
    authres_result(w, "spf", auth_result_word(a->spf.result));
    if (*a->spf.reason)
        authres_reason(w, a->spf.reason);
    if (*a->mail_from)
        authres_property(w, "smtp.mailfrom", a->mail_from);
    else
        authres_property(w, "smtp.helo", a->helo);
}

static void message_auth_write_dmarc(const struct message_auth *a, struct authres_writer *w)
{
    authres_result(w, "dmarc", auth_result_word(a->dmarc.result));
    char policy[32];
    snprintf(policy, sizeof policy, "p=%s", a->dmarc.policy);
    if (*a->dmarc.policy)
        authres_comment(w, policy);
    if (a->from_domain)
        authres_property(w, "header.from", a->from_domain);
}

// "authserv-id; results": trusted ones first, then ours for the methods of which they are silent.
static void write_results(const struct message_auth *a, struct buf *out)
{
    static const struct {
        const char *method;
        void (*write)(const struct message_auth *a, struct authres_writer *w);
    } ours[] = {{"dkim", message_auth_write_dkim},
                {"arc", message_auth_write_arc},
                {"spf", message_auth_write_spf},
                {"dmarc", message_auth_write_dmarc}};

    struct authres_writer w;
    authres_begin(&w, out, a->authserv_id);
    enum auth_result arc;
    bool own_arc =
        !heard(a, "arc", &arc) || strcmp(auth_result_word(arc), message_auth_arc(a)) != 0;
    for (size_t i = 0; i < a->trusted.n; i++)
        for (size_t k = 0; k < a->trusted.at[i].n; k++) {
            const struct authres_result *r = &a->trusted.at[i].results[k];
            if (strcmp(r->method, "arc") != 0 || !own_arc)
                authres_text(&w, r->text);
        }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(ours[i].method, "arc") == 0 ? own_arc
                                               : !trusted_find(&a->trusted, ours[i].method))
            ours[i].write(a, &w);
    authres_end(&w);
}

int message_auth_results(const struct message_auth *a, struct buf *out)
{
    buf_adds(out, "Authentication-Results: ");
    write_results(a, out);
    buf_adds(out, "\r\n");
    return out->full ? -1 : 0;
}

int message_auth_seal(const struct message_auth *a, const struct seal *how, struct buf *out,
                      struct why *why)
{
    if (arc_closed(a->chain))
        return 0;
    struct buf results;
    buf_init(&results, MAX_PREFIX / 2);
    write_results(a, &results);
    struct arc_set set = {
        .domain = how->domain,
        .selector = how->selector,
        .key = how->key,
        .headers = how->headers,
        .time = how->time,
        .cv = chain_status(a),
        .results = buf_text(&results),
    };
    int rc = results.full ? why_set(why, WHY_MESSAGE, "5.6.0", "the results have no room")
                          : arc_seal(a->chain, &set, a->hashes, out, why);
    buf_free(&results);
    return rc;
}
