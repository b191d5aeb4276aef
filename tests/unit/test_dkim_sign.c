// SPDX-License-Identifier: ISC
// DKIM-Signature fields as we write them: which fields they cover, how they look, and that they hold for
// what is sent and for nothing else.
#include "tests/unit/sign_story.h"

#include "sign/dkim_sign.h"
#include "sign/dkim_verify.h"

static struct sign_key *rsa, *ed25519;

// The signature field over the message; NULL: refused, with why. Caller frees.
static char *sign(const char *message, const struct dkim_sign *how, struct why *why)
{
    struct header h = story_header(message);
    struct body_hashes *hashes = body_hashes_new();
    body_hashes_want(hashes, how->body_canon, CANON_NO_LIMIT);
    story_feed(hashes, &h, message);
    struct buf out;
    buf_init(&out, STORY_MAX);
    int rc = dkim_sign(how, &h, hashes, &out, why);
    body_hashes_free(hashes);
    header_free(&h);
    char *field = buf_take(&out);
    if (rc == 0)
        return field;
    free(field);
    return NULL;
}

static char *tag_of(const char *field, const char *name)
{
    struct header h = story_header(field);
    struct tags tags;
    assert_true(tags_parse(h.fields[0].value, &tags));
    const struct tag *tag = tags_find(&tags, name);
    char *value = span_dup(tag ? tag->value : span_text("-"));
    header_free(&h);
    char *to = value;
    for (const char *from = value; *from; from++)
        if (!ascii_is_space((unsigned char)*from))
            *to++ = *from;
    *to = 0;
    return value;
}

static void assert_tag(const char *field, const char *name, const char *want)
{
    char *got = tag_of(field, name);
    assert_string_equal(got, want);
    free(got);
}

static enum auth_result verify(const char *message)
{
    struct facts *zone = facts_new();
    story_publish_key(zone, "r._domainkey.example.org", rsa);
    story_publish_key(zone, "e._domainkey.example.org", ed25519);
    struct header h;
    struct why why;
    size_t used;
    enum auth_result result = AUTH_NONE;
    if (header_parse(&h, span_text(message), &used, &why) == 0) {
        struct dkim_checks *checks = dkim_checks_new(&h, 0, 1000);
        struct body_hashes *hashes = body_hashes_new();
        dkim_checks_want(checks, hashes);
        story_feed(hashes, &h, message);
        while (dkim_checks_evaluate(checks, hashes, zone))
            story_nothing_else(zone);
        if (dkim_checks_count(checks) == 1)
            result = dkim_checks_at(checks, 0)->result;
        body_hashes_free(hashes);
        dkim_checks_free(checks);
        header_free(&h);
    }
    facts_free(zone);
    return result;
}

static void every_way_to_sign_verifies(void **state)
{
    (void)state;
    const char *message = "From: a@example.org\r\nSubject :  x\r\n  y \r\nTo: b@c.example\r\n\r\n"
                          "Hello  world \r\n\r\n\r\n";
    for (int i = 0; i < 8; i++) {
        struct dkim_sign how = {.domain = "example.org",
                                .selector = i & 4 ? "e" : "r",
                                .key = i & 4 ? ed25519 : rsa,
                                .header_canon = i & 1,
                                .body_canon = i >> 1 & 1,
                                .time = 900};
        struct why why;
        char *field = sign(message, &how, &why);
        assert_non_null(field);
        char *whole = mem_printf("%s%s", field, message);
        assert_int_equal(verify(whole), AUTH_PASS);
        free(whole);
        free(field);
    }
}

static void the_field_is_folded_and_in_order(void **state)
{
    (void)state;
    struct dkim_sign how = {.domain = "example.org",
                            .selector = "r",
                            .key = rsa,
                            .header_canon = CANON_RELAXED,
                            .body_canon = CANON_SIMPLE,
                            .time = 1234,
                            .expire = 5678};
    struct why why;
    char *field = sign("From: a@example.org\r\n\r\nx\r\n", &how, &why);
    for (const char *line = field; *line; line = strstr(line, "\r\n") + 2)
        assert_true(strstr(line, "\r\n") - line <= 76);
    static const char *const order[] = {
        " v=", " a=", " c=", " d=", " s=", " t=", " x=", " h=", " bh=", " b="};
    const char *at = field;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
    }
    assert_tag(field, "c", "relaxed/simple");
    assert_tag(field, "t", "1234");
    assert_tag(field, "x", "5678");
    free(field);
    how.time = how.expire = 0;
    field = sign("From: a@example.org\r\n\r\nx\r\n", &how, &why);
    assert_tag(field, "t", "-");
    assert_tag(field, "x", "-");
    free(field);
}

static void case_7_names_from_the_bottom_and_oversigned(void **state)
{
    (void)state;
    struct dkim_sign how = {.domain = "example.org",
                            .selector = "r",
                            .key = rsa,
                            .header_canon = CANON_RELAXED,
                            .body_canon = CANON_RELAXED,
                            .headers = "from:X-Twice:x-absent",
                            .oversign = "from:subject"};
    struct why why;
    const char *message = "x-TWICE: upper\r\nFrom: a@example.org\r\nX-Twice: lower\r\n\r\nx\r\n";
    char *field = sign(message, &how, &why);
    assert_tag(field, "h", "from:from:x-twice:x-twice:subject");
    char *whole = mem_printf("%s%s", field, message);
    assert_int_equal(verify(whole), AUTH_PASS);
    free(whole);
    // The two instances are not interchangeable, and oversigned fields cannot be added.
    whole = mem_printf("%s%s", field,
                       "X-Twice: lower\r\nFrom: a@example.org\r\nx-TWICE: upper\r\n\r\nx\r\n");
    assert_int_equal(verify(whole), AUTH_FAIL);
    free(whole);
    whole = mem_printf("%sSubject: added\r\n%s", field, message);
    assert_int_equal(verify(whole), AUTH_FAIL);
    free(whole);
    // What was not oversigned can: a third one above the two that were signed.
    whole = mem_printf("%sX-Twice: added\r\n%s", field, message);
    assert_int_equal(verify(whole), AUTH_PASS);
    free(whole);
    free(field);
}

static void case_8_what_is_sent_is_what_was_signed(void **state)
{
    (void)state;
    const char *message = "Message-ID: <1@example.org>\r\nDate: Sat, 21 Nov 2026 20:49:00 +0000\r\n"
                          "From: a@example.org\r\nTo: b@c.example\r\n\r\n..dots\r\nand more\r\n";
    struct dkim_sign how = {.domain = "example.org",
                            .selector = "e",
                            .key = ed25519,
                            .header_canon = CANON_SIMPLE,
                            .body_canon = CANON_SIMPLE};
    struct why why;
    char *field = sign(message, &how, &why);
    assert_non_null(field);
    assert_null(strstr(field, "\r\n.")); // nothing that dot-stuffing would touch
    char *whole = mem_printf("%s%s", field, message);
    assert_int_equal(verify(whole), AUTH_PASS);
    // Any other byte breaks it: of the fields, of the body, of the signature's own tags.
    for (size_t i = strlen("DKIM-Signature"); whole[i]; i++) {
        char was = whole[i];
        whole[i] ^= 1;
        if (verify(whole) == AUTH_PASS)
            fail_msg("byte %zu of the message is not covered", i);
        whole[i] = was;
    }
    free(whole);
    free(field);
}

static void case_9_the_default_fields(void **state)
{
    (void)state;
    struct dkim_sign how = {.domain = "example.org",
                            .selector = "e",
                            .key = ed25519,
                            .header_canon = CANON_RELAXED,
                            .body_canon = CANON_RELAXED};
    struct why why;
    char *field = sign("Received: by x\r\nFrom: a@example.org\r\nList-Unsubscribe: <u>\r\n"
                       "Content-Transfer-Encoding: 8bit\r\nX-Mailer: y\r\n\r\n",
                       &how, &why);
    assert_tag(field, "h",
               "from:from:to:cc:subject:date:message-id:reply-to:content-type:"
               "content-transfer-encoding:list-unsubscribe:list-unsubscribe:list-unsubscribe-post");
    free(field);
}

static void case_9_two_from_fields_are_refused(void **state)
{
    (void)state;
    struct dkim_sign how = {.domain = "example.org", .selector = "r", .key = rsa};
    struct why why;
    assert_null(sign("From: a@example.org\r\nFROM: b@example.org\r\n\r\n", &how, &why));
    assert_string_equal(why.status, "5.6.0");
    assert_null(sign("To: a@example.org\r\n\r\n", &how, &why));
    assert_string_equal(why.status, "5.6.0");
    how.headers = "to:subject";
    assert_null(sign("From: a@example.org\r\n\r\n", &how, &why));
    assert_int_equal(why.scope, WHY_OURS);
}

static void names_that_would_break_the_field_are_refused(void **state)
{
    (void)state;
    struct why why;
    struct dkim_sign how = {.domain = "example.org; l=0", .selector = "r", .key = rsa};
    assert_null(sign("From: a@example.org\r\n\r\n", &how, &why));
    how = (struct dkim_sign){.domain = "example.org", .selector = "r\r\nX: y", .key = rsa};
    assert_null(sign("From: a@example.org\r\n\r\n", &how, &why));
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
        cmocka_unit_test(every_way_to_sign_verifies),
        cmocka_unit_test(the_field_is_folded_and_in_order),
        cmocka_unit_test(case_7_names_from_the_bottom_and_oversigned),
        cmocka_unit_test(case_8_what_is_sent_is_what_was_signed),
        cmocka_unit_test(case_9_the_default_fields),
        cmocka_unit_test(case_9_two_from_fields_are_refused),
        cmocka_unit_test(names_that_would_break_the_field_are_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
