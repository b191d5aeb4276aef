// SPDX-License-Identifier: ISC
// A network that blocks port 25 is told once, and not taken for many hosts in trouble.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/base/address.h"
#include "relay/log/log.h"
#include "relay/net/reach.h"

static struct sockaddr_storage host;

static const struct sockaddr *at(const char *address, uint16_t port)
{
    assert_true(address_read(span_text(address), port, &host));
    return (const struct sockaddr *)&host;
}

static void case_146_a_blocked_port_is_one_alarm(void **state)
{
    (void)state;
    static const char *const hosts[REACH_HOSTS] = {"192.0.2.1", "192.0.2.2", "2001:db8::1",
                                                   "2001:db8::2", "192.0.2.5"};
    uint64_t before = log_alarms();
    for (int i = 0; i < 100; i++)
        reach_failed(at("192.0.2.1", 25), "one host in trouble");
    for (size_t i = 0; i < REACH_HOSTS; i++)
        reach_failed(at(hosts[i], 587), "another port");
    for (size_t i = 0; i < REACH_HOSTS - 1; i++)
        reach_failed(at(hosts[i], 25), "no answer");
    reach_worked(at("192.0.2.9", 25));
    reach_failed(at(hosts[REACH_HOSTS - 1], 25), "no answer");
    assert_int_equal(log_alarms(), before);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < REACH_HOSTS; i++)
            reach_failed(at(hosts[i], 25), "no answer");
    assert_int_equal(log_alarms(), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(case_146_a_blocked_port_is_one_alarm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
