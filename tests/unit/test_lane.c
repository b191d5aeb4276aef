// SPDX-License-Identifier: ISC
// Stories of lanes: who shares a transaction, how many sessions a site gets, what happens when all is full.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/queue/lane.h"
#include "relay/deliver/refusal.h"
#include "tests/unit/queue_story.h"

static struct queue_story s;
static struct refusals *refusals;
static struct lanes *lanes;
static size_t delivered, settled, sent_back;
static struct content *contents[64];
static size_t ncontents;

static void done(struct delivery *d, void *arg)
{
    (void)arg;
    settled++;
    for (size_t i = 0; i < d->nrcpts; i++)
        delivered += d->rcpts[i].standing == STANDING_DELIVERED;
    delivery_free(d);
}

static void stale(struct delivery *d, void *arg)
{
    (void)arg;
    sent_back++;
    delivery_free(d);
}

static int begin(void **state)
{
    (void)state;
    queue_story_begin(&s, "  connections: {per_site: 3, per_host: 2, total: 100, idle: 60s}", "");
    refusals = refusals_new(&s.relay);
    struct lanes_owner owner = {.done = done, .stale = stale};
    lanes = lanes_new(&s.workers[0], refusals, &owner);
    delivered = settled = sent_back = ncontents = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    lanes_stop(lanes);
    lanes_cut(lanes);
    lanes_free(lanes);
    refusals_free(refusals);
    queue_story_end(&s);
    return 0;
}

static struct route *route(const char *site, const char *host, struct mx *mx, const char *key)
{
    struct route *r = mem_new(sizeof *r);
    r->refs = 1;
    r->domain = mem_dup("example.test");
    r->site = mem_dup(site);
    r->setup = setup_ref(s.setup);
    r->expires_ms = clock_mono_ms() + 3600000;
    r->hosts = mem_new(sizeof *r->hosts);
    r->nhosts = 1;
    struct route_host *h = r->hosts;
    h->host = mem_dup(host);
    h->port = mx_port(mx);
    h->addresses = mem_new(sizeof *h->addresses);
    h->naddresses = 1;
    *(struct sockaddr_in *)h->addresses = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(h->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    snprintf(h->demand.key, sizeof h->demand.key, "%s", key);
    return r;
}

static struct message *letter(void)
{
    struct message *m =
        queue_story_message("a@us.test", "b@example.test", "c@other.test", "d@third.test", NULL);
    m->segment = ncontents; // never stored: the field says which content is its own
    contents[ncontents++] = content_take(&s.relay, m);
    return m;
}

static void drop(struct message *m)
{
    content_unref(contents[m->segment]);
    message_unref(m);
}

// One delivery of the message's i-th recipient, over the route (whose reference it takes).
static void add(struct message *m, size_t i, struct route *r)
{
    struct delivery *d = delivery_new(m, &i, 1);
    d->worker = &s.workers[0];
    d->siblings = m->env.nrcpts > 1;
    d->route = r;
    d->content = content_ref(contents[m->segment]);
    lanes_add(lanes, d);
}

static void until_idle(size_t n)
{
    uint64_t stop = clock_mono_ms() + 20000;
    while (delivered < n && clock_mono_ms() < stop)
        queue_story_turn(&s);
    assert_int_equal(delivered, n);
}

static void domains_whose_hosts_agree_share_a_transaction(void **state)
{
    (void)state;
    struct message *m = letter();
    add(m, 0, route("site", "mx.test", s.mx, "k"));
    add(m, 1, route("site", "mx.test", s.mx, "k"));
    add(m, 2, route("site", "mx.test", s.mx, "k"));
    until_idle(3);
    assert_int_equal(mx_count(s.mx), 1);
    assert_int_equal(mx_message(s.mx, 0)->nrcpts, 3);
    drop(m);
}

static void case_20_a_domain_that_demands_more_does_not_share(void **state)
{
    (void)state;
    struct message *m = letter();
    add(m, 0, route("site", "mx.test", s.mx, "k"));
    add(m, 1, route("site", "mx.test", s.mx, "more"));
    until_idle(2);
    assert_int_equal(mx_count(s.mx), 2);
    assert_int_equal(mx_connections(s.mx), 2); // nor does it use the other's connection
    drop(m);
}

// Two next-hop credentials never share a session, whatever else agrees.
static void logins_that_differ_do_not_share(void **state)
{
    (void)state;
    static struct cfg_login one = {.user = (char *)"one",
                                   .password_file = (char *)"/nonexistent/1"};
    static struct cfg_login two = {.user = (char *)"two",
                                   .password_file = (char *)"/nonexistent/2"};
    const struct cfg_login *logins[][2] = {{&one, &two}, {&one, NULL}, {NULL, &two}};
    for (size_t i = 0; i < 3; i++) {
        struct message *m = letter();
        size_t before = settled;
        for (size_t k = 0; k < 2; k++) {
            struct route *r = route("site", "mx.test", s.mx, "k");
            r->hosts[0].login = logins[i][k];
            add(m, k, r);
        }
        unsigned connections = mx_connections(s.mx);
        while (settled < before + 2)
            queue_story_turn(&s);
        assert_int_equal(mx_connections(s.mx), connections + 2);
        mx_hang_up(s.mx);
        drop(m);
    }
}

static void logins_that_agree_share(void **state)
{
    (void)state;
    static struct cfg_login none = {.user = (char *)""};
    struct message *m = letter();
    for (size_t k = 0; k < 3; k++) {
        struct route *r = route("site", "mx.test", s.mx, "k");
        r->hosts[0].login = k == 0 ? NULL : &none;
        add(m, k, r);
    }
    until_idle(3);
    assert_int_equal(mx_count(s.mx), 1);
    drop(m);
}

// A hundred domains with host names of their own on one address do not wait for each other's idle connections.
static void case_60_lanes_that_meet_at_an_address_do_not_wait(void **state)
{
    (void)state;
    struct message *m[20];
    for (size_t i = 0; i < 20; i++) {
        char site[16], host[32];
        snprintf(site, sizeof site, "site%zu", i);
        snprintf(host, sizeof host, "mx%zu.test", i);
        m[i] = letter();
        add(m[i], 0, route(site, host, s.mx, "k"));
    }
    until_idle(20);
    for (size_t i = 0; i < 20; i++)
        drop(m[i]);
}

static void a_site_has_its_number_of_sessions_and_an_address_its_own(void **state)
{
    (void)state;
    struct message *m[30];
    for (size_t i = 0; i < 30; i++) {
        m[i] = letter();
        add(m[i], 0, route("site", "mx.test", s.mx, "k"));
    }
    until_idle(30);
    assert_in_range(mx_connections(s.mx), 1, 2); // per_host, which is less than per_site
    assert_int_equal(mx_count(s.mx), 30);
    for (size_t i = 0; i < 30; i++)
        drop(m[i]);
}

// Policy, memory or configuration changed, or an exception ended, while it waited for its turn.
static void a_delivery_whose_route_no_longer_holds_asks_again(void **state)
{
    (void)state;
    struct message *m = letter();
    struct route *changed = route("site", "mx.test", s.mx, "k");
    changed->stale = true;
    add(m, 0, changed);
    struct route *ended = route("site", "mx.test", s.mx, "k");
    ended->ends_s = clock_s() - 1;
    add(m, 1, ended);
    struct route *old = route("site", "mx.test", s.mx, "k");
    old->expires_ms = clock_mono_ms() - ROUTE_SLACK_MS - 1;
    add(m, 2, old);
    uint64_t stop = clock_mono_ms() + 20000;
    while (sent_back < 3 && clock_mono_ms() < stop)
        queue_story_turn(&s);
    assert_int_equal(sent_back, 3);
    assert_int_equal(mx_connections(s.mx), 0);
    drop(m);
}

static void a_fresh_delivery_does_not_take_a_stale_one_along(void **state)
{
    (void)state;
    struct message *m = letter();
    add(m, 0, route("site", "mx.test", s.mx, "k"));
    struct route *changed = route("site", "mx.test", s.mx, "k");
    changed->stale = true;
    add(m, 1, changed);
    until_idle(1);
    assert_int_equal(mx_message(s.mx, 0)->nrcpts, 1);
    drop(m);
}

static void lanes_that_nobody_uses_go(void **state)
{
    (void)state;
    struct message *m = letter();
    add(m, 0, route("one", "mx.test", s.mx, "k"));
    add(m, 1, route("two", "home.test", s.home, "k"));
    until_idle(2);
    lanes_sweep(lanes); // idle connections keep theirs
    mx_hang_up(s.mx);
    mx_hang_up(s.home);
    for (int i = 0; i < 100; i++)
        queue_story_turn(&s);
    lanes_sweep(lanes);
    add(m, 2, route("one", "mx.test", s.mx, "k"));
    until_idle(3);
    drop(m);
}

// Hosts that take connections and no mail hold what they can get, and the last part of it is not for them.
static void case_270_sites_that_only_stall_do_not_use_up_all(void **state)
{
    (void)state;
    s.config->delivery.total = 5;
    s.config->delivery.per_host = 100;
    for (int i = 0; i < 4; i++)
        mx_next(s.home, "mail", MX_SILENT);
    struct message *m[8];
    for (size_t i = 0; i < 8; i++)
        m[i] = letter();
    add(m[0], 0, route("good", "mx.test", s.mx, "k"));
    until_idle(1);
    for (size_t i = 1; i < 7; i++) {
        char site[16], host[32];
        snprintf(site, sizeof site, "stall%zu", i);
        snprintf(host, sizeof host, "stall%zu.test", i);
        add(m[i], 0, route(site, host, s.home, "k"));
    }
    uint64_t stop = clock_mono_ms() + 20000;
    while (mx_lines(s.home, "MAIL") < 4 && clock_mono_ms() < stop)
        queue_story_turn(&s);
    add(m[7], 0, route("good", "mx.test", s.mx, "k"));
    until_idle(2);
    assert_int_equal(mx_connections(s.home), 4);
    mx_hang_up(s.home);
    while (settled < 8 && clock_mono_ms() < stop)
        queue_story_turn(&s);
    assert_int_equal(settled, 8);
    for (size_t i = 0; i < 8; i++)
        drop(m[i]);
}

static const char *told;
static void waits(struct delivery *d, const struct why *why, void *arg)
{
    (void)d;
    (void)arg;
    told = why->reason == REASON_SITE_SHUT ? "shut" : "otherwise";
}

// What a mailing brings to a host that turns everybody away is one connection, not one a message.
static void case_268_who_turns_everybody_away_is_asked_by_one_message(void **state)
{
    (void)state;
    struct lanes_owner owner = {.done = done, .stale = stale, .waits = waits};
    struct lanes *own = lanes, *telling = lanes_new(&s.workers[0], refusals, &owner);
    lanes = telling;
    mx_next(s.mx, "connect", "421 4.3.2 not now");
    struct message *m[21];
    for (size_t i = 0; i < 21; i++)
        m[i] = letter();
    add(m[0], 0, route("site", "mx.test", s.mx, "k"));
    while (settled < 1)
        queue_story_turn(&s);
    for (size_t i = 1; i < 20; i++)
        add(m[i], 0, route("site", "mx.test", s.mx, "k"));
    for (int i = 0; i < 200; i++)
        queue_story_turn(&s);
    assert_string_equal(told, "shut");
    assert_int_equal(mx_connections(s.mx), 1);
    assert_int_equal(settled, 1);
    clock_mono_advance(16000); // the pause is over, and whoever comes next finds it so
    add(m[20], 0, route("site", "mx.test", s.mx, "k"));
    uint64_t stop = clock_mono_ms() + 30000;
    while (delivered < 20 && clock_mono_ms() < stop)
        queue_story_turn(&s);
    assert_int_equal(delivered, 20);
    lanes_stop(telling);
    lanes_cut(telling);
    lanes_free(telling);
    lanes = own;
    for (size_t i = 0; i < 21; i++)
        drop(m[i]);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(domains_whose_hosts_agree_share_a_transaction),
        STORY(case_20_a_domain_that_demands_more_does_not_share),
        STORY(logins_that_differ_do_not_share),
        STORY(logins_that_agree_share),
        STORY(case_60_lanes_that_meet_at_an_address_do_not_wait),
        STORY(a_site_has_its_number_of_sessions_and_an_address_its_own),
        STORY(a_delivery_whose_route_no_longer_holds_asks_again),
        STORY(a_fresh_delivery_does_not_take_a_stale_one_along),
        STORY(lanes_that_nobody_uses_go),
        STORY(case_270_sites_that_only_stall_do_not_use_up_all),
        STORY(case_268_who_turns_everybody_away_is_asked_by_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
