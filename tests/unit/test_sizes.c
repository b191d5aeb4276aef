// SPDX-License-Identifier: ISC
// What is remembered of how much domains take.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "relay/worker/sizes.h"

static void case_401_the_last_word_of_a_domain_counts(void **state)
{
    (void)state;
    static struct sizes sizes;
    assert_int_equal(sizes_of(&sizes, "dest.test"), 0);
    sizes_learn(&sizes, "dest.test", 0); // nothing is known, and stays so
    sizes_learn(&sizes, "dest.test", 10485760);
    assert_int_equal(sizes_of(&sizes, "dest.test"), 10485760);
    assert_int_equal(sizes_of(&sizes, "other.test"), 0);
    sizes_learn(&sizes, "dest.test", 1000); // never less than was said
    assert_int_equal(sizes_of(&sizes, "dest.test"), 1024);
    sizes_learn(&sizes, "dest.test", UINT64_MAX);
    assert_int_equal(sizes_of(&sizes, "dest.test"), 0);
    sizes_learn(&sizes, "dest.test", 2048);
    sizes_learn(&sizes, "dest.test", 0); // it names none any more
    assert_int_equal(sizes_of(&sizes, "dest.test"), 0);
}

static void many_domains_never_get_the_size_of_another(void **state)
{
    (void)state;
    static struct sizes sizes;
    size_t known = 0;
    char name[32];
    for (unsigned i = 1; i <= 20000; i++) {
        snprintf(name, sizeof name, "d%u.test", i);
        sizes_learn(&sizes, name, i * 1024);
    }
    for (unsigned i = 1; i <= 20000; i++) {
        snprintf(name, sizeof name, "d%u.test", i);
        uint64_t size = sizes_of(&sizes, name);
        assert_true(size == 0 || size == i * 1024);
        known += size != 0;
    }
    assert_true(known > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_401_the_last_word_of_a_domain_counts),
        cmocka_unit_test(many_domains_never_get_the_size_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
