// SPDX-License-Identifier: ISC
// The front over a resolver that this test plays itself: it stands in for dns/resolver.c, which shows
// that dns/resolver.h is all that the front knows. One lookup for many, a resolver that hangs, trust
// anchors that change.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "dns/dns.h"
#include "dns/resolver.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"

// ---- the resolver, as this test plays it

#define MOST 64
struct resolver {
    pthread_mutex_t lock;
    struct resolver_lookup *lookups[MOST]; // those not answered
    size_t n;
    unsigned asked;      // not counting the self-check
    enum dns_proof root; // what the self-check is told
    atomic_bool hangs;
    _Atomic uint64_t hung_ms;
    atomic_uint epoch;
};
static struct resolver played;

struct resolver *resolver_open(const struct cfg_dns *config, struct why *why)
{
    (void)config;
    (void)why;
    played = (struct resolver){.root = DNS_SECURE};
    pthread_mutex_init(&played.lock, NULL);
    return &played;
}

static void run_done(struct item *item)
{
    struct resolver_lookup *lookup = (struct resolver_lookup *)(void *)item; // its first member
    lookup->done(lookup);
}

static void reply(struct resolver_lookup *l, enum dns_outcome outcome, enum dns_proof proof)
{
    l->answer = dns_answer_new(l->name, l->type);
    l->answer->outcome = outcome;
    l->answer->proof = proof;
    l->answer->ttl = 60;
    if (outcome == DNS_FAILED)
        why_set(&l->answer->why, WHY_DOMAIN, "4.4.3", "played");
    l->item.run = run_done;
    inbox_post(l->home, &l->item);
}

void resolver_ask(struct resolver *r, struct resolver_lookup *lookup)
{
    pthread_mutex_lock(&r->lock);
    if (lookup->type == DNS_DNSKEY) {
        bool ok = r->root == DNS_SECURE;
        reply(lookup, ok ? DNS_FOUND : DNS_FAILED, r->root);
    } else {
        r->asked++;
        atomic_store(&lookup->asked, 3);
        r->lookups[r->n++] = lookup;
    }
    pthread_mutex_unlock(&r->lock);
}

// Waits for n lookups and answers them.
static void answer_all(size_t n)
{
    for (bool done = false; !done; usleep(1000)) {
        pthread_mutex_lock(&played.lock);
        done = played.n >= n;
        while (done && played.n > 0)
            reply(played.lookups[--played.n], DNS_FOUND, DNS_SECURE);
        pthread_mutex_unlock(&played.lock);
    }
}

void resolver_close(struct resolver *r)
{
    pthread_mutex_destroy(&r->lock);
}

uint64_t resolver_turned_ms(struct resolver *r)
{
    return atomic_load(&r->hangs) ? atomic_load(&r->hung_ms) : clock_mono_ms();
}

unsigned resolver_epoch(struct resolver *r)
{
    return atomic_load(&r->epoch);
}

bool resolver_can_prove(const struct resolver *r)
{
    (void)r;
    return true;
}

void resolver_server(const struct resolver *r, unsigned asked, char out[static RESOLVER_SERVER])
{
    (void)r;
    snprintf(out, RESOLVER_SERVER, asked ? "server %u" : "", asked);
}

// ---- who asks

struct asker {
    uv_loop_t loop;
    struct inbox *mail;
    size_t found, failed;
    char why[512];
};

static void answered(const struct dns_answer *a, void *arg)
{
    struct asker *asker = arg;
    asker->found += a->outcome == DNS_FOUND;
    asker->failed += a->outcome == DNS_FAILED;
    memcpy(asker->why, a->why.text, sizeof asker->why);
}

static void open_asker(struct asker *asker)
{
    memset(asker, 0, sizeof *asker);
    uv_loop_init(&asker->loop);
    asker->mail = inbox_open(&asker->loop);
}

static void run_until(struct asker *asker, size_t n)
{
    while (asker->found + asker->failed < n)
        uv_run(&asker->loop, UV_RUN_ONCE);
}

static void close_asker(struct asker *asker)
{
    inbox_close(asker->mail);
    uv_run(&asker->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&asker->loop), 0);
}

static char root[] = ".", anchor[] = "/nonexistent/root.key";

static struct dns *open_dns(void)
{
    struct cfg_dns config = {.self_check = root, .trust_anchor = anchor, .root_hints = anchor};
    struct dns_options options = {.config = &config};
    struct why why;
    struct dns *dns = dns_open(&options, &why);
    assert_non_null(dns);
    return dns;
}

static void many_requests_are_one_lookup(void **state)
{
    (void)state;
    struct dns *dns = open_dns();
    struct asker asker;
    struct dns_state s;
    open_asker(&asker);
    for (int i = 0; i < 50; i++) {
        struct dns_request *r = dns_ask(dns, asker.mail, "Example.ORG", DNS_MX, answered, &asker);
        if (i == 7 || i == 8)
            dns_cancel(r);
    }
    answer_all(1);
    run_until(&asker, 48);
    dns_ask(dns, asker.mail, "example.org.", DNS_MX, answered, &asker);
    run_until(&asker, 49);
    assert_int_equal(asker.found, 49);
    assert_int_equal(played.asked, 1);
    dns_get_state(dns, &s);
    assert_int_equal(s.lookups, 1);
    assert_int_equal(s.cache_hits, 1);
    dns_ask(dns, asker.mail, "other.example", DNS_MX, answered, &asker); // open at the end
    close_asker(&asker);
    dns_close(dns);
}

static void a_resolver_that_hangs_fails_who_waits(void **state)
{
    (void)state;
    struct dns *dns = open_dns();
    struct asker asker;
    struct dns_state s;
    open_asker(&asker);
    dns_ask(dns, asker.mail, "hostile.example", DNS_TLSA, answered, &asker);
    dns_ask(dns, asker.mail, "innocent.example", DNS_MX, answered, &asker);
    atomic_store(&played.hung_ms, clock_mono_ms() - 6000);
    atomic_store(&played.hangs, true);
    run_until(&asker, 2);
    assert_int_equal(asker.failed, 2);
    assert_non_null(strstr(asker.why, "has not turned"));
    dns_get_state(dns, &s);
    assert_true(s.stuck);
    dns_ask(dns, asker.mail, "third.example", DNS_MX, answered, &asker); // at once
    run_until(&asker, 3);
    assert_int_equal(asker.failed, 3);
    atomic_store(&played.hangs, false); // it comes back, with what was asked
    answer_all(3);
    do {
        dns_get_state(dns, &s);
        usleep(1000);
    } while (s.stuck);
    dns_ask(dns, asker.mail, "innocent.example", DNS_MX, answered, &asker);
    run_until(&asker, 4);
    assert_int_equal(asker.found, 1);
    assert_int_equal(played.asked, 3); // the failure of the hang was not kept, the late answer was
    close_asker(&asker);
    dns_close(dns);
}

static void new_trust_anchors_make_all_that_was_known_old(void **state)
{
    (void)state;
    struct dns *dns = open_dns();
    struct asker asker;
    struct dns_state s;
    open_asker(&asker);
    do
        dns_get_state(dns, &s);
    while (s.health == DNS_HEALTH_UNKNOWN);
    assert_int_equal(s.health, DNS_HEALTH_OK);
    dns_ask(dns, asker.mail, "example.org", DNS_MX, answered, &asker);
    answer_all(1);
    run_until(&asker, 1);
    played.root = DNS_BOGUS;
    atomic_fetch_add(&played.epoch, 1);
    do
        dns_get_state(dns, &s);
    while (s.health == DNS_HEALTH_OK);
    assert_non_null(strstr(s.text, "/nonexistent/root.key may be out of date (keys none)"));
    dns_ask(dns, asker.mail, "example.org", DNS_MX, answered, &asker);
    answer_all(1);
    run_until(&asker, 2);
    assert_int_equal(played.asked, 2);
    played.root = DNS_SECURE;
    atomic_fetch_add(&played.epoch, 1);
    do
        dns_get_state(dns, &s);
    while (s.health == DNS_HEALTH_BROKEN);
    close_asker(&asker);
    dns_close(dns);
}

static void what_is_asked_is_known_with_whom_it_is_asked_of(void **state)
{
    (void)state;
    struct dns *dns = open_dns();
    struct asker asker;
    struct dns_underway now = {0};
    open_asker(&asker);
    assert_false(dns_underway(dns, "_25._tcp.mx.example", DNS_TLSA, &now));
    dns_ask(dns, asker.mail, "_25._tcp.MX.example.", DNS_TLSA, answered, &asker);
    while (!dns_underway(dns, "_25._tcp.mx.example", DNS_TLSA, &now) || !now.server[0])
        usleep(1000);
    assert_string_equal(now.server, "server 3");
    assert_false(dns_underway(dns, "_25._tcp.mx.example", DNS_MX, &now));
    answer_all(1);
    run_until(&asker, 1);
    assert_false(dns_underway(dns, "_25._tcp.mx.example", DNS_TLSA, &now));
    close_asker(&asker);
    dns_close(dns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_requests_are_one_lookup),
        cmocka_unit_test(a_resolver_that_hangs_fails_who_waits),
        cmocka_unit_test(what_is_asked_is_known_with_whom_it_is_asked_of),
        cmocka_unit_test(new_trust_anchors_make_all_that_was_known_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
