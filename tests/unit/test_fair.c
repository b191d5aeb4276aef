// SPDX-License-Identifier: ISC
// Stories of turns: who sent how much, and whose message goes next.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/queue/fair.h"

static struct fair fair;

static int begin(void **state)
{
    (void)state;
    fair_init(&fair);
    return 0;
}

static int end(void **state)
{
    (void)state;
    struct delivery *d;
    while ((d = fair_take(&fair)))
        delivery_free(d);
    fair_free(&fair);
    return 0;
}

static struct delivery *put(const char *principal, bool high)
{
    struct message *m = message_new();
    size_t first = 0;
    free(m->env.principal);
    m->env.principal = mem_dup(principal);
    m->env.high = high;
    message_add_recipient(m, "a@b.test", "b.test");
    struct delivery *d = delivery_new(m, &first, 1);
    fair_add(&fair, d, QUEUE_READY);
    message_unref(m);
    return d;
}

// The principals in the order in which they are served, a letter each.
static const char *served(size_t n)
{
    static char order[256];
    size_t i = 0;
    for (struct delivery *d; i < n && (d = fair_take(&fair)); i++) {
        order[i] = d->message->env.principal[0];
        delivery_free(d);
    }
    order[i] = 0;
    return order;
}

static void case_269_a_mailing_does_not_stand_before_another_s_message(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        put("mailing", false);
    put("app", false);
    put("network:10.0.0.0/24", false);
    put("app", false);
    assert_string_equal(served(8), "manmammm");
}

static void case_269_high_priority_goes_first_and_starves_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        put("app", false);
        put("urgent", true);
    }
    assert_string_equal(served(18), "uuuuuuuauuuuuuuauu");
}

static void the_same_principal_may_send_both(void **state)
{
    (void)state;
    put("b", false);
    struct delivery *high = put("b", true);
    assert_ptr_equal(fair_peek(&fair), high);
    assert_int_equal(fair_count(&fair, 10), 2);
    assert_int_equal(fair_count(&fair, 1), 1);
}

static void what_is_taken_out_by_others_is_not_served(void **state)
{
    (void)state;
    struct delivery *gone = put("a", false);
    put("b", false);
    delivery_free(gone);
    assert_string_equal(served(5), "b");
    assert_true(fair_empty(&fair));
    assert_null(fair_peek(&fair));
}

static void those_beside_it_are_its_principal_s(void **state)
{
    (void)state;
    struct delivery *one = put("a", false);
    put("b", false);
    struct delivery *two = put("a", false);
    list_remove(&one->list);
    struct list *beside = fair_beside(&fair, one);
    assert_ptr_equal(list_of(beside->next, struct delivery, list), two);
    delivery_free(two);
    assert_null(fair_beside(&fair, one));
    delivery_free(one);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_269_a_mailing_does_not_stand_before_another_s_message),
        STORY(case_269_high_priority_goes_first_and_starves_nobody),
        STORY(the_same_principal_may_send_both),
        STORY(what_is_taken_out_by_others_is_not_served),
        STORY(those_beside_it_are_its_principal_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
