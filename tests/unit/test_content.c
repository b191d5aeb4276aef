// SPDX-License-Identifier: ISC
// Bytes on their way out: nothing lost, nothing changed but dots.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "relay/deliver/content.h"

static struct relay relay;

static struct message *letter(const char *prefix, const char *header, const char *body)
{
    struct message *m = message_new();
    buf_adds(&m->prefix, prefix);
    buf_adds(&m->header, header);
    buf_adds(&m->body, body);
    return m;
}

static void walk_all(const struct content *c, struct buf *out)
{
    struct content_cursor cursor = {0};
    struct span piece;
    while (content_next(c, &cursor, &piece))
        buf_addspan(out, piece);
}

static void assert_walk(const char *header, const struct range *out, size_t n, const char *expect)
{
    struct message *m = letter("P: 0\r\n", header, "body");
    for (size_t i = 0; i < n; i++)
        message_leave_out(m, out[i].start, out[i].end);
    struct content *c = content_take(&relay, m);
    assert_false(m->in_memory);
    assert_true(relay.counters.memory_now > 0);
    struct buf all;
    buf_init(&all, 10000);
    walk_all(c, &all);
    assert_string_equal(buf_text(&all), expect);
    assert_int_equal(content_size(c), all.len);
    assert_int_equal(message_size(m), all.len);
    buf_reset(&all);
    content_header(c, &all);
    assert_int_equal(all.len, strlen(expect) - 4); // without "body"
    buf_free(&all);
    message_unref(m);
    content_unref(c);
    assert_int_equal(relay.counters.memory_now, 0);
}

static void ranges_are_left_out_wherever_they_stand(void **state)
{
    (void)state;
    const char *header = "A: 1\r\nB: 2\r\nC: 3\r\n\r\n";
    assert_walk(header, NULL, 0, "P: 0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\nbody");
    assert_walk(header, &(struct range){0, 6}, 1, "P: 0\r\nB: 2\r\nC: 3\r\n\r\nbody");
    assert_walk(header, &(struct range){12, 18}, 1, "P: 0\r\nA: 1\r\nB: 2\r\n\r\nbody");
    struct range two[] = {{0, 6}, {6, 12}};
    assert_walk(header, two, 2, "P: 0\r\nC: 3\r\n\r\nbody");
    assert_walk(header, &(struct range){0, 20}, 1, "P: 0\r\nbody");
    assert_walk("", NULL, 0, "P: 0\r\nbody");
}

static void collect(void *to, const void *bytes, size_t n)
{
    buf_add(to, bytes, n);
}

// Stuffed whole, and cut at every place: the same.
static void assert_stuffed(const char *text, const char *expect)
{
    size_t n = strlen(text);
    for (size_t cut = 0; cut <= n; cut++) {
        struct content_stuffer stuffer;
        struct buf out;
        buf_init(&out, 10000);
        content_stuff_begin(&stuffer);
        content_stuff(&stuffer, span_of(text, cut), collect, &out);
        content_stuff(&stuffer, span_of(text + cut, n - cut), collect, &out);
        content_stuff_end(&stuffer, collect, &out);
        assert_string_equal(buf_text(&out), expect);
        buf_free(&out);
    }
}

static void case_37_dots_are_stuffed_at_line_starts_alone(void **state)
{
    (void)state;
    assert_stuffed("", ".\r\n");
    assert_stuffed(".", "..\r\n.\r\n");
    assert_stuffed("a.b\r\n", "a.b\r\n.\r\n");
    assert_stuffed(".\r\n", "..\r\n.\r\n");
    assert_stuffed("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n");
    assert_stuffed("..\r\n..a\r\n", "...\r\n...a\r\n.\r\n");
    assert_stuffed("\r\n\r\n.", "\r\n\r\n..\r\n.\r\n");
}

static void case_43_the_last_line_end_is_added_once(void **state)
{
    (void)state;
    assert_stuffed("a", "a\r\n.\r\n");
    assert_stuffed("a\r\n", "a\r\n.\r\n");
    assert_stuffed("a\r\n\r\n", "a\r\n\r\n.\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_left_out_wherever_they_stand),
        cmocka_unit_test(case_37_dots_are_stuffed_at_line_starts_alone),
        cmocka_unit_test(case_43_the_last_line_end_is_added_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
