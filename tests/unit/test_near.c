// SPDX-License-Identifier: ISC
// Routes at hand: the same answer as the routes thread's, or none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/route/near.h"

static const struct route_wish plain = {.domain = "a.test"};
static const struct route_wish other = {.domain = "a.test", .variant = ROUTE_REQUIRETLS};

static struct route *a_route(enum route_verdict verdict)
{
    struct route *r = mem_new(sizeof *r);
    r->refs = 1;
    r->verdict = verdict;
    r->expires_ms = clock_mono_ms() + 60000;
    return r;
}

static void each_wish_has_its_own(void **state)
{
    (void)state;
    struct near *near = near_new();
    struct route *r = a_route(ROUTE_DELIVER);
    assert_null(near_find(near, &plain, NULL));
    near_keep(near, &plain, r);
    assert_ptr_equal(near_find(near, &plain, NULL), r);
    assert_null(near_find(near, &other, NULL));
    near_keep(near, &plain, r); // once more is no harm
    assert_ptr_equal(near_find(near, &plain, NULL), r);
    near_forget(near);
    assert_null(near_find(near, &plain, NULL));
    assert_int_equal(r->refs, 1);
    route_unref(r);
    near_free(near);
}

static void what_leads_nowhere_is_asked_again(void **state)
{
    (void)state;
    struct near *near = near_new();
    struct route *defer = a_route(ROUTE_DEFER);
    near_keep(near, &plain, defer);
    assert_null(near_find(near, &plain, NULL));
    route_unref(defer);
    near_free(near);
}

static void what_no_longer_holds_is_asked_again(void **state)
{
    (void)state;
    struct near *near = near_new();
    struct setup *another = (struct setup *)(uintptr_t)1;
    struct route *r = a_route(ROUTE_DELIVER);
    near_keep(near, &plain, r);
    assert_null(near_find(near, &plain, another)); // of an older configuration
    near_keep(near, &plain, r);
    r->stale = true; // policy or memory changed
    assert_null(near_find(near, &plain, NULL));
    r->stale = false;
    near_keep(near, &plain, r);
    clock_mono_advance(9000);
    assert_ptr_equal(near_find(near, &plain, NULL), r);
    clock_mono_advance(1000); // nobody may have marked it since
    assert_null(near_find(near, &plain, NULL));
    near_keep(near, &plain, r);
    r->ends_s = clock_s() - 1; // what it hangs on has ended
    assert_null(near_find(near, &plain, NULL));
    r->ends_s = 0;
    near_keep(near, &plain, r);
    r->expires_ms = clock_mono_ms();
    assert_null(near_find(near, &plain, NULL));
    route_unref(r);
    near_free(near);
}

static void thousands_of_domains_take_no_more_room(void **state)
{
    (void)state;
    struct near *near = near_new();
    char domain[32];
    size_t known = 0;
    for (int i = 0; i < 5000; i++) {
        struct route *r = a_route(ROUTE_DELIVER);
        snprintf(domain, sizeof domain, "d%d.test", i);
        near_keep(near, &(struct route_wish){.domain = domain}, r);
        route_unref(r);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(domain, sizeof domain, "d%d.test", i);
        known += near_find(near, &(struct route_wish){.domain = domain}, NULL) != NULL;
    }
    assert_in_range(known, 200, 256);
    near_free(near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wish_has_its_own),
        cmocka_unit_test(what_leads_nowhere_is_asked_again),
        cmocka_unit_test(what_no_longer_holds_is_asked_again),
        cmocka_unit_test(thousands_of_domains_take_no_more_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
