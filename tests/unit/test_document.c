// SPDX-License-Identifier: ISC
// A report as it travels: gzip that unpacks, a file name and a mail as RFC 8460 section 5 has them.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/report/document.h"
#include "sign/base64.h"

#define DAY 20000 // 2024-10-04
#define NOW (INT64_C(86400000) * (DAY + 1) + 7200000)

static struct buf packed;

static struct report_document document(void)
{
    return (struct report_document){.from = "tls-reports@example.org",
                                    .hostname = "relay.example.org",
                                    .domain = "dest.example",
                                    .report_id = "2024-10-04.dest.example@relay.example.org",
                                    .day = DAY,
                                    .packed = buf_span(&packed)};
}

static void pack(const char *json)
{
    buf_free(&packed);
    buf_init(&packed, REPORT_BYTES_MAX);
    assert_int_equal(report_pack(span_text(json), &packed), 0);
}

static char *unpack(struct span bytes)
{
    char *out = mem_new(4194304);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes.p,
                  .avail_in = (uInt)bytes.n,
                  .next_out = (Bytef *)out,
                  .avail_out = 4194303};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
    return out;
}

static void packing_is_gzip_and_always_the_same(void **state)
{
    (void)state;
    pack("{\"organization-name\": \"x\"}");
    char *out = unpack(buf_span(&packed));
    assert_string_equal(out, "{\"organization-name\": \"x\"}");
    free(out);
    struct buf again;
    buf_init(&again, REPORT_BYTES_MAX);
    assert_int_equal(report_pack(span_text("{\"organization-name\": \"x\"}"), &again), 0);
    assert_true(span_equal(buf_span(&again), buf_span(&packed))); // no time of packing in it
    buf_free(&again);
    buf_init(&again, 4);
    assert_int_equal(report_pack(span_text("{}"), &again), -1);
    buf_free(&again);
}

static void has(const struct buf *b, const char *text)
{
    if (!memmem(b->data, b->len, text, strlen(text)))
        fail_msg("no '%s' in:\n%.*s", text, (int)b->len, (const char *)b->data);
}

static void the_mail_is_a_report_that_asks_for_nothing_back(void **state)
{
    (void)state;
    pack("{}");
    struct report_document d = document();
    struct message *m =
        report_mail(&d, "tls@reports.example", "reports.example", NOW, NOW + 86400000);
    has(&m->header, "From: <tls-reports@example.org>\r\n");
    has(&m->header, "To: <tls@reports.example>\r\n");
    has(&m->header, "Subject: Report Domain: dest.example\r\n\tSubmitter: example.org\r\n"
                    "\tReport-ID: <2024-10-04.dest.example@relay.example.org>\r\n");
    has(&m->header, "TLS-Report-Domain: dest.example\r\nTLS-Report-Submitter: example.org\r\n");
    has(&m->header, "TLS-Required: No\r\n");
    has(&m->header, "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"=_");
    has(&m->body, "Content-Type: text/plain; charset=\"us-ascii\"\r\n");
    has(&m->body, "Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
                  "Content-Disposition: attachment;\r\n"
                  "\tfilename=\"example.org!dest.example!1728000000!1728086399.json.gz\"\r\n\r\n");
    assert_true(m->env.uncounted && m->env.tls_optional && !m->env.eightbit);
    assert_string_equal(m->env.from, "tls-reports@example.org");
    assert_int_equal(m->env.nrcpts, 1);
    assert_int_equal(m->env.rcpts[0].notify, NOTIFY_NEVER);
    assert_int_equal(m->env.expire_ms, NOW + 86400000);
    assert_int_equal(m->header_bytes, m->header.len);
    assert_int_equal(m->body_bytes, m->body.len);
    message_unref(m);
}

// The part after the last empty line of the body's head, up to the last boundary.
static char *attachment(const struct message *m)
{
    const char *body = (const char *)m->body.data;
    const char *start = strstr(strstr(body, "filename="), "\r\n\r\n") + 4;
    const char *stop = strstr(start, "\r\n\r\n--=_");
    struct buf bytes;
    buf_init(&bytes, REPORT_BYTES_MAX);
    assert_true(base64_decode(span_of(start, (size_t)(stop - start)), &bytes));
    char *out = unpack(buf_span(&bytes));
    buf_free(&bytes);
    return out;
}

static void no_line_is_long_and_the_attachment_unpacks(void **state)
{
    (void)state;
    struct buf json;
    buf_init(&json, 4194304);
    for (unsigned i = 0, n = 7; i < 60000; i++, n = n * 1103515245 + 12345)
        buf_addf(&json, "%08x\n", n); // packs badly
    pack(buf_text(&json));
    struct report_document d = document();
    struct message *m = report_mail(&d, "tls@reports.example", "reports.example", NOW, NOW);
    assert_true(m->body.len > 262144); // more than stays in memory
    buf_text(&m->body);
    char *out = attachment(m);
    assert_string_equal(out, buf_text(&json));
    free(out);
    struct span rest = buf_span(&m->body), line;
    while (span_cut(rest, '\n', &line, &rest))
        assert_true(line.n <= 77 && line.p[line.n - 1] == '\r');
    buf_free(&json);
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packing_is_gzip_and_always_the_same),
        cmocka_unit_test(the_mail_is_a_report_that_asks_for_nothing_back),
        cmocka_unit_test(no_line_is_long_and_the_attachment_unpacks),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_free(&packed);
    return failed;
}
