// SPDX-License-Identifier: ISC
// The world of stories about outbound TLS: certificates good and bad, two hosts, a letter.
#ifndef TESTS_UNIT_DELIVER_TLS_STORY_H
#define TESTS_UNIT_DELIVER_TLS_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "tests/unit/certs.h"
#include "tests/unit/deliver_story.h"

#define FULL   "PIPELINING\nSIZE 1000000\n8BITMIME\nREQUIRETLS\nAUTH PLAIN LOGIN"
#define LETTER "From: <a@us.test>\r\nSubject: hello\r\n\r\nfirst line\r\n"

static __attribute__((unused)) struct story s;
static __attribute__((unused)) struct mx *mx, *other;
static __attribute__((unused)) struct cert ca, stranger, good, wrong, expired, foreign;

static __attribute__((unused)) int make_certificates(void **state)
{
    (void)state;
    cert_make(&ca, &(struct cert_spec){.cn = "Test CA", .ca = true});
    cert_make(&stranger, &(struct cert_spec){.cn = "Other CA", .ca = true});
    cert_make(&good, &(struct cert_spec){.san = {"mx1.test", "mx2.test"}, .issuer = &ca});
    cert_make(&wrong, &(struct cert_spec){.san = {"other.test"}, .issuer = &ca});
    cert_make(&expired, &(struct cert_spec){
                            .san = {"mx1.test"}, .issuer = &ca, .begins = 1000, .ends = 2000});
    cert_make(&foreign, &(struct cert_spec){.san = {"mx1.test"}, .issuer = &stranger});
    return 0;
}

static __attribute__((unused)) int drop_certificates(void **state)
{
    (void)state;
    struct cert *all[] = {&ca, &stranger, &good, &wrong, &expired, &foreign};
    for (size_t i = 0; i < 6; i++)
        cert_free(all[i]);
    return 0;
}

static __attribute__((unused)) int begin(void **state)
{
    (void)state;
    story_begin(&s, "", &ca);
    mx = mx_start(FULL);
    other = mx_start(FULL);
    return 0;
}

static __attribute__((unused)) int end(void **state)
{
    (void)state;
    story_end(&s);
    mx_stop(mx);
    mx_stop(other);
    return 0;
}

static __attribute__((unused)) struct route_host *host(const struct cert *leaf,
                                                       enum tls_level level)
{
    if (leaf)
        mx_tls(mx, leaf, NULL, false);
    return story_host(&s, mx, "mx1.test", level);
}

static __attribute__((unused)) void send_letter(void)
{
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
}

static __attribute__((unused)) void assert_delivered(const char *proof)
{
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_string_equal(s.attempt.proof, proof);
}

static __attribute__((unused)) void assert_refused(enum why_tls type)
{
    assert_int_equal(s.ends[0].standing, STANDING_REFUSED);
    assert_int_equal(s.ends[0].why.tls, type);
    assert_int_equal(s.ends[0].why.scope, WHY_HOST);
    assert_int_equal(mx_lines(mx, "MAIL"), 0); // nothing of the mail was told
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
