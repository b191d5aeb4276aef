// SPDX-License-Identifier: ISC
// What a delivery leaves in the ledger: one entry a connection, with what it was (RFC 8460 section 4.3). state_ledger_add is
// wrapped by the linker, so that the facts stay here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "relay/state/state.h"
#include "tests/unit/certs.h"
#include "tests/unit/deliver_story.h"

static struct story s;
static struct mx *mx;
static struct cert ca, good, wrong;
static struct ledger_entry *facts[8];
static size_t nfacts;

void __wrap_state_ledger_add(struct state *state, struct ledger_entry *entry);
void __wrap_state_ledger_add(struct state *state, struct ledger_entry *entry)
{
    (void)state;
    assert_true(nfacts < 8);
    facts[nfacts++] = entry;
}

static int begin(void **state)
{
    (void)state;
    cert_make(&ca, &(struct cert_spec){.cn = "Test CA", .ca = true});
    cert_make(&good, &(struct cert_spec){.san = {"mx1.test"}, .issuer = &ca});
    cert_make(&wrong, &(struct cert_spec){.san = {"other.test"}, .issuer = &ca});
    story_begin(&s, "", &ca);
    s.relay.state = (struct state *)&s; // never looked into
    mx = mx_start("PIPELINING");
    return 0;
}

static int end(void **state)
{
    (void)state;
    s.relay.state = NULL;
    story_end(&s);
    mx_stop(mx);
    while (nfacts)
        ledger_entry_free(facts[--nfacts]);
    cert_free(&ca);
    cert_free(&good);
    cert_free(&wrong);
    return 0;
}

static struct message *letter(void)
{
    return story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
}

static void a_connection_that_proved_itself_is_one_success(void **state)
{
    (void)state;
    mx_tls(mx, &good, NULL, false);
    story_host(&s, mx, "mx1.test", TLS_WEBPKI);
    letter();
    story_run(&s);
    story_run(&s); // over the same connection
    assert_int_equal(mx_connections(mx), 1);
    assert_int_equal(nfacts, 1);
    const struct ledger_entry *f = facts[0];
    assert_int_equal(f->result, WHY_TLS_NONE);
    assert_false(f->refused);
    assert_string_equal(f->domain, "example.test");
    assert_string_equal(f->policy_domain, "example.test");
    assert_string_equal(f->mx_host, "mx1.test");
    assert_string_equal(f->mx_ip, "127.0.0.1");
    assert_string_equal(f->local_ip, "127.0.0.1");
    assert_string_equal(f->mx_helo, "mx.test");
    assert_string_equal(f->protocol, "TLSv1.3");
    assert_string_equal(f->demand, "webpki");
    assert_string_equal(f->source, "default");
    assert_string_equal(f->proof, "webpki");
}

static void a_refusal_is_one_failure_with_its_reason(void **state)
{
    (void)state;
    mx_tls(mx, &wrong, NULL, false);
    story_host(&s, mx, "mx1.test", TLS_WEBPKI);
    letter();
    story_run(&s);
    assert_int_equal(nfacts, 1);
    assert_int_equal(facts[0]->result, WHY_CERTIFICATE_HOST_MISMATCH);
    assert_true(facts[0]->refused);
    assert_string_equal(facts[0]->mx_ip, "127.0.0.1");
    assert_string_equal(facts[0]->reason, s.ends[0].why.text);
}

static void tls_that_broke_counts_once_although_mail_went_on_in_clear(void **state)
{
    (void)state;
    mx_tls(mx, &good, NULL, false);
    mx_on(mx, "starttls", MX_CLOSE);
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    letter();
    story_run(&s);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(mx_connections(mx), 3); // with TLS, with less care, in clear
    assert_int_equal(nfacts, 1);
    assert_int_equal(facts[0]->result, WHY_VALIDATION_FAILURE);
    assert_false(facts[0]->refused);
}

static void no_starttls_is_a_failure_that_did_not_stop_it(void **state)
{
    (void)state;
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    letter();
    story_run(&s);
    assert_int_equal(nfacts, 1);
    assert_int_equal(facts[0]->result, WHY_STARTTLS_NOT_SUPPORTED);
    assert_false(facts[0]->refused);
}

static void a_message_that_is_not_to_be_counted_is_not(void **state)
{
    (void)state;
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    letter()->env.uncounted = true;
    story_run(&s);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(nfacts, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_connection_that_proved_itself_is_one_success),
        STORY(a_refusal_is_one_failure_with_its_reason),
        STORY(tls_that_broke_counts_once_although_mail_went_on_in_clear),
        STORY(no_starttls_is_a_failure_that_did_not_stop_it),
        STORY(a_message_that_is_not_to_be_counted_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
