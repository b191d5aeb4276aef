// SPDX-License-Identifier: ISC
// ARC chains (RFC 8617): sealed hop by hop and validated, then broken in every way.
#include "tests/unit/sign_story.h"

#include "sign/arc.h"

#define MESSAGE                                                                                    \
    "From: a@example.com\r\nTo: list@example.org\r\nSubject: hello\r\n\r\nHello world\r\n"

static struct sign_key *rsa;

struct outcome {
    enum arc_cv cv;
    size_t instances, oldest_pass;
    bool closed;
    char reason[400];
};

static void look(struct arc_chain *c, struct body_hashes *hashes, const char *message,
                 const struct header *h)
{
    struct facts *zone = facts_new();
    story_publish_key(zone, "s._domainkey.example.org", rsa);
    body_hashes_want(hashes, CANON_RELAXED, CANON_NO_LIMIT);
    arc_want(c, hashes);
    story_feed(hashes, h, message);
    while (arc_evaluate(c, hashes, zone))
        story_nothing_else(zone);
    facts_free(zone);
}

static struct outcome validate(const char *message)
{
    struct header h = story_header(message);
    struct arc_chain *c = arc_new(&h, 0);
    struct body_hashes *hashes = body_hashes_new();
    look(c, hashes, message, &h);
    struct outcome o = {arc_result(c), arc_instances(c), arc_oldest_pass(c), arc_closed(c), ""};
    snprintf(o.reason, sizeof o.reason, "%s", arc_reason(c));
    arc_free(c);
    body_hashes_free(hashes);
    header_free(&h);
    return o;
}

// The next set on top, with the validator's own finding as cv=. Takes over the message. NULL: closed.
static char *seal(char *message)
{
    struct header h = story_header(message);
    struct arc_chain *c = arc_new(&h, 0);
    struct body_hashes *hashes = body_hashes_new();
    look(c, hashes, message, &h);
    struct arc_set set = {.domain = "example.org",
                          .selector = "s",
                          .key = rsa,
                          .time = 100,
                          .cv = arc_result(c),
                          .results = "mx.example.org;\r\n spf=pass"};
    struct buf out;
    struct why why;
    buf_init(&out, STORY_MAX);
    char *whole = NULL;
    if (!arc_closed(c)) {
        assert_int_equal(arc_seal(c, &set, hashes, &out, &why), 0);
        buf_adds(&out, message);
        whole = buf_take(&out);
    }
    buf_free(&out);
    arc_free(c);
    body_hashes_free(hashes);
    header_free(&h);
    free(message);
    return whole;
}

static char *hops(unsigned n)
{
    char *message = mem_dup(MESSAGE);
    while (n--)
        message = seal(message);
    return message;
}

// The message with the first `from` behind `after` replaced by `to`, and what the validator says.
static struct outcome with(const char *message, const char *after, const char *from, const char *to)
{
    const char *at = strstr(strstr(message, after), from);
    assert_non_null(at);
    char *changed = mem_printf("%.*s%s%s", (int)(at - message), message, to, at + strlen(from));
    struct outcome o = validate(changed);
    free(changed);
    return o;
}

static void assert_fails(struct outcome o, const char *reason)
{
    assert_int_equal(o.cv, ARC_FAIL);
    if (!strstr(o.reason, reason))
        fail_msg("'%s' is not in '%s'", reason, o.reason);
}

static void five_hops_pass(void **state)
{
    (void)state;
    char *message = mem_dup(MESSAGE);
    struct outcome o = validate(message);
    assert_int_equal(o.cv, ARC_NONE);
    for (size_t i = 1; i <= 5; i++) {
        message = seal(message);
        o = validate(message);
        assert_string_equal(o.reason, "");
        assert_int_equal(o.cv, ARC_PASS);
        assert_int_equal(o.instances, i);
        assert_int_equal(o.oldest_pass, 0);
    }
    free(message);
}

static void case_13_the_order_on_top(void **state)
{
    (void)state;
    char *message = hops(2);
    struct header h = story_header(message);
    const char *order[] = {"ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"};
    for (size_t i = 0; i < 6; i++) {
        assert_true(span_is(h.fields[i].name, order[i % 3]));
        char *value = span_dup(h.fields[i].value);
        assert_non_null(strstr(value, i < 3 ? "i=2" : "i=1"));
        free(value);
    }
    assert_true(span_starts_nocase(h.fields[2].value, " i=2; mx.example.org;"));
    header_free(&h);
    free(message);
}

static void case_10_a_closed_chain_gets_nothing_more(void **state)
{
    (void)state;
    char *message = hops(2);
    strstr(message, "hello")[0] = 'H'; // on the way, and hop 3 finds out
    assert_fails(validate(message), "ARC-Message-Signature 2");
    message = seal(message);
    assert_non_null(strstr(message, "cv=fail"));
    struct outcome o = validate(message);
    assert_fails(o, "closed");
    assert_true(o.closed);
    assert_null(seal(message));
}

// The seal of a failing chain covers its own set alone: it still holds without the others.
static void case_10_a_failing_chain_is_sealed_by_its_own_set_alone(void **state)
{
    (void)state;
    char *message = hops(1);
    strstr(message, "hello")[0] = 'H';
    message = seal(message);
    struct header h = story_header(message);
    assert_true(span_is(h.fields[0].name, "ARC-Seal"));
    struct signature s;
    assert_true(signature_read(&s, &h.fields[0]));
    assert_true(tags_is(&s.tags, "cv", "fail"));
    struct buf data;
    buf_init(&data, STORY_MAX);
    canon_field(CANON_RELAXED, &h.fields[2], &data);
    canon_field(CANON_RELAXED, &h.fields[1], &data);
    signature_own(&s, CANON_RELAXED, &data);
    struct facts *zone = facts_new();
    story_publish_key(zone, "s._domainkey.example.org", rsa);
    signature_check(&s, signature_key(&s, zone), buf_span(&data), 0);
    assert_int_equal(s.result, AUTH_PASS);
    facts_free(zone);
    buf_free(&data);
    signature_free(&s);
    header_free(&h);
    free(message);
}

static void case_11_sets_that_are_not_whole(void **state)
{
    (void)state;
    char *m = hops(2);
    assert_fails(with(m, "ARC-Seal", "i=2", "i=3"), "incomplete");
    assert_fails(with(m, "ARC-Seal", "i=2", "i=1"), "two ARC-Seal");
    assert_fails(with(m, "ARC-Seal", "i=2", "i=0"), "without a valid instance");
    assert_fails(with(m, "ARC-Seal", "i=2", "i=51"), "without a valid instance");
    assert_fails(with(m, "ARC-Seal", "i=2", "i=x"), "without a valid instance");
    assert_fails(with(m, "ARC-Auth", "ARC-Auth", "X-Gone"), "incomplete");
    assert_fails(with(m, "ARC-Auth", "i=2;", "x=1; i=2;"), "without a valid instance");
    assert_fails(with(m, "ARC-Message", "ARC-Message-Signature", "X-Gone"), "incomplete");
    // A gap: the whole first set is gone.
    struct header h = story_header(m);
    char *gap =
        mem_printf("%.*s%s", (int)(h.fields[3].whole.p - (const unsigned char *)m), m, MESSAGE);
    assert_fails(validate(gap), "set 1 is incomplete");
    free(gap);
    header_free(&h);
    free(m);
}

static void case_11_tags_of_a_seal(void **state)
{
    (void)state;
    char *m = hops(2);
    assert_fails(with(m, "ARC-Seal", "cv=pass", "h=from; cv=pass"), "no h=");
    assert_fails(with(m, "ARC-Seal", "cv=pass", "cv=pass; cv=pass"), "valid instance");
    assert_fails(with(m, "ARC-Seal", "cv=pass", "CV=pass"), "cv=");
    assert_fails(with(m, "ARC-Seal", "cv=pass", "cv=Pass"), "cv=");
    assert_fails(with(m, "ARC-Seal", "cv=pass", "cv=none"), "cv=");
    assert_fails(with(m, "cv=none", "cv=none", "cv=pass"), "cv=");
    assert_fails(with(m, "ARC-Seal", "d=example.org", "d=example.com"), "no key");
    assert_fails(with(m, "ARC-Seal", "t=100", "t=101"), "ARC-Seal 2");
    assert_fails(with(m, "ARC-Auth", "spf=pass", "spf=fail"), "ARC-Seal 2");
    free(m);
}

// AMS under a seal of its own making: the message signature has these tags, the rest is as it should be.
static struct outcome forged(const char *tags)
{
    char *ams = story_forge("ARC-Message-Signature", tags, rsa, MESSAGE);
    char *set = mem_printf("ARC-Authentication-Results: i=1; mx.example.org; none\r\n%s", ams);
    struct header h = story_header(set);
    struct buf data, b;
    struct why why;
    buf_init(&data, STORY_MAX);
    buf_init(&b, STORY_MAX);
    canon_field(CANON_RELAXED, &h.fields[0], &data);
    canon_field(CANON_RELAXED, &h.fields[1], &data);
    const char *own = "a=rsa-sha256; cv=none; d=example.org; i=1; s=s; b=";
    buf_addf(&data, "arc-seal:%s", own);
    assert_int_equal(sign_key_sign(rsa, data.data, data.len, &b, &why), 0);
    char *message = mem_printf("ARC-Seal: %s%s\r\n%s", own, buf_text(&b), set);
    struct outcome o = validate(message);
    free(message);
    buf_free(&data);
    buf_free(&b);
    header_free(&h);
    free(set);
    free(ams);
    return o;
}

static void case_11_tags_of_a_message_signature(void **state)
{
    (void)state;
    char *bh = story_body_hash(MESSAGE, CANON_RELAXED, CANON_NO_LIMIT);
#define AMS(format)                                                                                \
    do {                                                                                           \
        char *tags = mem_printf("a=rsa-sha256; d=example.org; s=s; i=1; bh=%s; " format, bh);      \
        o = forged(tags);                                                                          \
        free(tags);                                                                                \
    } while (0)
    struct outcome o;
    AMS("c=relaxed/relaxed; h=from:subject");
    assert_int_equal(o.cv, ARC_PASS);
    AMS("h=from:subject"); // no c=: simple is meant, relaxed is often done
    assert_int_equal(o.cv, ARC_PASS);
    AMS("c=simple/simple; h=from:subject");
    assert_fails(o, "header");
    AMS("c=relaxed/relaxed; h=subject");
    assert_fails(o, "From");
    AMS("c=relaxed/relaxed; h=from:arc-seal");
    assert_fails(o, "covers an ARC-Seal");
    AMS("c=relaxed/relaxed; h=from; l=2");
    assert_fails(o, "l=");
    free(bh);
}

// Without c= a signature that is truly simple/simple holds too.
static void case_11_without_c_simple_is_meant(void **state)
{
    (void)state;
    const char *message = "From:  a@example.com\r\nsubject: x \r\n\r\nHello  world\r\n";
    char *bh = story_body_hash(message, CANON_SIMPLE, CANON_NO_LIMIT);
    char *own = mem_printf("ARC-Message-Signature: a=rsa-sha256; d=example.org; s=s; i=1; "
                           "h=from:Subject; bh=%s; b=",
                           bh);
    char *data = mem_printf("From:  a@example.com\r\nsubject: x \r\n%s", own);
    struct buf b;
    struct why why;
    buf_init(&b, 4096);
    assert_int_equal(sign_key_sign(rsa, data, strlen(data), &b, &why), 0);
    char *whole = mem_printf("%s%s\r\n%s", own, buf_text(&b), message);
    struct header h = story_header(whole);
    struct signature s;
    assert_true(signature_read(&s, &h.fields[0]) && signature_read_message(&s));
    assert_int_equal(s.header_canon, CANON_SIMPLE);
    assert_int_equal(s.body_canon, CANON_SIMPLE);
    struct facts *zone = facts_new();
    story_publish_key(zone, "s._domainkey.example.org", rsa);
    signature_check_message(&s, &h, signature_key(&s, zone), 0);
    assert_int_equal(s.result, AUTH_PASS);
    facts_free(zone);
    signature_free(&s);
    header_free(&h);
    buf_free(&b);
    free(whole);
    free(data);
    free(own);
    free(bh);
}

static void case_11_only_the_newest_message_signature_must_verify(void **state)
{
    (void)state;
    char *message = hops(2);
    strstr(message, "Subject: hello")[9] =
        'J'; // a list's prefix, say; its own hop signs the result
    struct header h = story_header(message);
    // Without its newest set the chain is broken by the change ...
    struct outcome o = validate((const char *)h.fields[3].whole.p);
    assert_fails(o, "ARC-Message-Signature 1");
    // ... so hop 2 has to seal again what it changed: its cv is what it found on arrival.
    char *arrived = mem_printf("%s", (const char *)h.fields[3].whole.p);
    header_free(&h);
    free(message);
    h = story_header(arrived);
    struct arc_chain *c = arc_new(&h, 0);
    struct body_hashes *hashes = body_hashes_new();
    look(c, hashes, arrived, &h);
    struct arc_set set = {.domain = "example.org",
                          .selector = "s",
                          .key = rsa,
                          .cv = ARC_PASS,
                          .results = "mx.example.org; arc=pass"};
    struct buf out;
    struct why why;
    buf_init(&out, STORY_MAX);
    assert_int_equal(arc_seal(c, &set, hashes, &out, &why), 0);
    buf_adds(&out, arrived);
    o = validate(buf_text(&out));
    assert_string_equal(o.reason, "");
    assert_int_equal(o.cv, ARC_PASS);
    assert_int_equal(o.oldest_pass, 2);
    buf_free(&out);
    arc_free(c);
    body_hashes_free(hashes);
    header_free(&h);
    free(arrived);
}

static void case_11_no_more_than_fifty_sets(void **state)
{
    (void)state;
    struct buf m;
    buf_init(&m, STORY_MAX);
    for (int i = 50; i > 0; i--)
        buf_addf(&m,
                 "ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=x.example; s=s; b=AAAA\r\n"
                 "ARC-Message-Signature: i=%d; a=rsa-sha256; d=x.example; s=s; h=from; "
                 "bh=AAAA; b=AAAA\r\nARC-Authentication-Results: i=%d; x.example; none\r\n",
                 i, i == 1 ? "none" : "pass", i, i);
    buf_adds(&m, MESSAGE);
    struct outcome o = validate(buf_text(&m));
    assert_fails(o, "bh=");
    assert_int_equal(o.instances, 50);
    assert_true(o.closed);
    buf_free(&m);
}

static void only_rsa_keys_seal(void **state)
{
    (void)state;
    struct sign_key *key = story_key(KEY_ED25519, 0);
    struct header h = story_header(MESSAGE);
    struct arc_chain *c = arc_new(&h, 0);
    struct arc_set set = {
        .domain = "example.org", .selector = "s", .key = key, .results = "x; none"};
    struct why why;
    assert_int_equal(arc_seal(c, &set, NULL, NULL, &why), -1);
    assert_int_equal(why.scope, WHY_OURS);
    arc_free(c);
    header_free(&h);
    sign_key_unref(key);
}

static void a_dns_that_fails_is_no_verdict_for_ever(void **state)
{
    (void)state;
    char *message = hops(1);
    struct header h = story_header(message);
    struct arc_chain *c = arc_new(&h, 0);
    struct body_hashes *hashes = body_hashes_new();
    struct facts *zone = facts_new();
    story_answer(zone, "s._domainkey.example.org", DNS_FAILED);
    arc_want(c, hashes);
    story_feed(hashes, &h, message);
    assert_false(arc_evaluate(c, hashes, zone));
    assert_int_equal(arc_result(c), ARC_FAIL);
    assert_true(arc_temporary(c));
    arc_free(c);
    c = arc_new(&h, 0);
    arc_give_up(c);
    assert_true(arc_temporary(c));
    arc_free(c);
    facts_free(zone);
    body_hashes_free(hashes);
    header_free(&h);
    free(message);
}

static int make_keys(void **state)
{
    (void)state;
    rsa = story_key(KEY_RSA, 1024);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    sign_key_unref(rsa);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_hops_pass),
        cmocka_unit_test(case_10_a_closed_chain_gets_nothing_more),
        cmocka_unit_test(case_10_a_failing_chain_is_sealed_by_its_own_set_alone),
        cmocka_unit_test(case_11_sets_that_are_not_whole),
        cmocka_unit_test(case_11_tags_of_a_seal),
        cmocka_unit_test(case_11_tags_of_a_message_signature),
        cmocka_unit_test(case_11_without_c_simple_is_meant),
        cmocka_unit_test(case_11_only_the_newest_message_signature_must_verify),
        cmocka_unit_test(case_11_no_more_than_fifty_sets),
        cmocka_unit_test(case_13_the_order_on_top),
        cmocka_unit_test(only_rsa_keys_seal),
        cmocka_unit_test(a_dns_that_fails_is_no_verdict_for_ever),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
