// SPDX-License-Identifier: ISC
// The life of keys that turn, over clocks that the test sets.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "relay/base/mem.h"
#include "relay/rotate/store.h"

#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)
#define WEEK (7 * (uint64_t)DAY)

struct world {
    struct rotation r;
    uint64_t boot_ms;
    int64_t wall_ms;
};

// A domain with one RSA key that signs.
static struct world begin(void)
{
    struct world w = {.boot_ms = 5 * (uint64_t)DAY, .wall_ms = 20000 * DAY};
    rotation_add(&w.r, "old", KEY_RSA, ROTATION_ACTIVE, w.wall_ms);
    rotation_pass(&w.r, w.boot_ms, w.wall_ms);
    return w;
}

static void later(struct world *w, int64_t ms)
{
    w->boot_ms += (uint64_t)ms;
    w->wall_ms += ms;
    rotation_pass(&w->r, w->boot_ms, w->wall_ms);
}

static void hear(struct world *w, const char *selector, enum published answer)
{
    rotation_hear(&w->r, (size_t)(rotation_find(&w->r, selector) - w->r.keys), answer, w->wall_ms);
}

static enum rotation_phase phase(const struct world *w, const char *selector)
{
    return rotation_find(&w->r, selector)->phase;
}

static bool may_withdraw(const struct world *w, const char *selector)
{
    return rotation_may_withdraw(&w->r, (size_t)(rotation_find(&w->r, selector) - w->r.keys), WEEK);
}

static void make_next(struct world *w)
{
    rotation_add(&w->r, "new", KEY_RSA, ROTATION_NEXT, w->wall_ms);
}

static void turn_over(struct world *w)
{
    make_next(w);
    hear(w, "new", PUBLISHED_SAME);
    later(w, HOUR);
    hear(w, "new", PUBLISHED_SAME);
    assert_true(rotation_switch(&w->r, w->wall_ms));
    rotation_find(&w->r, "old")->settled = true;
}

static void case_205_a_key_lives_from_next_to_withdrawn(void **state)
{
    (void)state;
    struct world w = begin();
    assert_false(rotation_due(&w.r, KEY_RSA, 180 * (uint64_t)DAY));
    assert_false(rotation_due(&w.r, KEY_ED25519, 0)); // there is none to turn
    later(&w, 180 * DAY);
    assert_true(rotation_due(&w.r, KEY_RSA, 180 * (uint64_t)DAY));
    make_next(&w);
    assert_false(rotation_due(&w.r, KEY_RSA, 0)); // one is on its way
    hear(&w, "new", PUBLISHED_ABSENT);
    assert_false(rotation_switch(&w.r, w.wall_ms));
    assert_int_equal(phase(&w, "new"), ROTATION_NEXT);
    hear(&w, "new", PUBLISHED_SAME);
    assert_int_equal(phase(&w, "new"), ROTATION_PUBLISHED);
    later(&w, HOUR - 1);
    hear(&w, "new", PUBLISHED_SAME);
    assert_false(rotation_switch(&w.r, w.wall_ms)); // an hour it is
    later(&w, 1);
    assert_false(rotation_switch(&w.r, w.wall_ms)); // and it is looked for again
    hear(&w, "new", PUBLISHED_SAME);
    assert_true(rotation_switch(&w.r, w.wall_ms));
    assert_int_equal(phase(&w, "new"), ROTATION_ACTIVE);
    assert_int_equal(phase(&w, "old"), ROTATION_RETIRED);
    rotation_find(&w.r, "old")->settled = true;
    later(&w, (int64_t)WEEK - 1);
    hear(&w, "new", PUBLISHED_SAME);
    assert_false(may_withdraw(&w, "old"));
    later(&w, 1);
    hear(&w, "new", PUBLISHED_SAME);
    assert_true(may_withdraw(&w, "old"));
    rotation_withdraw(&w.r, 0, w.wall_ms);
    hear(&w, "old", PUBLISHED_SAME);
    assert_false(rotation_gone(&w.r, 0));
    hear(&w, "old", PUBLISHED_UNKNOWN);
    assert_false(rotation_gone(&w.r, 0)); // a DNS that does not answer says nothing
    hear(&w, "old", PUBLISHED_ABSENT);
    assert_true(rotation_gone(&w.r, 0));
    rotation_free(&w.r);
}

static void case_205_a_record_that_goes_again_has_to_be_seen_twice_again(void **state)
{
    (void)state;
    struct world w = begin();
    make_next(&w);
    hear(&w, "new", PUBLISHED_SAME);
    later(&w, HOUR);
    hear(&w, "new", PUBLISHED_DIFFERENT);
    assert_int_equal(phase(&w, "new"), ROTATION_NEXT);
    hear(&w, "new", PUBLISHED_SAME);
    later(&w, HOUR / 2);
    hear(&w, "new", PUBLISHED_UNKNOWN); // neither takes a sighting away nor is one
    later(&w, HOUR / 2);
    hear(&w, "new", PUBLISHED_UNKNOWN);
    assert_false(rotation_switch(&w.r, w.wall_ms));
    hear(&w, "new", PUBLISHED_SAME);
    assert_true(rotation_switch(&w.r, w.wall_ms));
    rotation_free(&w.r);
}

static void case_205_no_record_goes_while_nothing_else_is_found(void **state)
{
    (void)state;
    struct world w = begin();
    turn_over(&w);
    later(&w, 2 * (int64_t)WEEK);
    assert_false(may_withdraw(&w, "old")); // nobody looked
    hear(&w, "new", PUBLISHED_ABSENT);
    assert_false(may_withdraw(&w, "old"));
    assert_false(may_withdraw(&w, "new"));
    hear(&w, "new", PUBLISHED_SAME);
    rotation_add(&w.r, "ed", KEY_ED25519, ROTATION_RETIRED, w.wall_ms);
    rotation_find(&w.r, "ed")->settled = true;
    rotation_find(&w.r, "ed")->aged_ms = WEEK;
    assert_false(may_withdraw(&w, "ed")); // receivers that know Ed25519 alone have nothing else
    assert_true(may_withdraw(&w, "old"));
    rotation_free(&w.r);
}

static void case_205_the_time_of_a_retired_key_runs_when_no_relay_signs_with_it(void **state)
{
    (void)state;
    struct world w = begin();
    turn_over(&w);
    rotation_find(&w.r, "old")->settled = false; // a relay has not read its configuration again
    later(&w, 2 * (int64_t)WEEK);
    hear(&w, "new", PUBLISHED_SAME);
    assert_false(may_withdraw(&w, "old"));
    rotation_find(&w.r, "old")->settled = true;
    later(&w, (int64_t)WEEK - 1);
    hear(&w, "new", PUBLISHED_SAME);
    assert_false(may_withdraw(&w, "old"));
    rotation_free(&w.r);
}

static void case_206_no_clock_makes_a_key_older(void **state)
{
    (void)state;
    struct world w = begin();
    turn_over(&w);
    const struct rotation_key *old = rotation_find(&w.r, "old");
    w.wall_ms += 3650 * DAY; // somebody sets the clock
    later(&w, HOUR);
    assert_int_equal(old->aged_ms, HOUR);
    w.wall_ms -= 7300 * DAY; // and back: what passed meanwhile is not sure
    later(&w, HOUR);
    assert_int_equal(old->aged_ms, HOUR);
    later(&w, HOUR);
    assert_int_equal(old->aged_ms, 2 * HOUR);
    w.boot_ms = 0; // the machine was off for a month
    w.wall_ms += 30 * DAY;
    later(&w, HOUR);
    assert_int_equal(old->aged_ms, 3 * HOUR);
    w.boot_ms += 400 * (uint64_t)DAY; // the folder moves to a machine that was never off
    later(&w, HOUR);
    assert_int_equal(old->aged_ms, 4 * HOUR);
    rotation_free(&w.r);
}

static void case_205_both_kinds_turn_each_by_itself(void **state)
{
    (void)state;
    struct world w = begin();
    rotation_add(&w.r, "ed", KEY_ED25519, ROTATION_ACTIVE, w.wall_ms);
    turn_over(&w);
    assert_int_equal(phase(&w, "ed"), ROTATION_ACTIVE);
    rotation_add(&w.r, "ed-new", KEY_ED25519, ROTATION_NEXT, w.wall_ms);
    hear(&w, "ed-new", PUBLISHED_SAME);
    later(&w, HOUR);
    hear(&w, "ed-new", PUBLISHED_SAME);
    assert_true(rotation_switch(&w.r, w.wall_ms));
    assert_int_equal(phase(&w, "ed"), ROTATION_RETIRED);
    assert_int_equal(phase(&w, "new"), ROTATION_ACTIVE);
    rotation_free(&w.r);
}

// --- the folder ---

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_rotation.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char *command = mem_printf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static bool there(const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

static void put_key(const char *name)
{
    struct why why;
    struct sign_key *key = sign_key_new(KEY_ED25519, 0, &why);
    char *path = mem_printf("%s/%s", folder, name);
    assert_int_equal(sign_key_save(key, path, &why), 0);
    sign_key_unref(key);
    free(path);
}

static void put_text(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(path);
}

static void case_207_what_is_written_is_read_again(void **state)
{
    (void)state;
    struct rotation r = {0}, again;
    struct why why;
    struct stat st;
    bool damaged;
    rotation_add(&r, "a", KEY_RSA, ROTATION_RETIRED, 5)->settled = true;
    rotation_add(&r, "b", KEY_ED25519, ROTATION_PUBLISHED, 6)->aged_ms = 77;
    rotation_pass(&r, 8, 9);
    assert_int_equal(store_save(folder, &r, NULL, &why), 0);
    char *path = mem_printf("%s/%s", folder, STORE_FILE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(path);
    assert_int_equal(store_load(folder, &again, &damaged, &why), 0);
    assert_int_equal(again.n, 2);
    assert_true(again.keys[0].settled && again.keys[0].phase == ROTATION_RETIRED);
    assert_int_equal(again.keys[1].type, KEY_ED25519);
    assert_int_equal(again.keys[1].aged_ms, 77);
    assert_int_equal(again.wall_ms, 9);
    rotation_free(&r);
    rotation_free(&again);
}

static void case_207_without_its_file_the_names_say_all(void **state)
{
    (void)state;
    struct rotation r;
    struct why why;
    bool damaged;
    put_key("a.pem");
    put_key("b.next");
    put_key("c.retired");
    put_text("torn.next", "-----BEGIN");
    static const char *const nonsense[] = {"{", "[]", "{\"version\":1}",
                                           "{\"version\":1,\"clock\":{\"boot_ms\":1,\"wall_ms\":1},"
                                           "\"keys\":[{\"selector\":\"../x\"}]}"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        put_text(STORE_FILE, nonsense[i]);
        assert_int_equal(store_load(folder, &r, &damaged, &why), -1);
        assert_true(damaged);
    }
    put_text(STORE_FILE, "{\"version\":2}");
    assert_int_equal(store_load(folder, &r, &damaged, &why), -1);
    assert_false(damaged);
    store_match(folder, &r, INT64_C(20000) * DAY);
    assert_int_equal(r.n, 3);
    assert_int_equal(rotation_find(&r, "a")->phase, ROTATION_ACTIVE);
    assert_int_equal(rotation_find(&r, "b")->phase, ROTATION_NEXT);
    assert_int_equal(rotation_find(&r, "c")->phase, ROTATION_RETIRED);
    assert_false(rotation_find(&r, "c")->settled);
    rotation_free(&r);
}

static void case_207_an_end_between_file_and_names_is_mended(void **state)
{
    (void)state;
    struct rotation r = {0};
    struct why why;
    bool renamed = false;
    put_key("old.pem");
    put_key("new.next");
    rotation_add(&r, "old", KEY_ED25519, ROTATION_RETIRED, 0);
    rotation_add(&r, "new", KEY_ED25519, ROTATION_ACTIVE, 0);
    rotation_add(&r, "none", KEY_ED25519, ROTATION_NEXT, 0); // made and lost
    store_match(folder, &r, 0);
    assert_int_equal(r.n, 2);
    assert_int_equal(store_rename(folder, &r, &renamed, &why), 0);
    assert_true(renamed && there("new.pem") && there("old.retired"));
    assert_true(!there("old.pem") && !there("new.next"));
    rotation_free(&r);
}

static void case_207_no_key_stops_to_sign_while_none_follows_it(void **state)
{
    (void)state;
    struct rotation r = {0};
    struct why why;
    bool renamed = false;
    put_key("old.pem");
    rotation_add(&r, "old", KEY_ED25519, ROTATION_RETIRED, 0);
    assert_int_equal(store_rename(folder, &r, &renamed, &why), 0);
    assert_true(!renamed && there("old.pem"));
    put_key("new.next"); // a name that is taken is not written over, and the old one signs on
    put_key("new.pem");
    rotation_add(&r, "new", KEY_ED25519, ROTATION_ACTIVE, 0);
    assert_int_equal(store_rename(folder, &r, &renamed, &why), 0);
    assert_true(there("new.next") && there("new.pem") && there("old.retired"));
    rotation_free(&r);
}

static void case_207_a_new_key_takes_a_free_name(void **state)
{
    (void)state;
    struct rotation r = {0};
    struct why why;
    put_key("e20241004.retired");
    assert_int_equal(store_make(folder, &r, KEY_ED25519, 0, NULL, 20000 * DAY, &why), 0);
    assert_string_equal(r.keys[0].selector, "e20241004b");
    assert_true(there("e20241004b.next") && !there(".waxwing-new-key"));
    rotation_free(&r);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_205_a_key_lives_from_next_to_withdrawn),
        cmocka_unit_test(case_205_a_record_that_goes_again_has_to_be_seen_twice_again),
        cmocka_unit_test(case_205_no_record_goes_while_nothing_else_is_found),
        cmocka_unit_test(case_205_the_time_of_a_retired_key_runs_when_no_relay_signs_with_it),
        cmocka_unit_test(case_205_both_kinds_turn_each_by_itself),
        cmocka_unit_test(case_206_no_clock_makes_a_key_older),
        IN_FOLDER(case_207_what_is_written_is_read_again),
        IN_FOLDER(case_207_without_its_file_the_names_say_all),
        IN_FOLDER(case_207_an_end_between_file_and_names_is_mended),
        IN_FOLDER(case_207_no_key_stops_to_sign_while_none_follows_it),
        IN_FOLDER(case_207_a_new_key_takes_a_free_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
