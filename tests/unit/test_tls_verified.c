// SPDX-License-Identifier: ISC
// Chains that were verified before: what is skipped is what would give the same answer, and nothing else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "tests/unit/certs.h"
#include "tls/verified.h"
#include "tls/verify.h"

#define HOST   "mx.example.org"
#define SERVER GNUTLS_KP_TLS_WWW_SERVER
#define DAY    86400

static struct cert root, other_root, sub, leaf, surplus;
static struct trust *trust, *other;
static struct verified *known;
static gnutls_x509_trust_list_t anchors;
static _Thread_local struct why why;
static int64_t now;

static struct trust *store_of(struct cert *ca)
{
    char file[] = "/tmp/test_tls_verified.XXXXXX";
    close(mkstemp(file));
    cert_save(file, NULL, &ca, 1);
    struct trust *made = trust_load(file, &why);
    assert_non_null(made);
    unlink(file);
    return made;
}

static int make_certificates(void **state)
{
    (void)state;
    now = clock_s();
    const struct cert_spec ca = {.cn = "root", .ca = true, .begins = now - DAY, .ends = now + DAY};
    cert_make(&root, &ca);
    cert_make(&other_root, &(struct cert_spec){.cn = "other", .ca = true});
    cert_make(
        &sub,
        &(struct cert_spec){
            .cn = "sub", .ca = true, .issuer = &root, .begins = now - 7200, .ends = now + 3600});
    cert_make(&leaf, &(struct cert_spec){
                         .san = {HOST}, .issuer = &sub, .begins = now - 3600, .ends = now + 7200});
    cert_make(&surplus, &(struct cert_spec){.cn = "surplus", .ends = now + 1800});
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    struct cert *all[] = {&root, &other_root, &sub, &leaf, &surplus};
    for (int i = 0; i < 5; i++)
        cert_free(all[i]);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    clock_fix(now * 1000);
    trust = store_of(&root);
    other = store_of(&other_root);
    gnutls_x509_trust_list_init(&anchors, 0);
    gnutls_x509_trust_list_add_cas(anchors, &root.crt, 1, 0);
    known = verified_new(anchors);
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_release();
    trust_unref(trust);
    trust_unref(other);
    verified_free(known);
    gnutls_x509_trust_list_deinit(anchors, 0);
    return 0;
}

// ---- the answer is the one that a verification would give

static int check(struct trust *store, const char *name, const struct cert **chain)
{
    struct span der[20];
    size_t n = 0;
    for (; chain[n]; n++)
        der[n] = cert_span(chain[n]);
    return verify_webpki(der, n, &name, 1, store, &why);
}

#define CHAIN(...) ((const struct cert *[]){__VA_ARGS__, NULL})

static void fails(enum why_tls type, struct trust *store, const char *name,
                  const struct cert **chain)
{
    assert_int_equal(check(store, name, chain), -1);
    assert_string_equal(why_tls_word(why.tls), why_tls_word(type));
}

static void case_622_a_known_chain_proves_no_other_name_and_nothing_in_another_store(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(check(trust, HOST, CHAIN(&leaf, &sub)), 0);
        fails(WHY_CERTIFICATE_HOST_MISMATCH, trust, "mx.example.com", CHAIN(&leaf, &sub));
        fails(WHY_CERTIFICATE_NOT_TRUSTED, other, HOST, CHAIN(&leaf, &sub));
        fails(WHY_CERTIFICATE_NOT_TRUSTED, trust, HOST, CHAIN(&leaf));
        fails(WHY_CERTIFICATE_NOT_TRUSTED, trust, HOST, CHAIN(&surplus, &leaf, &sub));
    }
}

static void case_622_nor_does_its_authority_vouch_for_a_forged_leaf(void **state)
{
    (void)state;
    struct cert forged = leaf;
    const struct cert *chain[] = {&forged, &sub, NULL};
    assert_int_equal(check(trust, HOST, CHAIN(&leaf, &sub)), 0);
    forged.der[forged.n - 1] ^= 1; // a bit of the signature
    assert_int_equal(check(trust, HOST, chain), -1);
    assert_int_equal(check(trust, HOST, chain), -1); // what failed is not kept
}

static void case_622_a_clients_chain_is_not_a_servers(void **state)
{
    (void)state;
    struct cert client;
    cert_make(&client, &(struct cert_spec){.san = {HOST}, .issuer = &root, .client_only = true});
    struct span der = cert_span(&client);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(verify_client(&der, 1, trust, &why), 0);
        fails(WHY_CERTIFICATE_NOT_TRUSTED, trust, HOST, CHAIN(&client));
    }
    cert_free(&client);
}

static void case_623_a_known_chain_ends_with_the_first_date_in_it(void **state)
{
    (void)state;
    assert_int_equal(check(trust, HOST, CHAIN(&leaf, &sub)), 0);
    clock_advance(3599 * 1000);
    assert_int_equal(check(trust, HOST, CHAIN(&leaf, &sub)), 0);
    clock_advance(2 * 1000); // the issuer's; the leaf is good for another hour
    fails(WHY_CERTIFICATE_EXPIRED, trust, HOST, CHAIN(&leaf, &sub));
    clock_fix((now - 5400) * 1000); // a clock that was set back: the leaf is not valid yet
    fails(WHY_VALIDATION_FAILURE, trust, HOST, CHAIN(&leaf, &sub));
    clock_fix(now * 1000);
    assert_int_equal(check(trust, HOST, CHAIN(&leaf, &sub)), 0);
}

// ---- what is known, and for how long

static struct verified_key key_of(const struct cert **chain, const char *purpose)
{
    struct span der[20];
    size_t n = 0;
    for (; chain[n]; n++)
        der[n] = cert_span(chain[n]);
    return verified_key(der, n, purpose);
}

static void keep(const struct cert **chain)
{
    gnutls_x509_crt_t list[20];
    struct verified_key key = key_of(chain, SERVER);
    size_t n = 0;
    for (; chain[n]; n++)
        list[n] = chain[n]->crt;
    verified_keep(known, &key, list, n);
}

static bool knows(const struct cert **chain, const char *purpose)
{
    struct verified_key key = key_of(chain, purpose);
    return verified_knows(known, &key);
}

static void case_622_a_chain_is_known_byte_for_byte_in_its_order_and_for_its_purpose(void **state)
{
    (void)state;
    keep(CHAIN(&leaf, &sub));
    assert_true(knows(CHAIN(&leaf, &sub), SERVER));
    assert_true(knows(CHAIN(&leaf, &sub), SERVER)); // more than once
    assert_false(knows(CHAIN(&leaf, &sub), GNUTLS_KP_TLS_WWW_CLIENT));
    assert_false(knows(CHAIN(&sub, &leaf), SERVER));
    assert_false(knows(CHAIN(&leaf), SERVER));
    assert_false(knows(CHAIN(&leaf, &sub, &root), SERVER));
    assert_false(knows((const struct cert *[]){NULL}, SERVER));
    // Nor where two certificates stand as one.
    struct cert both = leaf;
    memcpy(both.der + both.n, sub.der, sub.n);
    both.n += sub.n;
    assert_false(knows(CHAIN(&both), SERVER));
}

static void case_623_what_is_known_lasts_minutes_and_no_date_longer(void **state)
{
    (void)state;
    keep(CHAIN(&leaf, &sub));
    clock_mono_advance(VERIFIED_MS - 1000);
    assert_true(knows(CHAIN(&leaf, &sub), SERVER));
    clock_mono_advance(1001);
    assert_false(knows(CHAIN(&leaf, &sub), SERVER));
    // Surplus counts too: who knows what part it had.
    keep(CHAIN(&leaf, &sub, &surplus));
    clock_fix((now + 1799) * 1000);
    assert_true(knows(CHAIN(&leaf, &sub, &surplus), SERVER));
    clock_fix((now + 1800) * 1000);
    assert_false(knows(CHAIN(&leaf, &sub, &surplus), SERVER));
    clock_fix(now * 1000);
    keep(CHAIN(&leaf));
    clock_fix((now - 3601) * 1000);
    assert_false(knows(CHAIN(&leaf), SERVER));
}

static void case_623_an_anchors_end_is_one_of_the_dates(void **state)
{
    (void)state;
    struct cert late;
    cert_make(&late, &(struct cert_spec){.san = {HOST}, .issuer = &root, .ends = now + 2 * DAY});
    keep(CHAIN(&late));
    assert_true(knows(CHAIN(&late), SERVER));
    clock_fix((now + DAY) * 1000);
    assert_false(knows(CHAIN(&late), SERVER));
    cert_free(&late);
}

static void case_623_a_date_that_passes_while_a_chain_is_verified_keeps_it_unknown(void **state)
{
    (void)state;
    struct verified_key key = key_of(CHAIN(&leaf, &sub), SERVER);
    gnutls_x509_crt_t list[] = {leaf.crt, sub.crt};
    clock_fix((now + 3601) * 1000);
    verified_keep(known, &key, list, 2);
    clock_fix(now * 1000);
    assert_false(knows(CHAIN(&leaf, &sub), SERVER));
}

static void case_624_the_oldest_of_too_many_chains_is_forgotten(void **state)
{
    (void)state;
    unsigned i = 0;
    struct span part = span_of((unsigned char *)&i, sizeof i);
    struct verified_key key;
    for (i = 0; i <= VERIFIED_CHAINS; i++) {
        key = verified_key(&part, 1, SERVER);
        verified_keep(known, &key, &leaf.crt, 1);
    }
    for (i = 0; i <= VERIFIED_CHAINS; i++) {
        key = verified_key(&part, 1, SERVER);
        assert_int_equal(verified_knows(known, &key), i > 0);
    }
}

static void *ask(void *arg)
{
    bool good = true;
    for (int i = 0; i < 100; i++)
        good = good && check(trust, HOST, CHAIN(&leaf, &sub)) == 0 &&
               check(other, HOST, CHAIN(&leaf, &sub)) < 0;
    *(bool *)arg = good;
    return NULL;
}

static void case_624_many_threads_ask_one_store(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool good[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &good[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(good[i]);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_622_a_known_chain_proves_no_other_name_and_nothing_in_another_store),
        STORY(case_622_nor_does_its_authority_vouch_for_a_forged_leaf),
        STORY(case_622_a_clients_chain_is_not_a_servers),
        STORY(case_622_a_chain_is_known_byte_for_byte_in_its_order_and_for_its_purpose),
        STORY(case_623_a_known_chain_ends_with_the_first_date_in_it),
        STORY(case_623_what_is_known_lasts_minutes_and_no_date_longer),
        STORY(case_623_an_anchors_end_is_one_of_the_dates),
        STORY(case_623_a_date_that_passes_while_a_chain_is_verified_keeps_it_unknown),
        STORY(case_624_the_oldest_of_too_many_chains_is_forgotten),
        STORY(case_624_many_threads_ask_one_store),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
