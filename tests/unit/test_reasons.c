// SPDX-License-Identifier: ISC
// The catalogue of reasons (relay/base/reasons.def): rows that a script and a reader can rely on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <string.h>
#include "relay/base/reasons.h"

static const struct reason_row *row_at(size_t i)
{
    return reason_row((enum reason)i);
}

static void every_row_says_all_of_it(void **state)
{
    (void)state;
    for (size_t i = 1; i < reason_count(); i++) {
        const struct reason_row *row = row_at(i);
        assert_true(row->name[0] && row->sentence[0] && row->means[0] && row->advice[0]);
        assert_true(row->scope != WHY_NOTHING && row->act != ACT_NONE && act_word(row->act)[0]);
        assert_true((row->status[0] == '4' || row->status[0] == '5') && row->status[1] == '.');
        // A sentence for people goes on behind it: no full stop, as in every `struct why`.
        assert_int_not_equal(row->sentence[strlen(row->sentence) - 1], '.');
        for (const char *c = row->name; *c; c++)
            assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '-');
    }
}

static void no_two_rows_share_a_name(void **state)
{
    (void)state;
    for (size_t i = 1; i < reason_count(); i++)
        assert_int_equal(reason_named(row_at(i)->name), i);
    assert_int_equal(reason_named("no-such-reason"), REASON_NONE);
    assert_string_equal(reason_row(REASON_NONE)->name, "");
}

// One cause has one text: two rows may share it only where it is wholly the evidence, or the command in it tells
// them apart.
static void no_two_causes_share_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 1; i < reason_count(); i++)
        for (size_t k = 1; k < i; k++) {
            const char *text = row_at(i)->sentence;
            if (strcmp(text, row_at(k)->sentence) != 0)
                continue;
            bool evidence = strncmp(text, "%s", 2) == 0 || strcmp(text, "address syntax: %s") == 0;
            assert_true(evidence || strncmp(text, "the host refused %s", 19) == 0);
        }
}

static void every_hole_has_a_word(void **state)
{
    (void)state;
    for (size_t i = 1; i < reason_count(); i++) {
        const struct reason_row *row = row_at(i);
        size_t holes = 0, words = row->holes[0] ? 1 : 0;
        for (const char *c = row->sentence; *c; c++)
            holes += *c == '%';
        for (const char *c = row->holes; *c; c++)
            words += *c == '|';
        if (holes != words)
            fail_msg("%s: %zu holes, %zu words", row->name, holes, words);
    }
}

static void a_sentence_shows_its_holes_as_words(void **state)
{
    (void)state;
    char text[128], little[8];
    reason_sentence(reason_row(REASON_CERTIFICATE_OTHER_NAME), text, sizeof text);
    assert_string_equal(text, "the certificate is for NAMES, not for WANTED");
    reason_sentence(reason_row(REASON_PARAMETER_UNKNOWN), text, sizeof text);
    assert_string_equal(text, "parameter PARAMETER is not known here");
    reason_sentence(reason_row(REASON_MESSAGE_TOO_LARGE), text, sizeof text);
    assert_string_equal(text, "the message is larger than BYTES bytes");
    reason_sentence(reason_row(REASON_MESSAGE_TOO_LARGE), little, sizeof little);
    assert_string_equal(little, "the mes");
}

static void a_reason_takes_all_from_its_row(void **state)
{
    (void)state;
    struct why why;
    assert_int_equal(why_say(&why, TLSA_MISMATCH), -1);
    assert_int_equal(why.reason, REASON_TLSA_MISMATCH);
    assert_int_equal(why.scope, WHY_HOST);
    assert_int_equal(why.tls, WHY_TLSA_INVALID);
    assert_int_equal(why.act, ACT_RECEIVER_HOST);
    assert_string_equal(why.status, "4.7.5");
    why_status(&why, "5.7.10");
    assert_string_equal(why.status, "5.7.10");
    why_say(&why, NO_SUCH_DOMAIN, "example.org");
    assert_string_equal(why.text, "the domain example.org does not exist");
    assert_int_equal(why.act, ACT_SENDER);
    why_say(&why, LOOKUP_FAILED, "MX", "example.org", "SERVFAIL");
    assert_string_equal(why_cause(&why), "SERVFAIL");
    // What stands in no catalogue is a fault of this relay where it says so, and nothing else.
    why_set(&why, WHY_OURS, "4.3.5", "the file %s is gone", "x");
    assert_int_equal(why.reason, REASON_RELAY_FAULT);
    why_set(&why, WHY_MESSAGE, "5.5.2", "text");
    assert_int_equal(why.reason, REASON_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_all_of_it),
        cmocka_unit_test(no_two_rows_share_a_name),
        cmocka_unit_test(no_two_causes_share_a_sentence),
        cmocka_unit_test(every_hole_has_a_word),
        cmocka_unit_test(a_sentence_shows_its_holes_as_words),
        cmocka_unit_test(a_reason_takes_all_from_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
