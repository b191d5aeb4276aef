// SPDX-License-Identifier: ISC
// The shape of a report that is sent.
#include "relay/report/document.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "sign/base64.h"
#include "tls/ledger.h"

#define GZIP_WINDOW 31 // the largest, with a gzip header
#define LINE_BYTES  57 // 76 characters of base64

// The part of an address behind its @: who submits, in file name, subject and TLS-Report-Submitter.
static const char *submitter(const char *from)
{
    const char *at = strrchr(from, '@');
    return at ? at + 1 : from;
}

int report_pack(struct span json, struct buf *out)
{
    z_stream z = {0};
    unsigned char *room;
    int rc = -1;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return -1;
    size_t bound = deflateBound(&z, (uLong)json.n);
    z.next_in = (Bytef *)(uintptr_t)json.p;
    z.avail_in = (uInt)json.n;
    if (json.n <= UINT32_MAX && buf_reserve(out, bound, &room) == 0) {
        z.next_out = room;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
            out->len += z.total_out;
            rc = 0;
        }
    }
    deflateEnd(&z);
    return rc;
}

// "submitter!domain!first second!last second.json.gz", RFC 8460 section 5.1.
static void add_file_name(const struct report_document *d, struct buf *out)
{
    int64_t first = d->day * (LEDGER_DAY_MS / 1000), last = first + LEDGER_DAY_MS / 1000 - 1;
    buf_addf(out, "%s!%s!%" PRId64 "!%" PRId64 ".json.gz", submitter(d->from), d->domain, first,
             last);
}

static void add_lines(struct span bytes, struct buf *out)
{
    while (bytes.n) {
        size_t n = bytes.n < LINE_BYTES ? bytes.n : LINE_BYTES;
        base64_encode(bytes.p, n, out);
        buf_adds(out, "\r\n");
        bytes = span_from(bytes, n);
    }
}

static void add_body(const struct report_document *d, const char *boundary, struct buf *out)
{
    char day[16];
    ledger_day_text(d->day, day);
    buf_addf(out,
             "--%s\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n"
             "Content-Transfer-Encoding: 7bit\r\n\r\n"
             "This is an aggregate TLS report (RFC 8460) from %s\r\n"
             "about mail to %s on %s (UTC).\r\n\r\n",
             boundary, submitter(d->from), d->domain, day);
    buf_addf(out,
             "--%s\r\nContent-Type: " REPORT_MEDIA_TYPE "\r\n"
             "Content-Transfer-Encoding: base64\r\n"
             "Content-Disposition: attachment;\r\n\tfilename=\"",
             boundary);
    add_file_name(d, out);
    buf_adds(out, "\"\r\n\r\n");
    add_lines(d->packed, out);
    buf_addf(out, "\r\n--%s--\r\n", boundary);
}

// Subject: the grammar of RFC 8460 section 5.3, folded at its blanks.
static void add_header(const struct report_document *d, const struct message *m, const char *to,
                       const char *boundary, struct buf *out)
{
    char date[40], id[ID_TEXT];
    clock_rfc5322(m->env.created_ms, date);
    id_text(m->env.id, id);
    buf_addf(out, "From: <%s>\r\nDate: %s\r\nTo: <%s>\r\n", d->from, date, to);
    buf_addf(out, "Subject: Report Domain: %s\r\n\tSubmitter: %s\r\n\tReport-ID: <%s>\r\n",
             d->domain, submitter(d->from), d->report_id);
    buf_addf(out, "Message-ID: <%s@%s>\r\n", id, d->hostname);
    buf_addf(out, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n", d->domain,
             submitter(d->from));
    // What the report is about may be the very reason why it could not be delivered (RFC 8689 section 3).
    buf_adds(out, "TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
    buf_addf(out,
             "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
             "\tboundary=\"%s\"\r\n\r\n",
             boundary);
}

static bool document_is_ascii(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > 127)
            return false;
    return true;
}

struct message *report_mail(const struct report_document *d, const char *address,
                            const char *domain, int64_t now_ms, int64_t expire_ms)
{
    struct message *m = message_new();
    char boundary[64];
    m->env.created_ms = now_ms;
    m->env.expire_ms = expire_ms;
    m->env.tls_optional = true;
    m->env.uncounted = true;
    free(m->env.from);
    m->env.from = mem_dup(d->from);
    free(m->env.principal);
    m->env.principal = mem_dup("relay");
    message_add_recipient(m, address, domain);
    m->env.rcpts[0].notify = NOTIFY_NEVER;
    snprintf(boundary, sizeof boundary, "=_%016llx%016llx",
             (unsigned long long)random_below(UINT64_MAX),
             (unsigned long long)random_below(UINT64_MAX));
    buf_init(&m->body, REPORT_BYTES_MAX * 2);
    add_body(d, boundary, &m->body);
    add_header(d, m, address, boundary, &m->header);
    m->env.utf8_header = m->env.eightbit = !document_is_ascii(buf_span(&m->header));
    m->env.body = m->env.eightbit ? BODY_8BITMIME : BODY_7BIT;
    m->header_bytes = m->header.len;
    m->body_bytes = m->body.len;
    return m;
}
