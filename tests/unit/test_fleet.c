// SPDX-License-Identifier: ISC
// What a fleet is told by files, addresses and other nodes: where the database is, who this node is, whose configuration
// differs. No server takes part.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/clock.h"
#include "relay/base/lease.h"
#include "relay/base/mem.h"
#include "relay/fleet/fingerprint.h"
#include "relay/fleet/marker.h"
#include "relay/fleet/self.h"
#include "relay/fleet/target.h"

static struct why why;

static int parse(const char *uri, struct target *out)
{
    const struct cfg_fleet fleet = {.database = (char *)uri,
                                    .name = (char *)"node-1",
                                    .password_file = (char *)"",
                                    .ca_file = (char *)"/ca.pem"};
    return target_parse(&fleet, "test", out, &why);
}

static const char *word(const struct target *t, size_t host, const char *key)
{
    const char *keys[TARGET_WORDS], *values[TARGET_WORDS];
    target_words(t, host, "secret", keys, values);
    for (size_t i = 0; keys[i]; i++)
        if (strcmp(keys[i], key) == 0)
            return values[i];
    return "";
}

static void each_host_has_its_port_and_only_this_machine_goes_without_tls(void **state)
{
    (void)state;
    struct target t;
    char name[300];
    static const struct {
        const char *host, *mode, *name;
    } hosts[] = {{"db1.example.org", "verify-full", "db1.example.org:6432"},
                 {"127.0.0.2", "prefer", "127.0.0.2:5432"},
                 {"::1", "prefer", "::1:7432"},
                 {"192.0.2.1", "verify-full", "192.0.2.1:5432"}};
    assert_int_equal(
        parse("postgresql://me@db1.example.org:6432,127.0.0.2,[::1]:7432,192.0.2.1/mail", &t), 0);
    assert_int_equal(t.nhosts, 4);
    for (size_t i = 0; i < t.nhosts; i++) {
        assert_string_equal(word(&t, i, "host"), hosts[i].host);
        assert_string_equal(word(&t, i, "sslmode"), hosts[i].mode);
        assert_string_equal(target_name(&t, i, name, sizeof name), hosts[i].name);
        assert_string_equal(word(&t, i, "target_session_attrs"), "read-write");
    }
    assert_string_equal(word(&t, 0, "sslrootcert"), "/ca.pem");
    assert_string_equal(word(&t, 0, "passfile"), "/dev/null");
    assert_string_equal(word(&t, 0, "dbname"), "mail");
    assert_string_equal(word(&t, 0, "password"), "secret");
    target_free(&t);
    assert_int_equal(parse("postgresql:///mail?host=/run/postgresql&user=me", &t), 0);
    assert_string_equal(word(&t, 0, "host"), "/run/postgresql");
    assert_string_equal(word(&t, 0, "sslmode"), "prefer");
    target_free(&t);
    assert_int_equal(parse("postgresql://me@localhost?sslmode=verify-full", &t), 0);
    assert_string_equal(word(&t, 0, "sslmode"), "verify-full");
    assert_string_equal(word(&t, 0, "dbname"), "me");
    target_free(&t);
}

static void an_address_that_would_lower_or_misses_something_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"postgresql://db.example.org/mail", "names no user"},
        {"postgresql://me@/mail", "names no host"},
        {"postgresql://me@db.example.org,/mail", "names no host"},
        {"postgresql://me@db.example.org?sslmode=require", "verify-full"},
        {"postgresql://me@127.0.0.1,db.example.org/x?sslmode=disable", "verify-full"},
        {"postgresql://me:pw@db.example.org/mail", "password_file"},
        {"postgresql://me@db.example.org?passfile=/x", "has no place"},
        {"postgresql://me@db.example.org?hostaddr=127.0.0.1", "has no place"},
        {"postgresql://me@db.example.org?sslrootcert=/x", "has no place"},
        {"postgresql://me@db.example.org?options=-csearch_path%3Dx", "has no place"},
        {"postgresql://me@db.example.org?service=x", "has no place"},
        {"postgresql://me@db.example.org:0", "no port"},
        {"postgresql://me@a:1,b:2?port=1,2,3", "ports"},
        {"postgresql://me@[::1", "fleet.database"},
        {"postgresql://me@h?nonsense=1", "fleet.database"},
        {"postgresql://me@a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more hosts"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct target t;
        if (parse(bad[i][0], &t) == 0)
            fail_msg("%s was taken", bad[i][0]);
        if (!strstr(why.text, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], why.text);
    }
}

static void a_node_knows_its_number_and_no_other_name_has_it(void **state)
{
    (void)state;
    char folder[] = "/tmp/fleet.XXXXXX";
    assert_non_null(mkdtemp(folder));
    char state_db[64];
    snprintf(state_db, sizeof state_db, "%s/state.db", folder);
    char *path = self_path(state_db);
    struct self self, again;
    self_read(path, "node-1", &self);
    assert_int_equal(self.number, 0);
    assert_int_equal(strlen(self.instance), SELF_INSTANCE - 1);
    self.number = 12;
    assert_int_equal(self_write(path, &self, &why), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    self_read(path, "node-1", &again);
    assert_int_equal(again.number, 12);
    assert_string_equal(again.instance, self.instance);
    self_read(path, "node-2", &again);
    assert_int_equal(again.number, 0);
    assert_string_not_equal(again.instance, self.instance);
    static const char *const damaged[] = {
        "", "1 12\n", "1 0 ab node-1\n", "1 256 ab node-1\n", "1 12 ab node-1", "2 12 ab node-1\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(damaged[i], f);
        fclose(f);
        self_read(path, "node-1", &again);
        assert_int_equal(again.number, 0);
    }
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(self_write(path, &self, &why), -1);
    free(path);
}

static struct config *configuration(const char *text)
{
    struct config_load load;
    config_load_init(&load);
    struct config *c = config_load_text("/etc/waxwing/waxwing.yaml", text, strlen(text), &load);
    if (!c)
        fail_msg("%s", buf_text(&load.errors));
    config_load_free(&load);
    return c;
}

static json_t *differences(const char *one, const char *two)
{
    struct config *a = configuration(one), *b = configuration(two);
    char *x = fingerprint_of(a), *y = fingerprint_of(b);
    json_t *p = fingerprint_read(x), *q = fingerprint_read(y);
    assert_non_null(p);
    assert_non_null(q);
    json_t *out = fingerprint_differences(p, q);
    json_decref(p);
    json_decref(q);
    free(x);
    free(y);
    config_unref(a);
    config_unref(b);
    return out;
}

static void what_is_a_nodes_own_is_no_difference(void **state)
{
    (void)state;
    json_t *none = differences("{hostname: a.example.org, spool: /a, workers: 1}",
                               "{hostname: b.example.org, spool: /b, listen: 127.0.0.9:25}");
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
    json_t *one = differences("{hostname: a.example.org, delivery: {expire: 3d}}",
                              "{hostname: b.example.org}");
    assert_int_equal(json_array_size(one), 1);
    assert_string_equal(json_string_value(json_array_get(one, 0)), "delivery");
    json_decref(one);
}

static void what_another_node_wrote_is_read_with_care(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "1",
                                      "{\"a\": 1}",
                                      "{\"a\": \"01234567890123456789\"}",
                                      "{\"a\": \"x\", \"a\": \"y\"}",
                                      "{\"a\": \"x\"",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(fingerprint_read(bad[i]));
    char *large = calloc(1, FINGERPRINT_MAX + 2);
    memset(large, ' ', FINGERPRINT_MAX + 1);
    large[0] = '{';
    large[FINGERPRINT_MAX] = '}';
    assert_null(fingerprint_read(large));
    free(large);
    json_t *all = fingerprint_differences(NULL, NULL);
    assert_int_equal(json_array_size(all), 0);
    json_decref(all);
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static bool is_there(const char *folder, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void a_spool_says_which_log_of_the_journal_is_its(void **state)
{
    (void)state;
    char folder[] = "/tmp/waxwing-marker.XXXXXX", log[MARKER_LOG], found[MARKER_LOG];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(marker_read(folder, found, &why), 0);
    marker_new(log);
    assert_int_equal(marker_write(folder, log, &why), 0);
    assert_int_equal(marker_read(folder, found, &why), 1);
    assert_string_equal(found, log);
    static const char *const damaged[] = {"", "1 abc\n", "2 0123456789abcdef0123456789abcdef\n",
                                          "1 0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        put(folder, "fleet", damaged[i]);
        assert_int_equal(marker_read(folder, found, &why), -1); // not as if there were none
    }
    assert_int_equal(marker_remove(folder, &why), 0);
    assert_int_equal(marker_read(folder, found, &why), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void what_was_taken_over_is_put_aside_and_nothing_else(void **state)
{
    (void)state;
    char folder[] = "/tmp/waxwing-marker.XXXXXX", path[300];
    static const char *const moved[] = {"00000001.log", "00000001.head", "00000002.9.suspect"};
    static const char *const kept[] = {"lock", "reserve.1", "00000003.damaged"};
    assert_non_null(mkdtemp(folder));
    for (int round = 0; round < 2; round++) { // what was put aside before goes
        for (size_t i = 0; i < 3; i++) {
            put(folder, moved[i], "x");
            put(folder, kept[i], "x");
        }
        snprintf(path, sizeof path, "%s/large", folder);
        assert_true(mkdir(path, 0700) == 0 || round);
        put(path, round ? "body2" : "body1", "x");
        assert_int_equal(marker_put_aside(folder, &why), 0);
        for (size_t i = 0; i < 3; i++)
            assert_true(!is_there(folder, moved[i]) && is_there(folder, kept[i]));
    }
    snprintf(path, sizeof path, "%s/taken", folder);
    assert_true(is_there(path, moved[0]) && is_there(path, "body2") && !is_there(path, "body1"));
    char *command = mem_printf("rm -r %s", folder);
    assert_int_equal(system(command), 0);
    free(command);
}

static void a_lease_ends_at_its_moment(void **state)
{
    (void)state;
    assert_true(lease_held()); // nobody lends anything here
    lease_until(clock_boot_ms() + 60000);
    assert_true(lease_held() && lease_left_ms() > 50000);
    lease_until(clock_boot_ms());
    assert_false(lease_held());
    lease_until(LEASE_FOREVER);
    assert_true(lease_held());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_host_has_its_port_and_only_this_machine_goes_without_tls),
        cmocka_unit_test(an_address_that_would_lower_or_misses_something_is_refused),
        cmocka_unit_test(a_node_knows_its_number_and_no_other_name_has_it),
        cmocka_unit_test(what_is_a_nodes_own_is_no_difference),
        cmocka_unit_test(what_another_node_wrote_is_read_with_care),
        cmocka_unit_test(a_spool_says_which_log_of_the_journal_is_its),
        cmocka_unit_test(what_was_taken_over_is_put_aside_and_nothing_else),
        cmocka_unit_test(a_lease_ends_at_its_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
