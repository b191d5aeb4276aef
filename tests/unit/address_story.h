// SPDX-License-Identifier: ISC
// Addresses as tests write them. Included by one source each, behind cmocka.
#ifndef TESTS_UNIT_ADDRESS_STORY_H
#define TESTS_UNIT_ADDRESS_STORY_H

#include <arpa/inet.h>
#include <string.h>

// "192.0.2.1" or "2001:db8::1"; good until 31 others were asked for.
static const struct sockaddr *address(const char *text)
{
    static struct sockaddr_storage ring[32];
    static unsigned at;
    struct sockaddr_storage *ss = &ring[at++ % 32];
    memset(ss, 0, sizeof *ss);
    bool six = strchr(text, ':') != NULL;
    ss->ss_family = six ? AF_INET6 : AF_INET;
    void *to = six ? (void *)&((struct sockaddr_in6 *)ss)->sin6_addr
                   : (void *)&((struct sockaddr_in *)ss)->sin_addr;
    assert_int_equal(inet_pton(ss->ss_family, text, to), 1);
    return (struct sockaddr *)ss;
}

#endif
