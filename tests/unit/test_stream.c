// SPDX-License-Identifier: ISC
// A client and a server stream on one loop over loopback: greeting, TLS, large bodies, slow readers, ends
// of every kind. Each actor notes its events as letters, so that a story reads as one word.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/net/accept.h"
#include "relay/net/listen.h"
#include "relay/net/stream.h"
#include "tests/unit/certs.h"

struct actor {
    struct stream *s;
    char events[512]; // c onnected, d ata, s ecured, r (drained), e of, f ailed, t imeout
    struct buf got;
    bool inside; // an event is being handled: another one must not come
    void (*on)(struct actor *a, enum stream_event event);
    bool keep;     // leaves the input where it is
    size_t to_say; // bytes of body still to be written
    const char *script;
    size_t dropped;
};

static uv_loop_t loop;
static struct acceptor *listener;
static struct sockaddr_in where;
static struct actor client, server;
static int server_fd;
static struct creds *creds;

static void note(struct stream *s, enum stream_event event, void *arg)
{
    struct actor *a = arg;
    assert_ptr_equal(a->s, s);
    assert_false(a->inside);
    a->inside = true;
    size_t n = strlen(a->events);
    char letter = "cdsreft"[event];
    if (n < sizeof a->events - 1 && (n == 0 || a->events[n - 1] != letter || letter != 'd'))
        a->events[n] = letter; // how bytes were cut into DATA is the network's choice
    if (!a->keep) {
        buf_addspan(&a->got, buf_span(stream_input(s)));
        buf_reset(stream_input(s));
    }
    if (a->on)
        a->on(a, event);
    a->inside = false;
}

static void accept_one(void *arg, int fd)
{
    (void)arg;
    assert_null(server.s);
    server_fd = fd;
    server.s = stream_accept(&loop, fd, note, &server);
    assert_non_null(server.s);
    if (server.on)
        server.on(&server, STREAM_CONNECTED);
}

static int set_up(void **state)
{
    (void)state;
    client = (struct actor){0};
    server = (struct actor){0};
    buf_init(&client.got, 1 << 24);
    buf_init(&server.got, 1 << 24);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    uv_ip4_addr("127.0.0.1", 0, &where);
    struct why why;
    int fd = listen_tcp((struct sockaddr *)&where, "127.0.0.1:0", &why);
    assert_true(fd >= 0);
    socklen_t n = sizeof where;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &n), 0);
    const struct acceptor_options options = {.name = "127.0.0.1:0", .client = accept_one};
    listener = acceptor_open(&loop, fd, &options, &why);
    assert_non_null(listener);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (client.s)
        stream_close(client.s, true);
    if (server.s)
        stream_close(server.s, true);
    acceptor_close(listener);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0); // every handle is gone
    buf_free(&client.got);
    buf_free(&server.got);
    return 0;
}

static void start(void)
{
    client.s = stream_connect(&loop, (struct sockaddr *)&where, NULL, note, &client);
}

static bool has(const struct actor *a, char letter)
{
    return strchr(a->events, letter) != NULL;
}

// Turns the loop until the actor has seen the event.
static void until(struct actor *a, char letter)
{
    while (!has(a, letter))
        assert_true(uv_run(&loop, UV_RUN_ONCE) || has(a, letter));
}

static void until_bytes(struct actor *a, size_t n)
{
    while (a->got.len < n)
        uv_run(&loop, UV_RUN_ONCE);
}

static void meet(void)
{
    start();
    while (!has(&client, 'c') || !server.s)
        uv_run(&loop, UV_RUN_ONCE);
}

static void hang_up(struct actor *a)
{
    stream_close(a->s, false);
    a->s = NULL;
}

static void say(struct actor *a, const char *text)
{
    stream_write(a->s, text, strlen(text));
}

static void secure(struct actor *a, const char *priority)
{
    struct why why;
    struct tls_session *ch =
        a == &server ? tls_session_server(creds)
                     : tls_session_client(&(struct tls_session_client){.sni = "mx.example.org",
                                                                       .tls_min = "1.2",
                                                                       .priority = priority},
                                          &why);
    assert_non_null(ch);
    stream_secure(a->s, ch, &a->dropped);
}

static void meet_securely(void)
{
    meet();
    secure(&server, NULL);
    secure(&client, NULL);
    until(&client, 's');
    until(&server, 's');
}

// ---- stories

static void words_go_both_ways(void **state)
{
    (void)state;
    meet();
    say(&server, "220 hello\r\n");
    until_bytes(&client, 11);
    say(&client, "EHLO ");
    say(&client, "me\r\n");
    until_bytes(&server, 9);
    assert_memory_equal(server.got.data, "EHLO me\r\n", 9);
    assert_memory_equal(client.got.data, "220 hello\r\n", 11);
    assert_string_equal(client.events, "cd");
    assert_string_equal(server.events, "d");
    const struct sockaddr_in *peer = (const void *)stream_peer(client.s);
    assert_int_equal(peer->sin_port, where.sin_port);
    const struct sockaddr_in *local = (const void *)stream_local(client.s);
    const struct sockaddr_in *seen = (const void *)stream_peer(server.s);
    assert_int_equal(local->sin_port, seen->sin_port);
}

static void a_closed_stream_says_its_last_words_first(void **state)
{
    (void)state;
    meet();
    say(&client, "unread, and still no reset\r\n");
    say(&server, "421 too busy\r\n");
    hang_up(&server);
    until(&client, 'e');
    assert_string_equal(client.events, "cde");
    assert_int_equal(client.got.len, 14);
}

static void the_handshake_is_invisible_but_for_one_event(void **state)
{
    (void)state;
    meet_securely();
    assert_true(stream_is_secure(client.s));
    assert_string_equal(tls_session_info(stream_tls(client.s))->protocol, "TLSv1.3");
    say(&client, "EHLO me\r\n");
    until_bytes(&server, 9);
    say(&server, "250 hello\r\n");
    until_bytes(&client, 11);
    hang_up(&client);
    until(&server, 'e');
    assert_string_equal(server.events, "sde");
    assert_string_equal(client.events, "csd");
}

static void secure_after_input(struct actor *a, enum stream_event event)
{
    if (event != STREAM_DATA || stream_tls(a->s))
        return;
    say(a, "220 go ahead\r\n");
    secure(a, NULL);
}

static void start_tls_after_reply(struct actor *a, enum stream_event event)
{
    if (event == STREAM_DATA && !stream_tls(a->s))
        secure(a, NULL);
}

static void case_38_what_was_pipelined_behind_starttls_is_dropped(void **state)
{
    (void)state;
    server.keep = true;
    server.on = secure_after_input;
    client.on = start_tls_after_reply;
    meet();
    say(&client, "STARTTLS\r\nMAIL FROM:<injected@example>\r\n");
    until(&client, 's');
    until(&server, 's');
    assert_int_equal(server.dropped, 40);
    assert_int_equal(stream_input(server.s)->len, 0);
    say(&client, "EHLO\r\n");
    while (!stream_input(server.s)->len)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(stream_input(server.s)->len, 6);
}

static void keep_writing(struct actor *a, enum stream_event event)
{
    static char block[30000];
    if (event == STREAM_DATA)
        return;
    memset(block, 'b', sizeof block);
    while (a->to_say && stream_ready(a->s)) {
        size_t n = a->to_say < sizeof block ? a->to_say : sizeof block;
        stream_write(a->s, block, n);
        a->to_say -= n;
    }
}

static void large_body(bool tls)
{
    enum { BODY = 8 << 20 };
    if (tls)
        meet_securely();
    else
        meet();
    client.on = keep_writing;
    client.to_say = BODY;
    keep_writing(&client, STREAM_DRAINED);
    assert_false(stream_ready(client.s));
    assert_true(stream_unsent(client.s) < STREAM_OUT_HIGH + 40000);
    until_bytes(&server, BODY);
    until(&client, 'r');
    assert_int_equal(server.got.len, BODY);
    assert_int_equal(client.to_say, 0);
    assert_null(memchr(server.got.data, 0, BODY));
    assert_true(stream_ready(client.s));
}

static void a_large_body_waits_for_room(void **state)
{
    (void)state;
    large_body(false);
}

static void a_large_body_goes_through_tls(void **state)
{
    (void)state;
    large_body(true);
}

static void an_unread_flood(bool tls)
{
    if (tls)
        meet_securely();
    else
        meet();
    server.keep = true;
    client.on = keep_writing;
    client.to_say = 4 << 20;
    keep_writing(&client, STREAM_DRAINED);
    size_t before = 1, turns = 0;
    while (turns < 20) { // until nothing moves any more
        size_t now = stream_input(server.s)->len;
        turns = now == before ? turns + 1 : 0;
        before = now;
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_true(before >= STREAM_IN_HIGH);
    assert_true(before <= STREAM_IN_HIGH + 131072);
    server.keep = false;
    buf_addspan(&server.got, buf_span(stream_input(server.s)));
    buf_reset(stream_input(server.s));
    stream_resume(server.s);
    until_bytes(&server, 4 << 20);
    assert_int_equal(server.got.len, 4 << 20);
}

static void input_that_nobody_takes_stops_the_reading(void **state)
{
    (void)state;
    an_unread_flood(false);
}

static void the_same_holds_under_tls(void **state)
{
    (void)state;
    an_unread_flood(true);
}

static void pause_at_first_data(struct actor *a, enum stream_event event)
{
    if (event == STREAM_DATA)
        stream_pause(a->s);
}

static void a_paused_stream_hears_nothing_until_it_is_resumed(void **state)
{
    (void)state;
    meet();
    server.keep = true;
    server.on = pause_at_first_data;
    say(&client, "one\r\n");
    until(&server, 'd');
    say(&client, "two\r\n");
    for (int i = 0; i < 20; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(stream_input(server.s)->len, 5);
    server.on = NULL;
    memset(server.events, 0, sizeof server.events);
    server.keep = false;
    stream_resume(server.s);
    assert_string_equal(server.events, ""); // not inside the call
    until_bytes(&server, 10);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct sockaddr_in dead = where;
    uv_tcp_t other;
    int n = sizeof dead; // a port that was ours and is free again
    uv_tcp_init(&loop, &other);
    dead.sin_port = 0;
    uv_tcp_bind(&other, (struct sockaddr *)&dead, 0);
    uv_tcp_getsockname(&other, (struct sockaddr *)&dead, &n);
    uv_close((uv_handle_t *)&other, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    client.s = stream_connect(&loop, (struct sockaddr *)&dead, NULL, note, &client);
    until(&client, 'f');
    assert_string_equal(client.events, "f");
    assert_string_equal(stream_why(client.s)->status, "4.4.1");
    assert_non_null(strstr(stream_why(client.s)->text, "refused"));
}

static void a_source_address_that_is_not_ours_fails_to_connect(void **state)
{
    (void)state;
    struct sockaddr_in foreign;
    uv_ip4_addr("192.0.2.1", 0, &foreign);
    client.s = stream_connect(&loop, (struct sockaddr *)&where, (struct sockaddr *)&foreign, note,
                              &client);
    assert_string_equal(client.events, "");
    until(&client, 'f');
}

static void the_deadline_comes_and_can_be_taken_back(void **state)
{
    (void)state;
    meet();
    stream_deadline(client.s, 20);
    stream_deadline(server.s, 10);
    stream_deadline(server.s, 0);
    until(&client, 't');
    assert_string_equal(client.events, "ct");
    assert_string_equal(server.events, "");
}

static void close_at_once(struct actor *a, enum stream_event event)
{
    (void)event;
    if (!a->s)
        return;
    hang_up(a);
}

static void a_session_may_close_inside_any_event(void **state)
{
    (void)state;
    client.on = close_at_once; // at CONNECTED
    start();
    while (!server.s)
        uv_run(&loop, UV_RUN_ONCE);
    until(&server, 'e');
    assert_string_equal(client.events, "c");
}

static void no_tls_where_tls_was_expected(void **state)
{
    (void)state;
    meet();
    secure(&client, NULL);
    say(&server, "220 hello, what are you saying?\r\n");
    until(&client, 'f');
    assert_int_equal(stream_why(client.s)->tls, WHY_VALIDATION_FAILURE);
    assert_string_equal(client.events, "cf");
}

static void the_peer_leaves_during_the_handshake(void **state)
{
    (void)state;
    meet();
    secure(&client, NULL);
    say(&client, "421 a farewell nobody could read\r\n"); // dropped: neither in clear nor encrypted
    assert_int_equal(stream_unsent(client.s), 0);
    hang_up(&server);
    until(&client, 'f');
    assert_non_null(strstr(stream_why(client.s)->text, "handshake"));
}

static void a_failed_handshake_tells_both_sides(void **state)
{
    (void)state;
    meet();
    secure(&server, NULL);
    secure(&client, "NORMAL:-VERS-ALL:+VERS-TLS1.1");
    until(&client, 'f');
    until(&server, 'f');
    assert_non_null(strstr(stream_why(client.s)->text, "alert"));
    assert_string_equal(server.events, "f");
}

static void case_41_a_reply_is_read_although_writing_failed(void **state)
{
    (void)state;
    meet();
    server.keep = true;
    stream_pause(server.s);
    stream_pause(client.s);
    say(&client, "MAIL FROM:<a@b>\r\n");
    say(&server, "554 go away\r\n");
    while (stream_unsent(client.s) || stream_unsent(server.s))
        uv_run(&loop, UV_RUN_NOWAIT);
    stream_close(server.s, true); // with bytes unread: a reset
    server.s = NULL;
    uv_run(&loop, UV_RUN_NOWAIT);
    stream_resume(client.s);
    say(&client, "RCPT TO:<c@d>\r\n");
    until(&client, 'f');
    assert_string_equal(client.events, "cdf");
    assert_int_equal(client.got.len, 13);
    assert_non_null(strstr(stream_why(client.s)->text, "connection lost"));
}

// As where a route is lost in one direction alone: the peer stays, and has nothing to say.
static void case_641_a_peer_to_which_nothing_goes_is_not_waited_for(void **state)
{
    (void)state;
    meet();
    stream_deadline(server.s, 600000);
    assert_int_equal(shutdown(server_fd, SHUT_WR), 0);
    say(&server, "220 is anybody there?\r\n");
    while (stream_unsent(server.s))
        uv_run(&loop, UV_RUN_NOWAIT);
    stream_deadline(server.s, 600000);
    until(&server, 'f');
    assert_string_equal(server.events, "f");
    assert_non_null(strstr(stream_why(server.s)->text, "broken pipe"));
}

static void a_stream_passes_to_another_owner(void **state)
{
    (void)state;
    static struct actor second;
    meet();
    second = (struct actor){.s = client.s};
    buf_init(&second.got, 1000);
    stream_rebind(client.s, note, &second);
    say(&server, "250 ok\r\n");
    until_bytes(&second, 8);
    assert_string_equal(client.events, "c");
    assert_string_equal(second.events, "d");
    buf_free(&second.got);
}

static int make_creds(void **state)
{
    (void)state;
    static char chain[] = "/tmp/test_stream.XXXXXX", key[] = "/tmp/test_stream.XXXXXX";
    static char least[] = "1.2", none[] = "";
    struct cert c, *one[] = {&c};
    struct why why;
    close(mkstemp(chain));
    close(mkstemp(key));
    cert_make(&c, &(struct cert_spec){.cn = "mx", .san = {"mx.example.org"}});
    cert_save(chain, key, one, 1);
    struct cfg_certificate files = {chain, key, least, none, true};
    creds = creds_load(&files, 1, &why);
    assert_non_null(creds);
    cert_free(&c);
    unlink(chain);
    unlink(key);
    return 0;
}

static int drop_creds(void **state)
{
    (void)state;
    creds_unref(creds);
    return 0;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(words_go_both_ways),
        STORY(a_closed_stream_says_its_last_words_first),
        STORY(the_handshake_is_invisible_but_for_one_event),
        STORY(case_38_what_was_pipelined_behind_starttls_is_dropped),
        STORY(a_large_body_waits_for_room),
        STORY(a_large_body_goes_through_tls),
        STORY(input_that_nobody_takes_stops_the_reading),
        STORY(the_same_holds_under_tls),
        STORY(a_paused_stream_hears_nothing_until_it_is_resumed),
        STORY(nobody_listens),
        STORY(a_source_address_that_is_not_ours_fails_to_connect),
        STORY(the_deadline_comes_and_can_be_taken_back),
        STORY(a_session_may_close_inside_any_event),
        STORY(no_tls_where_tls_was_expected),
        STORY(the_peer_leaves_during_the_handshake),
        STORY(a_failed_handshake_tells_both_sides),
        STORY(case_41_a_reply_is_read_although_writing_failed),
        STORY(case_641_a_peer_to_which_nothing_goes_is_not_waited_for),
        STORY(a_stream_passes_to_another_owner),
    };
    return cmocka_run_group_tests(tests, make_creds, drop_creds);
}
