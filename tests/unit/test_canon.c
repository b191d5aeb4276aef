// SPDX-License-Identifier: ISC
// Canonical forms (RFC 6376 section 3.4): the examples of the RFC, the empty ends, and that it does not
// matter how a body is cut.
#include "tests/unit/sign_story.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

static void digest_of(const char *text, unsigned char out[32])
{
    gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), out);
}

// The body in one piece and byte by byte; both have to be `canonical`.
static void assert_body(enum canon canon, const char *body, const char *canonical)
{
    for (int whole = 0; whole < 2; whole++) {
        struct body_hashes *h = body_hashes_new();
        assert_int_equal(body_hashes_want(h, canon, CANON_NO_LIMIT), 0);
        size_t n = strlen(body);
        for (size_t i = 0; !whole && i < n; i++)
            body_hashes_feed(h, body + i, 1);
        if (whole)
            body_hashes_feed(h, body, n);
        body_hashes_finish(h);
        unsigned char got[32], want[32];
        uint64_t total;
        assert_true(body_hashes_get(h, canon, CANON_NO_LIMIT, got, &total));
        digest_of(canonical, want);
        assert_int_equal(total, strlen(canonical));
        assert_memory_equal(got, want, 32);
        body_hashes_free(h);
    }
}

static void assert_field(enum canon canon, const char *text, const char *canonical)
{
    struct header h = story_header(text);
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < h.n; i++)
        assert_int_equal(canon_field(canon, &h.fields[i], &out), 0);
    assert_string_equal(buf_text(&out), canonical);
    buf_free(&out);
    header_free(&h);
}

// RFC 6376 section 3.4.5
static void the_example_of_the_rfc(void **state)
{
    (void)state;
    const char *header = "A: X\r\nB : Y\t\r\n\tZ  \r\n";
    assert_field(CANON_RELAXED, header, "a:X\r\nb:Y Z\r\n");
    assert_field(CANON_SIMPLE, header, "A: X\r\nB : Y\t\r\n\tZ  \r\n");
    const char *body = " C \r\nD \t E\r\n\r\n\r\n";
    assert_body(CANON_RELAXED, body, " C\r\nD E\r\n");
    assert_body(CANON_SIMPLE, body, " C \r\nD \t E\r\n");
}

static void case_6_a_space_before_the_colon(void **state)
{
    (void)state;
    assert_field(CANON_RELAXED, "Subject : x\r\n", "subject:x\r\n");
    assert_field(CANON_RELAXED, "SUBJECT\t:\r\n\tx\r\n", "subject:x\r\n");
    assert_field(CANON_SIMPLE, "Subject : x\r\n", "Subject : x\r\n");
    assert_field(CANON_RELAXED, "Empty:\r\nBlank:  \r\n", "empty:\r\nblank:\r\n");
}

static void case_6_empty_and_blank_bodies(void **state)
{
    (void)state;
    assert_body(CANON_SIMPLE, "", "\r\n");
    assert_body(CANON_RELAXED, "", "");
    assert_body(CANON_SIMPLE, "\r\n\r\n", "\r\n");
    assert_body(CANON_RELAXED, "\r\n\r\n", "");
    assert_body(CANON_SIMPLE, " \r\n\r\n", " \r\n");
    assert_body(CANON_RELAXED, " \r\n\t\r\n", "");
    assert_body(CANON_RELAXED, "\r\n\r\nx\r\n", "\r\n\r\nx\r\n");
}

static void case_6_no_final_line_end(void **state)
{
    (void)state;
    assert_body(CANON_SIMPLE, "x", "x\r\n");
    assert_body(CANON_RELAXED, "x", "x\r\n");
    assert_body(CANON_RELAXED, "x \t", "x\r\n");
    assert_body(CANON_SIMPLE, "x\r", "x\r\r\n");
    assert_body(CANON_RELAXED, "  ", "");
}

// Pieces that split CR from LF and runs of blanks: assert_body feeds single bytes as well.
static void case_6_cut_anywhere(void **state)
{
    (void)state;
    assert_body(CANON_RELAXED, "a \t b \r\n\r\n c\r\n", "a b\r\n\r\n c\r\n");
    assert_body(CANON_RELAXED, "a\rb \rc\r\n", "a\rb \rc\r\n");
    assert_body(CANON_SIMPLE, "a\r\r\nb\r\n", "a\r\r\nb\r\n");
}

// The rule taken literally (RFC 6376 section 3.4.4), for one line without its end.
static void relax_line(const char *line, char *out)
{
    size_t n = 0;
    for (const char *c = line; *c; c++) {
        bool blank = *c == ' ' || *c == '\t';
        if (!blank)
            out[n++] = *c;
        else if (!n || out[n - 1] != ' ')
            out[n++] = ' ';
    }
    while (n && out[n - 1] == ' ')
        n--;
    strcpy(out + n, "\r\n");
}

// Lines are looked at sixteen bytes at a time: no place in them may matter.
static void blanks_of_every_kind_at_every_place(void **state)
{
    (void)state;
    static const char *const kinds[] = {" ",    "\t",  "  ",  " \t",  "\t ",
                                        "\t\t", "   ", " x ", "\tx\t"};
    char line[64], body[80], canonical[80];
    for (size_t length = 1; length < 40; length++)
        for (size_t at = 0; at < length; at++)
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
                memset(line, 'a', sizeof line);
                memcpy(line + at, kinds[k], strlen(kinds[k]));
                line[length] = 0;
                snprintf(body, sizeof body, "%s\r\nend\r\n", line);
                relax_line(line, canonical);
                strcat(canonical, "end\r\n");
                assert_body(CANON_RELAXED, body, canonical);
            }
}

static void a_bare_line_feed_counts_as_a_line_end(void **state)
{
    (void)state;
    assert_body(CANON_SIMPLE, "a\nb\n\n", "a\r\nb\r\n");
    assert_body(CANON_RELAXED, "a \nb\n", "a\r\nb\r\n");
    assert_field(CANON_SIMPLE, "A: x\n y\n", "A: x\r\n y\r\n");
    assert_field(CANON_RELAXED, "A: x\n y\n", "a:x y\r\n");
}

static void a_limit_hashes_only_so_much_and_tells_the_whole(void **state)
{
    (void)state;
    struct body_hashes *h = body_hashes_new();
    assert_int_equal(body_hashes_want(h, CANON_SIMPLE, 3), 0);
    assert_int_equal(body_hashes_want(h, CANON_SIMPLE, 0), 0);
    assert_int_equal(body_hashes_want(h, CANON_SIMPLE, CANON_NO_LIMIT), 0);
    body_hashes_feed(h, "abcdef\r\n", 8);
    body_hashes_finish(h);
    unsigned char got[32], want[32];
    uint64_t total;
    assert_true(body_hashes_get(h, CANON_SIMPLE, 3, got, &total));
    digest_of("abc", want);
    assert_memory_equal(got, want, 32);
    assert_int_equal(total, 8);
    assert_true(body_hashes_get(h, CANON_SIMPLE, 0, got, &total));
    digest_of("", want);
    assert_memory_equal(got, want, 32);
    assert_false(body_hashes_get(h, CANON_RELAXED, CANON_NO_LIMIT, got, &total));
    body_hashes_free(h);
}

static void only_so_many_combinations(void **state)
{
    (void)state;
    struct body_hashes *h = body_hashes_new();
    for (uint64_t i = 0; i < MAX_BODY_HASHES; i++)
        assert_int_equal(body_hashes_want(h, CANON_RELAXED, i), 0);
    assert_int_equal(body_hashes_want(h, CANON_RELAXED, 0), 0); // known already
    assert_int_equal(body_hashes_want(h, CANON_RELAXED, MAX_BODY_HASHES), -1);
    body_hashes_free(h);
}

static void a_long_body_in_odd_pieces(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, STORY_MAX);
    for (int i = 0; i < 4000; i++)
        buf_addf(&body, "%*s line %d\t \r\n%s", i % 70, "", i, i % 9 ? "" : "\r\n");
    unsigned char first[32], digest[32];
    uint64_t total;
    for (size_t piece = 1; piece < 20000; piece = piece * 3 + 1) {
        struct body_hashes *h = body_hashes_new();
        body_hashes_want(h, CANON_RELAXED, CANON_NO_LIMIT);
        for (size_t at = 0; at < body.len; at += piece)
            body_hashes_feed(h, body.data + at, body.len - at < piece ? body.len - at : piece);
        body_hashes_finish(h);
        assert_true(body_hashes_get(h, CANON_RELAXED, CANON_NO_LIMIT, digest, &total));
        if (piece == 1)
            memcpy(first, digest, 32);
        assert_memory_equal(first, digest, 32);
        body_hashes_free(h);
    }
    buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(case_6_a_space_before_the_colon),
        cmocka_unit_test(case_6_empty_and_blank_bodies),
        cmocka_unit_test(case_6_no_final_line_end),
        cmocka_unit_test(case_6_cut_anywhere),
        cmocka_unit_test(blanks_of_every_kind_at_every_place),
        cmocka_unit_test(a_bare_line_feed_counts_as_a_line_end),
        cmocka_unit_test(a_limit_hashes_only_so_much_and_tells_the_whole),
        cmocka_unit_test(only_so_many_combinations),
        cmocka_unit_test(a_long_body_in_odd_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
