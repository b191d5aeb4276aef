// SPDX-License-Identifier: ISC
// Keyed return paths: what is written is read, for its time, and nothing else is.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/returns/verp.h"

#define NOW 1795000000LL
#define ID  ((uint64_t)NOW * 1000000 << 8 | 7)

static struct secrets *secrets;
static struct verp verp;

static int begin(void **state)
{
    (void)state;
    struct why why;
    secrets = secrets_parse(span_text("a secret of ours\nand the one before\n"), "f", &why);
    assert_non_null(secrets);
    verp = (struct verp){"bounces.example.org", secrets, 30 * 86400};
    return 0;
}

static int end(void **state)
{
    (void)state;
    secrets_unref(secrets);
    return 0;
}

static char *make(const char *recipient)
{
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(verp_make(&verp, ID, recipient, &out), 0);
    return buf_take(&out);
}

static void assert_read_at(const char *address, int64_t now_s, const char *want)
{
    struct buf recipient;
    struct why why;
    uint64_t id = 0;
    buf_init(&recipient, 1024);
    int rc = verp_read(&verp, address, now_s, &id, &recipient, &why);
    assert_string_equal(rc < 0 ? why.status : buf_text(&recipient), want);
    if (rc == 0)
        assert_true(id == ID);
    buf_free(&recipient);
}

static void what_is_written_is_read_in_any_case(void **state)
{
    (void)state;
    static const char *const addresses[] = {"User@dest.example", "\"john doe\"@dest.example",
                                            "a=b@dest.example", "j\xc3\xb6rg@dest.example"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char *address = make(addresses[i]);
        assert_true(verp_is(address));
        assert_read_at(address, NOW, addresses[i]);
        free(address);
    }
    char *address = make("User@Dest.example"), *lower = span_dup_lower(span_text(address));
    assert_read_at(lower, NOW, "user@dest.example");
    for (char *c = lower; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c -= 32;
    assert_read_at(lower, NOW, "USER@DEST.EXAMPLE");
    free(address);
    free(lower);
    assert_false(verp_is("bounce@bounces.example.org"));
}

static void any_other_byte_is_a_forgery(void **state)
{
    (void)state;
    char *address = make("user@dest.example");
    size_t n = strlen(address) - strlen("@bounces.example.org");
    for (size_t i = 0; i < n; i++) {
        char was = address[i];
        address[i] = was == 'q' ? 'w' : 'q';
        assert_read_at(address, NOW, "5.7.1");
        address[i] = was;
    }
    free(address);
    static const char *const bad[] = {"verp=@b.example", "verp===@b.example", "verp@b.example",
                                      "verp=0=0=0=0@b.example", "x@b.example"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_read_at(bad[i], NOW, "5.7.1");
}

static void one_recipients_digest_is_not_anothers(void **state)
{
    (void)state;
    char *a = make("a@dest.example"), *b = make("b@dest.example");
    assert_memory_equal(a, b, 19); // the id
    assert_memory_not_equal(a + 19, b + 19, 10);
    free(a);
    free(b);
}

static void it_has_its_time(void **state)
{
    (void)state;
    char *address = make("user@dest.example");
    assert_read_at(address, NOW + 30 * 86400, "user@dest.example");
    assert_read_at(address, NOW + 30 * 86400 + 2, "5.1.1");
    assert_read_at(address, NOW - 86000, "user@dest.example");
    assert_read_at(address, NOW - 90000, "5.1.1");
    free(address);
}

static void secrets_turn(void **state)
{
    (void)state;
    char *address = make("user@dest.example");
    struct why why;
    secrets_unref(secrets);
    secrets = secrets_parse(span_text("the newest of all\na secret of ours"), "f", &why);
    verp.secrets = secrets;
    assert_read_at(address, NOW, "user@dest.example");
    secrets_unref(secrets);
    secrets = secrets_parse(span_text("the newest of all"), "f", &why);
    verp.secrets = secrets;
    assert_read_at(address, NOW, "5.7.1");
    free(address);
}

static void what_has_no_room_has_none(void **state)
{
    (void)state;
    struct buf out;
    char recipient[400];
    buf_init(&out, 1024);
    snprintf(recipient, sizeof recipient, "%0200d@dest.example", 1);
    assert_int_equal(verp_make(&verp, ID, recipient, &out), -1);
    assert_int_equal(verp_make(&verp, ID, "a@[192.0.2.1]", &out), -1);
    assert_int_equal(verp_make(&verp, ID, "\"\"@dest.example", &out), -1);
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_is_written_is_read_in_any_case),
        STORY(any_other_byte_is_a_forgery),
        STORY(one_recipients_digest_is_not_anothers),
        STORY(it_has_its_time),
        STORY(secrets_turn),
        STORY(what_has_no_room_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
