// SPDX-License-Identifier: ISC
// What a story of the MTA-STS cache begins and ends with, in the world of sts_world.h. Included by one source each,
// behind cmocka.
#ifndef TESTS_UNIT_STS_STORY_H
#define TESTS_UNIT_STS_STORY_H

#include "relay/base/clock.h"
#include "tests/unit/sts_world.h"

#define NOON    1763726400 // 2025-11-21
#define DAY     86400
#define ENFORCE "version: STSv1\nmode: enforce\nmx: mx.d.example\nmax_age: 604800\n"
#define TESTING "version: STSv1\nmode: testing\nmx: mx.d.example\nmax_age: 604800\n"
#define NONE    "version: STSv1\nmode: none\nmax_age: 86400\n"

static struct sts_cache *cache;

// At NOON, with a domain that enforces. Whoever begins opens the cache; `end` closes it.
static void world_begin(void)
{
    memset(&w, 0, sizeof w);
    clock_fix((int64_t)NOON * 1000);
    uv_loop_init(&w.loop);
    w.mail = inbox_open(&w.loop);
    w.txt = "v=STSv1; id=1;";
    w.body = ENFORCE;
}

static int end(void **state)
{
    (void)state;
    sts_cache_close(cache);
    turn();
    inbox_close(w.mail);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w.loop), 0);
    clock_release();
    return 0;
}

#endif
