// SPDX-License-Identifier: ISC
// WebPKI against a trust store made here, the name test, and pins.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>
#include "tests/unit/certs.h"
#include "tls/verify.h"

#define HOST "mx.example.org"

static struct cert root, sub, leaf, other_root;
static struct trust *trust;
static struct why why;

static int set_up(void **state)
{
    (void)state;
    char file[] = "/tmp/test_verify.XXXXXX";
    close(mkstemp(file));
    cert_make(&root, &(struct cert_spec){.cn = "root", .ca = true});
    cert_make(&other_root, &(struct cert_spec){.cn = "other", .ca = true});
    cert_make(&sub, &(struct cert_spec){.cn = "sub", .ca = true, .issuer = &root});
    cert_make(&leaf, &(struct cert_spec){.cn = "mx", .san = {HOST}, .issuer = &sub});
    struct cert *store[] = {&root};
    cert_save(file, NULL, store, 1);
    trust = trust_load(file, &why);
    assert_non_null(trust);
    unlink(file);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    trust_unref(trust);
    struct cert *all[] = {&root, &sub, &leaf, &other_root};
    for (int i = 0; i < 4; i++)
        cert_free(all[i]);
    return 0;
}

static int check(const char *name, const struct cert **chain)
{
    struct span der[20];
    size_t n = 0;
    for (; chain[n]; n++)
        der[n] = cert_span(chain[n]);
    return verify_webpki(der, n, &name, 1, trust, &why);
}

#define CHAIN(...) ((const struct cert *[]){__VA_ARGS__, NULL})

static void fails(enum why_tls type, const char *name, const struct cert **chain)
{
    assert_int_equal(check(name, chain), -1);
    assert_string_equal(why_tls_word(why.tls), why_tls_word(type));
    assert_string_equal(why.status, "4.7.5");
}

static void a_chain_leads_to_the_store(void **state)
{
    (void)state;
    assert_int_equal(check(HOST, CHAIN(&leaf, &sub)), 0);
    assert_int_equal(check(HOST, CHAIN(&leaf, &sub, &root)), 0);
    assert_int_equal(check(HOST, CHAIN(&leaf, &root, &sub)), 0); // sent in the wrong order
    assert_int_equal(check("MX.Example.ORG.", CHAIN(&leaf, &sub)), 0);
    fails(WHY_CERTIFICATE_NOT_TRUSTED, HOST, CHAIN(&leaf)); // the intermediate is missing
}

static void strangers_are_not_trusted(void **state)
{
    (void)state;
    struct cert stranger, alone, forged, client;
    cert_make(&stranger, &(struct cert_spec){.cn = "s", .san = {HOST}, .issuer = &other_root});
    cert_make(&alone, &(struct cert_spec){.cn = "a", .san = {HOST}});
    cert_make(&forged, &(struct cert_spec){.cn = "f", .san = {HOST}, .issuer = &leaf});
    cert_make(&client,
              &(struct cert_spec){.cn = "c", .san = {HOST}, .issuer = &root, .client_only = true});
    fails(WHY_CERTIFICATE_NOT_TRUSTED, HOST, CHAIN(&stranger, &other_root));
    fails(WHY_CERTIFICATE_NOT_TRUSTED, HOST, CHAIN(&stranger, &other_root, &root));
    fails(WHY_CERTIFICATE_NOT_TRUSTED, HOST, CHAIN(&alone));
    fails(WHY_CERTIFICATE_NOT_TRUSTED, HOST, CHAIN(&forged, &leaf, &sub, &root));
    fails(WHY_CERTIFICATE_NOT_TRUSTED, HOST, CHAIN(&client));
    cert_free(&stranger);
    cert_free(&alone);
    cert_free(&forged);
    cert_free(&client);
}

static void case_36_each_cause_has_its_own_type(void **state)
{
    (void)state;
    int64_t now = clock_s();
    struct cert old, early;
    cert_make(
        &old,
        &(struct cert_spec){
            .cn = "o", .san = {HOST}, .issuer = &root, .begins = now - 9000, .ends = now - 60});
    cert_make(
        &early,
        &(struct cert_spec){
            .cn = "e", .san = {HOST}, .issuer = &root, .begins = now + 9000, .ends = now + 20000});
    fails(WHY_CERTIFICATE_EXPIRED, HOST, CHAIN(&old));
    fails(WHY_VALIDATION_FAILURE, HOST, CHAIN(&early));
    fails(WHY_CERTIFICATE_HOST_MISMATCH, "mx.example.com", CHAIN(&leaf, &sub));
    assert_non_null(strstr(why.text, HOST));
    clock_fix((now + 10 * 86400) * 1000); // our clock decides, not the system's
    fails(WHY_CERTIFICATE_EXPIRED, HOST, CHAIN(&leaf, &sub));
    clock_fix((now - 600) * 1000);
    assert_int_equal(check(HOST, CHAIN(&old)), 0);
    clock_release();
    cert_free(&old);
    cert_free(&early);
}

static bool named(const struct cert_spec *spec, const char *name)
{
    struct cert c;
    cert_make(&c, spec);
    bool yes = verify_name(cert_span(&c), &name, 1);
    cert_free(&c);
    return yes;
}

static void case_21_a_wildcard_is_one_label_on_the_left(void **state)
{
    (void)state;
    struct cert_spec star = {.cn = "x", .san = {"*.example.org"}};
    assert_true(named(&star, "mx.example.org"));
    assert_true(named(&star, "MX.EXAMPLE.org"));
    assert_false(named(&star, "example.org"));
    assert_false(named(&star, "a.b.example.org"));
    assert_false(named(&star, ".example.org"));
    assert_false(named(&star, "*.example.org"));
    static const char *const bad[] = {
        "m*.example.org", "*x.example.org", "mx.*.org", "*.*.org", "*", "*."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(named(&(struct cert_spec){.cn = "x", .san = {bad[i]}}, "mx.example.org"));
}

static void case_74_for_webpki_the_cn_is_no_name(void **state)
{
    (void)state;
    struct cert c;
    cert_make(&c, &(struct cert_spec){.cn = HOST, .issuer = &root});
    fails(WHY_CERTIFICATE_HOST_MISMATCH, HOST, CHAIN(&c));
    assert_non_null(strstr(why.text, "its common name, " HOST ", does not count"));
    cert_free(&c);
    cert_make(&c, &(struct cert_spec){.cn = HOST, .email = "a@b.example", .issuer = &root});
    fails(WHY_CERTIFICATE_HOST_MISMATCH, HOST, CHAIN(&c));
    cert_free(&c);
    cert_make(&c, &(struct cert_spec){.cn = "x", .san = {"a.example", HOST}, .issuer = &root});
    fails(WHY_CERTIFICATE_HOST_MISMATCH, "mx.example.com", CHAIN(&c));
    assert_non_null(strstr(why.text, "for a.example and 1 other name, not for mx.example.com"));
    cert_free(&c);
}

static void case_28_the_cn_counts_only_where_there_is_no_alternative_name(void **state)
{
    (void)state;
    assert_true(named(&(struct cert_spec){.cn = HOST}, HOST));
    assert_true(named(&(struct cert_spec){.cn = "*.example.org"}, HOST));
    assert_false(named(&(struct cert_spec){.cn = HOST, .san = {"other.example"}}, HOST));
    assert_false(named(&(struct cert_spec){.cn = HOST, .email = "a@b.example"}, HOST));
    assert_true(named(&(struct cert_spec){.cn = "x", .san = {"other.example", HOST}}, HOST));
    assert_false(named(&(struct cert_spec){.cn = NULL}, HOST));
}

static void a_name_with_a_nul_is_not_the_part_before_it(void **state)
{
    (void)state;
    struct cert c;
    cert_make(&c, &(struct cert_spec){.cn = "x", .san = {HOST "-.evil.example"}});
    const char *name = HOST;
    unsigned char *at = memmem(c.der, c.n, HOST "-", sizeof HOST);
    assert_non_null(at);
    at[strlen(HOST)] = 0; // the maker takes C strings, an attacker does not
    assert_false(verify_name(cert_span(&c), &name, 1));
    at[strlen(HOST)] = '.';
    name = HOST "..evil.example";
    assert_true(verify_name(cert_span(&c), &name, 1)); // it could be read, so the no above was one
    cert_free(&c);
}

static void a_pin_is_of_the_leafs_key(void **state)
{
    (void)state;
    unsigned char digest[32];
    struct span key = cert_spki(&leaf), chain[] = {cert_span(&leaf), cert_span(&sub)};
    char hex[80] = "sha256:", base64[80] = "sha256:";
    gnutls_hash_fast(GNUTLS_DIG_SHA256, key.p, key.n, digest);
    for (int i = 0; i < 32; i++)
        sprintf(hex + 7 + 2 * i, "%02X", digest[i]);
    gnutls_datum_t raw = {digest, 32}, text;
    gnutls_base64_encode2(&raw, &text);
    strcat(base64, (char *)text.data);
    gnutls_free(text.data);
    const char *pins[] = {"sha256:00", "nonsense", hex}, *more[] = {base64};
    assert_int_equal(verify_pin(chain, 2, pins, 3, &why), 0);
    assert_int_equal(verify_pin(chain, 2, more, 1, &why), 0);
    assert_int_equal(verify_pin(chain, 2, pins, 2, &why), -1);
    assert_int_equal(verify_pin(chain + 1, 1, pins, 3, &why), -1);
    assert_int_equal(why.tls, WHY_CERTIFICATE_NOT_TRUSTED);
    assert_int_equal(verify_pin(chain, 0, pins, 3, &why), -1);
}

static void people_are_told_what_a_certificate_is(void **state)
{
    (void)state;
    char text[200];
    verify_describe(cert_span(&leaf), text, sizeof text);
    assert_non_null(strstr(text, "CN=mx"));
    assert_non_null(strstr(text, "issuer CN=sub"));
    verify_describe(span_text("junk"), text, sizeof text);
    assert_non_null(strstr(text, "cannot be read"));
    assert_int_equal(verify_not_after(cert_span(&leaf)),
                     gnutls_x509_crt_get_expiration_time(leaf.crt));
    assert_int_equal(verify_not_after(span_text("junk")), 0);
}

static void an_unreadable_store_names_its_file(void **state)
{
    (void)state;
    assert_null(trust_load("/nowhere/ca.pem", &why));
    assert_non_null(strstr(why.text, "/nowhere/ca.pem"));
    assert_null(trust_load("/dev/null", &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_leads_to_the_store),
        cmocka_unit_test(strangers_are_not_trusted),
        cmocka_unit_test(case_36_each_cause_has_its_own_type),
        cmocka_unit_test(case_21_a_wildcard_is_one_label_on_the_left),
        cmocka_unit_test(case_74_for_webpki_the_cn_is_no_name),
        cmocka_unit_test(case_28_the_cn_counts_only_where_there_is_no_alternative_name),
        cmocka_unit_test(a_name_with_a_nul_is_not_the_part_before_it),
        cmocka_unit_test(a_pin_is_of_the_leafs_key),
        cmocka_unit_test(people_are_told_what_a_certificate_is),
        cmocka_unit_test(an_unreadable_store_names_its_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
