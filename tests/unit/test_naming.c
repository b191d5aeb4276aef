// SPDX-License-Identifier: ISC
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include "relay/base/naming.h"

static char seen[16];

static void *run(void *arg)
{
    (void)arg;
    naming_thread("spool");
    pthread_getname_np(pthread_self(), seen, sizeof seen);
    return NULL;
}

static void a_thread_is_called_what_it_owns_and_no_other_with_it(void **state)
{
    (void)state;
    char before[16], after[16];
    pthread_t thread;
    pthread_getname_np(pthread_self(), before, sizeof before);
    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    pthread_join(thread, NULL);
    pthread_getname_np(pthread_self(), after, sizeof after);
    assert_string_equal(seen, "spool");
    assert_string_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_is_called_what_it_owns_and_no_other_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
