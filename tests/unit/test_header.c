// SPDX-License-Identifier: ISC
// Fields found in a header block, and the addresses in them.
#include "tests/unit/sign_story.h"

static void fields_point_into_the_bytes(void **state)
{
    (void)state;
    const char *text = "From: a@b\r\nX-Long: one\r\n two\r\n\tthree\r\nEmpty:\r\n\r\nbody";
    struct header h;
    struct why why;
    size_t used;
    assert_int_equal(header_parse(&h, span_text(text), &used, &why), 0);
    assert_int_equal(h.n, 3);
    assert_int_equal(used, strlen(text) - 4);
    assert_int_equal(h.bytes.n, used);
    assert_true(span_is(h.fields[1].name, "X-Long"));
    assert_true(span_is(h.fields[1].value, " one\r\n two\r\n\tthree"));
    assert_true(span_is(h.fields[1].whole, "X-Long: one\r\n two\r\n\tthree\r\n"));
    assert_ptr_equal(h.fields[0].whole.p, text);
    assert_true(span_is(h.fields[2].value, ""));
    header_free(&h);
}

static void line_feeds_and_missing_ends(void **state)
{
    (void)state;
    struct header h = story_header("A: 1\nB : 2\n 3");
    assert_int_equal(h.n, 2);
    assert_true(span_is(h.fields[1].name, "B"));
    assert_true(span_is(h.fields[1].value, " 2\n 3"));
    assert_int_equal(header_count(&h, "b"), 1);
    assert_null(header_find(&h, "c", 0));
    header_free(&h);
    h = story_header("");
    assert_int_equal(h.n, 0);
    header_free(&h);
    h = story_header("\r\nbody");
    assert_int_equal(h.bytes.n, 2);
    header_free(&h);
}

static void what_is_no_field_is_told(void **state)
{
    (void)state;
    const char *bad[] = {" folded: first\r\n",   "no colon\r\n", ":\r\n",
                         "A: b\r\nFrom x y\r\n", "Na me: x\r\n", "N\x80: x\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct header h;
        struct why why;
        size_t used;
        assert_int_equal(header_parse(&h, span_text(bad[i]), &used, &why), -1);
        assert_int_equal(why.scope, WHY_MESSAGE);
        assert_string_equal(why.status, "5.6.0");
    }
}

static void too_many_fields(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, STORY_MAX);
    for (int i = 0; i < 2001; i++)
        buf_adds(&text, "A: b\r\n");
    struct header h;
    struct why why;
    size_t used;
    assert_int_equal(header_parse(&h, buf_span(&text), &used, &why), -1);
    assert_non_null(strstr(why.text, "2000"));
    buf_free(&text);
}

// The list joined by spaces; "-": not a list; a leading "group:" where there was one.
static void assert_addresses(const char *value, const char *want)
{
    struct addresses list;
    struct buf got;
    buf_init(&got, 4096);
    if (header_addresses(span_text(value), &list) < 0) {
        buf_adds(&got, "-");
    } else {
        buf_adds(&got, list.group ? "group:" : "");
        for (size_t i = 0; i < list.n; i++)
            buf_addf(&got, "%s%s", i ? " " : "", list.at[i]);
        addresses_free(&list);
    }
    assert_string_equal(buf_text(&got), want);
    buf_free(&got);
}

static void address_lists(void **state)
{
    (void)state;
    assert_addresses(" joe@Example.ORG", "joe@example.org");
    assert_addresses("Joe <Joe@example.org>, \"x, y\" <a.b@c.example>",
                     "Joe@example.org a.b@c.example");
    assert_addresses("John Q. Public <j@x.example> (a (nested) comment)", "j@x.example");
    assert_addresses("=?utf-8?q?x?= <j@x.example>", "j@x.example");
    assert_addresses("<@relay.example,@b.example:joe@x.example>", "joe@x.example");
    assert_addresses("\"quoted local\"@x.example", "\"quoted local\"@x.example");
    assert_addresses("\"a\\\"@b.example> \\\\\" <c@x.example> (d\\)e)", "c@x.example");
    assert_addresses("a . b @ x . example", "a.b@x.example");
    assert_addresses(", a@x.example,, b@x.example ,", "a@x.example b@x.example");
    assert_addresses("joe@[192.0.2.1]", "joe@[192.0.2.1]");
    assert_addresses("j\xc3\xb6@b\xc3\xbc"
                     "cher.example",
                     "j\xc3\xb6@xn--bcher-kva.example");
    assert_addresses("undisclosed:;", "group:");
    assert_addresses("team: a@x.example, b@x.example;, c@x.example",
                     "group:a@x.example b@x.example c@x.example");
    assert_addresses("", "");
}

static void what_is_no_address_list(void **state)
{
    (void)state;
    const char *bad[] = {
        "joe",    "joe@", "@x.example", "a@b c@d",   "<a@b",      "a@b>",      "a@b.",
        "a..b@c", ".a@b", "\"open@x",   "(open a@b", "a@b <c@d>", "g: a@b",    "g: h: a@b;;",
        "a@b:",   "a@b;", "<>",         "a@b@c",     "a\x01@b",   "joe@[open", "a@b!c"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_addresses(bad[i], "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_point_into_the_bytes),
        cmocka_unit_test(line_feeds_and_missing_ends),
        cmocka_unit_test(what_is_no_field_is_told),
        cmocka_unit_test(too_many_fields),
        cmocka_unit_test(address_lists),
        cmocka_unit_test(what_is_no_address_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
