// SPDX-License-Identifier: ISC
// The end of an exception is told when it comes, and once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/run/exceptions.h"

#define NOW 1763726400

static struct cfg_destination rows[] = {
    {.domain = (char *)"ended.example",
     .tls = TLS_OPPORTUNISTIC,
     .until = NOW - 1,
     .reason = (char *)"a"},
    {.domain = (char *)"ends.example",
     .tls = TLS_OPPORTUNISTIC,
     .until = NOW + 100,
     .reason = (char *)"b"},
    {.domain = (char *)"never.example",
     .tls = TLS_OPPORTUNISTIC,
     .until = INT64_MAX,
     .reason = (char *)"c"},
    {.domain = (char *)"rule.example", .tls = TLS_WEBPKI},
};

static int64_t looked;
static char told[4096];

// What is logged at this second.
static const char *look_at(int64_t now)
{
    static struct config config = {.delivery = {.destinations = rows, .ndestinations = 4}};
    FILE *f = tmpfile();
    assert_non_null(f);
    int old = dup(STDERR_FILENO);
    clock_fix(now * 1000);
    dup2(fileno(f), STDERR_FILENO);
    exceptions_look(&config, &looked);
    dup2(old, STDERR_FILENO);
    close(old);
    clock_release();
    rewind(f);
    told[fread(told, 1, sizeof told - 1, f)] = '\0';
    fclose(f);
    return told;
}

static void case_87_an_exception_that_ends_is_told_once(void **state)
{
    (void)state;
    assert_string_equal(look_at(NOW),
                        ""); // what ended before is told by the reader of the configuration
    assert_string_equal(look_at(NOW + 100), "");
    look_at(NOW + 101);
    assert_non_null(strstr(told, "exception-expired domain=ends.example"));
    assert_non_null(strstr(told, "reason=b"));
    assert_null(strstr(told, "ended.example"));
    assert_string_equal(look_at(NOW + 102), "");
    assert_string_equal(look_at(NOW - 5), ""); // the clock is set back
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_87_an_exception_that_ends_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
