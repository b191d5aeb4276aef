// SPDX-License-Identifier: ISC
// Which kind of trouble an explanation tells of: each kind by what was met last, and nothing where all is well.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/recent/trouble.h"

static const char *kind(json_t *explanation)
{
    const char *word = trouble_word(trouble_of(explanation));
    json_decref(explanation);
    return word;
}

// One host that failed last so.
static json_t *failing(const char *why, const char *act, const char *class)
{
    return json_pack("{s:{s:s, s:i, s:[{s:s, s:b, s:i, s:s, s:s, s:s}]}}", "recent", "state",
                     "failing", "delivered", 0, "hosts", "host", "mx.example", "failing", 1,
                     "failed", 5, "why", why, "act", act, "class", class);
}

static void case_540_each_kind_of_trouble_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(kind(failing("connect-failed", "receiver-host", "")), "site");
    assert_string_equal(kind(failing("mail-deferred", "receiver-host", "system")), "site");
    assert_string_equal(kind(failing("auth-refused", "us", "login")), "ours");
    assert_string_equal(kind(failing("password-unreadable", "us", "")), "ours");
    assert_string_equal(kind(failing("host-silent", "us", "")), "ours");
    assert_string_equal(kind(failing("rcpt-refused", "us", "reputation")), "repute");
    assert_string_equal(kind(failing("message-refused", "us", "auth")), "sender");
    assert_string_equal(kind(failing("message-refused", "sender", "content")), "message");
    assert_string_equal(kind(failing("host-size", "sender", "")), "message");
    assert_string_equal(kind(failing("rcpt-deferred", "receiver-host", "other")), "put-off");
    assert_string_equal(kind(failing("rcpt-deferred", "heals", "greylist")), "greylist");
    assert_string_equal(kind(failing("rcpt-deferred", "heals", "rate")), "heals");
    assert_string_equal(kind(failing("requiretls-no-name", "sender", "")), "requiretls");
    // After an upgrade or with a name that this program does not know: all that is said is that it fails.
    assert_string_equal(kind(failing("", "", "")), "site");
}

static void what_waits_says_it_before_what_ended(void **state)
{
    (void)state;
    json_t *e = failing("message-refused", "sender", "content");
    json_object_set_new(e, "waiting",
                        json_pack("{s:i, s:s, s:s, s:s}", "recipients", 1, "why", "connect-failed",
                                  "act", "receiver-host", "class", ""));
    assert_string_equal(kind(e), "site");
    // A site that is left alone has learned that from the host.
    e = failing("rcpt-deferred", "heals", "greylist");
    json_object_set_new(e, "waiting",
                        json_pack("{s:i, s:s, s:s, s:s}", "recipients", 1, "why", "site-shut",
                                  "act", "heals", "class", ""));
    assert_string_equal(kind(e), "greylist");
}

static json_t *told(int at, int delivered)
{
    return json_pack("{s:{s:s, s:i, s:[{s:s, s:b, s:{s:i, s:s, s:s, s:s}}]}}", "recent", "state",
                     delivered ? "ok" : "none", "delivered", delivered, "hosts", "host",
                     "mx.example", "failing", 0, "recipient", "at", at, "why", "rcpt-refused",
                     "act", "sender", "class", "address-unknown");
}

static void a_recipient_is_told_of_until_others_were_delivered_to(void **state)
{
    (void)state;
    assert_string_equal(kind(told(10, 0)), "recipient");
    assert_string_equal(kind(told(10, 9)), "recipient");
    assert_string_equal(kind(told(10, 11)), "");
    assert_string_equal(kind(json_object()), "");
    assert_string_equal(trouble_sentence(TROUBLE_NONE), "mail would be delivered");
    assert_string_equal(trouble_extent(TROUBLE_NONE), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_540_each_kind_of_trouble_has_its_name),
        cmocka_unit_test(what_waits_says_it_before_what_ended),
        cmocka_unit_test(a_recipient_is_told_of_until_others_were_delivered_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
