// SPDX-License-Identifier: ISC
// Which recipients an operator means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/base/clock.h"
#include "relay/queue/filter.h"

#define NOW 1800000000000

static const struct queue_row row = {
    .id = 77,
    .created_ms = NOW - 3600000,
    .size = 5000,
    .state = QUEUE_WAITING,
    .from = "app@example.org",
    .to = "b@dest.test",
    .domain = "dest.test",
    .login = "app",
    .reason = "",
    .class = "rate",
    .site = "mx1.dest.test:25 mx2.dest.test:2525",
};

static enum queue_match match(struct queue_filter f)
{
    return queue_match(&f, &row);
}

static void every_word_narrows_the_choice(void **state)
{
    (void)state;
    const uint64_t ids[] = {3, 77, 90};
    const struct {
        struct queue_filter filter;
        enum queue_match match;
    } cases[] = {
        {{.state = -1}, QUEUE_MATCH},
        {{.state = QUEUE_WAITING}, QUEUE_MATCH},
        {{.state = QUEUE_HELD}, QUEUE_OTHER},
        {{.state = -1, .ids = ids, .nids = 3}, QUEUE_MATCH},
        {{.state = -1, .ids = ids, .nids = 1}, QUEUE_OTHER},
        {{.state = -1, .domain = "DEST.test"}, QUEUE_MATCH},
        {{.state = -1, .domain = "test"}, QUEUE_OTHER},
        {{.state = -1, .sender = "App@example.org"}, QUEUE_MATCH},
        {{.state = -1, .sender = "@EXAMPLE.org"}, QUEUE_MATCH},
        {{.state = -1, .sender = "@org"}, QUEUE_OTHER},
        {{.state = -1, .sender = "example.org"}, QUEUE_OTHER},
        {{.state = -1, .sender = ""}, QUEUE_OTHER},
        {{.state = -1, .login = "app"}, QUEUE_MATCH},
        {{.state = -1, .login = "ap"}, QUEUE_OTHER},
        {{.state = -1, .larger = 5000, .smaller = 5000}, QUEUE_MATCH},
        {{.state = -1, .larger = 5001}, QUEUE_OTHER},
        {{.state = -1, .smaller = 4999}, QUEUE_OTHER},
        {{.state = -1, .older_ms = 3599999}, QUEUE_MATCH},
        {{.state = -1, .older_ms = 3600000}, QUEUE_OTHER},
        {{.state = -1, .newer_ms = 3600000}, QUEUE_MATCH},
        {{.state = -1, .newer_ms = 3599999}, QUEUE_OTHER},
        {{.state = -1, .newest = 76}, QUEUE_OTHER},
        {{.state = -1, .site = "mx2.dest.test", .login = "app"}, QUEUE_MATCH},
        {{.state = -1, .site = "mx2.dest.test", .login = "other"}, QUEUE_OTHER},
        {{.state = -1, .site = "mx3.dest.test"}, QUEUE_OTHER},
        {{.state = -1, .class = "rate"}, QUEUE_MATCH},
        {{.state = -1, .class = "tls"}, QUEUE_OTHER},
    };
    clock_fix(NOW);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(match(cases[i].filter), cases[i].match);
    clock_release();
}

static void a_site_goes_by_its_hosts(void **state)
{
    (void)state;
    assert_true(queue_site_is(row.site, row.site));
    assert_true(queue_site_is(row.site, "MX1.dest.test"));
    assert_true(queue_site_is(row.site, "mx2.dest.test:2525"));
    assert_false(queue_site_is(row.site, "mx2.dest.test:25"));
    assert_false(queue_site_is(row.site, "mx1.dest"));
    assert_false(queue_site_is(row.site, "dest.test"));
    assert_false(queue_site_is(row.site, ""));
    assert_true(queue_site_is("2001:db8::1:25", "2001:db8::1"));
    assert_false(queue_site_is("2001:db8::1:25", "2001:db8:"));
}

// What has had no route yet may be of that site or not: it is neither taken nor passed over in silence.
static void a_site_that_is_not_known_is_said_so(void **state)
{
    (void)state;
    struct queue_row unknown = row;
    unknown.site = NULL;
    struct queue_filter f = {.state = -1, .site = "mx1.dest.test"};
    assert_int_equal(queue_match(&f, &unknown), QUEUE_UNKNOWN);
    f.class = "tls"; // this is known, and another
    assert_int_equal(queue_match(&f, &unknown), QUEUE_OTHER);
    unknown.class = NULL;
    assert_int_equal(queue_match(&f, &unknown), QUEUE_UNKNOWN);
    f.domain = "other.test";
    assert_int_equal(queue_match(&f, &unknown), QUEUE_OTHER);
}

static void ids_are_sorted(void **state)
{
    (void)state;
    uint64_t ids[] = {UINT64_MAX, 5, 77, 1};
    queue_filter_sort(ids, 4);
    assert_int_equal(ids[0], 1);
    assert_true(ids[3] == UINT64_MAX);
    assert_int_equal(match((struct queue_filter){.state = -1, .ids = ids, .nids = 4}), QUEUE_MATCH);
    assert_false(queue_filter_chooses(&(struct queue_filter){.state = -1}));
    assert_true(queue_filter_chooses(&(struct queue_filter){.state = -1, .larger = 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_narrows_the_choice),
        cmocka_unit_test(a_site_goes_by_its_hosts),
        cmocka_unit_test(a_site_that_is_not_known_is_said_so),
        cmocka_unit_test(ids_are_sorted),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
