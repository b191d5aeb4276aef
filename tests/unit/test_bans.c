// SPDX-License-Identifier: ISC
// Bans: by client and user, for a while, lifted, over a restart.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/login/bans.h"
#include "relay/state/state.h"
#include "tests/unit/address_story.h"

static struct bans *b;

static int begin(void **state)
{
    (void)state;
    b = bans_new(NULL, 60000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    bans_free(b);
    return 0;
}

static void bans_are_by_address_and_user(void **state)
{
    (void)state;
    const struct sockaddr *a = address("192.0.2.1"), *c = address("192.0.2.2");
    for (int i = 0; i < 2; i++)
        bans_failed(b, a, "app", 3, 60000);
    assert_false(bans_client(b, a));
    bans_failed(b, a, "root", 3, 60000);
    assert_true(bans_client(b, a));
    assert_false(bans_client(b, c));
    assert_false(bans_user(b, c, "app"));
    bans_failed(b, c, "app", 3, 60000);
    assert_true(bans_user(b, c, "app"));
    assert_false(bans_user(b, c, "root"));
}

// A stranger who fails as `app` from everywhere does not lock out the host where app works.
static void a_user_keeps_where_it_works(void **state)
{
    (void)state;
    const struct sockaddr *home = address("192.0.2.1");
    bans_proved(b, home, "app");
    for (int i = 1; i < 20; i++) {
        char stranger[32];
        snprintf(stranger, sizeof stranger, "203.0.113.%d", i);
        bans_failed(b, address(stranger), "app", 3, 60000);
    }
    assert_true(bans_user(b, address("203.0.113.99"), "app"));
    assert_false(bans_user(b, home, "app"));
}

static void bans_are_counted_while_they_last(void **state)
{
    (void)state;
    assert_int_equal(bans_count(b), 0);
    bans_failed(b, address("192.0.2.1"), "app", 2, 30000);
    assert_int_equal(bans_count(b), 0);
    bans_failed(b, address("192.0.2.1"), "root", 2, 30000);
    assert_int_equal(bans_count(b), 1); // the address; neither user has failed twice
    bans_failed(b, address("2001:db8::1"), "app", 2, 60000);
    assert_int_equal(bans_count(b), 2);
    clock_mono_advance(30001);
    assert_int_equal(bans_count(b), 1);
}

static void a_ban_ends(void **state)
{
    (void)state;
    const struct sockaddr *a = address("192.0.2.1");
    bans_failed(b, a, NULL, 1, 30000);
    clock_mono_advance(20000);
    assert_true(bans_client(b, a));
    clock_mono_advance(10001);
    assert_false(bans_client(b, a));
    bans_failed(b, a, NULL, 0, 60000); // failures: 0 bans nobody
    assert_false(bans_client(b, a));
    bans_failed(b, a, NULL, 2, 60000); // the old count is gone
    assert_false(bans_client(b, a));
}

struct seen {
    int n;
    char names[512];
};

static void see(void *arg, const struct ban *ban)
{
    struct seen *s = arg;
    size_t at = strlen(s->names);
    s->n++;
    snprintf(s->names + at, sizeof s->names - at, "%s=%s/%d ", ban_kind_word(ban->kind), ban->name,
             (int)ban->failures);
}

static struct seen all(void)
{
    struct seen s = {0};
    bans_each(b, see, &s);
    return s;
}

static void a_network_is_named_as_people_write_it(void **state)
{
    (void)state;
    bans_failed(b, address("2001:db8:0:1:2::3"), NULL, 1, 60000);
    assert_string_equal(all().names, "client=2001:db8:0:1::/64/1 ");
    assert_int_equal(bans_lift(b, "2001:db8:0:1::ffff", "root"), 1);
    assert_int_equal(all().n, 0);
    bans_failed(b, address("::ffff:192.0.2.1"), NULL, 1, 60000);
    assert_string_equal(all().names, "client=192.0.2.1/1 ");
    assert_int_equal(bans_lift(b, "192.0.2.2", "root"), 0);
    assert_int_equal(bans_lift(b, "192.0.2.1", "root"), 1);
    assert_false(bans_client(b, address("192.0.2.1")));
}

static void lifting_forgets_the_failures_too(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        bans_failed(b, address("192.0.2.1"), "app", 3, 60000);
    assert_int_equal(bans_lift(b, "app", "root"), 1);
    bans_failed(b, address("192.0.2.2"), "app", 3, 60000);
    assert_false(bans_user(b, address("192.0.2.2"), "app"));
    assert_int_equal(bans_lift(b, NULL, "root"), 1); // the client's, which was left
    assert_int_equal(bans_count(b), 0);
}

static void who_is_banned_does_not_make_it_longer(void **state)
{
    (void)state;
    const struct sockaddr *a = address("192.0.2.1");
    assert_true(bans_failed(b, a, NULL, 1, 30000));
    clock_mono_advance(20000);
    assert_false(bans_failed(b, a, NULL, 1, 30000));
    clock_mono_advance(10001);
    assert_false(bans_client(b, a));
}

static void what_strangers_choose_is_bounded(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < BANS_ENTRIES + 10; i++) {
        snprintf(name, sizeof name, "%d", i);
        bans_failed(b, NULL, name, 1, 60000);
    }
    assert_int_equal(bans_count(b), BANS_ENTRIES);
}

// ---- over a restart

static char folder[] = "/tmp/waxwing-bans-XXXXXX", path[64];
static struct state *db;

static void open_all(uint64_t most_ms)
{
    struct why why;
    const struct state_options options = {.path = path, .keep_ms = 86400000};
    db = state_open(&options, &why);
    assert_non_null(db);
    b = bans_new(db, most_ms);
}

static void close_all(void)
{
    bans_free(b);
    state_close(db);
    b = NULL;
}

static int remove_one(const char *name, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(name);
}

static int begin_disk(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/waxwing-bans-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/state.db", folder);
    open_all(60000);
    return 0;
}

static int end_disk(void **state)
{
    (void)state;
    close_all();
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void case_239_a_ban_survives_a_restart_and_a_lifted_one_does_not(void **state)
{
    (void)state;
    const struct sockaddr *home = address("192.0.2.1"), *away = address("192.0.2.2");
    bans_proved(b, home, "app");
    bans_failed(b, away, "app", 1, 60000);
    bans_failed(b, address("2001:db8::1"), "o'brien", 1, 60000);
    bans_lift(b, "o'brien", "root");
    close_all();
    open_all(60000);
    assert_int_equal(bans_count(b), 3);
    assert_true(bans_client(b, away));
    assert_true(bans_client(b, address("2001:db8::2")));
    assert_false(bans_user(b, away, "o'brien"));
    assert_true(bans_user(b, away, "app"));
    assert_false(bans_user(b, home, "app")); // where app works it still may
    bans_lift(b, NULL, "root");
    close_all();
    open_all(60000);
    assert_int_equal(bans_count(b), 0);
}

static void a_success_ends_a_ban_on_disk_too(void **state)
{
    (void)state;
    const struct sockaddr *a = address("192.0.2.1");
    bans_failed(b, a, NULL, 1, 60000);
    bans_proved(b, a, "app");
    close_all();
    open_all(60000);
    assert_int_equal(bans_count(b), 0);
}

static void case_240_no_clock_makes_a_ban_longer_than_it_is(void **state)
{
    (void)state;
    int64_t now = clock_ms();
    clock_fix(now + 86400000); // a day ahead, and then set right
    bans_failed(b, address("192.0.2.1"), NULL, 1, 60000);
    close_all();
    clock_fix(now);
    open_all(60000);
    assert_int_equal(bans_count(b), 1);
    clock_mono_advance(60001);
    assert_int_equal(bans_count(b), 0);
    close_all();
    clock_fix(now + 2 * 86400000);
    open_all(60000);
    assert_int_equal(bans_count(b), 0);
    clock_release();
}

// Another relay's ban holds here as long as one of our own may, and one that holds is none the shorter.
static void case_499_bans_of_other_relays_hold_and_are_lifted(void **state)
{
    (void)state;
    const struct sockaddr *a = address("192.0.2.1");
    struct ban heard = {BAN_CLIENT, "192.0.2.1", clock_ms(), clock_ms() + 90000, 3};
    bans_hear(b, &heard, 0); // nobody is banned here
    assert_false(bans_client(b, a));
    heard.until_ms = clock_ms() - 1;
    bans_hear(b, &heard, 60000); // over
    assert_false(bans_client(b, a));
    heard.until_ms = clock_ms() + 90000;
    bans_hear(b, &heard, 60000);
    assert_true(bans_client(b, a));
    heard.until_ms = clock_ms() + 1000;
    bans_hear(b, &heard, 60000);
    clock_mono_advance(59000);
    assert_true(bans_client(b, a));
    bans_hear_lifted(b, BAN_CLIENT, "192.0.2.1", heard.since_ms - 1); // an older one was
    bans_hear_lifted(b, BAN_USER, "192.0.2.1", heard.since_ms);
    assert_true(bans_client(b, a));
    bans_hear_lifted(b, BAN_CLIENT, "192.0.2.1", heard.since_ms);
    assert_false(bans_client(b, a));
    bans_hear(b, &heard, 60000);
    clock_mono_advance(1000);
    assert_false(bans_client(b, a));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define DISK(name)  cmocka_unit_test_setup_teardown(name, begin_disk, end_disk)
    const struct CMUnitTest tests[] = {
        STORY(bans_are_by_address_and_user),
        STORY(a_user_keeps_where_it_works),
        STORY(bans_are_counted_while_they_last),
        STORY(a_ban_ends),
        STORY(a_network_is_named_as_people_write_it),
        STORY(lifting_forgets_the_failures_too),
        STORY(who_is_banned_does_not_make_it_longer),
        STORY(what_strangers_choose_is_bounded),
        STORY(case_499_bans_of_other_relays_hold_and_are_lifted),
        DISK(case_239_a_ban_survives_a_restart_and_a_lifted_one_does_not),
        DISK(a_success_ends_a_ban_on_disk_too),
        DISK(case_240_no_clock_makes_a_ban_longer_than_it_is),
    };
    log_setup(LOG_TEXT, -1, false);
    return cmocka_run_group_tests_name("bans", tests, NULL, NULL);
}
