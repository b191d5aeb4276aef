// SPDX-License-Identifier: ISC
// The structure of a delivery report: multipart/report with a part for people, one for programs, and the
// message or its header (RFC 6522, 3464; the global forms of RFC 6533 where an address is not ASCII).
#include "relay/queue/dsn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/base/id.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/queue/dsn_inside.h"
#include "relay/smtp/reply_class.h"

static bool ascii(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > 127)
            return false;
    return true;
}

// An address of any recipient needs the global forms.
static bool global(const struct dsn *dsn)
{
    for (size_t i = 0; i < dsn->nrows; i++)
        if (!ascii(span_text(dsn->rows[i].recipient->address)) ||
            !ascii(span_text(dsn->rows[i].recipient->orcpt)))
            return true;
    return false;
}

static bool returns_all(const struct dsn *dsn)
{
    const struct envelope *env = &dsn->about->env;
    // RFC 8689 section 5: what asked for protection is not sent back whole.
    if (!dsn->content || dsn->kind != DSN_FAILED || env->requiretls || dsn->postmaster ||
        env->ret == RET_HDRS || content_is_large(dsn->content))
        return false;
    return content_size(dsn->content) <= (env->ret == RET_FULL ? DSN_FULL_MAX : DSN_RETURN_MAX);
}

// Who must act, and who else can, as the part for people has them.
static void add_why(const struct why *why, struct buf *out)
{
    struct dsn_who who = dsn_who_of(why);
    buf_addf(out, "X-Waxwing-Why: %s; act=%s%s%s\r\n", reason_row(why->reason)->name,
             act_word(who.first), who.other != ACT_NONE ? "; or=" : "", act_word(who.other));
}

static void add_status_group(const struct dsn *dsn, const struct dsn_row *row, bool wide,
                             struct buf *out)
{
    static const char *const actions[] = {
        [DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed", [DSN_RELAYED] = "relayed"};
    const struct recipient *r = row->recipient;
    char date[40];
    buf_adds(out, "\r\n");
    if (r->orcpt && r->orcpt[0])
        buf_addf(out, "Original-Recipient: %s\r\n", r->orcpt);
    buf_addf(out, "Final-Recipient: %s; %s\r\n",
             wide && !ascii(span_text(r->address)) ? "utf-8" : "rfc822", r->address);
    buf_addf(out, "Action: %s\r\n", actions[dsn->kind]);
    if (!row->why) {
        buf_adds(out, "Status: 2.0.0\r\n");
        if (row->host && row->host[0])
            buf_addf(out, "Remote-MTA: dns; %s\r\n", row->host);
        if (row->reply && row->reply[0]) {
            buf_adds(out, "Diagnostic-Code: smtp; ");
            dsn_fold(out, row->reply, 24, " ");
            buf_adds(out, "\r\n");
        }
    } else {
        // RFC 3463 section 3.5: what expired says so; the cause stands in the diagnostic.
        bool temporary = !why_permanent(row->why);
        buf_addf(out, "Status: %s\r\n", row->expired && temporary ? "4.4.7" : row->why->status);
        if (row->why->host[0])
            buf_addf(out, "Remote-MTA: dns; %s\r\n", row->why->host);
        bool smtp = row->why->reply[0];
        buf_addf(out, "Diagnostic-Code: %s; ", smtp ? "smtp" : "X-Waxwing");
        char sentence[2 * sizeof row->why->text];
        dsn_sentence(row->why->text, sentence, sizeof sentence);
        dsn_fold(out, smtp ? dsn_reply(row) : sentence, 24, " ");
        buf_adds(out, "\r\n");
        if (row->why->reason != REASON_NONE)
            add_why(row->why, out);
        if (row->why->tls != WHY_TLS_NONE)
            buf_addf(out, "X-Waxwing-TLS-Result: %s\r\n", why_tls_word(row->why->tls));
        struct reply_meaning meaning = reply_meaning_of(row->why);
        buf_addf(out, "X-Waxwing-Class: %s; rule=%s\r\n", reply_class_word(meaning.class),
                 meaning.rule);
    }
    clock_rfc5322(row->tried_ms, date);
    if (!row->unmet)
        buf_addf(out, "Last-Attempt-Date: %s\r\n", date);
    if (dsn->kind == DSN_DELAYED) {
        clock_rfc5322(row->until_ms, date);
        buf_addf(out, "Will-Retry-Until: %s\r\n", date);
    }
}

static void add_status(const struct dsn *dsn, bool wide, struct buf *out)
{
    const struct envelope *env = &dsn->about->env;
    char date[40];
    buf_addf(out,
             "Content-Description: Delivery report\r\nContent-Type: message/%sdelivery-status\r\n",
             wide ? "global-" : "");
    if (wide)
        buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_adds(out, "\r\n");
    if (env->envid[0]) {
        buf_adds(out, "Original-Envelope-Id: ");
        dsn_fold(out, env->envid, 0, "");
        buf_adds(out, "\r\n");
    }
    buf_addf(out, "Reporting-MTA: dns; %s\r\n", dsn->config->hostname);
    clock_rfc5322(env->created_ms, date);
    buf_addf(out, "Arrival-Date: %s\r\n", date);
    for (size_t i = 0; i < dsn->nrows; i++)
        add_status_group(dsn, &dsn->rows[i], wide, out);
}

static void add_returned(const struct dsn *dsn, struct buf *out)
{
    if (!dsn->content)
        return;
    const struct envelope *env = &dsn->about->env;
    struct content_cursor cursor = {0};
    struct span piece;
    bool all = returns_all(dsn);
    bool wide = env->utf8_header;
    buf_addf(out, "Content-Type: %s\r\n",
             all ? (wide ? "message/global" : "message/rfc822")
                 : (wide ? "message/global-headers" : "text/rfc822-headers"));
    if (wide || (all && env->eightbit))
        buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_adds(out, "\r\n");
    if (!all) {
        content_header(dsn->content, out);
        return;
    }
    while (content_next(dsn->content, &cursor, &piece))
        buf_addspan(out, piece);
}

static void part(struct buf *out, const char *boundary)
{
    if (out->len && (out->len < 2 || out->data[out->len - 1] != '\n'))
        buf_adds(out, "\r\n");
    buf_addf(out, "%s--%s\r\n", out->len ? "\r\n" : "", boundary);
}

static void add_body(const struct dsn *dsn, const char *boundary, bool wide, struct buf *out)
{
    struct buf text;
    buf_init(&text, MAX_MEMORY_BODY);
    dsn_text(dsn, &text);
    part(out, boundary);
    bool plain = ascii(buf_span(&text));
    buf_addf(out, "Content-Type: text/plain; charset=%s\r\n%s\r\n", plain ? "us-ascii" : "utf-8",
             plain ? "" : "Content-Transfer-Encoding: 8bit\r\n");
    buf_addspan(out, buf_span(&text));
    buf_free(&text);
    part(out, boundary);
    add_status(dsn, wide, out);
    if (dsn->content) {
        part(out, boundary);
        add_returned(dsn, out);
    }
    if (out->len && out->data[out->len - 1] != '\n')
        buf_adds(out, "\r\n");
    buf_addf(out, "\r\n--%s--\r\n", boundary);
}

static const char *subject(const struct dsn *dsn)
{
    if (dsn->postmaster)
        return "A delivery report was dropped";
    static const char *const subjects[] = {
        [DSN_FAILED] = "Undelivered mail returned to sender",
        [DSN_DELAYED] = "Delayed mail (still waiting)",
        [DSN_RELAYED] = "Mail handed on",
    };
    return subjects[dsn->kind];
}

static void add_header(const struct dsn *dsn, struct message *m, const char *to,
                       const char *boundary)
{
    char date[40], id[ID_TEXT];
    struct buf *out = &m->header;
    clock_rfc5322(dsn->now_ms, date);
    id_text(m->env.id, id);
    buf_addf(out, "Date: %s\r\n", date);
    buf_addf(out, "From: Mail Delivery System <%s>\r\n", dsn->config->dsn_from);
    buf_addf(out, "To: <%s>\r\n", to);
    buf_addf(out, "Subject: %s\r\n", subject(dsn));
    buf_addf(out, "Message-ID: <%s@%s>\r\n", id, dsn->config->hostname);
    buf_adds(out, "Auto-Submitted: auto-replied\r\n");
    if (m->env.tls_optional) // RFC 8689 section 5
        buf_adds(out, "TLS-Required: No\r\n");
    buf_adds(out, "MIME-Version: 1.0\r\n");
    if (!ascii(buf_span(&m->body)))
        buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_addf(out,
             "Content-Type: multipart/report; report-type=delivery-status;\r\n"
             "\tboundary=\"%s\"\r\n\r\n",
             boundary);
}

// The domain of an address as its recipients are routed by; NULL: none, or not a domain.
static char *dsn_domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    char alabel[IDN_NAME];
    if (!at || !at[1])
        return NULL;
    if (at[1] == '[')
        return mem_dup(at + 1);
    return idn_to_ascii(at + 1, alabel) == 0 ? mem_dup(alabel) : NULL;
}

struct message *dsn_compose(const struct dsn *dsn)
{
    const struct envelope *about = &dsn->about->env;
    const char *to = dsn->postmaster ? dsn->postmaster : about->from;
    char *domain = dsn_domain_of(to);
    if (!domain)
        return NULL;
    struct message *m = message_new();
    struct envelope *env = &m->env;
    env->created_ms = dsn->now_ms;
    env->dsn = true;
    env->requiretls = about->requiretls;
    env->tls_optional = about->tls_optional;
    env->expire_ms = dsn->now_ms + (int64_t)dsn->config->dsn_expire;
    free(env->principal);
    env->principal = mem_dup("relay");
    message_add_recipient(m, to, domain);
    m->env.rcpts[0].notify = NOTIFY_NEVER; // RFC 3461 section 6.2
    free(domain);
    char boundary[64];
    snprintf(boundary, sizeof boundary, "=_%016llx%016llx",
             (unsigned long long)random_below(UINT64_MAX),
             (unsigned long long)random_below(UINT64_MAX));
    add_body(dsn, boundary, global(dsn), &m->body);
    add_header(dsn, m, to, boundary);
    env->utf8_header = !ascii(buf_span(&m->header));
    env->eightbit = env->utf8_header || !ascii(buf_span(&m->body));
    env->body = env->eightbit ? BODY_8BITMIME : BODY_7BIT;
    m->header_bytes = m->header.len;
    m->body_bytes = m->body.len;
    return m;
}
