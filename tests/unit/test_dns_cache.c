// SPDX-License-Identifier: ISC
// The cache and the slots, on a clock of our own.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns/anchor.h"
#include "dns/cache.h"
#include "dns/slots.h"
#include "relay/base/mem.h"

static struct dns_answer *answer(const char *name, enum dns_outcome outcome, uint32_t ttl)
{
    struct dns_answer *a = dns_answer_new(name, DNS_MX);
    a->outcome = outcome;
    a->ttl = ttl;
    if (outcome == DNS_FOUND)
        dns_answer_add(a, "\0\0\0", 3);
    return a;
}

static size_t put(struct cache *cache, struct dns_answer *a, uint64_t now)
{
    struct list waiters;
    size_t n = 0;
    list_init(&waiters);
    cache_put(cache, a, now, &waiters);
    list_each_safe (it, &waiters) {
        list_remove(it);
        n++;
    }
    dns_answer_unref(a);
    return n;
}

static enum cache_verdict look(struct cache *cache, const char *name, uint64_t now)
{
    struct list waiter;
    struct dns_answer *a;
    enum cache_verdict v = cache_ask(cache, name, DNS_MX, now, &waiter, &a);
    if (v != CACHE_HIT)
        list_remove(&waiter);
    return v;
}

static void many_wait_for_one_lookup(void **state)
{
    (void)state;
    struct cache *cache = cache_new(1 << 20);
    struct list waiters[100];
    struct dns_answer *a;
    for (int i = 0; i < 100; i++)
        assert_int_equal(cache_ask(cache, "example.org", DNS_MX, 0, &waiters[i], &a),
                         i == 0 ? CACHE_LOOK_UP : CACHE_WAIT);
    list_remove(&waiters[7]); // went away
    assert_int_equal(look(cache, "example.net", 0), CACHE_LOOK_UP);
    assert_int_equal(put(cache, answer("example.org", DNS_FOUND, 60), 1000), 99);
    assert_int_equal(cache_ask(cache, "example.org", DNS_MX, 60999, &waiters[0], &a), CACHE_HIT);
    assert_int_equal(a->nrecords, 1);
    assert_int_equal(a->expires_ms, 61000);
    assert_int_equal(look(cache, "example.org", 61000), CACHE_LOOK_UP); // expired
    assert_int_equal(look(cache, "example.org", 61000), CACHE_WAIT);
    cache_free(cache);
}

static void absence_is_kept_and_failure_ever_longer(void **state)
{
    (void)state;
    struct cache *cache = cache_new(1 << 20);
    look(cache, "nx.example", 0);
    put(cache, answer("nx.example", DNS_ABSENT, 20), 0);
    assert_int_equal(look(cache, "nx.example", 19999), CACHE_HIT);
    assert_int_equal(look(cache, "nx.example", 20000), CACHE_LOOK_UP);
    uint64_t now = 0;
    static const uint64_t seconds[] = {30, 60, 120, 240, 300, 300};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        assert_int_equal(look(cache, "dead.example", now), CACHE_LOOK_UP);
        put(cache, answer("dead.example", DNS_FAILED, 0), now);
        now += seconds[i] * 1000;
        assert_int_equal(look(cache, "dead.example", now - 1), CACHE_HIT);
    }
    now += 3600000; // long ago: it begins again
    look(cache, "dead.example", now);
    put(cache, answer("dead.example", DNS_FAILED, 0), now);
    assert_int_equal(look(cache, "dead.example", now + 30000), CACHE_LOOK_UP);
    cache_free(cache);
}

static void the_bound_in_bytes_holds(void **state)
{
    (void)state;
    struct cache *cache = cache_new(100000);
    size_t held = 0;
    char name[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "n%d.example", i);
        look(cache, name, 0);
        put(cache, answer(name, DNS_FOUND, 3600), 0);
        assert_int_equal(look(cache, "n0.example", 0), CACHE_HIT); // in use: it stays
    }
    assert_int_equal(look(cache, "n9999.example", 0), CACHE_HIT);
    assert_int_equal(look(cache, "n1.example", 0), CACHE_LOOK_UP);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "n%d.example", i);
        held += look(cache, name, 0) == CACHE_HIT;
    }
    assert_in_range(held, 2, 100000 / sizeof(struct dns_answer));
    cache_free(cache);
    cache = cache_new(10); // not even one fits
    look(cache, "a.example", 0);
    put(cache, answer("a.example", DNS_FOUND, 3600), 0);
    assert_int_equal(look(cache, "a.example", 0), CACHE_LOOK_UP);
    cache_free(cache);
}

static void a_name_and_what_is_below_is_forgotten(void **state)
{
    (void)state;
    struct cache *cache = cache_new(1 << 20);
    static const char *const names[] = {"example.org", "_mta-sts.example.org", "notexample.org"};
    for (int i = 0; i < 3; i++) {
        look(cache, names[i], 0);
        put(cache, answer(names[i], DNS_FOUND, 3600), 0);
    }
    cache_forget(cache, "example.org");
    assert_int_equal(look(cache, names[0], 0), CACHE_LOOK_UP);
    assert_int_equal(look(cache, names[1], 0), CACHE_LOOK_UP);
    assert_int_equal(look(cache, names[2], 0), CACHE_HIT);
    struct list given_up, waiter;
    struct dns_answer *a;
    list_init(&given_up);
    cache_ask(cache, names[0], DNS_MX, 0, &waiter, &a);
    cache_give_up(cache, &given_up);
    assert_ptr_equal(given_up.next, &waiter);
    list_remove(&waiter);
    assert_int_equal(look(cache, names[0], 0), CACHE_WAIT); // the lookup goes on
    cache_free(cache);
}

static void zones_share_a_bound_by_their_last_labels(void **state)
{
    (void)state;
    static const struct {
        const char *name, *zone;
    } cases[] = {{"", ""},
                 {"org", "org"},
                 {"example.org", "example.org"},
                 {"_25._tcp.mx.example.org", "example.org"},
                 {"mx.example.co.uk", "example.co.uk"},
                 {"co.uk", "co.uk"},
                 {"mx.example.de", "example.de"},
                 {"4.3.2.1.in-addr.arpa", "2.1.in-addr.arpa"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(slots_zone_of(cases[i].name), cases[i].zone);
}

static void a_zone_has_so_many_slots_and_no_more(void **state)
{
    (void)state;
    struct slots *s = slots_new(10, 5, 3);
    struct slot dead[6] = {0}, live[2] = {0};
    for (int i = 0; i < 6; i++)
        slots_enter(s, &dead[i], "a.dead.example");
    for (int i = 0; i < 2; i++)
        slots_enter(s, &live[i], "b.live.example.net");
    int started = 0, of_live = 0;
    for (struct slot *slot; (slot = slots_next(s, 0)); started++)
        of_live += slot == &live[0] || slot == &live[1];
    assert_int_equal(started, 5); // three of the one, two of the other
    assert_int_equal(of_live, 2);
    slots_leave(s, &dead[0]);
    assert_ptr_equal(slots_next(s, 0), &dead[3]);
    for (int i = 0; i < 6; i++)
        slots_leave(s, &dead[i]);
    for (int i = 0; i < 2; i++)
        slots_leave(s, &live[i]);
    slots_free(s);
}

static void the_old_make_room_for_the_quick(void **state)
{
    (void)state;
    struct slots *s = slots_new(2, 1, 8);
    struct slot slow[3] = {0}, quick = {0};
    static const char *const names[] = {"a.example", "b.example", "c.example"};
    for (int i = 0; i < 3; i++)
        slots_enter(s, &slow[i], names[i]);
    slots_enter(s, &quick, "quick.example");
    assert_ptr_equal(slots_next(s, 0), &slow[0]);
    assert_ptr_equal(slots_next(s, 0), &slow[1]);
    assert_null(slots_next(s, 0));
    struct slot *aged;
    assert_false(slots_age(s, 999, &aged));
    assert_null(aged);
    assert_false(slots_age(s, 1000, &aged)); // goes on, as slow
    assert_ptr_equal(aged, &slow[0]);
    assert_true(slots_age(s, 1000, &aged)); // the slow class is full: stops, and waits for it
    assert_ptr_equal(aged, &slow[1]);
    assert_ptr_equal(slots_next(s, 1000), &slow[2]);
    assert_ptr_equal(slots_next(s, 1000), &quick);
    assert_null(slots_next(s, 1000));
    slots_leave(s, &slow[0]);
    assert_ptr_equal(slots_next(s, 1000), &slow[1]);
    assert_int_equal(slow[1].state, SLOT_SLOW);
    for (int i = 0; i < 3; i++)
        slots_leave(s, &slow[i]);
    slots_leave(s, &quick);
    slots_leave(s, &quick); // twice is harmless
    slots_free(s);
}

// The keys of Debian's dns-root-data, whose tags its comments name.
static void a_trust_anchor_file_tells_its_keys(void **state)
{
    (void)state;
    static const char text[] =
        "; a comment\n\n. 86400 IN DS 20326 8 2 E06D44B8\n"
        ". IN DNSKEY 257 3 8 AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJN"
        "nOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmE"
        "nhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyx"
        "MvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9G"
        "NUUeayffKC73PYc= ; keytag\n. IN DNSKEY 257 3\n. IN DS x\nnonsense";
    struct anchor anchor;
    char print[64];
    anchor_read(span_text(text), &anchor);
    anchor_print(&anchor, print, sizeof print);
    assert_string_equal(print, "20326 38696");
    assert_true(anchor_has(&anchor, 38696));
    assert_false(anchor_has(&anchor, 19036));
    anchor_read(span_text(""), &anchor);
    anchor_print(&anchor, print, sizeof print);
    assert_string_equal(print, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_wait_for_one_lookup),
        cmocka_unit_test(absence_is_kept_and_failure_ever_longer),
        cmocka_unit_test(the_bound_in_bytes_holds),
        cmocka_unit_test(a_name_and_what_is_below_is_forgotten),
        cmocka_unit_test(zones_share_a_bound_by_their_last_labels),
        cmocka_unit_test(a_zone_has_so_many_slots_and_no_more),
        cmocka_unit_test(the_old_make_room_for_the_quick),
        cmocka_unit_test(a_trust_anchor_file_tells_its_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
