// SPDX-License-Identifier: ISC
// Stories of hosts with two addresses, of which one does not answer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "tests/unit/certs.h"
#include "tests/unit/deliver_story.h"

#define LETTER "From: <a@us.test>\r\n\r\nhello\r\n"

static struct story s;
static struct mx *mx, *other;
static struct cert ca, good;
static int stalled = -1, filling[8];

// A port that answers no further connection: its queue is full.
static uint16_t stall(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof where;
    stalled = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(stalled, (struct sockaddr *)&where, n), 0);
    assert_int_equal(listen(stalled, 0), 0);
    getsockname(stalled, (struct sockaddr *)&where, &n);
    for (size_t i = 0; i < sizeof filling / sizeof *filling; i++) {
        filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filling[i], (struct sockaddr *)&where, n);
    }
    usleep(50000);
    return ntohs(where.sin_port);
}

static void set_port(struct route_host *host, size_t i, uint16_t port)
{
    *(struct sockaddr_in *)&host->addresses[i] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

// The host has these ports on 127.0.0.1, in this order; 0: no third.
static struct route_host *stage_three(uint16_t first, uint16_t second, uint16_t third)
{
    struct route_host *host = story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    const uint16_t ports[] = {first, second, third};
    free(host->addresses);
    host->addresses = mem_new(3 * sizeof *host->addresses);
    host->naddresses = third ? 3 : 2;
    for (size_t i = 0; i < host->naddresses; i++)
        set_port(host, i, ports[i]);
    s.races = true;
    story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    return host;
}

static void stage(uint16_t first, uint16_t second)
{
    stage_three(first, second, 0);
}

static int begin(void **state)
{
    (void)state;
    story_begin_timed(&s, 2, "", NULL);
    mx = mx_start("SIZE 1000000\nPIPELINING");
    other = mx_start("SIZE 1000000\nPIPELINING");
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(s.nbeside, 0);
    story_end(&s);
    mx_stop(mx);
    mx_stop(other);
    if (stalled >= 0)
        close(stalled);
    for (size_t i = 0; i < sizeof filling / sizeof *filling && stalled >= 0; i++)
        close(filling[i]);
    stalled = -1;
    return 0;
}

static void case_560_a_first_address_that_stalls_is_not_waited_for(void **state)
{
    (void)state;
    stage(stall(), mx_port(mx));
    story_run(&s);
    assert_int_equal(s.raced, 1);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(mx_connections(mx), 1);
}

static void an_address_that_answers_has_no_rival(void **state)
{
    (void)state;
    stage(mx_port(mx), mx_port(mx));
    story_run(&s);
    assert_int_equal(s.raced, 0);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(mx_connections(mx), 1);
}

static void case_561_a_limit_counts_both(void **state)
{
    (void)state;
    stage(stall(), mx_port(mx));
    s.races = false; // no room
    story_run(&s);
    assert_int_equal(s.raced, 0);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED); // when the first has timed out
}

static void case_562_where_both_fail_it_is_tried_again_later(void **state)
{
    (void)state;
    stage(stall(), 1); // nobody listens on port 1
    story_run(&s);
    assert_int_equal(s.raced, 1);
    assert_int_equal(s.ends[0].standing, STANDING_REFUSED);
    assert_int_equal(s.ends[0].why.scope, WHY_HOST);
}

static unsigned opened;

// The address whose TLS broke stalls when it is tried in clear.
static void stalls_at_the_second(struct story *story)
{
    if (++opened == 2)
        set_port(&story->route->hosts[0], 0, stall());
}

static void case_563_what_clear_text_is_for_has_no_rival(void **state)
{
    (void)state;
    mx_tls(mx, &good, NULL, false);
    mx_on(mx, "starttls", MX_CLOSE);
    mx_tls(other, &good, NULL, false);
    stage(mx_port(mx), mx_port(other));
    opened = 0;
    s.opening = stalls_at_the_second;
    story_run(&s);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(s.raced, 0);
    assert_int_equal(mx_clear_mails(mx) + mx_clear_mails(other), 0);
    assert_true(mx_message(other, 0)->tls);
}

// The rival is left too: what comes next has not been tried.
static void case_564_no_address_is_tried_twice_and_none_left_out(void **state)
{
    (void)state;
    mx_on(other, "connect", "421 4.3.2 not now");
    stage_three(stall(), mx_port(other), mx_port(mx));
    story_run(&s);
    assert_int_equal(s.raced, 1);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(mx_connections(other), 1);
    assert_int_equal(mx_connections(mx), 1);
}

static void case_564_nor_where_the_first_fails_before_its_rival(void **state)
{
    (void)state;
    uint16_t port = stall();
    stage_three(port, port, mx_port(mx));
    story_run(&s);
    assert_int_equal(s.raced, 1);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(mx_connections(mx), 1);
}

// The relay's one place is taken by the first.
static void case_561_so_does_the_relays_quota(void **state)
{
    (void)state;
    story_end(&s);
    story_begin_timed(&s, 2, "connections: {total: 1}", NULL);
    stage(stall(), mx_port(mx));
    story_run(&s);
    assert_int_equal(s.nbeside, 0);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
}

static int make_certificates(void **state)
{
    (void)state;
    cert_make(&ca, &(struct cert_spec){.cn = "Test CA", .ca = true});
    cert_make(&good, &(struct cert_spec){.san = {"mx1.test"}, .issuer = &ca});
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    cert_free(&ca);
    cert_free(&good);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(case_560_a_first_address_that_stalls_is_not_waited_for,
                                        begin, end),
        cmocka_unit_test_setup_teardown(an_address_that_answers_has_no_rival, begin, end),
        cmocka_unit_test_setup_teardown(case_561_a_limit_counts_both, begin, end),
        cmocka_unit_test_setup_teardown(case_561_so_does_the_relays_quota, begin, end),
        cmocka_unit_test_setup_teardown(case_562_where_both_fail_it_is_tried_again_later, begin,
                                        end),
        cmocka_unit_test_setup_teardown(case_563_what_clear_text_is_for_has_no_rival, begin, end),
        cmocka_unit_test_setup_teardown(case_564_no_address_is_tried_twice_and_none_left_out, begin,
                                        end),
        cmocka_unit_test_setup_teardown(case_564_nor_where_the_first_fails_before_its_rival, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
