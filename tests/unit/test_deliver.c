// SPDX-License-Identifier: ISC
// Stories of outbound sessions with MX hosts that behave well and badly, in clear text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "tests/unit/deliver_pair.h"

#define FULL   "PIPELINING\nSIZE 1000000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES"
#define LETTER "From: <a@us.test>\r\nSubject: hello\r\n\r\nfirst line\r\n.second\r\n..third\r\n"

static int begin(void **state)
{
    (void)state;
    return pair_begin(FULL);
}

static void case_37_every_leading_dot_is_stuffed_and_the_bytes_arrive_as_they_were(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    const struct mx_message *m = mx_message(mx, 0);
    assert_string_equal(m->data, "Received: by relay.test\r\n" LETTER);
    assert_false(m->bdat);
    assert_string_equal(s.attempt.status, "2.0.0");
    assert_string_equal(s.attempt.reply, "250 2.0.0 taken");
    assert_string_equal(s.attempt.tls, "none");
    assert_string_equal(s.attempt.ip, "127.0.0.1");
}

static void what_is_left_out_of_the_header_is_not_sent(void **state)
{
    (void)state;
    struct message *m = story_message(&s, "a@us.test", "A: 1\r\nBcc: x\r\nC: 3\r\n\r\nhi\r\n",
                                      "b@example.test", NULL);
    message_leave_out(m, 6, 14);
    story_run(&s);
    assert_string_equal(mx_message(mx, 0)->data,
                        "Received: by relay.test\r\nA: 1\r\nC: 3\r\n\r\nhi\r\n");
}

static void case_43_over_data_a_missing_last_line_end_is_added(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", "A: 1\r\n\r\nno end", "b@example.test", NULL);
    story_run(&s);
    assert_string_equal(mx_message(mx, 0)->data,
                        "Received: by relay.test\r\nA: 1\r\n\r\nno end\r\n");
}

static void case_43_bdat_is_binary_exact(void **state)
{
    (void)state;
    mx_extensions(mx, FULL "\nCHUNKING");
    story_message(&s, "a@us.test", "A: 1\r\n\r\n.no end", "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_true(mx_message(mx, 0)->bdat);
    assert_string_equal(mx_message(mx, 0)->data, "Received: by relay.test\r\nA: 1\r\n\r\n.no end");
}

static void bdat_without_pipelining_waits_for_its_answers(void **state)
{
    (void)state;
    mx_extensions(mx, "CHUNKING");
    mx_next(mx, "rcpt", "550 5.1.1 nobody");
    story_message(&s, "a@us.test", LETTER, "x@example.test", "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_string_equal(refused("x@example.test")->status, "5.1.1");
    assert_int_equal(mx_message(mx, 0)->nrcpts, 1);
}

static void case_41_pipelined_rcpts_of_all_kinds_have_an_end_each(void **state)
{
    (void)state;
    mx_next(mx, "rcpt", "250 2.1.5 yes");
    mx_next(mx, "rcpt", "451 4.7.1 greylisted");
    mx_next(mx, "rcpt", "550-5.1.1 no such\n550 5.1.1 mailbox");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", "d@example.test",
                  NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_string_equal(refused("c@example.test")->status, "4.7.1");
    assert_int_equal(refused("c@example.test")->scope, WHY_RECIPIENT);
    assert_string_equal(refused("d@example.test")->status, "5.1.1");
    assert_non_null(strstr(refused("d@example.test")->reply, "no such"));
    assert_int_equal(mx_count(mx), 1);
}

static void case_41_no_success_is_taken_when_nobody_was_accepted(void **state)
{
    (void)state;
    mx_on(mx, "rcpt", "550 5.1.1 nobody");
    mx_on(mx, "data", "354 go");
    mx_on(mx, "dot", "250 2.0.0 fine by me");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.1.1");
    assert_int_equal(mx_message(mx, 0)->n, 0); // only the dot
}

static void case_41_after_421_the_next_host_is_asked(void **state)
{
    (void)state;
    second_host();
    const char *steps[] = {"connect", "ehlo", "mail", "rcpt", "data"};
    for (size_t i = 0; i < 5; i++) {
        mx_hang_up(mx);
        mx_next(mx, steps[i], "421 4.3.2 going down");
        story_turn(&s);
        story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
        story_run(&s);
        assert_delivered("b@example.test");
        assert_int_equal(mx_count(mx), 0);
        assert_int_equal(mx_count(other), i + 1);
        mx_hang_up(other);
        story_turn(&s);
    }
}

static void case_41_too_many_recipients_go_in_another_transaction(void **state)
{
    (void)state;
    mx_next(mx, "rcpt", "250 2.1.5 ok");
    mx_next(mx, "rcpt", "250 2.1.5 ok");
    mx_next(mx, "rcpt", "452 4.5.3 too many");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", "d@example.test",
                  NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_delivered("c@example.test");
    assert_delivered("d@example.test");
    assert_int_equal(mx_count(mx), 2);
    assert_int_equal(mx_connections(mx), 1);
}

static void return_path(size_t i, const char *path)
{
    free(s.message->env.rcpts[i].return_path);
    s.message->env.rcpts[i].return_path = mem_dup(path);
}

static void one_transaction_has_one_return_path(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", "d@example.test",
                  "e@example.test", NULL);
    return_path(1, "verp=1@us.test");
    return_path(2, "<>");
    return_path(3, "verp=1@us.test");
    story_run(&s);
    for (size_t i = 0; i < s.nends; i++)
        assert_int_equal(s.ends[i].standing, STANDING_DELIVERED);
    assert_int_equal(mx_count(mx), 3);
    assert_non_null(strstr(mx_message(mx, 0)->mail, "FROM:<a@us.test>"));
    assert_non_null(strstr(mx_message(mx, 1)->mail, "FROM:<verp=1@us.test>"));
    assert_int_equal(mx_message(mx, 1)->nrcpts, 2);
    assert_non_null(strstr(mx_message(mx, 2)->mail, "FROM:<>"));
    assert_int_equal(mx_connections(mx), 1);
}

static void case_41_too_many_for_the_first_is_for_later_even_as_552(void **state)
{
    (void)state;
    mx_on(mx, "rcpt", "552 too many");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "4.0.0");
}

static void a_full_mailbox_is_not_too_many_recipients(void **state)
{
    (void)state;
    mx_on(mx, "rcpt", "552 5.2.2 mailbox full");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.2.2");
}

static void case_41_a_reply_whose_code_changes_ends_the_host_only(void **state)
{
    (void)state;
    second_host();
    mx_next(mx, "rcpt", "250-yes\n550 no");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_int_equal(mx_count(other), 1);
}

static void case_41_a_peer_that_closes_after_its_5xx_has_answered(void **state)
{
    (void)state;
    mx_extensions(mx, "SIZE");
    mx_next(mx, "rcpt", "550 5.7.1 go away");
    mx_next(mx, "rset", MX_CLOSE);
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.7.1");
    assert_int_equal(refused("b@example.test")->scope, WHY_RECIPIENT);
}

static void case_42_a_connection_lost_after_the_dot_is_unknown_and_tried_again(void **state)
{
    (void)state;
    second_host();
    mx_on(mx, "dot", MX_CLOSE);
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    const struct why *why = refused("b@example.test");
    assert_string_equal(why->status, "4.4.2");
    assert_int_equal(why->scope, WHY_HOST);
    assert_int_equal(mx_count(other), 0); // no second copy at once
}

static void case_42_a_bdat_whose_answer_is_lost_is_unknown_too(void **state)
{
    (void)state;
    second_host();
    mx_extensions(mx, FULL "\nCHUNKING");
    mx_on(mx, "bdat", MX_CLOSE);
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    for (int i = 0; i < 2; i++) { // by prefix and rest, then by one BDAT behind its envelope
        story_run(&s);
        assert_string_equal(refused("b@example.test")->status, "4.4.2");
        assert_int_equal(mx_count(other), 0);
    }
}

static void case_42_5xx_of_the_greeting_never_bounces(void **state)
{
    (void)state;
    second_host();
    mx_on(mx, "connect", "554 5.3.2 no service");
    mx_on(other, "ehlo", "550 5.7.1 go away");
    mx_on(other, "helo", "550 5.7.1 go away");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_int_equal(refused("b@example.test")->scope, WHY_HOST);
}

static void a_host_for_now_is_passed_over_a_message_for_good_is_not(void **state)
{
    (void)state;
    second_host();
    mx_next(mx, "mail", "452 4.3.1 disk full");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_int_equal(mx_count(other), 1);
    mx_next(mx, "mail", "550 5.7.1 not from you");
    mx_next(other, "mail", "550 5.7.1 not from you");
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.7.1");
    assert_int_equal(refused("b@example.test")->scope, WHY_MESSAGE);
}

static void the_answer_to_the_message_counts_for_all_that_were_taken(void **state)
{
    (void)state;
    mx_next(mx, "dot", "554 5.6.0 spam");
    mx_next(mx, "dot", "451 4.3.0 later");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", NULL);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.6.0");
    assert_int_equal(refused("c@example.test")->scope, WHY_MESSAGE);
    story_run(&s);
    assert_string_equal(refused("c@example.test")->status, "4.3.0");
}

static void an_old_server_is_greeted_with_helo(void **state)
{
    (void)state;
    mx_on(mx, "ehlo", "502 5.5.1 what?");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_true(mx_heard(mx, "HELO relay.test"));
}

static void nobody_listens_there(void **state)
{
    (void)state;
    struct mx *gone = mx_start("");
    struct route_host *host = story_host(&s, gone, "gone.test", TLS_OPPORTUNISTIC);
    mx_stop(gone);
    struct route_host first = s.route->hosts[0];
    s.route->hosts[0] = *host;
    s.route->hosts[1] = first;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test"); // by the second host
    mx_on(mx, "connect", "421 4.3.2 no");
    mx_hang_up(mx);
    story_turn(&s);
    story_run(&s);
    assert_int_equal(refused("b@example.test")->scope, WHY_HOST);
    assert_string_equal(refused("b@example.test")->status, "4.3.2");
}

static void case_43_too_large_for_all_hosts_is_final_for_one_is_not(void **state)
{
    (void)state;
    second_host();
    mx_extensions(mx, "SIZE 40");
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    mx_extensions(other, "SIZE 50");
    mx_hang_up(other);
    story_turn(&s);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.3.4");
    assert_int_equal(refused("b@example.test")->scope, WHY_DOMAIN);
    mx_on(mx, "connect", "421 4.3.2 busy"); // one host did not say: it may take it
    story_run(&s);
    assert_int_equal(refused("b@example.test")->scope, WHY_HOST);
}

static void case_43_eight_bits_need_8bitmime(void **state)
{
    (void)state;
    mx_extensions(mx, "PIPELINING");
    struct message *m =
        story_message(&s, "a@us.test", "A: 1\r\n\r\n\xe4\r\n", "b@example.test", NULL);
    m->env.eightbit = true;
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.6.3");
    assert_int_equal(refused("b@example.test")->scope, WHY_DOMAIN);
    mx_extensions(mx, "8BITMIME");
    story_run(&s);
    assert_true(mx_heard(mx, "MAIL FROM:<a@us.test> BODY=8BITMIME"));
}

static void case_43_smtputf8_is_needed_for_local_parts_and_headers(void **state)
{
    (void)state;
    mx_extensions(mx, "8BITMIME");
    struct message *m =
        story_message(&s, "a@us.test", LETTER, "j\xc3\xbcrg@example.test", "b@example.test", NULL);
    m->env.smtputf8 = true;
    story_run(&s);
    assert_string_equal(refused("j\xc3\xbcrg@example.test")->status, "5.6.7");
    assert_delivered("b@example.test");
    m->env.utf8_header = m->env.eightbit = true;
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.6.7");
}

static void case_43_an_idn_domain_goes_as_its_a_label(void **state)
{
    (void)state;
    mx_extensions(mx, "8BITMIME");
    story_message(&s,
                  "a@b\xc3\xbc"
                  "cher.test",
                  LETTER, "b@m\xc3\xbcnchen.test", NULL);
    story_run(&s);
    assert_delivered("b@m\xc3\xbcnchen.test");
    assert_true(mx_heard(mx, "MAIL FROM:<a@xn--bcher-kva.test>"));
    assert_true(mx_heard(mx, "RCPT TO:<b@xn--mnchen-3ya.test>"));
}

static void case_43_dsn_parameters_go_only_where_they_are_known(void **state)
{
    (void)state;
    struct message *m = story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    m->env.ret = RET_HDRS;
    free(m->env.envid);
    m->env.envid = strdup("QQ 1+2");
    m->env.rcpts[0].notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
    free(m->env.rcpts[0].orcpt);
    m->env.rcpts[0].orcpt = strdup("rfc822;B=b@example.test");
    story_run(&s);
    assert_true(s.attempt.dsn);
    assert_true(mx_heard(mx, "RET=HDRS ENVID=QQ+201+2B2"));
    assert_true(mx_heard(
        mx, "RCPT TO:<b@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+3Db@example.test"));
    mx_extensions(mx, "PIPELINING");
    mx_hang_up(mx);
    story_turn(&s);
    story_run(&s);
    assert_false(s.attempt.dsn);
    assert_string_equal(mx_message(mx, 1)->rcpts[0], "RCPT TO:<b@example.test>");
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    for (size_t i = 0; i < 5; i++)
        story_run(&s);
    assert_int_equal(mx_count(mx), 5);
    assert_int_equal(mx_connections(mx), 1);
    assert_int_equal(mx_lines(mx, "RSET"), 0);
}

static void after_a_refused_transaction_the_next_begins_clean(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    mx_next(mx, "rcpt", "550 5.1.1 no");
    story_run(&s);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_int_equal(mx_connections(mx), 1);
    assert_int_equal(mx_lines(mx, "RSET"), 1);
}

static void a_connection_that_died_idle_costs_no_attempt(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    assert_int_equal(s.nidle, 1);
    mx_hang_up(mx); // the loop has not turned: the relay does not know
    story_run(&s);
    assert_delivered("b@example.test");
    assert_int_equal(mx_connections(mx), 2);
}

static void nor_does_one_whose_host_took_leave(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    mx_next(mx, "mail", "421 4.4.2 idle for too long");
    story_run(&s);
    assert_delivered("b@example.test");
    assert_int_equal(mx_connections(mx), 2);
}

static void case_31_a_connection_serves_no_other_demand(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    story_run(&s);
    story_demand_key(&s.route->hosts[0], "another");
    story_run(&s);
    assert_int_equal(mx_connections(mx), 2);
    assert_int_equal(s.nidle, 2);
}

static void mail_is_refused_all_is_pipelined_and_the_dot_is_421(const char *mail, const char *dot)
{
    mx_on(mx, "mail", mail);
    mx_on(mx, "rcpt", "503 5.5.1 MAIL first");
    mx_on(mx, "data", "354 go");
    mx_on(mx, dot, "421 4.3.2 shutting down");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", NULL);
    story_run(&s);
}

static void case_47_mail_refused_for_good_then_421_to_the_dot(void **state)
{
    (void)state;
    mail_is_refused_all_is_pipelined_and_the_dot_is_421("550 5.7.1 not you", "dot");
    assert_string_equal(refused("b@example.test")->status, "5.7.1");
    assert_string_equal(refused("c@example.test")->reply, "550 5.7.1 not you");
}

static void case_47_mail_refused_for_now_then_421_to_the_dot(void **state)
{
    (void)state;
    second_host();
    mail_is_refused_all_is_pipelined_and_the_dot_is_421("451 4.3.0 later", "dot");
    assert_delivered("b@example.test");
    assert_int_equal(mx_count(other), 1);
}

static void case_47_the_same_with_chunking(void **state)
{
    (void)state;
    mx_extensions(mx, FULL "\nCHUNKING");
    mail_is_refused_all_is_pipelined_and_the_dot_is_421("450 4.3.0 later", "bdat");
    assert_string_equal(refused("b@example.test")->status, "4.3.0");
    assert_int_equal(refused("b@example.test")->scope, WHY_HOST);
}

static void requiretls_is_final_only_when_every_host_said_no(void **state)
{
    (void)state;
    struct message *m = story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    m->env.requiretls = true;
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.7.30");
    assert_int_equal(refused("b@example.test")->scope, WHY_DOMAIN);
    second_host();
    mx_on(other, "connect", "421 4.3.2 busy");
    story_run(&s);
    assert_int_equal(refused("b@example.test")->scope, WHY_HOST);
    m->env.dsn = true; // a report is sent all the same
    story_run(&s);
    assert_delivered("b@example.test");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_37_every_leading_dot_is_stuffed_and_the_bytes_arrive_as_they_were),
        STORY(what_is_left_out_of_the_header_is_not_sent),
        STORY(case_43_over_data_a_missing_last_line_end_is_added),
        STORY(case_43_bdat_is_binary_exact),
        STORY(bdat_without_pipelining_waits_for_its_answers),
        STORY(case_41_pipelined_rcpts_of_all_kinds_have_an_end_each),
        STORY(case_41_no_success_is_taken_when_nobody_was_accepted),
        STORY(case_41_after_421_the_next_host_is_asked),
        STORY(one_transaction_has_one_return_path),
        STORY(case_41_too_many_recipients_go_in_another_transaction),
        STORY(case_41_too_many_for_the_first_is_for_later_even_as_552),
        STORY(a_full_mailbox_is_not_too_many_recipients),
        STORY(case_41_a_reply_whose_code_changes_ends_the_host_only),
        STORY(case_41_a_peer_that_closes_after_its_5xx_has_answered),
        STORY(case_42_a_connection_lost_after_the_dot_is_unknown_and_tried_again),
        STORY(case_42_a_bdat_whose_answer_is_lost_is_unknown_too),
        STORY(case_42_5xx_of_the_greeting_never_bounces),
        STORY(a_host_for_now_is_passed_over_a_message_for_good_is_not),
        STORY(the_answer_to_the_message_counts_for_all_that_were_taken),
        STORY(an_old_server_is_greeted_with_helo),
        STORY(nobody_listens_there),
        STORY(case_43_too_large_for_all_hosts_is_final_for_one_is_not),
        STORY(case_43_eight_bits_need_8bitmime),
        STORY(case_43_smtputf8_is_needed_for_local_parts_and_headers),
        STORY(case_43_an_idn_domain_goes_as_its_a_label),
        STORY(case_43_dsn_parameters_go_only_where_they_are_known),
        STORY(a_connection_is_used_again),
        STORY(after_a_refused_transaction_the_next_begins_clean),
        STORY(a_connection_that_died_idle_costs_no_attempt),
        STORY(nor_does_one_whose_host_took_leave),
        STORY(case_31_a_connection_serves_no_other_demand),
        STORY(case_47_mail_refused_for_good_then_421_to_the_dot),
        STORY(case_47_mail_refused_for_now_then_421_to_the_dot),
        STORY(case_47_the_same_with_chunking),
        STORY(requiretls_is_final_only_when_every_host_said_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
