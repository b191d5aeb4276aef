// SPDX-License-Identifier: ISC
// SCRAM as a server against libgsasl's own client, its verifiers, and what a hostile client may say.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>
#include "relay/sasl/server.h"

static Gsasl *library;
static struct verifier known;
static const unsigned char binding[SASL_BINDING] = "thirty-two bytes of an exporter";

static int begin(void **state)
{
    (void)state;
    struct why why;
    gsasl_init(&library);
    return verifier_make("pencil", VERIFIER_LEAST, &known, &why);
}

static int end(void **state)
{
    (void)state;
    gsasl_done(library);
    return 0;
}

static void find(void *arg, const char *name, struct verifier *out)
{
    (void)arg;
    *out = known;
    if (strcmp(name, "us,er=1") != 0)
        verifier_decoy((const unsigned char *)"secret", 6, name, VERIFIER_LEAST, out);
}

static Gsasl_session *client(const char *mechanism, const char *user, const char *password,
                             const char *bound)
{
    Gsasl_session *c;
    assert_int_equal(gsasl_client_start(library, mechanism, &c), GSASL_OK);
    gsasl_property_set(c, GSASL_AUTHID, user);
    gsasl_property_set(c, GSASL_PASSWORD, password);
    if (bound) {
        char *text;
        gsasl_base64_to(bound, SASL_BINDING, &text, NULL);
        gsasl_property_set(c, GSASL_CB_TLS_EXPORTER, text);
        gsasl_free(text);
    }
    return c;
}

// The whole dialogue; true where both sides are content.
static bool dialogue(enum sasl_mechanism m, const unsigned char *ours, Gsasl_session *c,
                     struct why *why)
{
    struct sasl *s = sasl_server(m, ours, find, NULL, why);
    struct buf out;
    buf_init(&out, SASL_MESSAGE);
    enum sasl_answer answer = SASL_MORE;
    char *text = NULL;
    size_t n = 0;
    int rc = gsasl_step(c, NULL, 0, &text, &n);
    while (answer == SASL_MORE && rc == GSASL_NEEDS_MORE) {
        buf_reset(&out);
        answer = sasl_step(s, span_of(text, n), &out, why);
        gsasl_free(text);
        text = NULL;
        if (answer != SASL_FAILED)
            rc = gsasl_step(c, (char *)out.data, out.len, &text, &n);
    }
    gsasl_free(text);
    buf_free(&out);
    sasl_free(s);
    gsasl_finish(c);
    return answer == SASL_DONE && rc == GSASL_OK;
}

static void both_sides_prove_themselves(void **state)
{
    (void)state;
    struct why why;
    assert_true(dialogue(SASL_SCRAM_SHA_256, NULL,
                         client("SCRAM-SHA-256", "us,er=1", "pencil", NULL), &why));
    assert_true(dialogue(SASL_SCRAM_SHA_256_PLUS, binding,
                         client("SCRAM-SHA-256-PLUS", "us,er=1", "pencil", (const char *)binding),
                         &why));
    // A client that knows no bindings is served without, also where -PLUS is offered.
    assert_true(dialogue(SASL_SCRAM_SHA_256, binding,
                         client("SCRAM-SHA-256", "us,er=1", "pencil", NULL), &why));
}

static void a_wrong_password_and_an_unknown_name_fail_alike(void **state)
{
    (void)state;
    struct why why;
    assert_false(
        dialogue(SASL_SCRAM_SHA_256, NULL, client("SCRAM-SHA-256", "us,er=1", "pen", NULL), &why));
    assert_string_equal(why.status, "5.7.8");
    struct why other;
    assert_false(dialogue(SASL_SCRAM_SHA_256, NULL,
                          client("SCRAM-SHA-256", "nobody", "pencil", NULL), &other));
    assert_string_equal(other.status, why.status);
    assert_string_equal(other.text, why.text);
}

static enum sasl_answer first_over(const unsigned char *ours, enum sasl_mechanism m,
                                   struct span message, struct why *why)
{
    struct buf out;
    buf_init(&out, SASL_MESSAGE);
    struct sasl *s = sasl_server(m, ours, find, NULL, why);
    enum sasl_answer answer = sasl_step(s, message, &out, why);
    sasl_free(s);
    buf_free(&out);
    return answer;
}

static void another_connection_or_a_downgrade_is_noticed(void **state)
{
    (void)state;
    struct why why;
    static const char elsewhere[SASL_BINDING] = "the exporter of a man in between";
    assert_false(dialogue(SASL_SCRAM_SHA_256_PLUS, binding,
                          client("SCRAM-SHA-256-PLUS", "us,er=1", "pencil", elsewhere), &why));
    assert_string_equal(why.status, "5.7.8");
    // A client that has a binding and was offered SCRAM alone says "y"; where there is indeed none,
    // that is an honest answer.
    struct span y = span_text("y,,n=user,r=abcdefgh");
    assert_int_equal(first_over(binding, SASL_SCRAM_SHA_256, y, &why), SASL_FAILED);
    assert_non_null(strstr(why.text, "was told"));
    assert_int_equal(first_over(NULL, SASL_SCRAM_SHA_256, y, &why), SASL_MORE);
}

static enum sasl_answer first(enum sasl_mechanism m, struct span message, struct why *why)
{
    return first_over(binding, m, message, why);
}

static void case_249_hostile_first_messages(void **state)
{
    (void)state;
    struct why why;
    static const char *const bad[] = {
        "",
        "n",
        "n,,",
        "n,,n=,r=abcdefgh",
        "n,,n=a=2c,r=abcdefgh",
        "n,,n=a=,r=abcdefgh",
        "n,,n=a=3,r=abcdefgh",
        "n,,n=user",
        "n,,r=abc,n=user",
        "n,a=root,n=user,r=abcdefgh",
        "n,b=user,n=user,r=abcdefgh",
        "n,a,n=user,r=abcdefgh",
        "p=tls-exporter,,n=user,r=abcdefgh",
        "x,,n=user,r=abcdefgh",
        "n,,m=ext,n=user,r=abcdefgh",
        "n,,n=\xc2\xad,r=abcdefgh", // a soft hyphen: SASLprep leaves nothing
        "n,,n=\xff\xfe,r=abcdefgh",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(first(SASL_SCRAM_SHA_256, span_text(bad[i]), &why), SASL_FAILED);
    assert_int_equal(first(SASL_SCRAM_SHA_256, span_of("n,,n=us\0er,r=abcdefgh", 21), &why),
                     SASL_FAILED);
    assert_int_equal(first(SASL_SCRAM_SHA_256_PLUS, span_text("n,,n=user,r=abcdefgh"), &why),
                     SASL_FAILED);
    assert_int_equal(
        first(SASL_SCRAM_SHA_256_PLUS, span_text("p=tls-unique,,n=user,r=abcdefgh"), &why),
        SASL_FAILED);
    static const char *const good[] = {"n,a=user,n=user,r=abcdefgh", "n,a=,n=user,r=abcdefgh"};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(first(SASL_SCRAM_SHA_256, span_text(good[i]), &why), SASL_MORE);
}

static void an_unknown_name_has_one_salt(void **state)
{
    (void)state;
    struct verifier a, b, c;
    verifier_decoy((const unsigned char *)"secret", 6, "nobody", 15000, &a);
    verifier_decoy((const unsigned char *)"secret", 6, "nobody", 15000, &b);
    verifier_decoy((const unsigned char *)"secret", 6, "nobody2", 15000, &c);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(a.salt, c.salt, a.nsalt);
    assert_int_equal(a.nsalt, known.nsalt);
    assert_false(verifier_check(&a, "pencil"));
}

// RFC 7677 section 3.
#define EXAMPLE                                                                                    \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                                                 \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void verifiers_as_text(void **state)
{
    (void)state;
    struct verifier v;
    char text[VERIFIER_TEXT];
    assert_true(verifier_is(EXAMPLE));
    assert_int_equal(verifier_parse(span_text(EXAMPLE), &v), 0);
    assert_true(verifier_check(&v, "pencil"));
    assert_false(verifier_check(&v, "pencil2"));
    assert_false(verifier_check(&v, ""));
    verifier_print(&v, text);
    assert_string_equal(text, EXAMPLE);
    static const char *const bad[] = {
        "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$x:y",
        "SCRAM-SHA-256$4095:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0=$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        "x",
        "SCRAM-SHA-256$",
        ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(verifier_parse(span_text(bad[i]), &v), -1);
}

// SASLprep: what is typed in two ways is one password.
static void a_password_in_two_writings(void **state)
{
    (void)state;
    struct verifier v;
    struct why why;
    assert_int_equal(verifier_make("e\xcc\x81t\xc3\xa9", VERIFIER_LEAST, &v, &why), 0);
    assert_true(verifier_check(&v, "\xc3\xa9te\xcc\x81"));
    assert_int_equal(verifier_make("a\x07", VERIFIER_LEAST, &v, &why), -1);
    assert_int_equal(verifier_make("", VERIFIER_LEAST, &v, &why), -1);
}

static void mechanisms_by_name(void **state)
{
    (void)state;
    assert_int_equal(sasl_mechanism(span_text("scram-sha-256-plus")), SASL_SCRAM_SHA_256_PLUS);
    assert_int_equal(sasl_mechanism(span_text("SCRAM-SHA-1")), SASL_MECHANISMS);
    for (enum sasl_mechanism m = 0; m < SASL_MECHANISMS; m++)
        assert_int_equal(sasl_mechanism(span_text(sasl_word(m))), m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_prove_themselves),
        cmocka_unit_test(a_wrong_password_and_an_unknown_name_fail_alike),
        cmocka_unit_test(another_connection_or_a_downgrade_is_noticed),
        cmocka_unit_test(case_249_hostile_first_messages),
        cmocka_unit_test(an_unknown_name_has_one_salt),
        cmocka_unit_test(verifiers_as_text),
        cmocka_unit_test(a_password_in_two_writings),
        cmocka_unit_test(mechanisms_by_name),
    };
    return cmocka_run_group_tests_name("sasl", tests, begin, end);
}
