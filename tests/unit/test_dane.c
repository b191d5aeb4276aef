// SPDX-License-Identifier: ISC
// DANE-EE and DANE-TA against chains made here: a private root, an intermediate, leaves; and the chain of
// an attacker who carries our certificates along.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/certs.h"
#include "tls/dane.h"

#define HOST "mx.example.org"

static struct cert root, sub, leaf, evil_root, evil_leaf;
static struct why why;
static enum tls_proof proof;
static size_t depth;

static int set_up(void **state)
{
    (void)state;
    cert_make(&root, &(struct cert_spec){.cn = "root", .ca = true});
    cert_make(&sub, &(struct cert_spec){.cn = "sub", .ca = true, .issuer = &root});
    cert_make(&leaf, &(struct cert_spec){.cn = "mx", .san = {HOST}, .issuer = &sub});
    cert_make(&evil_root, &(struct cert_spec){.cn = "evil", .ca = true});
    cert_make(&evil_leaf, &(struct cert_spec){.cn = "mx", .san = {HOST}, .issuer = &evil_root});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct cert *all[] = {&root, &sub, &leaf, &evil_root, &evil_leaf};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cert_free(all[i]);
    return 0;
}

// A record for a certificate; its data lives until eight more were made.
static struct dns_tlsa tlsa(int usage, int selector, int matching, const struct cert *c)
{
    static unsigned char digests[8][64];
    static int next;
    struct span part = selector ? cert_spki(c) : cert_span(c);
    struct dns_tlsa t = {(uint8_t)usage, (uint8_t)selector, (uint8_t)matching, part};
    if (matching) {
        unsigned char *d = digests[next++ % 8];
        gnutls_hash_fast(matching == 1 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512, part.p, part.n, d);
        t.data = span_of(d, matching == 1 ? 32 : 64);
    }
    return t;
}

static struct dns_tlsa wrong(int usage, int selector, int matching)
{
    static const unsigned char zero[64];
    return (struct dns_tlsa){(uint8_t)usage, (uint8_t)selector, (uint8_t)matching,
                             span_of(zero, matching == 2 ? 64 : 32)};
}

#define CHAIN(...) ((const struct cert *[]){__VA_ARGS__, NULL})
#define RECORDS(...)                                                                               \
    (const struct dns_tlsa[]){__VA_ARGS__},                                                        \
        sizeof((struct dns_tlsa[]){__VA_ARGS__}) / sizeof(struct dns_tlsa)

static int check(const struct cert **chain, const char *name, const struct dns_tlsa *set, size_t n)
{
    struct span der[20];
    size_t count = 0;
    for (; chain[count]; count++)
        der[count] = cert_span(chain[count]);
    return dane_verify(der, count, set, n, &name, 1, &proof, &depth, &why);
}

static void passes(const struct cert **chain, const char *name, enum tls_proof p, size_t d,
                   const struct dns_tlsa *set, size_t n)
{
    if (check(chain, name, set, n) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(proof, p);
    assert_int_equal(depth, d);
}

static void fails(const struct cert **chain, const char *name, enum why_tls type,
                  const struct dns_tlsa *set, size_t n)
{
    assert_int_equal(check(chain, name, set, n), -1);
    assert_string_equal(why_tls_word(why.tls), why_tls_word(type));
    assert_int_equal(why.scope, WHY_HOST);
    assert_int_equal(proof, PROOF_NONE);
}

static void case_27_which_records_are_usable(void **state)
{
    (void)state;
    static const unsigned char bytes[64];
    for (int usage = 0; usage < 5; usage++)
        for (int selector = 0; selector < 3; selector++)
            for (int matching = 0; matching < 4; matching++)
                for (size_t n = 0; n < 65; n++) {
                    struct dns_tlsa t = {(uint8_t)usage, (uint8_t)selector, (uint8_t)matching,
                                         span_of(bytes, n)};
                    bool expected = (usage == 2 || usage == 3) && selector < 2 &&
                                    ((matching == 0 && n) || (matching == 1 && n == 32) ||
                                     (matching == 2 && n == 64));
                    assert_int_equal(dane_usable(&t), expected);
                }
}

static void case_28_the_leaf_is_bound_by_the_record_alone(void **state)
{
    (void)state;
    for (int selector = 0; selector < 2; selector++)
        for (int matching = 0; matching < 3; matching++)
            passes(CHAIN(&leaf), "other.example", PROOF_DANE_EE, 0,
                   RECORDS(tlsa(3, selector, matching, &leaf)));
    clock_fix((clock_s() + 100 * 86400) * 1000); // long expired
    passes(CHAIN(&leaf), "other.example", PROOF_DANE_EE, 0, RECORDS(tlsa(3, 1, 1, &leaf)));
    clock_release();
}

static void case_28_a_record_for_another_certificate_of_the_chain_binds_no_leaf(void **state)
{
    (void)state;
    fails(CHAIN(&leaf, &sub), HOST, WHY_TLSA_INVALID, RECORDS(tlsa(3, 1, 1, &sub)));
}

static void case_28_root_and_intermediate_are_anchors(void **state)
{
    (void)state;
    for (int selector = 0; selector < 2; selector++)
        for (int matching = 0; matching < 3; matching++) {
            passes(CHAIN(&leaf, &sub, &root), HOST, PROOF_DANE_TA, 2,
                   RECORDS(tlsa(2, selector, matching, &root)));
            passes(CHAIN(&leaf, &sub), HOST, PROOF_DANE_TA, 1,
                   RECORDS(tlsa(2, selector, matching, &sub)));
            passes(CHAIN(&leaf, &sub, &root), HOST, PROOF_DANE_TA, 1,
                   RECORDS(tlsa(2, selector, matching, &sub)));
        }
}

static void case_28_an_attacker_who_carries_our_authority_along_proves_nothing(void **state)
{
    (void)state;
    // libdane passes this: the root matches, and the leaf is signed by some certificate of the chain.
    fails(CHAIN(&evil_leaf, &evil_root, &root), HOST, WHY_CERTIFICATE_NOT_TRUSTED,
          RECORDS(tlsa(2, 0, 1, &root)));
    fails(CHAIN(&evil_leaf, &evil_root, &sub, &root), HOST, WHY_CERTIFICATE_NOT_TRUSTED,
          RECORDS(tlsa(2, 1, 1, &sub)));
    fails(CHAIN(&evil_leaf, &leaf, &sub, &root), HOST, WHY_CERTIFICATE_NOT_TRUSTED,
          RECORDS(tlsa(2, 1, 1, &root)));
    fails(CHAIN(&evil_leaf, &root), HOST, WHY_CERTIFICATE_NOT_TRUSTED,
          RECORDS(tlsa(2, 0, 0, &root)));
    fails(CHAIN(&evil_leaf, &root), HOST, WHY_CERTIFICATE_NOT_TRUSTED,
          RECORDS(tlsa(2, 1, 0, &root)));
    fails(CHAIN(&evil_leaf, &sub), HOST, WHY_CERTIFICATE_NOT_TRUSTED,
          RECORDS(tlsa(2, 1, 0, &root)));
}

static void case_28_a_leaf_is_no_authority(void **state)
{
    (void)state;
    struct cert forged; // signed with the key of an honest leaf of the same authority
    cert_make(&forged, &(struct cert_spec){.cn = "x", .san = {HOST}, .issuer = &leaf});
    fails(CHAIN(&forged, &leaf, &sub, &root), HOST, WHY_CERTIFICATE_NOT_TRUSTED,
          RECORDS(tlsa(2, 0, 1, &root)));
    fails(CHAIN(&leaf), HOST, WHY_TLSA_INVALID, RECORDS(tlsa(2, 0, 1, &leaf)));
    cert_free(&forged);
}

static void case_28_an_anchor_given_as_a_hash_must_be_sent(void **state)
{
    (void)state;
    fails(CHAIN(&leaf, &sub), HOST, WHY_TLSA_INVALID, RECORDS(tlsa(2, 0, 1, &root)));
    fails(CHAIN(&leaf, &sub), HOST, WHY_TLSA_INVALID, RECORDS(tlsa(2, 1, 2, &root)));
}

static void case_28_a_full_record_carries_the_anchor_itself(void **state)
{
    (void)state;
    passes(CHAIN(&leaf, &sub), HOST, PROOF_DANE_TA, 2, RECORDS(tlsa(2, 0, 0, &root)));
    passes(CHAIN(&leaf), HOST, PROOF_DANE_TA, 1, RECORDS(tlsa(2, 0, 0, &sub)));
    passes(CHAIN(&leaf, &sub), HOST, PROOF_DANE_TA, 2, RECORDS(tlsa(2, 1, 0, &root)));
    passes(CHAIN(&leaf), HOST, PROOF_DANE_TA, 1, RECORDS(tlsa(2, 1, 0, &sub)));
    fails(CHAIN(&evil_leaf), HOST, WHY_TLSA_INVALID, RECORDS(tlsa(2, 1, 0, &sub)));
    fails(CHAIN(&leaf), "other.example", WHY_CERTIFICATE_HOST_MISMATCH,
          RECORDS(tlsa(2, 1, 0, &sub)));
}

static void case_28_name_is_checked_under_an_anchor(void **state)
{
    (void)state;
    fails(CHAIN(&leaf, &sub, &root), "mx.example.com", WHY_CERTIFICATE_HOST_MISMATCH,
          RECORDS(tlsa(2, 0, 1, &root)));
    struct span der[] = {cert_span(&leaf), cert_span(&sub), cert_span(&root)};
    struct dns_tlsa t = tlsa(2, 0, 1, &root);
    const char *names[] = {"mx.example.com", "example.com", HOST};
    assert_int_equal(dane_verify(der, 3, &t, 1, names, 3, &proof, &depth, &why), 0);
}

static void case_28_dates_are_checked_under_an_anchor(void **state)
{
    (void)state;
    int64_t now = clock_s();
    struct cert old_root, old_sub, old_leaf, a, b;
    cert_make(&old_root,
              &(struct cert_spec){.cn = "o", .ca = true, .begins = now - 9000, .ends = now - 60});
    cert_make(&a, &(struct cert_spec){.cn = "a", .san = {HOST}, .issuer = &old_root});
    cert_make(&old_sub,
              &(struct cert_spec){
                  .cn = "s", .ca = true, .issuer = &root, .begins = now - 9000, .ends = now - 60});
    cert_make(&b, &(struct cert_spec){.cn = "b", .san = {HOST}, .issuer = &old_sub});
    cert_make(
        &old_leaf,
        &(struct cert_spec){
            .cn = "l", .san = {HOST}, .issuer = &root, .begins = now - 9000, .ends = now - 60});
    for (int matching = 0; matching < 3; matching++) {
        fails(CHAIN(&a, &old_root), HOST, WHY_CERTIFICATE_EXPIRED,
              RECORDS(tlsa(2, 1, matching, &old_root)));
        fails(CHAIN(&b, &old_sub, &root), HOST, WHY_CERTIFICATE_EXPIRED,
              RECORDS(tlsa(2, 0, matching, &root)));
        fails(CHAIN(&b, &old_sub), HOST, WHY_CERTIFICATE_EXPIRED,
              RECORDS(tlsa(2, 0, matching, &old_sub)));
        fails(CHAIN(&old_leaf, &root), HOST, WHY_CERTIFICATE_EXPIRED,
              RECORDS(tlsa(2, 1, matching, &root)));
    }
    fails(CHAIN(&a), HOST, WHY_CERTIFICATE_EXPIRED, RECORDS(tlsa(2, 0, 0, &old_root)));
    fails(CHAIN(&old_leaf), HOST, WHY_CERTIFICATE_EXPIRED, RECORDS(tlsa(2, 1, 0, &root)));
    struct cert *all[] = {&old_root, &old_sub, &old_leaf, &a, &b};
    for (int i = 0; i < 5; i++)
        cert_free(all[i]);
}

static void case_29_any_one_record_suffices(void **state)
{
    (void)state;
    passes(CHAIN(&leaf, &sub, &root), HOST, PROOF_DANE_TA, 2,
           RECORDS(wrong(3, 1, 1), tlsa(2, 0, 1, &root)));
    passes(CHAIN(&leaf, &sub, &root), HOST, PROOF_DANE_EE, 0,
           RECORDS(wrong(2, 0, 1), tlsa(3, 1, 1, &leaf)));
    passes(CHAIN(&leaf), HOST, PROOF_DANE_EE, 0,
           RECORDS(wrong(3, 1, 1), tlsa(3, 1, 1, &evil_leaf), tlsa(3, 1, 1, &leaf)));
    passes(CHAIN(&leaf), HOST, PROOF_DANE_EE, 0,
           RECORDS(tlsa(0, 0, 1, &root), tlsa(1, 1, 1, &leaf), tlsa(3, 1, 1, &leaf)));
}

static void case_29_the_strongest_digest_counts(void **state)
{
    (void)state;
    // A SHA-512 beside it: SHA-256 of the same usage and selector is not looked at.
    fails(CHAIN(&leaf), HOST, WHY_TLSA_INVALID, RECORDS(tlsa(3, 1, 1, &leaf), wrong(3, 1, 2)));
    passes(CHAIN(&leaf), HOST, PROOF_DANE_EE, 0, RECORDS(tlsa(3, 1, 1, &leaf), wrong(3, 0, 2)));
    passes(CHAIN(&leaf), HOST, PROOF_DANE_EE, 0, RECORDS(tlsa(3, 1, 1, &leaf), wrong(2, 1, 2)));
    passes(CHAIN(&leaf), HOST, PROOF_DANE_EE, 0, RECORDS(tlsa(3, 1, 0, &leaf), wrong(3, 1, 2)));
    // One of the wrong length is not usable, so it silences nobody.
    struct dns_tlsa broken = wrong(3, 1, 2);
    broken.data.n = 63;
    passes(CHAIN(&leaf), HOST, PROOF_DANE_EE, 0, RECORDS(tlsa(3, 1, 1, &leaf), broken));
}

static void case_30_the_reason_is_that_of_the_record_that_came_furthest(void **state)
{
    (void)state;
    fails(CHAIN(&leaf, &sub, &root), "mx.example.com", WHY_CERTIFICATE_HOST_MISMATCH,
          RECORDS(tlsa(2, 0, 1, &root), wrong(2, 1, 1), wrong(3, 1, 1)));
}

static void chains_without_end_or_sense_are_refused(void **state)
{
    (void)state;
    // The surplus is cut: what stands within the bound counts.
    const struct cert **long_chain =
        CHAIN(&leaf, &sub, &sub, &sub, &sub, &sub, &sub, &sub, &sub, &sub, &root);
    passes(long_chain, HOST, PROOF_DANE_EE, 0, RECORDS(tlsa(3, 1, 1, &leaf)));
    passes(long_chain, HOST, PROOF_DANE_TA, 1, RECORDS(tlsa(2, 1, 1, &sub)));
    fails(long_chain, HOST, WHY_TLSA_INVALID, RECORDS(tlsa(2, 1, 1, &root)));
    fails((const struct cert *[]){NULL}, HOST, WHY_VALIDATION_FAILURE,
          RECORDS(tlsa(3, 1, 1, &leaf)));
    struct span junk = span_text("junk");
    struct dns_tlsa t = {3, 0, 0, junk};
    const char *name = HOST;
    assert_int_equal(dane_verify(&junk, 1, &t, 1, &name, 1, &proof, &depth, &why), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_27_which_records_are_usable),
        cmocka_unit_test(case_28_the_leaf_is_bound_by_the_record_alone),
        cmocka_unit_test(case_28_a_record_for_another_certificate_of_the_chain_binds_no_leaf),
        cmocka_unit_test(case_28_root_and_intermediate_are_anchors),
        cmocka_unit_test(case_28_an_attacker_who_carries_our_authority_along_proves_nothing),
        cmocka_unit_test(case_28_a_leaf_is_no_authority),
        cmocka_unit_test(case_28_an_anchor_given_as_a_hash_must_be_sent),
        cmocka_unit_test(case_28_a_full_record_carries_the_anchor_itself),
        cmocka_unit_test(case_28_name_is_checked_under_an_anchor),
        cmocka_unit_test(case_28_dates_are_checked_under_an_anchor),
        cmocka_unit_test(case_29_any_one_record_suffices),
        cmocka_unit_test(case_29_the_strongest_digest_counts),
        cmocka_unit_test(case_30_the_reason_is_that_of_the_record_that_came_furthest),
        cmocka_unit_test(chains_without_end_or_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
