// SPDX-License-Identifier: ISC
// Stories of connections that are kept, counted and left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/deliver/pool_inside.h"
#include "tests/unit/deliver_story.h"

static struct story s;
static struct mx *mx;

static int begin(void **state)
{
    (void)state;
    story_begin(&s, "retry: [1m, 4m], connections: {per_host: 2, total: 3, messages: 2}", NULL);
    mx = mx_start("PIPELINING");
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    return 0;
}

static int end(void **state)
{
    (void)state;
    story_end(&s);
    mx_stop(mx);
    return 0;
}

static unsigned nwoken;

static void woken(void *arg)
{
    (void)arg;
    nwoken++;
}

static void nothing(uv_idle_t *idle)
{
    (void)idle;
}

// Words between workers arrive; the loop has nothing else to live for.
static void words_arrive(void)
{
    uv_idle_t idle;
    uv_idle_init(&s.worker.loop, &idle);
    uv_idle_start(&idle, nothing);
    for (int i = 0; i < 5; i++)
        uv_run(&s.worker.loop, UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&idle, NULL);
    uv_run(&s.worker.loop, UV_RUN_NOWAIT);
}

static const struct sockaddr *address(unsigned i)
{
    static struct sockaddr_in a[4];
    a[i % 4] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(25), .sin_addr = {htonl(0x0a000001 + i)}};
    return (const struct sockaddr *)&a[i % 4];
}

static struct pool_key key(const struct sockaddr *from)
{
    return pool_key(s.pool, &s.route->hosts[0], address(0), from);
}

static bool same(struct pool_key a, struct pool_key b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void case_31_all_that_a_proof_stands_for_is_in_the_key(void **state)
{
    (void)state;
    struct route_host *host = &s.route->hosts[0];
    struct cfg_login login = {.user = (char *)"u", .password_file = (char *)"f"};
    struct pool_key first = key(NULL);
    assert_true(same(first, key(NULL)));
    assert_false(same(first, key(address(1))));
    assert_false(same(first, pool_key(s.pool, host, address(2), NULL)));
    host->implicit_tls = true;
    assert_false(same(first, key(NULL)));
    host->implicit_tls = false;
    story_demand_key(host, "other");
    assert_false(same(first, key(NULL)));
    story_demand_key(host, tls_level_word(TLS_OPPORTUNISTIC));
    host->demand.sni[0] = 'M';
    assert_false(same(first, key(NULL)));
    host->demand.sni[0] = 'm';
    host->login = &login;
    assert_false(same(first, key(NULL)));
    host->login = NULL;
    assert_true(same(first, key(NULL)));
}

static void an_address_has_its_number_of_connections(void **state)
{
    (void)state;
    struct why why;
    struct connection *a = connection_open(s.pool, address(0)), *b;
    assert_int_equal(pool_gate(s.pool, address(0), &why), POOL_YES);
    b = connection_open(s.pool, address(0));
    assert_int_equal(pool_gate(s.pool, address(0), &why), POOL_FULL);
    assert_int_equal(pool_gate(s.pool, address(1), &why), POOL_YES);
    assert_true(pool_has_room(s.pool));
    struct connection *c = connection_open(s.pool, address(1));
    assert_false(pool_has_room(s.pool));
    connection_close(a, true);
    assert_int_equal(pool_gate(s.pool, address(0), &why), POOL_YES);
    connection_close(b, true);
    connection_close(c, true);
    assert_int_equal(s.pool->open, 0);
}

static void an_address_that_does_not_answer_is_left_alone(void **state)
{
    (void)state;
    struct why why, got;
    struct connection *c = connection_open(s.pool, address(0));
    why_set(&why, WHY_HOST, "4.4.1", "nobody answers");
    connection_failed(c, &why);
    connection_close(c, true);
    assert_int_equal(pool_gate(s.pool, address(0), &got), POOL_BACKOFF);
    assert_string_equal(got.text, "nobody answers");
    c = connection_open(s.pool, address(0));
    connection_worked(c);
    connection_close(c, true);
    assert_int_equal(pool_gate(s.pool, address(0), &got), POOL_YES);
}

static void a_connection_serves_only_so_many_messages(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
    for (int i = 0; i < 5; i++)
        story_run(&s);
    assert_int_equal(mx_connections(mx), 3); // two each
    assert_int_equal(mx_lines(mx, "QUIT"), 2);
}

static void what_an_idle_peer_says_ends_it(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
    story_run(&s);
    assert_int_equal(s.nidle, 1);
    mx_hang_up(mx);
    story_turn(&s);
    assert_int_equal(s.nidle, 0);
    assert_int_equal(s.pool->open, 0);
}

// The end can have been heard while the answers before it were still being read: nobody will be told of it again.
static void case_468_a_connection_whose_peer_has_gone_is_not_kept(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
    story_run(&s);
    struct connection *c = list_of(s.pool->idle.next, struct connection, list);
    struct pool_key its = c->key;
    struct list site;
    assert_ptr_equal(pool_take(s.pool, &its), c);
    c->gone = mem_new(sizeof *c->gone);
    why_set(c->gone, WHY_HOST, "4.4.2", "it hung up");
    list_init(&site);
    pool_give(s.pool, c, &site, &s.nidle);
    assert_null(pool_take(s.pool, &its));
    assert_int_equal(s.nidle, 0);
}

static void case_181_the_total_holds_where_a_connection_is_opened(void **state)
{
    (void)state;
    struct connection *open[3];
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(open[i] = connection_open(s.pool, address(i % 2)));
    assert_null(
        connection_open(s.pool, address(1))); // one of two at its address, three of three in all
    connection_close(open[0], true);
    assert_non_null(open[0] = connection_open(s.pool, address(1)));
    for (unsigned i = 0; i < 3; i++)
        connection_close(open[i], true);
}

static void case_182_as_many_workers_as_the_key_allows(void **state)
{
    (void)state;
    static struct worker many[WORKERS_MAX - 1]; // and the story's own
    struct pool *pools[WORKERS_MAX - 1];
    for (unsigned i = 0; i < WORKERS_MAX - 1; i++) {
        many[i] = (struct worker){.relay = &s.relay, .setup = s.setup, .mail = s.worker.mail};
        pools[i] = pool_new(&many[i], woken, NULL);
    }
    struct why why;
    struct pool *last = pools[WORKERS_MAX - 2];
    struct connection *a = connection_open(s.pool, address(0));
    struct connection *b = connection_open(s.pool, address(0));
    assert_int_equal(pool_gate(last, address(0), &why), POOL_FULL);
    nwoken = 0;
    connection_close(a, true);
    words_arrive();
    assert_int_equal(nwoken, 1); // the last one waited
    connection_close(b, true);
    for (unsigned i = 0; i < WORKERS_MAX - 1; i++)
        pool_free(pools[i]);
}

static void case_61_the_limits_are_the_relays_not_a_workers(void **state)
{
    (void)state;
    struct why why;
    struct worker second = {.relay = &s.relay, .setup = s.setup, .index = 1, .mail = s.worker.mail};
    struct pool *other = pool_new(&second, woken, NULL);
    struct connection *a = connection_open(s.pool, address(0));
    struct connection *b = connection_open(other, address(0));
    assert_int_equal(pool_gate(s.pool, address(0), &why), POOL_FULL);
    assert_int_equal(pool_gate(other, address(0), &why), POOL_FULL);
    assert_null(connection_open(other, address(0)));
    struct connection *c = connection_open(other, address(1));
    assert_false(pool_has_room(s.pool));
    assert_false(pool_has_room(other));
    nwoken = 0;
    connection_close(a, true); // wakes who waits on the other worker
    words_arrive();
    assert_true(nwoken > 0);
    assert_int_equal(pool_gate(other, address(0), &why), POOL_YES);
    assert_true(pool_has_room(other));
    connection_close(b, true);
    connection_close(c, true);
    pool_free(other);
    words_arrive();
}

static void case_60_an_idle_connection_ends_for_who_waits_on_another_worker(void **state)
{
    (void)state;
    struct why why;
    const struct sockaddr *to = (const void *)&s.route->hosts[0].addresses[0];
    struct worker second = {.relay = &s.relay, .setup = s.setup, .index = 1, .mail = s.worker.mail};
    struct pool *other = pool_new(&second, woken, NULL);
    struct connection *a = connection_open(other, to);
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
    story_run(&s);
    assert_int_equal(s.nidle, 1);
    assert_int_equal(pool_gate(other, to, &why), POOL_FULL);
    nwoken = 0;
    story_turn(&s);
    assert_int_equal(s.nidle, 0);
    words_arrive();
    assert_true(nwoken > 0);
    struct connection *b = connection_open(other, to);
    assert_non_null(b);
    // What becomes idle while another waits does not stay so.
    assert_int_equal(pool_gate(other, to, &why), POOL_FULL);
    connection_close(b, true);
    assert_int_equal(pool_gate(other, to, &why), POOL_YES);
    story_run(&s);
    assert_int_equal(s.nidle, 1);
    connection_close(a, true);
    pool_free(other);
    words_arrive();
}

static void case_60_idle_connections_to_an_address_make_room_for_other_names(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
    for (int i = 0; i < 5; i++) { // per_host is 2
        char key[] = {(char)('a' + i), 0};
        story_demand_key(&s.route->hosts[0], key);
        story_run(&s);
        assert_int_equal(story_of(&s, "b@example.test")->standing, STANDING_DELIVERED);
    }
    assert_int_equal(mx_connections(mx), 5);
    assert_int_equal(s.nidle, 2);
}

static void a_host_that_answered_again_is_not_left_alone(void **state)
{
    (void)state;
    struct why why;
    struct route_host *host = &s.route->hosts[0];
    const struct sockaddr *to = (const void *)&host->addresses[0];
    struct connection *c = connection_open(s.pool, to);
    why_set(&why, WHY_HOST, "4.4.1", "nobody answers");
    connection_failed(c, &why);
    // A session that connected meanwhile says otherwise.
    struct connection *b = connection_open(s.pool, to);
    connection_worked(b);
    connection_failed(b, &why);
    assert_int_equal(pool_gate(s.pool, to, &why), POOL_BACKOFF);
    connection_worked(b);
    connection_close(b, true);
    connection_close(c, true);
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
    story_run(&s);
    assert_int_equal(story_of(&s, "b@example.test")->standing, STANDING_DELIVERED);
}

static void idle_connections_make_room(void **state)
{
    (void)state;
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", NULL);
    story_run(&s);
    assert_true(pool_has_idle(s.pool));
    assert_true(pool_evict(s.pool));
    assert_false(pool_evict(s.pool));
    assert_int_equal(s.nidle, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_31_all_that_a_proof_stands_for_is_in_the_key),
        STORY(an_address_has_its_number_of_connections),
        STORY(an_address_that_does_not_answer_is_left_alone),
        STORY(a_connection_serves_only_so_many_messages),
        STORY(what_an_idle_peer_says_ends_it),
        STORY(case_468_a_connection_whose_peer_has_gone_is_not_kept),
        STORY(case_61_the_limits_are_the_relays_not_a_workers),
        STORY(case_181_the_total_holds_where_a_connection_is_opened),
        STORY(case_182_as_many_workers_as_the_key_allows),
        STORY(case_60_an_idle_connection_ends_for_who_waits_on_another_worker),
        STORY(case_60_idle_connections_to_an_address_make_room_for_other_names),
        STORY(a_host_that_answered_again_is_not_left_alone),
        STORY(idle_connections_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
