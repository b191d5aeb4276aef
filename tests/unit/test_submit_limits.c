// SPDX-License-Identifier: ISC
// What holds strangers and the relay's own end: connections, bans, rates, memory, disk; drain and stop.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/inbound_desk.h"

static void failed_logins_ban_the_address(void **state)
{
    (void)state;
    struct client *c = secured(0);
    client_auth(c, "app", "wrong", "535 5.7.8");
    client_auth(c, "nobody", "secret", "535 5.7.8");
    client_auth(c, "app", "wrong", "535 5.7.8");
    client_expect(c, "421 4.7.0");
    client_closed(c);
    client_close(c);
    c = client_open(&story, 0, 0);
    client_expect(c, "421 4.7.0 Too many failed logins");
    client_closed(c);
    client_close(c);
    c = client_open(&story, 0, 7); // another client, in a trusted network
    client_expect(c, "220 ");
    client_close(c);
}

static void a_trusted_network_is_never_banned(void **state)
{
    (void)state;
    struct client *c = secured(7);
    for (int i = 0; i < 6; i++)
        client_auth(c, "app", "wrong", "535 5.7.8");
    client_auth(c, "app", "secret", "235");
    client_close(c);
}

static void a_client_has_so_many_connections(void **state)
{
    (void)state;
    struct client *many[8];
    for (int i = 0; i < 8; i++) {
        many[i] = client_open(&story, 0, 9);
        client_expect(many[i], "220 ");
    }
    struct client *ninth = client_open(&story, 0, 9);
    client_expect(ninth, "421 4.7.0 Too many connections from your address");
    client_closed(ninth);
    client_close(ninth);
    struct client *other = client_open(&story, 0, 10);
    client_expect(other, "220 ");
    client_close(other);
    for (int i = 0; i < 8; i++) {
        client_say(many[i], "QUIT", "221");
        client_closed(many[i]);
        client_close(many[i]);
    }
    other = client_open(&story, 0, 9);
    client_expect(other, "220 ");
    client_close(other);
}

static void the_relay_says_when_it_is_full(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    shelf.no_room = true;
    client_say(c, "MAIL FROM:<a@example.org>", "452 4.3.1");
    shelf.no_room = false;
    story.relay.counters.memory_now = (int64_t)430 << 20; // of 512 MiB
    client_say(c, "MAIL FROM:<a@example.org>", "452 4.3.1");
    story.relay.counters.memory_now = 0;
    story.relay.counters.queued_now = 1000000;
    client_say(c, "MAIL FROM:<a@example.org>", "452 4.3.1");
    story.relay.counters.queued_now = 0;
    client_mail(c, "a@example.org", HELLO, "250 2.0.0");
    shelf.fail_store = true;
    client_mail(c, "a@example.org", HELLO, "451 4.3.0");
    assert_int_equal(shelf.nqueued, 1);
    client_close(c);
}

static void rates_hold_for_messages_and_recipients(void **state)
{
    (void)state;
    story_reload(&story, "listen: [{address: '127.0.0.1:0'}]\nsenders:\n"
                         "- {user: app, from: [example.org], require_tls: true,"
                         " limits: {messages: 3/h, recipients: 2/h}}\n"
                         "received: no-client\n");
    struct client *c = client_open(&story, 0, 0);
    client_login(c, "app", "secret");
    client_mail(c, "a@example.org", HELLO, "250 2.0.0");
    assert_true(story_last()->env.requiretls); // the row asks for it
    char *sent = story_sent();
    assert_non_null(strstr(sent, "Received: by relay.example.org")); // and the client is not told
    assert_null(strstr(sent, "127.0.0.1"));
    free(sent);
    client_mail(c, "a@example.org", HELLO, "250 2.0.0");
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<b@dest.example>", "450 4.7.1");
    client_say(c, "RSET", "250");
    client_say(c, "MAIL FROM:<a@example.org>", "450 4.7.1");
    client_close(c);
}

// The whole relay has so many connections; a TLS port closes without words.
static void the_relay_has_so_many_connections(void **state)
{
    (void)state;
    story.relay.counters.connections_now += 10000;
    struct client *c = client_open(&story, 0, 0);
    client_expect(c, "421 4.7.0 Too many connections");
    client_closed(c);
    client_close(c);
    c = client_open(&story, 1, 0);
    client_closed(c);
    client_close(c);
    story.relay.counters.connections_now -= 10000;
}

static void a_user_under_attack_works_from_where_it_worked(void **state)
{
    (void)state;
    struct client *home = client_open(&story, 0, 11);
    client_login(home, "app", "secret");
    client_close(home);
    for (unsigned stranger = 20; stranger < 23; stranger++) {
        struct client *c = client_open(&story, 0, stranger);
        client_expect(c, "220 ");
        client_say(c, "EHLO x", "250-");
        client_say(c, "STARTTLS", "220");
        client_tls(c);
        client_say(c, "EHLO x", "250-");
        client_auth(c, "app", "guess", "535 5.7.8");
        client_close(c);
    }
    struct client *c =
        client_open(&story, 0, 30); // from a new place: banned, even with the right word
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_say(c, "STARTTLS", "220");
    client_tls(c);
    client_say(c, "EHLO x", "250-");
    client_auth(c, "app", "secret", "421 4.7.0");
    client_close(c);
    home = client_open(&story, 0, 11);
    client_login(home, "app", "secret");
    client_close(home);
}

// The client goes away before the spool has answered: what is on disk is delivered all the same.
static void a_lost_client_loses_no_stored_message(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<b@dest.example>", "250");
    client_say(c, "DATA", "354");
    shelf.hold = true;
    client_send(c, HELLO ".\r\nNOOP\r\n");
    while (!shelf_waits())
        story_turn(&story);
    server_drain(story.server);
    client_close(c);
    for (int i = 0; i < 200; i++)
        story_turn(&story);
    assert_int_equal(server_sessions(story.server), 1); // it waits for the answer
    shelf_answer();
    for (int i = 0; i < 5000 && server_sessions(story.server); i++)
        story_turn(&story);
    assert_int_equal(shelf.nqueued, 1);
    assert_int_equal(server_sessions(story.server), 0);
}

static void a_drained_server_lets_messages_end(void **state)
{
    (void)state;
    struct client *idle = client_open(&story, 0, 7), *busy = client_open(&story, 0, 7);
    client_expect(idle, "220 ");
    client_expect(busy, "220 ");
    client_say(busy, "EHLO x", "250-");
    client_say(busy, "MAIL FROM:<a@example.org>", "250");
    server_drain(story.server);
    client_expect(idle, "421 4.3.2");
    client_say(busy, "RCPT TO:<b@dest.example>", "250");
    client_say(busy, "DATA", "354");
    client_send(busy, HELLO ".\r\n");
    client_expect(busy, "250 2.0.0");
    client_expect(busy, "421 4.3.2");
    client_closed(busy);
    client_close(idle);
    client_close(busy);
}

// The server is stopped while the spool writes: the session waits for the answer, the message is
// kept on disk, and the queue, which may be gone, is not touched.
static void a_stop_waits_for_the_spool(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<b@dest.example>", "250");
    client_say(c, "DATA", "354");
    shelf.hold = true;
    client_send(c, HELLO ".\r\n");
    while (!shelf_waits())
        story_turn(&story);
    story.relay.stage = RELAY_STOPPING;
    story_stop(&story);
    client_expect(c, "421 4.3.2");
    for (int i = 0; i < 200; i++)
        story_turn(&story);
    assert_false(story.gone);
    shelf_answer();
    for (int i = 0; i < 5000 && !story.gone; i++)
        story_turn(&story);
    assert_true(story.gone);
    assert_int_equal(shelf.nstored, 1);
    assert_int_equal(shelf.nqueued, 0);
    client_close(c);
}

static void a_stop_ends_what_is_under_way(void **state)
{
    (void)state;
    struct client *data = client_open(&story, 0, 7), *tls = client_open(&story, 1, 7);
    struct client *login = client_open(&story, 0, 0);
    client_expect(data, "220 ");
    client_say(data, "EHLO x", "250-");
    client_say(data, "MAIL FROM:<a@example.org>", "250");
    client_say(data, "RCPT TO:<b@dest.example>", "250");
    client_say(data, "DATA", "354");
    client_send(data, HELLO);
    client_login(login, "app", "secret");
    client_send(login, "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
    story_stop(&story);
    for (int i = 0; i < 5000 && !story.gone; i++)
        story_turn(&story);
    assert_true(story.gone);
    client_expect(data, "421 4.3.2");
    client_close(data);
    client_close(tls);
    client_close(login);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin_alone, end)
    const struct CMUnitTest tests[] = {
        STORY(failed_logins_ban_the_address),
        STORY(a_trusted_network_is_never_banned),
        STORY(a_client_has_so_many_connections),
        STORY(the_relay_says_when_it_is_full),
        STORY(rates_hold_for_messages_and_recipients),
        STORY(the_relay_has_so_many_connections),
        STORY(a_user_under_attack_works_from_where_it_worked),
        STORY(a_lost_client_loses_no_stored_message),
        STORY(a_drained_server_lets_messages_end),
        STORY(a_stop_waits_for_the_spool),
        STORY(a_stop_ends_what_is_under_way),
    };
    return cmocka_run_group_tests_name("submit_limits", tests, NULL, NULL);
}
