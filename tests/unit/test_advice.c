// SPDX-License-Identifier: ISC
// The words of an advice that are filled in, and those that stay.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/base/advice.h"

static void says(const char *advice, const struct advice_names *names, const char *wanted)
{
    struct buf out;
    buf_init(&out, 1024);
    advice_fill(advice, names, &out);
    assert_string_equal(buf_text(&out), wanted);
    buf_free(&out);
}

static void what_is_known_is_filled_in(void **state)
{
    (void)state;
    const struct advice_names names = {.domain = "dest.example",
                                       .host = "mx.dest.example",
                                       .site = "mx.dest.example:25",
                                       .sender_domain = "example.org"};
    says("waxwing audit SENDER-DOMAIN, not DOMAIN.", &names,
         "waxwing audit example.org, not dest.example.");
    says("waxwing resume SITE; HOST", &names, "waxwing resume mx.dest.example:25; mx.dest.example");
    says("DOMAIN", &names, "dest.example");
    says("", &names, "");
}

static void what_is_not_known_stays(void **state)
{
    (void)state;
    const struct advice_names none = {.domain = "", .site = NULL};
    says("waxwing explain DOMAIN, SITE", &none, "waxwing explain DOMAIN, SITE");
    // Part of a longer word is no word.
    const struct advice_names names = {.domain = "d.example", .host = "h.example"};
    says("SUBDOMAIN HOSTS OTHER-DOMAIN DOMAINs", &names, "SUBDOMAIN HOSTS OTHER-DOMAIN DOMAINs");
    says("SENDER-DOMAIN", &names, "SENDER-DOMAIN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_is_filled_in),
        cmocka_unit_test(what_is_not_known_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
