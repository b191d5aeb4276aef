// SPDX-License-Identifier: ISC
// What a handshake showed, kept: facts, digests, dates, and names that hostile certificates make up.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/base/utf8.h"
#include "tests/unit/certs.h"
#include "tls/shown.h"

static struct cert root, leaf;

static int make(void **state)
{
    (void)state;
    cert_make(&root, &(struct cert_spec){.cn = "An Authority", .ca = true});
    cert_make(&leaf, &(struct cert_spec){.cn = "mx.example.org",
                                         .san = {"mx.example.org", "mx2.example.org"},
                                         .issuer = &root,
                                         .begins = 1700000000,
                                         .ends = 1900000000});
    return 0;
}

static int drop(void **state)
{
    (void)state;
    cert_free(&root);
    cert_free(&leaf);
    return 0;
}

static struct tls_session_info info_of(const struct span *chain, size_t n)
{
    return (struct tls_session_info){.protocol = "TLSv1.3",
                                     .cipher = "TLS_AES_128_GCM_SHA256",
                                     .group = "X25519",
                                     .chain = chain,
                                     .nchain = n};
}

static void a_handshake_is_kept_with_its_chain(void **state)
{
    (void)state;
    struct span chain[] = {cert_span(&leaf), cert_span(&root)};
    struct tls_session_info info = info_of(chain, 2);
    struct shown *shown = shown_of(&info), *again = shown_of(&info);
    assert_string_equal(shown->protocol, "TLSv1.3");
    assert_string_equal(shown->cipher, "TLS_AES_128_GCM_SHA256");
    assert_string_equal(shown->group, "X25519");
    assert_int_equal(shown->nchain, 2);
    assert_int_equal(shown->ncut, 0);
    assert_true(span_equal(shown->chain[1], cert_span(&root)));
    assert_memory_equal(shown->digest, again->digest, SHOWN_DIGEST);
    shown_unref(again);
    info.nchain = 1;
    again = shown_of(&info);
    assert_memory_not_equal(shown->digest, again->digest, SHOWN_DIGEST);
    shown_unref(again);
    assert_ptr_equal(shown_ref(shown), shown);
    shown_unref(shown);
    shown_unref(shown);
    shown_unref(NULL);
}

static void a_certificate_says_who_it_is_and_until_when(void **state)
{
    (void)state;
    struct shown_certificate c;
    unsigned char digest[32];
    char hex[SHOWN_HEX];
    shown_read(cert_span(&leaf), &c);
    assert_true(c.readable);
    assert_string_equal(c.subject, "CN=mx.example.org");
    assert_string_equal(c.issuer, "CN=An Authority");
    assert_string_equal(c.name, "mx.example.org");
    assert_int_equal(c.nnames, 2);
    assert_int_equal(c.not_before_s, 1700000000);
    assert_int_equal(c.not_after_s, 1900000000);
    gnutls_hash_fast(GNUTLS_DIG_SHA256, leaf.der, leaf.n, digest);
    assert_memory_equal(c.fingerprint, digest, 32);
    struct span key = cert_spki(&leaf);
    gnutls_hash_fast(GNUTLS_DIG_SHA256, key.p, key.n, digest);
    assert_true(c.has_key);
    assert_memory_equal(c.key, digest, 32);
    assert_int_equal(strlen(shown_hex(digest, hex)), 64);
    assert_string_equal(shown_hex((const unsigned char[SHOWN_DIGEST]){0x01, 0xaf, 0x90}, hex),
                        "01af900000000000000000000000000000000000000000000000000000000000");
    assert_null(strpbrk(hex, "GHIJKLMNOPQRSTUVWXYZABCDEF"));
}

static void a_resumed_session_shows_no_chain(void **state)
{
    (void)state;
    static const unsigned char zero[SHOWN_DIGEST];
    struct tls_session_info info = info_of(NULL, 0);
    info.resumed = true;
    info.group = NULL;
    struct shown *shown = shown_of(&info);
    assert_true(shown->resumed);
    assert_string_equal(shown->group, "");
    assert_int_equal(shown->nchain, 0);
    assert_memory_equal(shown->digest, zero, SHOWN_DIGEST);
    shown_unref(shown);
}

// What its first session showed is told with it, under the same digest.
static void a_resumed_session_has_the_chain_of_the_first(void **state)
{
    (void)state;
    static unsigned char der[100];
    struct span chain[] = {span_of(der, sizeof der)};
    struct tls_session_info info = info_of(chain, 1);
    struct shown *first = shown_of(&info);
    info.resumed = true;
    info.nchain = 0;
    info.nearlier = 1;
    struct shown *shown = shown_of(&info);
    assert_true(shown->resumed);
    assert_int_equal(shown->nchain, 1);
    assert_memory_equal(shown->digest, first->digest, SHOWN_DIGEST);
    shown_unref(shown);
    shown_unref(first);
}

static void an_enormous_chain_is_counted_and_cut(void **state)
{
    (void)state;
    static unsigned char junk[40000];
    struct span chain[MAX_CHAIN];
    for (size_t i = 0; i < MAX_CHAIN; i++)
        chain[i] = span_of(junk, i == 0 ? 100 : sizeof junk);
    struct tls_session_info info = info_of(chain, MAX_CHAIN);
    info.ncut = 90;
    struct shown *shown = shown_of(&info);
    assert_int_equal(shown->nchain, 2); // the third would pass SHOWN_BYTES
    assert_int_equal(shown->ncut, 98);
    struct shown_certificate c;
    shown_certificate(shown, 1, &c);
    assert_false(c.readable);
    assert_false(c.has_key);
    assert_string_equal(c.subject, "");
    shown_unref(shown);
}

// The name is made of `text`; it has to come out as printable UTF-8 within its bounds.
static void subject_of(const char *text, struct shown_certificate *c)
{
    struct cert odd;
    cert_make(&odd, &(struct cert_spec){.cn = text}); // dNSNames would be made harmless by GnuTLS
    shown_read(cert_span(&odd), c);
    cert_free(&odd);
    const char *names[] = {c->subject, c->issuer, c->name};
    for (int i = 0; i < 3; i++) {
        assert_true(strlen(names[i]) < SHOWN_NAME);
        assert_true(utf8_valid(span_text(names[i])));
        for (const char *p = names[i]; *p; p++)
            assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
    }
}

static void names_are_safe_to_print_whatever_is_in_them(void **state)
{
    (void)state;
    struct shown_certificate c;
    subject_of("a\x1b[2Jb\r\nc\x7f", &c);
    assert_non_null(strstr(c.subject, "a\\x1B[2Jb\\x0D\\x0Ac\\x7F"));
    subject_of("\xe2\x80\xaegro.elpmaxe", &c); // right to left
    assert_null(strstr(c.subject, "\xe2\x80\xae"));
    assert_non_null(strstr(c.subject, "\\xE2\\x80\\xAE"));
    subject_of("\xc2\x9b"
               "2J\xd8\x9c",
               &c); // C1, the Arabic letter mark
    assert_null(strstr(c.subject, "\xc2\x9b"));
    assert_null(strstr(c.subject, "\xd8\x9c"));
    subject_of("\xe2\x80\xa8\xe2\x81\xa6\xef\xbb\xbf", &c); // a separator, an isolate, a mark
    assert_string_equal(c.subject, "CN=\\xE2\\x80\\xA8\\xE2\\x81\\xA6\\xEF\\xBB\\xBF");
    subject_of("Zoë Übermut", &c);
    assert_string_equal(c.subject, "CN=Zoë Übermut");
}

static void a_name_that_is_too_long_ends_in_dots(void **state)
{
    (void)state;
    struct cert long_one;
    struct shown_certificate c;
    char name[600];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    cert_make(&long_one, &(struct cert_spec){.cn = "short", .san = {name}});
    shown_read(cert_span(&long_one), &c);
    cert_free(&long_one);
    assert_int_equal(strlen(c.name), SHOWN_NAME - 1);
    assert_string_equal(c.name + SHOWN_NAME - 5, "x...");
    name[SHOWN_NAME - 1] = 0; // just fits
    cert_make(&long_one, &(struct cert_spec){.cn = "short", .san = {name}});
    shown_read(cert_span(&long_one), &c);
    cert_free(&long_one);
    assert_string_equal(c.name, name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_is_kept_with_its_chain),
        cmocka_unit_test(a_certificate_says_who_it_is_and_until_when),
        cmocka_unit_test(a_resumed_session_shows_no_chain),
        cmocka_unit_test(a_resumed_session_has_the_chain_of_the_first),
        cmocka_unit_test(an_enormous_chain_is_counted_and_cut),
        cmocka_unit_test(names_are_safe_to_print_whatever_is_in_them),
        cmocka_unit_test(a_name_that_is_too_long_ends_in_dots),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
