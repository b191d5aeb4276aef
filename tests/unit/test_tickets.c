// SPDX-License-Identifier: ISC
// Session tickets of a relay: each once, for its own key, as long as it proves something, within bounds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/deliver/tickets.h"
#include "relay/worker/relay.h"

static struct relay relay;
static struct tickets *tickets;
static const struct pool_key mine = {{1}}, others = {{2}};

static int begin(void **state)
{
    (void)state;
    tickets = tickets_join(&relay);
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_release();
    tickets_leave(tickets, &relay);
    assert_null(relay.tickets);
    return 0;
}

static struct ticket_proof good(void)
{
    return (struct ticket_proof){
        .given = true, .proof = PROOF_WEBPKI, .expires_ms = clock_mono_ms() + TICKET_LIFE_MS};
}

static void keep(const struct pool_key *key, const char *text, bool again)
{
    struct buf data;
    struct ticket_proof proof = good();
    buf_init(&data, 100);
    buf_adds(&data, text);
    tickets_keep(tickets, key, &data, again, &proof);
}

static bool takes(const struct pool_key *key, const char *expected)
{
    struct buf data;
    struct ticket_proof proof = {0};
    if (!tickets_take(tickets, key, &data, &proof))
        return false;
    assert_string_equal(buf_text(&data), expected);
    assert_true(proof.given);
    assert_int_equal(proof.proof, PROOF_WEBPKI);
    buf_free(&data);
    return true;
}

static void case_626_each_is_handed_out_once_the_newest_first(void **state)
{
    (void)state;
    keep(&mine, "one", false);
    keep(&mine, "two", false);
    keep(&others, "theirs", false);
    assert_true(takes(&mine, "two"));
    assert_true(takes(&mine, "one"));
    assert_false(takes(&mine, ""));
    assert_true(takes(&others, "theirs"));
}

static void case_626_one_of_an_older_protocol_serves_until_the_next_comes(void **state)
{
    (void)state;
    keep(&mine, "one", true);
    assert_true(takes(&mine, "one"));
    assert_true(takes(&mine, "one"));
    keep(&mine, "two", true);
    tickets_drop(tickets, &others);
    assert_true(takes(&mine, "two"));
    tickets_drop(tickets, &mine);
    assert_false(takes(&mine, ""));
}

static void case_627_none_outlives_its_proof(void **state)
{
    (void)state;
    struct buf data;
    struct ticket_proof proof = good();
    keep(&mine, "one", false);
    clock_mono_advance(TICKET_LIFE_MS);
    assert_false(takes(&mine, ""));
    clock_fix(1000000 * INT64_C(1000));
    proof = good();
    proof.not_after_s = 1000100;
    for (int i = 0; i < 2; i++) {
        buf_init(&data, 100);
        buf_adds(&data, "short");
        tickets_keep(tickets, &mine, &data, false, &proof);
    }
    clock_advance(99000);
    assert_true(takes(&mine, "short"));
    clock_advance(1000);
    assert_false(takes(&mine, ""));
}

static void case_628_a_reload_forgets_them_and_two_workers_share_one_store(void **state)
{
    (void)state;
    struct tickets *second = tickets_join(&relay);
    assert_ptr_equal(second, tickets);
    keep(&mine, "one", false);
    tickets_forget(second);
    assert_false(takes(&mine, ""));
    keep(&mine, "two", false);
    tickets_leave(second, &relay);
    assert_true(takes(&mine, "two"));
}

static unsigned count(const struct pool_key *key)
{
    struct buf data;
    struct ticket_proof proof;
    unsigned n = 0;
    for (; tickets_take(tickets, key, &data, &proof); n++)
        buf_free(&data);
    return n;
}

static void case_628_they_are_bounded_by_number_and_by_bytes(void **state)
{
    (void)state;
    static const char large[TICKETS_BYTES / 8];
    for (int i = 0; i < TICKETS_ALIKE + 5; i++)
        keep(&mine, "ticket", false);
    assert_int_equal(count(&mine), TICKETS_ALIKE);
    for (int i = 0; i < 20; i++) {
        struct buf data;
        struct ticket_proof proof = good();
        buf_init(&data, sizeof large);
        buf_add(&data, large, sizeof large);
        tickets_keep(tickets, i % 2 ? &mine : &others, &data, false, &proof);
    }
    assert_int_equal(count(&mine) + count(&others), 8);
    struct pool_key key = {{0}};
    keep(&key, "first", false);
    for (uint32_t i = 0; i < TICKETS; i++) {
        memcpy(key.digest + 4, &i, sizeof i);
        key.digest[0] = 9;
        keep(&key, "ticket", false);
    }
    assert_int_equal(count(&(struct pool_key){{0}}), 0);
    assert_int_equal(count(&key), 1);
}

static void *give_and_take(void *arg)
{
    struct tickets *joined = tickets_join(&relay);
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct buf data;
        struct ticket_proof proof = good();
        buf_init(&data, 100);
        buf_adds(&data, "ticket");
        tickets_keep(joined, i % 3 ? &mine : &others, &data, i % 7 == 0, &proof);
        if (tickets_take(joined, &mine, &data, &proof))
            buf_free(&data);
        if (i % 50 == 0)
            tickets_forget(joined);
    }
    tickets_leave(joined, &relay);
    return NULL;
}

static void case_628_many_threads_give_and_take(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, give_and_take, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    tickets_forget(tickets);
    assert_int_equal(count(&mine), 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_626_each_is_handed_out_once_the_newest_first),
        STORY(case_626_one_of_an_older_protocol_serves_until_the_next_comes),
        STORY(case_627_none_outlives_its_proof),
        STORY(case_628_a_reload_forgets_them_and_two_workers_share_one_store),
        STORY(case_628_they_are_bounded_by_number_and_by_bytes),
        STORY(case_628_many_threads_give_and_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
