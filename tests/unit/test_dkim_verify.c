// SPDX-License-Identifier: ISC
// DKIM signatures that others wrote, most of them wrong in one way (RFC 6376 section 6.1).
#include "tests/unit/sign_story.h"

#include "sign/dkim_record.h"
#include "sign/dkim_verify.h"

#define NOW 2000000000
#define MESSAGE                                                                                    \
    "From: a@example.com\r\nTo: b@c.example\r\nSubject: hello\r\n\r\nHello world\r\nsecond "       \
    "line\r\n"

static struct sign_key *rsa, *ed25519;

struct verdict {
    enum auth_result result;
    unsigned bits;
    char reason[256];
};

// The topmost signature of the message.
static struct verdict verify_with(const char *message, struct facts *zone, unsigned min_rsa_bits)
{
    struct header h = story_header(message);
    struct dkim_checks *checks = dkim_checks_new(&h, min_rsa_bits, NOW);
    struct body_hashes *hashes = body_hashes_new();
    dkim_checks_want(checks, hashes);
    story_feed(hashes, &h, message);
    while (dkim_checks_evaluate(checks, hashes, zone))
        story_nothing_else(zone);
    assert_true(dkim_checks_count(checks) > 0);
    const struct signature *s = dkim_checks_at(checks, 0);
    struct verdict v = {.result = s->result, .bits = s->bits};
    memcpy(v.reason, s->reason, sizeof v.reason);
    body_hashes_free(hashes);
    dkim_checks_free(checks);
    header_free(&h);
    return v;
}

// A signature with these tags (bh= is filled in at %s) under a key whose record is `record`.
static struct verdict judge(const char *tags_format, const struct sign_key *key, const char *record)
{
    char *bh = story_body_hash(MESSAGE, CANON_RELAXED, CANON_NO_LIMIT);
    struct buf tags;
    buf_init(&tags, 4096);
    const char *hole = strstr(tags_format, "%s");
    buf_add(&tags, tags_format, hole ? (size_t)(hole - tags_format) : strlen(tags_format));
    if (hole)
        buf_addf(&tags, "%s%s", bh, hole + 2);
    char *message = story_forge("DKIM-Signature", buf_text(&tags), key, MESSAGE);
    struct facts *zone = facts_new();
    story_publish(zone, "s._domainkey.example.com", record);
    struct verdict v = verify_with(message, zone, 0);
    facts_free(zone);
    free(message);
    buf_free(&tags);
    free(bh);
    return v;
}

#define TAGS "a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s; "
#define GOOD "v=1; " TAGS "h=from:to:subject; bh=%s"

static void assert_judged(const char *tags, const char *prefix, enum auth_result want,
                          const char *reason)
{
    char *record = story_record(rsa);
    char *changed = mem_printf("%s%s", prefix, strchr(record, ';') + 1);
    struct verdict v = judge(tags, rsa, changed);
    if (v.result != want || !strstr(v.reason, reason))
        fail_msg("%s | %s: %s (%s)", tags, prefix, auth_result_word(v.result), v.reason);
    free(changed);
    free(record);
}

#define KEY "v=DKIM1; "

static void an_honest_signature_passes(void **state)
{
    (void)state;
    assert_judged(GOOD, KEY, AUTH_PASS, "");
    assert_judged(GOOD "; q=dns/txt; t=1999999999; x=2000000001; z=Anything", KEY, AUTH_PASS, "");
    assert_judged(GOOD "; q=foo:dns/txt", KEY "n=; g=*; h=sha1:sha256; ", AUTH_PASS, "");
}

static void case_1_identity_in_a_subdomain(void **state)
{
    (void)state;
    assert_judged(GOOD "; i=@sub.example.com", KEY, AUTH_PASS, "");
    assert_judged(GOOD "; i=@sub.example.com", KEY "t=s; ", AUTH_PERMERROR, "subdomains");
    assert_judged(GOOD "; i=@sub.example.com", KEY "t=y:s; ", AUTH_PERMERROR, "subdomains");
    assert_judged(GOOD "; i=joe@EXAMPLE.com", KEY "t=s; ", AUTH_PASS, "");
    assert_judged(GOOD "; i=@notexample.com", KEY, AUTH_PERMERROR, "outside");
    assert_judged(GOOD "; i=@com", KEY, AUTH_PERMERROR, "outside");
    assert_judged(GOOD "; i=@example.com.evil.example", KEY, AUTH_PERMERROR, "outside");
    assert_judged(GOOD "; i=example.com", KEY, AUTH_PERMERROR, "i=");
}

static void case_2_algorithms_sizes_and_services(void **state)
{
    (void)state;
    assert_judged(GOOD, KEY "h=sha1; ", AUTH_PERMERROR, "sha256");
    assert_judged("v=1; a=rsa-sha1; d=example.com; s=s; h=from; bh=%s", KEY, AUTH_PERMERROR,
                  "rsa-sha1");
    assert_judged(GOOD, KEY "s=tlsrpt; ", AUTH_PERMERROR, "not for mail");
    assert_judged(GOOD, KEY "s=tlsrpt:email; ", AUTH_PASS, "");
    assert_judged(GOOD, KEY "s=*; ", AUTH_PASS, "");
    struct verdict v = judge(GOOD, rsa,
                             "v=DKIM1; k=rsa; p="
                             "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAOq+"
                             "NPsM3ibzN7mWbhun1KPL3mZgTMPvsC4I4tRFoRlxTma4eyE6EBe9zr1dVg1vZEGAmrAYJ"
                             "dqKRx2cFit8TKkCAwEAAQ==");
    assert_int_equal(v.result, AUTH_PERMERROR);
    assert_non_null(strstr(v.reason, "512 bits"));
}

static void case_2_a_smallest_size_of_ones_own(void **state)
{
    (void)state;
    struct sign_key *small = story_key(KEY_RSA, 1024);
    char *bh = story_body_hash(MESSAGE, CANON_RELAXED, CANON_NO_LIMIT);
    char *tags = mem_printf("v=1; " TAGS "h=from; bh=%s", bh);
    char *message = story_forge("DKIM-Signature", tags, small, MESSAGE);
    struct facts *zone = facts_new();
    story_publish_key(zone, "s._domainkey.example.com", small);
    assert_int_equal(verify_with(message, zone, 0).result, AUTH_PASS);
    assert_int_equal(verify_with(message, zone, 2048).result, AUTH_POLICY);
    facts_free(zone);
    free(message);
    free(tags);
    free(bh);
    sign_key_unref(small);
}

// A body that goes on behind what l= covers, and one that ends before.
static void case_3_a_length(void **state)
{
    (void)state;
    char *bh = story_body_hash(MESSAGE, CANON_RELAXED, 5);
    char *tags = mem_printf("v=1; " TAGS "h=from; l=5; bh=%s", bh);
    char *message = story_forge("DKIM-Signature", tags, rsa, MESSAGE);
    struct facts *zone = facts_new();
    story_publish_key(zone, "s._domainkey.example.com", rsa);
    struct verdict v = verify_with(message, zone, 0);
    assert_int_equal(v.result, AUTH_POLICY);
    assert_non_null(strstr(v.reason, "l="));
    free(tags);
    free(message);
    free(bh);
    bh = story_body_hash(MESSAGE, CANON_RELAXED, CANON_NO_LIMIT);
    tags = mem_printf("v=1; " TAGS "h=from; l=1000; bh=%s", bh);
    message = story_forge("DKIM-Signature", tags, rsa, MESSAGE);
    v = verify_with(message, zone, 0);
    assert_int_equal(v.result, AUTH_PERMERROR);
    assert_non_null(strstr(v.reason, "larger"));
    facts_free(zone);
    free(message);
    free(tags);
    free(bh);
    assert_judged(GOOD "; l=x", KEY, AUTH_PERMERROR, "l=");
}

static void case_3_what_must_be_there(void **state)
{
    (void)state;
    assert_judged("v=1; " TAGS "h=to:subject; bh=%s", KEY, AUTH_PERMERROR, "From");
    assert_judged(TAGS "h=from; bh=%s", KEY, AUTH_PERMERROR, "v=");
    assert_judged("v=2; " TAGS "h=from; bh=%s", KEY, AUTH_PERMERROR, "v=");
    assert_judged("v=1; " TAGS "h=from", KEY, AUTH_PERMERROR, "bh=");
    assert_judged("v=1; " TAGS "h=from; bh=AAAA", KEY, AUTH_PERMERROR, "bh=");
    assert_judged("v=1; " TAGS "bh=%s", KEY, AUTH_PERMERROR, "h=");
    assert_judged("v=1; a=rsa-sha256; s=s; h=from; bh=%s", KEY, AUTH_PERMERROR, "d=");
    assert_judged("v=1; a=rsa-sha256; d=example.com; h=from; bh=%s", KEY, AUTH_PERMERROR, "s=");
    assert_judged("v=1; d=example.com; s=s; h=from; bh=%s", KEY, AUTH_PERMERROR, "a=");
    assert_judged("v=1; a=rsa-sha256; c=odd; d=example.com; s=s; h=from; bh=%s", KEY,
                  AUTH_PERMERROR, "c=");
    assert_judged(GOOD "; q=http", KEY, AUTH_PERMERROR, "q=");
}

// RFC 8616 section 4: a message in UTF-8 may name its domain so.
static void a_domain_in_its_own_letters(void **state)
{
    (void)state;
    char *bh = story_body_hash(MESSAGE, CANON_RELAXED, CANON_NO_LIMIT);
    char *tags = mem_printf("v=1; a=rsa-sha256; c=relaxed/relaxed; s=s; h=from; bh=%s; "
                            "d=B\xc3\xbc"
                            "cher.example; i=@x.b\xc3\xbc"
                            "cher.example",
                            bh);
    char *message = story_forge("DKIM-Signature", tags, rsa, MESSAGE);
    struct facts *zone = facts_new();
    story_publish_key(zone, "s._domainkey.xn--bcher-kva.example", rsa);
    assert_int_equal(verify_with(message, zone, 0).result, AUTH_PASS);
    facts_free(zone);
    free(message);
    free(tags);
    free(bh);
}

static void what_is_no_tag_list(void **state)
{
    (void)state;
    const char *bad[] = {"v=1; v=1", "v=1;; a=x", "v", "=1", "1v=1", "v=1; a b=c", "", "v=\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *message = mem_printf("DKIM-Signature: %s\r\n%s", bad[i], MESSAGE);
        struct facts *zone = facts_new();
        struct verdict v = verify_with(message, zone, 0);
        assert_int_equal(v.result, AUTH_PERMERROR);
        assert_non_null(strstr(v.reason, "tag list"));
        facts_free(zone);
        free(message);
    }
}

static void times(void **state)
{
    (void)state;
    assert_judged(GOOD "; x=1999999999", KEY, AUTH_FAIL, "expired");
    assert_judged(GOOD "; x=2000000000", KEY, AUTH_PASS, "");
    assert_judged(GOOD "; t=2000000300; x=2000000200", KEY, AUTH_PERMERROR, "x=");
    assert_judged(GOOD "; t=2100000000", KEY, AUTH_PASS, ""); // clocks differ
    assert_judged(GOOD "; t=soon", KEY, AUTH_PERMERROR, "t=");
}

// The record of an RSA key with PKCS#1 in p= instead of the SPKI around it.
static char *pkcs1_record(const struct sign_key *key)
{
    char *record = story_record(key);
    struct buf spki, p;
    buf_init(&spki, 4096);
    buf_init(&p, 4096);
    assert_true(base64_decode(span_text(strstr(record, "p=") + 2), &spki));
    assert_int_equal(spki.len, 294); // of 2048 bits
    base64_encode(spki.data + 24, spki.len - 24, &p);
    char *changed = mem_printf("v=DKIM1; p=%s", buf_text(&p));
    buf_free(&spki);
    buf_free(&p);
    free(record);
    return changed;
}

static void case_4_how_keys_are_written(void **state)
{
    (void)state;
    char *pkcs1 = pkcs1_record(rsa);
    assert_int_equal(judge(GOOD, rsa, pkcs1).result, AUTH_PASS);
    free(pkcs1);
    const char *good =
        "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=s; h=from; bh=%s";
    char *record = story_record(ed25519);
    struct verdict v = judge(good, ed25519, record);
    assert_int_equal(v.result, AUTH_PASS);
    assert_int_equal(v.bits, 256);
    // SubjectPublicKeyInfo around the same 32 bytes is an error (RFC 8463 section 4).
    struct buf spki, p;
    buf_init(&spki, 64);
    buf_init(&p, 4096);
    buf_add(&spki, "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);
    assert_true(base64_decode(span_text(strstr(record, "p=") + 2), &spki));
    base64_encode(spki.data, spki.len, &p);
    char *wrapped = mem_printf("v=DKIM1; k=ed25519; p=%s", buf_text(&p));
    v = judge(good, ed25519, wrapped);
    assert_int_equal(v.result, AUTH_PERMERROR);
    assert_non_null(strstr(v.reason, "32 bytes"));
    // The right bytes under the wrong name.
    free(wrapped);
    wrapped = mem_printf("v=DKIM1; p=%s", strstr(record, "p=") + 2);
    assert_int_equal(judge(good, ed25519, wrapped).result, AUTH_PERMERROR);
    assert_int_equal(judge(GOOD, rsa, record).result, AUTH_PERMERROR);
    free(wrapped);
    free(record);
    buf_free(&spki);
    buf_free(&p);
}

// The good signature against a zone that the caller made.
static struct verdict against(struct facts *zone)
{
    char *bh = story_body_hash(MESSAGE, CANON_RELAXED, CANON_NO_LIMIT);
    char *tags = mem_printf("v=1; " TAGS "h=from; bh=%s", bh);
    char *message = story_forge("DKIM-Signature", tags, rsa, MESSAGE);
    struct verdict v = verify_with(message, zone, 0);
    facts_free(zone);
    free(message);
    free(tags);
    free(bh);
    return v;
}

#define NAME "s._domainkey.example.com"

static void case_5_what_the_dns_may_say(void **state)
{
    (void)state;
    struct facts *zone = facts_new();
    story_answer(zone, NAME, DNS_FAILED);
    assert_int_equal(against(zone).result, AUTH_TEMPERROR);
    zone = facts_new();
    story_answer(zone, NAME, DNS_ABSENT);
    assert_int_equal(against(zone).result, AUTH_PERMERROR);
    zone = facts_new();
    struct dns_answer *alias = story_answer(zone, NAME, DNS_FOUND);
    char *record = story_record(rsa);
    story_add_text(alias, record, 0);
    alias->alias = true;
    free(alias->canonical);
    alias->canonical = mem_dup("key.host.example");
    assert_int_equal(against(zone).result, AUTH_PASS);
    free(record);
}

static void case_5_several_records(void **state)
{
    (void)state;
    char *record = story_record(rsa);
    struct facts *zone = facts_new();
    struct dns_answer *a = story_answer(zone, NAME, DNS_FOUND);
    story_add_text(a, "v=spf1 -all", 0);
    story_add_text(a, "v=DKIM1; p=", 0);
    story_add_text(a, record, 0);
    assert_int_equal(against(zone).result, AUTH_PASS);
    // An older key beside the one that signed.
    struct sign_key *older = story_key(KEY_RSA, 1024);
    char *older_record = story_record(older);
    zone = facts_new();
    a = story_answer(zone, NAME, DNS_FOUND);
    story_add_text(a, older_record, 0);
    story_add_text(a, record, 0);
    assert_int_equal(against(zone).result, AUTH_PASS);
    zone = facts_new();
    story_publish(zone, NAME, older_record);
    assert_int_equal(against(zone).result, AUTH_FAIL);
    free(older_record);
    sign_key_unref(older);
    free(record);
}

static void case_5_strings_and_white_space(void **state)
{
    (void)state;
    char *record = story_record(rsa);
    for (size_t piece = 29; piece < 34; piece++) { // cuts base64 groups at every place
        struct facts *zone = facts_new();
        story_add_text(story_answer(zone, NAME, DNS_FOUND), record, piece);
        assert_int_equal(against(zone).result, AUTH_PASS);
    }
    struct facts *zone = facts_new();
    char *spaced = mem_printf("%.*s \t %s  ", 60, record, record + 60);
    story_publish(zone, NAME, spaced);
    assert_int_equal(against(zone).result, AUTH_PASS);
    free(spaced);
    zone = facts_new();
    story_publish(zone, NAME, "v=DKIM1; p=");
    struct verdict v = against(zone);
    assert_int_equal(v.result, AUTH_PERMERROR);
    assert_non_null(strstr(v.reason, "revoked"));
    const char *bad[] = {"",    "hello",  "v=DKIM2; p=AAAA",        "k=rsa; v=DKIM1; p=AAAA",
                         "p=?", "p=AAAA", "v=DKIM1; k=dsa; p=AAAA", "v=DKIM1; p=A;p=A"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zone = facts_new();
        story_publish(zone, NAME, bad[i]);
        assert_int_equal(against(zone).result, AUTH_PERMERROR);
    }
    free(record);
}

static void a_changed_message_fails(void **state)
{
    (void)state;
    char *bh = story_body_hash(MESSAGE, CANON_RELAXED, CANON_NO_LIMIT);
    char *tags = mem_printf("v=1; " TAGS "h=from:subject; bh=%s", bh);
    char *message = story_forge("DKIM-Signature", tags, rsa, MESSAGE);
    struct facts *zone = facts_new();
    story_publish_key(zone, NAME, rsa);
    strstr(message, "second")[0] = 'S';
    struct verdict v = verify_with(message, zone, 0);
    assert_int_equal(v.result, AUTH_FAIL);
    assert_non_null(strstr(v.reason, "body"));
    strstr(message, "Second")[0] = 's';
    strstr(message, "hello")[0] = 'H';
    v = verify_with(message, zone, 0);
    assert_int_equal(v.result, AUTH_FAIL);
    assert_non_null(strstr(v.reason, "header"));
    facts_free(zone);
    free(message);
    free(tags);
    free(bh);
}

static void more_signatures_than_are_looked_at(void **state)
{
    (void)state;
    struct buf message;
    buf_init(&message, STORY_MAX);
    for (int i = 0; i < 60; i++)
        buf_adds(&message, "DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=from;\r\n"
                           " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n");
    buf_adds(&message, "From: a@b.example\r\n\r\n");
    struct header h = story_header(buf_text(&message));
    struct dkim_checks *checks = dkim_checks_new(&h, 0, NOW);
    assert_int_equal(dkim_checks_count(checks), DKIM_MAX_LISTED);
    assert_int_equal(dkim_checks_at(checks, DKIM_MAX_SIGNATURES - 1)->result, AUTH_NONE);
    assert_int_equal(dkim_checks_at(checks, DKIM_MAX_SIGNATURES)->result, AUTH_POLICY);
    dkim_checks_give_up(checks);
    assert_int_equal(dkim_checks_at(checks, 0)->result, AUTH_TEMPERROR);
    dkim_checks_free(checks);
    header_free(&h);
    buf_free(&message);
}

// An RSA key whose exponent is as long as its modulus makes a verification as slow as a signature.
static void an_exponent_that_wastes_time_is_refused(void **state)
{
    (void)state;
    struct dkim_record record = {.type = KEY_RSA};
    buf_init(&record.key, 4096);
    buf_add(&record.key, "\x30\x82\x01\x0a\x02\x81\x81\x00", 8);
    for (int i = 0; i < 128; i++)
        buf_addc(&record.key, (char)(i == 0 ? 0xc1 : 0x35));
    buf_add(&record.key, "\x02\x81\x81\x00", 4);
    for (int i = 0; i < 128; i++)
        buf_addc(&record.key, (char)(i == 0 ? 0xc1 : 0x33));
    record.key.data[3] = (unsigned char)(record.key.len - 4);
    record.key.data[2] = (unsigned char)((record.key.len - 4) >> 8);
    char reason[128];
    assert_null(verify_key_new(&record, reason));
    assert_non_null(strstr(reason, "exponent"));
    dkim_record_free(&record);
}

static int make_keys(void **state)
{
    (void)state;
    rsa = story_key(KEY_RSA, 2048);
    ed25519 = story_key(KEY_ED25519, 0);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    sign_key_unref(rsa);
    sign_key_unref(ed25519);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_signature_passes),
        cmocka_unit_test(case_1_identity_in_a_subdomain),
        cmocka_unit_test(case_2_algorithms_sizes_and_services),
        cmocka_unit_test(case_2_a_smallest_size_of_ones_own),
        cmocka_unit_test(case_3_a_length),
        cmocka_unit_test(case_3_what_must_be_there),
        cmocka_unit_test(a_domain_in_its_own_letters),
        cmocka_unit_test(what_is_no_tag_list),
        cmocka_unit_test(times),
        cmocka_unit_test(case_4_how_keys_are_written),
        cmocka_unit_test(case_5_what_the_dns_may_say),
        cmocka_unit_test(case_5_several_records),
        cmocka_unit_test(case_5_strings_and_white_space),
        cmocka_unit_test(a_changed_message_fails),
        cmocka_unit_test(more_signatures_than_are_looked_at),
        cmocka_unit_test(an_exponent_that_wastes_time_is_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
