// SPDX-License-Identifier: ISC
// What is put in front of a message, and which received fields are left out. Order on top: ARC set,
// Authentication-Results, DKIM-Signatures, Received, then Date and Message-ID that were missing
// (signed).
#include "relay/ingest/inside.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/setup/publication.h"
#include "sign/authres.h"
#include "sign/dkim_sign.h"
#include "sign/trusted.h"

#define UNSIGNED_MS 86400000 // between two alarms about a domain without keys

// Nobody but us speaks under our authserv-id (RFC 8601 section 5), whoever the mail is from.
static bool claims_our_name(const struct field *field, const char *authserv_id)
{
    if (!span_is_nocase(field->name, "Authentication-Results"))
        return false;
    char *id = authres_id(field->value);
    bool ours = id && trusted_same(id, authserv_id);
    free(id);
    return ours;
}

static bool is_left_out(struct ingest *g, const struct field *field)
{
    return claims_our_name(field, g->s.setup->config->authserv_id) ||
           span_is_nocase(field->name, "Bcc") || span_is_nocase(field->name, "Resent-Bcc") ||
           span_is_nocase(field->name, "Return-Path") || span_is_nocase(field->name, INGEST_TAG) ||
           ingest_strips(g, field);
}

// What the client wrote stands between parentheses or as a token: only harmless characters pass.
static void add_token(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_addc(out,
                 ascii_is_alnum((unsigned char)*text) || strchr(".-_:[]", *text) ? *text : '?');
}

static void add_received(struct ingest *g, struct buf *out)
{
    char id[ID_TEXT], date[40];
    const struct config *config = g->s.setup->config;
    id_text(g->m->env.id, id);
    clock_rfc5322(g->m->env.created_ms, date);
    buf_adds(out, "Received: ");
    if (!config->hide_client) {
        buf_adds(out, "from ");
        add_token(out, g->s.helo);
        buf_addf(out, " (%s)\r\n\t", g->s.client);
    }
    buf_addf(out, "by %s (Waxwing) with %s id %s", config->hostname, g->s.with, id);
    if (g->s.tls[0])
        buf_addf(out, "\r\n\t(%s)", g->s.tls);
    if (g->m->env.nrcpts == 1)
        buf_addf(out, "\r\n\tfor <%s>", g->m->env.rcpts[0].address);
    buf_addf(out, ";\r\n\t%s\r\n", date);
}

// Those that stand instead of received ones.
static void add_rewritten(const struct ingest *g, struct buf *out)
{
    for (size_t i = 0; i < g->header.n; i++)
        if (!ingest_was_received(g, &g->header.fields[i]))
            buf_addspan(out, g->header.fields[i].whole);
}

// What the owners' own mail has to have; a field that is stripped counts as missing.
static bool is_missing(struct ingest *g, const char *name)
{
    const struct field *field = header_find(&g->header, name, 0);
    return !field || ingest_strips(g, field);
}

static void add_missing(struct ingest *g, struct buf *out)
{
    if (is_missing(g, "Date")) {
        char date[40];
        clock_rfc5322(g->m->env.created_ms, date);
        buf_addf(out, "Date: %s\r\n", date);
    }
    if (is_missing(g, "Message-ID")) {
        char id[ID_TEXT];
        id_text(g->m->env.id, id);
        buf_addf(out, "Message-ID: <%s@%s>\r\n", id, g->s.setup->config->hostname);
    }
}

static void log_signed(uint64_t id, const char *domain, const char *selector, const char *algorithm)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "signed", id);
    log_text(&line, "domain", domain);
    log_text(&line, "selector", selector);
    log_text(&line, "algorithm", algorithm);
    log_end(&line);
}

const char *ingest_join(const struct strings *names, struct buf *out)
{
    buf_init(out, MAX_PREFIX);
    for (size_t i = 0; i < names->n; i++)
        buf_addf(out, "%s%s", i ? ":" : "", names->at[i]);
    return names->n ? buf_text(out) : NULL;
}

struct signing {
    const struct setup_domain *domain;
    const struct header *header;
    const struct body_hashes *hashes;
    const char *headers, *oversign;
    int64_t lifetime_s;
    uint64_t id;
};

// -1: the message is at fault, and would be with every key. A key that fails is an alarm.
static int sign_with(const struct signing *s, size_t i, struct buf *out, struct buf *names,
                     struct why *why)
{
    struct dkim_sign how = {.domain = s->domain->config->domain,
                            .selector = s->domain->config->keys[i].selector,
                            .key = s->domain->keys[i],
                            .header_canon = CANON_RELAXED,
                            .body_canon = CANON_RELAXED,
                            .headers = s->headers,
                            .oversign = s->oversign,
                            .time = clock_s()};
    how.expire = s->lifetime_s ? how.time + s->lifetime_s : 0;
    if (dkim_sign(&how, s->header, s->hashes, out, why) < 0) {
        if (why->scope == WHY_MESSAGE)
            return -1;
        log_alarm("sign", why->reason, "signing for %s with selector %s failed: %s", how.domain,
                  how.selector, why->text);
        return 0;
    }
    buf_addf(names, "%s%s/%s", names->len ? "," : "", how.domain, how.selector);
    log_signed(s->id, how.domain, how.selector, sign_key_algorithm(how.key));
    return 0;
}

int ingest_signatures(const struct setup *setup, const char *domain, const struct header *header,
                      const struct body_hashes *hashes, uint64_t id, struct buf *out,
                      struct buf *names, struct why *why)
{
    const struct cfg_signing *signing = &setup->config->signing;
    struct buf headers, oversign;
    struct signing s = {.domain = domain[0] ? setup_keys_for(setup, domain) : NULL,
                        .header = header,
                        .hashes = hashes,
                        .headers = ingest_join(&signing->headers, &headers),
                        .oversign = ingest_join(&signing->oversign, &oversign),
                        .lifetime_s = (int64_t)(signing->expire / 1000),
                        .id = id};
    size_t before = out->len;
    int rc = 0;
    for (size_t i = 0; s.domain && rc == 0 && i < s.domain->config->nkeys; i++)
        if (publication_signs(s.domain, i))
            rc = sign_with(&s, i, out, names, why);
    if (rc == 0 && s.domain && out->len == before)
        rc = why_say(why, SIGNING_FAILED);
    buf_free(&headers);
    buf_free(&oversign);
    return rc;
}

// The header as it will be sent below our own fields: added ones first, left-out ones gone. Its
// fields point into `added` and into the received header.
static int build_signed_header(struct ingest *g, const struct buf *added, struct header *out,
                               struct why *why)
{
    size_t used;
    if (header_parse(out, buf_span(added), &used, why) < 0)
        return -1;
    size_t before = out->n;
    out->fields = mem_grow(out->fields, out->n + g->header.n + 1, sizeof *out->fields);
    for (size_t i = 0; i < g->header.n; i++) {
        const struct field *field = &g->header.fields[i];
        if (ingest_was_received(g, field) && !is_left_out(g, field))
            out->fields[out->n++] = *field;
    }
    ingest_leave_out_rest(g, out->fields + before, out->n - before);
    return 0;
}

static int unsigned_mail(struct ingest *g, struct why *why)
{
    if (g->s.principal->row->require_signature)
        return why_say(why, KEY_MISSING, g->from_domain);
    log_alarm_once("unsigned", REASON_KEY_MISSING, g->from_domain, UNSIGNED_MS,
                   "mail of %s goes out unsigned: there is no key for it", g->from_domain);
    return 0;
}

int ingest_prefix_own(struct ingest *g, struct why *why)
{
    struct buf added, prefix;
    struct header header = {0};
    buf_init(&added, MAX_PREFIX);
    buf_init(&prefix, MAX_PREFIX);
    add_rewritten(g, &added);
    add_missing(g, &added);
    int rc = build_signed_header(g, &added, &header, why);
    if (rc == 0)
        rc = ingest_look(g, &header, why);
    if (rc == 0)
        rc = ingest_signatures(g->s.setup, g->from_domain, &header, g->made ? g->made : g->hashes,
                               g->m->env.id, &prefix, &g->sign, why);
    if (rc == 0 && !prefix.len)
        rc = unsigned_mail(g, why);
    if (rc == 0) {
        add_received(g, &prefix);
        buf_addspan(&prefix, buf_span(&added));
        if (prefix.full)
            rc = why_say(why, PREFIX_FULL);
        buf_move(&g->m->prefix, &prefix);
    }
    header_free(&header);
    buf_free(&added);
    buf_free(&prefix);
    return rc;
}

static void log_sealed(struct ingest *g, const struct cfg_arc *arc)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "sealed", g->m->env.id);
    log_text(&line, "domain", arc->domain);
    log_text(&line, "selector", arc->selector);
    log_text(&line, "results", buf_text(&g->results));
    log_end(&line);
}

static int ingest_sign_seal(struct ingest *g, struct buf *out, struct why *why)
{
    const struct cfg_arc *arc = &g->s.setup->config->arc;
    if (!g->s.setup->arc_key || g->unsealable)
        return 0;
    struct seal how = {.domain = arc->domain,
                       .selector = arc->selector,
                       .key = g->s.setup->arc_key,
                       .header = &g->header,
                       .body = g->made,
                       .time = clock_s()};
    if (message_auth_seal(g->auth, &how, out, why) < 0)
        return -1;
    if (out->len) { // a closed chain takes no further set
        buf_addf(&g->sign, "arc:%s/%s", arc->domain, arc->selector);
        log_sealed(g, arc);
    }
    return 0;
}

// What is kept of somebody else's message: all but results that claim our name, and what may be stripped.
static void keep_foreign(struct ingest *g)
{
    struct field *kept = mem_new((g->header.n + 1) * sizeof *kept);
    size_t n = 0;
    for (size_t i = 0; i < g->header.n; i++) {
        const struct field *f = &g->header.fields[i];
        if (ingest_was_received(g, f) && !ingest_strips(g, f) &&
            !claims_our_name(f, g->s.setup->config->authserv_id))
            kept[n++] = *f;
    }
    ingest_leave_out_rest(g, kept, n);
    free(kept);
}

int ingest_prefix_foreign(struct ingest *g, struct why *why)
{
    struct buf prefix;
    buf_init(&prefix, MAX_PREFIX);
    int rc = ingest_sign_seal(g, &prefix, why);
    if (rc == 0 && !g->sign.len && g->s.principal->row->require_signature)
        rc = why_say(why, SEALING_FAILED);
    if (rc == 0)
        rc = message_auth_results(g->auth, &prefix);
    if (rc == 0) {
        keep_foreign(g);
        add_received(g, &prefix);
        add_rewritten(g, &prefix);
        rc = prefix.full ? -1 : 0;
        buf_move(&g->m->prefix, &prefix);
    }
    if (rc < 0 && !why_is_set(why))
        why_say(why, PREFIX_FULL);
    buf_free(&prefix);
    return rc;
}
