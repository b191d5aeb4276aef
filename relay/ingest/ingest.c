// SPDX-License-Identifier: ISC
// The life of one ingest, and the way of messages that this relay wrote itself.
#include "relay/ingest/ingest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/ingest/inside.h"

struct ingest *ingest_new(const struct ingest_session *session, struct message *message)
{
    struct ingest *g = mem_new(sizeof *g);
    static const struct smtp_forward nothing;
    g->s = *session;
    if (!session->forward)
        g->s.forward = &nothing;
    g->m = message;
    buf_init(&g->sign, 4096);
    buf_init(&g->results, 256);
    buf_init(&g->warning, 128);
    buf_init(&g->instead, MAX_PREFIX / 2);
    buf_init(&g->covered, INGEST_COVERED);
    return g;
}

void ingest_free(struct ingest *g)
{
    if (!g)
        return;
    dns_evaluation_cancel(g->evaluation);
    if (!g->auth)
        body_hashes_free(g->hashes);
    message_auth_free(g->auth);
    facts_free(g->facts);
    body_hashes_free(g->made);
    addresses_free(&g->from);
    preflight_free(&g->preflight);
    header_free(&g->header);
    header_free(&g->verified);
    buf_free(&g->received);
    buf_free(&g->sign);
    buf_free(&g->results);
    buf_free(&g->warning);
    buf_free(&g->instead);
    buf_free(&g->covered);
    buf_free(&g->start);
    for (size_t i = 0; i < g->nreturned; i++)
        free(g->returned[i].recipient);
    free(g->returned);
    free(g);
}

// The evaluation keeps a list of fields of its own, since filters may change ours.
static const struct header *verified(struct ingest *g)
{
    g->verified = g->header;
    g->verified.fields = mem_grow(NULL, g->header.n + 1, sizeof *g->header.fields);
    if (g->header.n)
        memcpy(g->verified.fields, g->header.fields, g->header.n * sizeof *g->header.fields);
    return &g->verified;
}

static void begin_auth(struct ingest *g)
{
    const struct config *config = g->s.setup->config;
    const struct cfg_sender *row = g->s.principal->row;
    const struct smtp_forward *f = g->s.forward;
    struct buf headers;
    struct message_auth_input in = {
        .own_headers = ingest_join(&config->signing.headers, &headers),
        .header = verified(g),
        .authserv_id = config->authserv_id,
        .has_client = f->given && f->has_client,
        .client = f->addr,
        .helo = f->helo,
        .mail_from = g->m->env.from,
        .trust_results_of = &row->trust_results_of,
        .trusted_hops = row->trusted_hops,
        .now_s = clock_s(),
    };
    g->auth = message_auth_new(&in);
    buf_free(&headers);
    g->facts = facts_new();
    g->hashes = message_auth_hashes(g->auth);
}

int ingest_header(struct ingest *g, struct body_hashes **hashes, struct why *why)
{
    size_t used;
    if (header_parse(&g->header, buf_span(&g->m->header), &used, why) < 0)
        return -1;
    g->parsed = true;
    if (ingest_rewrite(g, why) < 0 || ingest_check(g, why) < 0)
        return -1;
    if (g->kind == INGEST_OWN)
        g->hashes = body_hashes_new();
    else
        begin_auth(g);
    // A claimed message may turn out to be ours: its signature shares the hash.
    if (g->kind != INGEST_FOREIGN &&
        body_hashes_want(g->hashes, CANON_RELAXED, CANON_NO_LIMIT) < 0 && g->kind == INGEST_OWN)
        return why_say(why, TOO_MANY_HASHES);
    *hashes = g->hashes;
    return 0;
}

static bool ingest_evaluate(void *arg)
{
    struct ingest *g = arg;
    return message_auth_evaluate(g->auth, g->facts);
}

static void ingest_answered(void *arg)
{
    struct ingest *g = arg;
    g->evaluation = NULL;
    g->done(g->done_arg);
}

bool ingest_ask(struct ingest *g, struct dns *dns, struct inbox *mail, void (*done)(void *arg),
                void *arg)
{
    assert(g->parsed);
    body_hashes_finish(g->hashes);
    if (!g->auth || !message_auth_evaluate(g->auth, g->facts))
        return false;
    g->done = done;
    g->done_arg = arg;
    g->evaluation = dns_evaluate_eager(dns, mail, g->facts, ingest_evaluate, ingest_answered, g);
    return true;
}

void ingest_give_up(struct ingest *g)
{
    dns_evaluation_cancel(g->evaluation);
    g->evaluation = NULL;
    message_auth_give_up(g->auth, g->facts);
}

// RFC 5321 section 4.5.3.1.6: servers may break or refuse longer lines, and a broken one breaks a signature.
static int check_lines(struct ingest *g, struct why *why)
{
    if (g->kind != INGEST_OWN || g->longest_line <= MAX_TEXT_LINE)
        return 0;
    if (g->s.principal->row->refuse_long_lines)
        return why_say(why, LINE_TOO_LONG, (unsigned long long)g->longest_line, MAX_TEXT_LINE);
    buf_addf(&g->warning, "a line of %llu octets, SMTP allows %d",
             (unsigned long long)g->longest_line, MAX_TEXT_LINE);
    return 0;
}

int ingest_verdict(struct ingest *g, struct why *why)
{
    if (g->auth)
        message_auth_summary(g->auth, &g->results);
    return ingest_judge(g, why);
}

int ingest_finish(struct ingest *g, struct why *why)
{
    g->m->env.created_ms = clock_ms();
    if (check_lines(g, why) < 0)
        return -1;
    ingest_label(g);
    ingest_finish_envelope(g);
    return g->kind == INGEST_OWN ? ingest_prefix_own(g, why) : ingest_prefix_foreign(g, why);
}

void ingest_longest_line(struct ingest *g, uint64_t octets)
{
    g->longest_line = octets;
}

void ingest_octets(struct ingest *g, uint64_t octets)
{
    g->octets = octets;
}

bool ingest_discarded(const struct ingest *g)
{
    return g->discarded;
}

const char *ingest_warning(struct ingest *g)
{
    return buf_text(&g->warning);
}

const char *ingest_sign(struct ingest *g)
{
    return g->sign.len ? buf_text(&g->sign) : "none";
}

const char *ingest_results(struct ingest *g)
{
    return buf_text(&g->results);
}

int ingest_own(struct setup *setup, struct message *m, struct why *why)
{
    struct header header;
    size_t used;
    char domain[256];
    struct buf all, fields, names;
    buf_init(&all, MAX_PREFIX + MAX_HEADER);
    buf_init(&fields, MAX_PREFIX);
    buf_init(&names, 4096);
    struct body_hashes *hashes = body_hashes_new();
    int rc = body_hashes_want(hashes, CANON_RELAXED, CANON_NO_LIMIT);
    body_hashes_feed(hashes, m->body.data, m->body.len);
    body_hashes_finish(hashes);
    // Every field that is sent counts, those in the prefix too.
    if (rc == 0)
        rc = message_sent_header(m, &all);
    if (rc == 0)
        rc = header_parse(&header, buf_span(&all), &used, why);
    if (rc == 0) {
        header_from_domain(&header, domain);
        rc = ingest_signatures(setup, domain, &header, hashes, m->env.id, &fields, &names, why);
        header_free(&header);
    }
    if (rc == 0 && fields.len) {
        rc = buf_addspan(&fields, buf_span(&m->prefix));
        if (rc == 0)
            buf_move(&m->prefix, &fields);
    }
    body_hashes_free(hashes);
    buf_free(&all);
    buf_free(&fields);
    buf_free(&names);
    return rc;
}
