// SPDX-License-Identifier: ISC
// What most stories of an outbound session begin with: a host, and another that a story may add. Included by one
// source each, behind cmocka.
#ifndef TESTS_UNIT_DELIVER_PAIR_H
#define TESTS_UNIT_DELIVER_PAIR_H

#include "tests/unit/deliver_story.h"

static struct story s;
static struct mx *mx, *other;

static int pair_begin(const char *extensions)
{
    story_begin(&s, "", NULL);
    mx = mx_start(extensions);
    other = mx_start(extensions);
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    return 0;
}

static int end(void **state)
{
    (void)state;
    story_end(&s);
    mx_stop(mx);
    mx_stop(other);
    return 0;
}

static void second_host(void)
{
    story_host(&s, other, "mx2.test", TLS_OPPORTUNISTIC);
}

static void assert_delivered(const char *to)
{
    assert_non_null(story_of(&s, to));
    assert_int_equal(story_of(&s, to)->standing, STANDING_DELIVERED);
}

static const struct why *refused(const char *to)
{
    assert_non_null(story_of(&s, to));
    assert_int_equal(story_of(&s, to)->standing, STANDING_REFUSED);
    return &story_of(&s, to)->why;
}

#endif
