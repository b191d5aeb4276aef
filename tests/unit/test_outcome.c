// SPDX-License-Identifier: ISC
// The table from reasons to verdicts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/reasons.h"
#include "relay/deliver/outcome.h"
#include "relay/smtp/reply_remedy.h"

static enum outcome judge(enum why_scope scope, const char *status, int64_t now)
{
    struct why why;
    why_set(&why, scope, status, "because");
    return outcome(&why, now, 1000);
}

static void only_the_mail_itself_can_fail_for_good(void **state)
{
    (void)state;
    const enum why_scope all[] = {WHY_RECIPIENT, WHY_MESSAGE, WHY_HOST, WHY_DOMAIN, WHY_OURS};
    for (size_t i = 0; i < 5; i++) {
        bool about_mail = all[i] != WHY_HOST && all[i] != WHY_OURS;
        assert_int_equal(judge(all[i], "5.1.1", 10), about_mail ? OUTCOME_NEVER : OUTCOME_LATER);
        assert_int_equal(judge(all[i], "5.1.1", 1000),
                         about_mail ? OUTCOME_NEVER : OUTCOME_EXPIRED);
    }
}

static void case_42_4xx_and_dns_trouble_never_become_5xx(void **state)
{
    (void)state;
    const char *temporary[] = {"4.0.0", "4.4.3", "4.7.5", "4.3.1"};
    for (int scope = WHY_RECIPIENT; scope <= WHY_OURS; scope++)
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(judge((enum why_scope)scope, temporary[i], 10), OUTCOME_LATER);
            assert_int_equal(judge((enum why_scope)scope, temporary[i], 1000), OUTCOME_EXPIRED);
        }
}

static void no_reason_is_success(void **state)
{
    (void)state;
    struct why why;
    why_clear(&why);
    assert_int_equal(outcome(&why, 0, 1), OUTCOME_DELIVERED);
    assert_int_equal(outcome(NULL, 5, 1), OUTCOME_DELIVERED);
}

static void reply(struct smtp_reply *r, const char *text)
{
    char line[600];
    size_t used;
    struct why why;
    smtp_reply_init(r);
    snprintf(line, sizeof line, "%s\r\n", text);
    assert_int_equal(smtp_reply_feed(r, span_text(line), &used, &why), SMTP_REPLY_DONE);
}

static enum act who_mends(enum smtp_stage stage, const char *text)
{
    struct smtp_reply r;
    struct why why;
    reply(&r, text);
    outcome_reply(&why, stage, &r, "mx.example.net");
    smtp_reply_free(&r);
    return why.act;
}

static void before_mail_nobody_is_told_that_the_sender_is_at_fault(void **state)
{
    (void)state;
    assert_int_equal(who_mends(STAGE_GREETING, "554 5.7.1 go away"), ACT_RECEIVER_HOST);
    assert_int_equal(who_mends(STAGE_EHLO, "554 5.7.1 go away"), ACT_RECEIVER_HOST);
    assert_int_equal(who_mends(STAGE_AUTH, "554 5.7.1 go away"), ACT_US);
    assert_int_equal(who_mends(STAGE_MAIL, "554 5.7.1 go away"), ACT_SENDER);
    assert_int_equal(who_mends(STAGE_FINAL, "554 5.7.1 go away"), ACT_SENDER);
}

static const char *advice(enum smtp_stage stage, const char *text)
{
    struct smtp_reply r;
    struct why why;
    reply(&r, text);
    outcome_reply(&why, stage, &r, "mx.example.net");
    smtp_reply_free(&r);
    return reply_advice(why.reason, reply_meaning_of(&why).class);
}

static void case_535_advice_fits_who_is_named(void **state)
{
    (void)state;
    // A domain of the sender's that nobody can look up is not for the receiver's DNS.
    assert_int_equal(who_mends(STAGE_MAIL, "550 5.1.8 no such sender"), ACT_SENDER);
    assert_int_equal(who_mends(STAGE_RCPT, "550 5.7.27 your domain takes no mail"), ACT_SENDER);
    // What is closed for a while is not gone.
    assert_int_equal(who_mends(STAGE_RCPT, "450 4.2.1 later"), ACT_RECEIVER_HOST);
    assert_int_equal(who_mends(STAGE_RCPT, "550 5.2.1 disabled"), ACT_SENDER);
    assert_string_equal(advice(STAGE_RCPT, "450 4.2.1 later"),
                        reason_row(REASON_RCPT_DEFERRED)->advice);
    // A list that names us is not a mistyped address.
    assert_non_null(strstr(advice(STAGE_RCPT, "550 5.7.1 listed at zen.spamhaus.org"), "audit"));
    assert_null(strstr(advice(STAGE_RCPT, "550 5.7.1 listed at zen.spamhaus.org"), "typing"));
    assert_non_null(strstr(advice(STAGE_RCPT, "550 5.1.1 no such user"), "typing"));
    // Before MAIL nobody knows a sender.
    assert_string_equal(advice(STAGE_GREETING, "554 5.7.1 go away"),
                        reason_row(REASON_GREETING_REFUSED)->advice);
    assert_string_equal(reply_advice(REASON_NO_SUCH_DOMAIN, REPLY_DNS),
                        reason_row(REASON_NO_SUCH_DOMAIN)->advice);
    for (int i = 1; i < (int)reason_count(); i++)
        for (int k = 0; k <= REPLY_CLASSES; k++)
            assert_true(reply_advice((enum reason)i, (enum reply_class)k)[0]);
}

static struct why of(enum smtp_stage stage, const char *text)
{
    struct smtp_reply r;
    struct why why;
    reply(&r, text);
    assert_int_equal(outcome_reply(&why, stage, &r, "mx.test"), -1);
    smtp_reply_free(&r);
    assert_string_equal(why.host, "mx.test");
    return why;
}

static void case_58_what_is_tried_again_has_class_4(void **state)
{
    (void)state;
    struct why why = of(STAGE_GREETING, "554 5.3.2 no service");
    outcome_agree(&why);
    assert_string_equal(why.status, "4.3.2");
    assert_string_equal(why.reply, "554 5.3.2 no service");
    outcome_agree(&why);
    assert_string_equal(why.status, "4.3.2");
}

static void a_reply_touches_what_its_stage_is_about(void **state)
{
    (void)state;
    const struct {
        enum smtp_stage stage;
        const char *text;
        enum why_scope scope;
        const char *status;
    } rows[] = {
        {STAGE_GREETING, "554 5.3.2 no service", WHY_HOST, "5.3.2"},
        {STAGE_EHLO, "550 who are you", WHY_HOST, "5.0.0"},
        {STAGE_AUTH, "535 5.7.8 no", WHY_HOST, "5.7.8"},
        {STAGE_MAIL, "451 4.3.0 later", WHY_HOST, "4.3.0"},
        {STAGE_MAIL, "550 5.7.1 no", WHY_MESSAGE, "5.7.1"},
        {STAGE_RCPT, "450 4.2.0 grey", WHY_RECIPIENT, "4.2.0"},
        {STAGE_RCPT, "550 5.1.1 who", WHY_RECIPIENT, "5.1.1"},
        {STAGE_RCPT, "550 4.1.1 muddled", WHY_RECIPIENT, "5.0.0"},
        {STAGE_DATA, "451 4.3.0 later", WHY_MESSAGE, "4.3.0"},
        {STAGE_FINAL, "554 5.6.0 spam", WHY_MESSAGE, "5.6.0"},
        {STAGE_FINAL, "421 4.3.2 bye", WHY_HOST, "4.3.2"},
        {STAGE_RCPT, "421 5.1.1 bye", WHY_HOST, "4.0.0"},
        {STAGE_RCPT, "354 what", WHY_HOST, "4.5.0"},
        {STAGE_MAIL, "221 bye", WHY_HOST, "4.5.0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct why why = of(rows[i].stage, rows[i].text);
        assert_int_equal(why.scope, rows[i].scope);
        if (strcmp(why.status, rows[i].status) != 0)
            fail_msg("row %zu: %s is not %s", i, why.status, rows[i].status);
    }
}

static void case_41_too_many_recipients_is_told_from_a_full_mailbox(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool too_many;
    } rows[] = {{"452 4.5.3 too many", true},   {"452 too many", true},
                {"552 too many", true},         {"552 5.5.3 too many", true},
                {"552 5.2.2 quota", false},     {"452 4.2.2 quota", false},
                {"452 4.3.1 disk full", false}, {"550 5.5.3 too many", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_reply r;
        reply(&r, rows[i].text);
        assert_int_equal(outcome_too_many(&r), rows[i].too_many);
        smtp_reply_free(&r);
    }
}

static void case_45_who_is_told_what(void **state)
{
    (void)state;
    struct envelope env = {.from = (char *)"a@us.test"};
    struct recipient r = {0};
    assert_true(outcome_owes(&env, &r, DSN_FAILED));
    assert_true(outcome_owes(&env, &r, DSN_DELAYED));
    assert_false(outcome_owes(&env, &r, DSN_RELAYED));
    r.notify = NOTIFY_SUCCESS;
    assert_false(outcome_owes(&env, &r, DSN_FAILED));
    assert_true(outcome_owes(&env, &r, DSN_RELAYED));
    r.notify = NOTIFY_DELAY | NOTIFY_FAILURE;
    assert_true(outcome_owes(&env, &r, DSN_DELAYED));
    r.notify = NOTIFY_NEVER;
    for (int kind = DSN_FAILED; kind <= DSN_RELAYED; kind++)
        assert_false(outcome_owes(&env, &r, (enum dsn_kind)kind));
    r.notify = 0;
    env.dsn = true; // our own reports are never answered
    assert_false(outcome_owes(&env, &r, DSN_FAILED));
    env.dsn = false;
    env.from = (char *)""; // nor is the null sender
    assert_false(outcome_owes(&env, &r, DSN_FAILED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_mail_itself_can_fail_for_good),
        cmocka_unit_test(case_42_4xx_and_dns_trouble_never_become_5xx),
        cmocka_unit_test(no_reason_is_success),
        cmocka_unit_test(before_mail_nobody_is_told_that_the_sender_is_at_fault),
        cmocka_unit_test(case_535_advice_fits_who_is_named),
        cmocka_unit_test(case_58_what_is_tried_again_has_class_4),
        cmocka_unit_test(a_reply_touches_what_its_stage_is_about),
        cmocka_unit_test(case_41_too_many_recipients_is_told_from_a_full_mailbox),
        cmocka_unit_test(case_45_who_is_told_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
