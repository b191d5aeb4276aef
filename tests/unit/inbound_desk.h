// SPDX-License-Identifier: ISC
// What most tests of the inbound side begin with: one relay, one client that may be logged in. Included by one
// source each, behind cmocka.
#ifndef TESTS_UNIT_INBOUND_DESK_H
#define TESTS_UNIT_INBOUND_DESK_H

#include "tests/unit/inbound_story.h"

#define DESK  static __attribute__((unused))
#define BODY  "\r\nHello.\r\n"
#define HELLO "From: a@example.org\r\nTo: b@dest.example\r\nSubject: hello\r\n" BODY

DESK struct story story;
DESK struct client *peer; // NULL: nobody is there

// The relay of story_yaml, and nobody there.
DESK int begin_alone(void **state)
{
    (void)state;
    story_begin(&story, NULL);
    return 0;
}

DESK int end(void **state)
{
    (void)state;
    client_close(peer);
    peer = NULL;
    story_end(&story);
    return 0;
}

// Another client in the place of the one that is there.
DESK void login(const char *user)
{
    client_close(peer);
    peer = client_open(&story, 0, 0);
    client_login(peer, user, "secret");
}

// A client that has begun TLS and said EHLO; `from` as for client_open.
DESK struct client *secured(unsigned from)
{
    struct client *one = client_open(&story, 0, from);
    client_expect(one, "220 ");
    client_say(one, "EHLO x", "250-");
    client_say(one, "STARTTLS", "220");
    client_tls(one);
    client_say(one, "EHLO x", "250-");
    return one;
}

#endif
