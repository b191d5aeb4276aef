// SPDX-License-Identifier: ISC
// Logging in as a client: our own server and libgsasl's on the other side, and hosts that lie.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "relay/sasl/client.h"
#include "relay/sasl/server.h"

static struct verifier known;
static const unsigned char here[SASL_BINDING] = "thirty-two bytes of an exporter";
static const unsigned char elsewhere[SASL_BINDING] = "somebody sits in the middle ....";

static int begin(void **state)
{
    (void)state;
    struct why why;
    return verifier_make("pencil", VERIFIER_LEAST, &known, &why);
}

static void find(void *arg, const char *name, struct verifier *out)
{
    (void)arg;
    (void)name;
    *out = known;
}

// Both sides step until one of them fails; true where both are content.
static bool both(enum sasl_mechanism m, const char *password, const unsigned char *ours,
                 const unsigned char *theirs)
{
    struct why why;
    struct sasl *c = sasl_client(m, "us,er=1", password, ours, &why);
    struct sasl *s = sasl_server(m, theirs, find, NULL, &why);
    enum sasl_answer mine = SASL_MORE, yours = SASL_MORE;
    struct buf said, heard;
    buf_init(&said, SASL_MESSAGE);
    buf_init(&heard, SASL_MESSAGE);
    while (mine == SASL_MORE) {
        buf_reset(&said);
        mine = sasl_step(c, buf_span(&heard), &said, &why);
        buf_reset(&heard);
        if (mine == SASL_FAILED || yours != SASL_MORE)
            break;
        yours = sasl_step(s, buf_span(&said), &heard, &why);
        if (yours == SASL_FAILED)
            break;
    }
    buf_free(&said);
    buf_free(&heard);
    sasl_free(c);
    sasl_free(s);
    return mine == SASL_DONE && yours == SASL_DONE;
}

static void scram_proves_both_sides(void **state)
{
    (void)state;
    assert_true(both(SASL_SCRAM_SHA_256, "pencil", NULL, NULL));
    assert_true(both(SASL_SCRAM_SHA_256_PLUS, "pencil", here, here));
    assert_false(both(SASL_SCRAM_SHA_256, "pen", NULL, NULL));
    assert_false(both(SASL_SCRAM_SHA_256_PLUS, "pencil", here, elsewhere));
}

static enum sasl_answer say(struct sasl *c, const char *message, struct buf *out)
{
    struct why why;
    buf_reset(out);
    return sasl_step(c, span_text(message), out, &why);
}

// A host that does not know the password cannot make us believe that it does.
static void case_250_a_host_that_lies_is_found_out(void **state)
{
    (void)state;
    static const char *const lies[] = {
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "e=other-error", "", "v=", "x",
    };
    struct why why;
    struct buf out;
    buf_init(&out, SASL_MESSAGE);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct sasl *c = sasl_client(SASL_SCRAM_SHA_256, "u", "pencil", NULL, &why);
        assert_int_equal(say(c, "", &out), SASL_MORE);
        char first[512];
        struct span nonce = span_from(buf_span(&out), (size_t)span_find(buf_span(&out), 'r') + 2);
        snprintf(first, sizeof first, "r=%.*sxyz,s=QSXCR+Q6sek8bf92,i=4096", (int)nonce.n,
                 (const char *)nonce.p);
        assert_int_equal(say(c, first, &out), SASL_MORE);
        assert_int_equal(say(c, lies[i], &out), SASL_FAILED);
        sasl_free(c);
    }
    buf_free(&out);
}

// Nor make us compute for minutes, or take another nonce.
static void case_251_a_hostile_first_message_costs_nothing(void **state)
{
    (void)state;
    static const char *const firsts[] = {
        "r=%sx,s=QSXCR+Q6sek8bf92,i=50001",       "r=%sx,s=QSXCR+Q6sek8bf92,i=4294967296",
        "r=%sx,s=QSXCR+Q6sek8bf92,i=99999999999", "r=other%.0s,s=QSXCR+Q6sek8bf92,i=4096",
        "s=QSXCR+Q6sek8bf92,i=4096%.0s",
    };
    struct why why;
    struct buf out;
    buf_init(&out, SASL_MESSAGE);
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        struct sasl *c = sasl_client(SASL_SCRAM_SHA_256, "u", "pencil", NULL, &why);
        assert_int_equal(say(c, "", &out), SASL_MORE);
        char first[512], nonce[128];
        struct span r = span_from(buf_span(&out), (size_t)span_find(buf_span(&out), 'r') + 2);
        snprintf(nonce, sizeof nonce, "%.*s", (int)r.n, (const char *)r.p);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(first, sizeof first, firsts[i], nonce);
#pragma GCC diagnostic pop
        if (say(c, first, &out) != SASL_FAILED)
            fail_msg("%s", first);
        sasl_free(c);
    }
    buf_free(&out);
}

static void plain_is_one_word(void **state)
{
    (void)state;
    struct why why;
    struct buf out;
    buf_init(&out, SASL_MESSAGE);
    struct sasl *c = sasl_client(SASL_PLAIN, "relay", "geheim", NULL, &why);
    assert_int_equal(say(c, "", &out), SASL_DONE);
    assert_true(span_equal(buf_span(&out), span_of("\0relay\0geheim", 13)));
    sasl_free(c);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram_proves_both_sides),
        cmocka_unit_test(case_250_a_host_that_lies_is_found_out),
        cmocka_unit_test(case_251_a_hostile_first_message_costs_nothing),
        cmocka_unit_test(plain_is_one_word),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
