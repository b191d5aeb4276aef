// SPDX-License-Identifier: ISC
// The state database: what survives a restart, damage, a disk that cannot be written, and the days.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "tests/unit/state_story.h"

#define NOON (20000 * LEDGER_DAY_MS + LEDGER_DAY_MS / 2)

static uv_loop_t loop;
static struct inbox *mail;

static int begin(void **state)
{
    (void)state;
    if (folder_begin(NOON) < 0)
        return -1;
    uv_loop_init(&loop);
    mail = inbox_open(&loop);
    return 0;
}

static int end(void **state)
{
    (void)state;
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return folder_end();
}

static void set(void *arg)
{
    *(bool *)arg = true;
}

static void keep_policy(struct state *s, const char *domain, const char *id, const char *text)
{
    bool stored = false;
    const struct sts_row row = {
        .domain = domain, .id = id, .text = text, .fetched_s = 10, .expires_s = 20};
    state_keep_policy(s, &row, mail, set, &stored);
    while (!stored)
        uv_run(&loop, UV_RUN_ONCE);
}

static void keep_memory(struct state *s, const char *domain, const char *host,
                        enum memory_owes owes, bool dane)
{
    char *name = mem_dup(host);
    state_keep_memory(s, domain,
                      &(struct memory_row){.host = name, .seen_s = 77, .owes = owes, .dane = dane});
    free(name);
}

// Everything that is restored, as text.
static char said[4096];
static void say_policy(void *arg, const struct sts_row *row)
{
    (void)arg;
    size_t n = strlen(said);
    snprintf(said + n, sizeof said - n, "%s %s %s %lld-%lld;", row->domain, row->id, row->text,
             (long long)row->fetched_s, (long long)row->expires_s);
}
static void say_memory(void *arg, const char *domain, const struct memory_row *row)
{
    (void)arg;
    size_t n = strlen(said);
    snprintf(said + n, sizeof said - n, "%s/%s %lld %d%s;", domain, row->host,
             (long long)row->seen_s, row->owes, row->dane ? " dane" : "");
}
static const char *restored(struct state *s)
{
    said[0] = '\0';
    state_restore(s, say_policy, say_memory, NULL);
    return said;
}

static struct ledger_entry *entry(const char *domain, const char *host, enum why_tls result)
{
    struct ledger_entry *f = ledger_entry_new();
    ledger_entry_set(&f->domain, domain);
    ledger_entry_set(&f->policy_domain, domain);
    ledger_entry_set(&f->mx_host, host);
    ledger_entry_set(&f->mx_ip, "192.0.2.1");
    ledger_entry_set(&f->demand, "webpki");
    f->result = result;
    f->refused = result != WHY_TLS_NONE;
    return f;
}

static struct ledger_rows answer;
static bool answered;
static void take_answer(struct ledger_rows *rows, const struct why *trouble, void *arg)
{
    (void)arg;
    if (trouble)
        why = *trouble;
    else
        why_clear(&why);
    answer = *rows;
    *rows = (struct ledger_rows){0};
    answered = true;
}
static const struct ledger_rows *ask(struct state *s, struct state_query query)
{
    ledger_rows_free(&answer);
    answered = false;
    state_ask(s, &query, mail, take_answer, NULL);
    while (!answered)
        uv_run(&loop, UV_RUN_ONCE);
    return &answer;
}

static struct state_query sums(void)
{
    return (struct state_query){.view = STATE_SUMS, .result = -1};
}
static struct state_query failures(void)
{
    return (struct state_query){.view = STATE_FAILURES, .result = -1};
}

static void finish(struct state *s)
{
    ledger_rows_free(&answer);
    state_close(s);
}

static void policies_and_memory_survive_a_restart(void **state)
{
    (void)state;
    struct state *s = open_state();
    keep_policy(s, "b.example", "id1", "version: STSv1\nmode: enforce");
    keep_policy(s, "a.example", "id2", "old");
    keep_policy(s, "a.example", "id3", "new");
    keep_memory(s, "d.example", "mx1.example", OWES_TLS, true);
    keep_memory(s, "d.example", "mx2.example", OWES_CERTIFICATE, false);
    state_close(s);
    s = open_state();
    assert_string_equal(restored(s),
                        "a.example id3 new 10-20;b.example id1 version: STSv1\nmode: enforce "
                        "10-20;d.example/mx1.example 77 1 dane;d.example/mx2.example 77 2;");
    keep_policy(s, "a.example", "", NULL);
    keep_policy(s, "b.example", NULL, NULL);
    keep_memory(s, "d.example", "mx1.example", OWES_NOTHING, false);
    state_close(s);
    s = open_state();
    assert_string_equal(restored(s), "d.example/mx2.example 77 2;");
    finish(s);
}

// "stored" means on disk: the process may be killed at once behind it.
static void a_stored_policy_is_there_for_another_reader_at_once(void **state)
{
    (void)state;
    struct state *s = open_state();
    keep_policy(s, "a.example", "id", "text");
    said[0] = '\0';
    assert_int_equal(state_read(path, say_policy, say_memory, NULL, &why), 0);
    assert_string_equal(said, "a.example id text 10-20;");
    finish(s);
}

static void the_file_is_not_for_everybody(void **state)
{
    (void)state;
    struct state *s = open_state();
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07007, 0);
    finish(s);
}

static void case_33_successes_are_counted_by_day_domain_policy_and_host(void **state)
{
    (void)state;
    struct state *s = open_state();
    for (int i = 0; i < 5; i++)
        state_ledger_add(s, entry("d.example", "mx1.example", WHY_TLS_NONE));
    state_ledger_add(s, entry("d.example", "mx2.example", WHY_TLS_NONE));
    state_ledger_add(s, entry("e.example", "mx1.example", WHY_TLS_NONE));
    struct ledger_entry *f = entry("d.example", "mx1.example", WHY_TLS_NONE);
    f->policy_type = POLICY_STS;
    ledger_entry_set(&f->policy_string, "version: STSv1");
    state_ledger_add(s, f);
    clock_advance(LEDGER_DAY_MS);
    state_ledger_add(s, entry("d.example", "mx1.example", WHY_TLS_NONE));
    const struct ledger_rows *rows = ask(s, sums());
    assert_int_equal(rows->n, 5);
    assert_int_equal(rows->at[0].day, 20001);
    assert_int_equal(rows->at[0].count, 1);
    assert_int_equal(rows->at[1].day, 20000);
    assert_int_equal(rows->at[1].count, 5);
    assert_string_equal(rows->at[1].entry->mx_host, "mx1.example");
    assert_string_equal(rows->at[1].entry->demand, "webpki");
    assert_int_equal(ask(s, failures())->n, 0);
    finish(s);
}

static void failures_come_newest_first_and_by_filter(void **state)
{
    (void)state;
    struct state *s = open_state();
    state_ledger_add(s, entry("d.example", "mx1.example", WHY_CERTIFICATE_EXPIRED));
    clock_advance(1000);
    state_ledger_add(s, entry("sub.d.example", "mx2.example", WHY_DANE_REQUIRED));
    clock_advance(1000);
    struct ledger_entry *f = entry("notd.example", "mx3.example", WHY_CERTIFICATE_EXPIRED);
    f->shadow = true;
    f->id = 99;
    ledger_entry_set(&f->reason, "because \xff of it");
    state_ledger_add(s, f);
    const struct ledger_rows *rows = ask(s, failures());
    assert_int_equal(rows->n, 3);
    assert_string_equal(rows->at[0].entry->reason, "because \xff of it");
    assert_true(rows->at[0].entry->shadow);
    assert_int_equal(rows->at[0].entry->id, 99);
    assert_int_equal(rows->at[2].entry->result, WHY_CERTIFICATE_EXPIRED);
    assert_string_equal(rows->at[2].entry->mx_ip, "192.0.2.1");
    int64_t newest = rows->at[0].number;
    struct state_query q = failures();
    q.domain = "*.d.example";
    assert_int_equal(ask(s, q)->n, 1);
    q.domain = "d.example";
    assert_int_equal(ask(s, q)->n, 1);
    q.domain = NULL;
    q.result = WHY_CERTIFICATE_EXPIRED;
    assert_int_equal(ask(s, q)->n, 2);
    q.since_ms = NOON + 1;
    assert_int_equal(ask(s, q)->n, 1);
    q = failures();
    q.after = newest;
    assert_int_equal(ask(s, q)->n, 0);
    q.after = newest - 1;
    assert_int_equal(ask(s, q)->n, 1);
    q = failures();
    q.limit = 2;
    assert_int_equal(ask(s, q)->n, 2);
    finish(s);
}

static void failures_are_chosen_by_words_that_are_no_pattern(void **state)
{
    (void)state;
    struct state *s = open_state();
    state_ledger_add(s, entry("a.example", "mx1.example", WHY_CERTIFICATE_EXPIRED));
    static const char *const words[] = {"MX1.", "%", "mx_", "' OR 1 --"};
    for (size_t i = 0; i < 4; i++) {
        const struct state_query q = {STATE_FAILURES, .result = -1, .words = words[i]};
        assert_int_equal(ask(s, q)->n, i == 0);
    }
    finish(s);
}
static void the_details_of_a_kind_and_day_are_bounded(void **state)
{
    (void)state;
    struct state *s = open_state();
    for (int i = 0; i < STATE_DETAILS + 20; i++)
        state_ledger_add(s, entry("d.example", "mx.example", WHY_CERTIFICATE_EXPIRED));
    state_ledger_add(s, entry("d.example", "mx.example", WHY_VALIDATION_FAILURE));
    assert_int_equal(ask(s, failures())->n, STATE_DETAILS + 1);
    const struct ledger_rows *rows = ask(s, sums());
    assert_int_equal(rows->n, 2);
    assert_int_equal(rows->at[0].count, STATE_DETAILS + 20);
    struct state_query q = {.view = STATE_REPORT, .result = -1, .day = 20000};
    uint64_t total = 0;
    rows = ask(s, q);
    for (size_t i = 0; i < rows->n; i++)
        total += rows->at[i].count;
    assert_int_equal(total, STATE_DETAILS + 21);
    clock_advance(LEDGER_DAY_MS);
    state_ledger_add(s, entry("d.example", "mx.example", WHY_CERTIFICATE_EXPIRED));
    assert_int_equal(ask(s, failures())->n, STATE_DETAILS + 2);
    finish(s);
}

// A zone that names another host at each lookup fills a bounded part of the day.
static void the_kinds_of_a_domain_and_day_are_bounded(void **state)
{
    (void)state;
    struct state *s = open_state();
    char host[32];
    for (int i = 0; i < STATE_KINDS + 50; i++) {
        snprintf(host, sizeof host, "mx%d.example", i);
        state_ledger_add(s, entry("d.example", host, WHY_CERTIFICATE_EXPIRED));
    }
    const struct ledger_rows *rows = ask(s, sums());
    uint64_t total = 0;
    for (size_t i = 0; i < rows->n; i++)
        total += rows->at[i].count;
    assert_int_equal(total, STATE_KINDS + 50);
    assert_in_range(rows->n, 2, STATE_KINDS + 2);
    finish(s);
}

static void facts_older_than_keep_go(void **state)
{
    (void)state;
    struct state *s = open_state();
    state_ledger_add(s, entry("old.example", "mx.example", WHY_CERTIFICATE_EXPIRED));
    assert_int_equal(ask(s, failures())->n, 1);
    clock_advance(30 * LEDGER_DAY_MS);
    state_ledger_add(s, entry("new.example", "mx.example", WHY_CERTIFICATE_EXPIRED));
    ask(s, failures());
    ask(s, failures());
    assert_int_equal(ask(s, failures())->n, 2);
    clock_advance(LEDGER_DAY_MS);
    ask(s, failures()); // the new day is seen behind this
    const struct ledger_rows *rows = ask(s, failures());
    assert_int_equal(rows->n, 1);
    assert_string_equal(rows->at[0].entry->domain, "new.example");
    assert_int_equal(ask(s, sums())->n, 1);
    finish(s);
}

static void write_file(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fwrite(text, 1, n, f);
    fclose(f);
}

static unsigned damaged_files(void)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, "state.db.damaged-", 17) == 0 && !strstr(e->d_name, "-wal") &&
             !strstr(e->d_name, "-shm");
    closedir(d);
    return n;
}

static void a_file_that_is_no_database_is_moved_aside_and_told(void **state)
{
    (void)state;
    char noise[4096];
    memset(noise, 'x', sizeof noise);
    write_file(path, noise, sizeof noise);
    uint64_t alarms = log_alarms();
    struct state *s = open_state();
    assert_int_equal(log_alarms(), alarms + 1);
    assert_int_equal(damaged_files(), 1);
    struct state_health health;
    state_get_health(s, &health);
    assert_int_equal(health.lost_ms, NOON);
    assert_non_null(strstr(health.lost, "policies and memory lost at "));
    assert_non_null(strstr(health.lost, "state.db.damaged-"));
    keep_policy(s, "a.example", "id", "text");
    state_close(s);
    s = open_state(); // the loss is remembered, the file is not damaged again
    assert_int_equal(damaged_files(), 1);
    state_get_health(s, &health);
    assert_int_equal(health.lost_ms, NOON);
    assert_string_equal(restored(s), "a.example id text 10-20;");
    state_close(s);
    assert_int_equal(state_look(path, &health, &why), 0);
    assert_int_equal(health.lost_ms, NOON);
}

// Overwrites the middle of every page but the first.
static void scribble(void)
{
    struct stat st;
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    char noise[256];
    memset(noise, 0xa5, sizeof noise);
    for (off_t at = 4096; at < st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, noise, sizeof noise, at), sizeof noise);
    close(fd);
}

static void scribbled_pages_are_seen_at_start(void **state)
{
    (void)state;
    struct state *s = open_state();
    keep_policy(s, "a.example", "id", "text");
    state_close(s);
    scribble();
    s = open_state();
    assert_int_equal(damaged_files(), 1);
    assert_string_equal(restored(s), "");
    finish(s);
}

// More of them than SQLite keeps in memory, so that it has to read the file again.
static void fill(struct state *s)
{
    char large[8193];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    for (int i = 0; i < 900; i++) {
        struct ledger_entry *f = entry("d.example", "mx.example", WHY_CERTIFICATE_EXPIRED);
        ledger_entry_set(&f->reason, large);
        state_ledger_add(s, f);
    }
}

static void damage_met_while_running_is_moved_aside_and_writing_goes_on(void **state)
{
    (void)state;
    struct state *s = open_state();
    fill(s);
    state_close(s); // everything is in the file itself now
    s = open_state();
    scribble();
    assert_int_equal(ask(s, failures())->n, 0);
    assert_true(why_is_set(&why));
    assert_int_equal(damaged_files(), 1);
    fill(s);
    assert_int_equal(ask(s, failures())->n, 900);
    keep_policy(s, "z.example", "id", "text");
    state_close(s);
    s = open_state();
    assert_int_equal(damaged_files(), 1);
    assert_string_equal(restored(s), "z.example id text 10-20;");
    struct state_health health;
    state_get_health(s, &health);
    assert_int_equal(health.lost_ms, NOON);
    finish(s);
}

static void run_sql(const char *text)
{
    sqlite3 *sql;
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(sql);
}

static void a_newer_version_is_refused_and_left_alone(void **state)
{
    (void)state;
    state_close(open_state());
    run_sql("PRAGMA user_version = 99");
    assert_null(state_open(&(struct state_options){.path = path, .keep_ms = KEEP}, &why));
    assert_non_null(strstr(why.text, "version 99"));
    assert_int_equal(damaged_files(), 0);
    assert_int_equal(state_read(path, say_policy, say_memory, NULL, &why), -1);
    assert_non_null(strstr(why.text, "version 99"));
}

static void another_programs_database_is_refused(void **state)
{
    (void)state;
    run_sql("CREATE TABLE accounts(n INTEGER)");
    assert_null(state_open(&(struct state_options){.path = path, .keep_ms = KEEP}, &why));
    assert_non_null(strstr(why.text, "another program"));
    assert_int_equal(damaged_files(), 0);
}

static void without_its_folder_it_opens_and_is_not_writable(void **state)
{
    (void)state;
    struct state_health health;
    struct state *s =
        state_open(&(struct state_options){.path = "/nonexistent/state.db", .keep_ms = KEEP}, &why);
    assert_non_null(s);
    keep_policy(s, "a.example", "1", "nothing of it is kept");
    state_get_health(s, &health);
    assert_false(health.writable);
    state_close(s);
    assert_int_equal(state_read(path, say_policy, say_memory, NULL, &why), -1);
}

// A disk that is full, as far as this process is concerned. Root ignores modes, but not this.
static void allow_bytes(rlim_t n)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_disk_that_cannot_be_written_is_one_episode(void **state)
{
    (void)state;
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    struct state *s = open_state();
    keep_policy(s, "a.example", "id", "text");
    uint64_t alarms = log_alarms();
    allow_bytes(0);
    keep_policy(s, "b.example", "id", "text"); // its delivery is not held up
    for (int i = 0; i < 3; i++) {
        state_ledger_add(s, entry("d.example", "mx.example", WHY_CERTIFICATE_EXPIRED));
        ask(s, failures());
    }
    keep_policy(s, "c.example", "id", "text");
    struct state_health health;
    state_get_health(s, &health);
    allow_bytes(before.rlim_cur);
    assert_int_equal(log_alarms(), alarms + 1);
    assert_false(health.writable);
    assert_int_equal(health.waiting, 3);
    assert_int_equal(health.dropped, 0);
    assert_int_equal(ask(s, failures())->n, 3);
    keep_policy(s, "e.example", "id", "text");
    state_get_health(s, &health);
    assert_true(health.writable);
    assert_int_equal(health.waiting, 0);
    state_close(s);
    s = open_state();
    assert_string_equal(restored(s), "a.example id text 10-20;b.example id text 10-20;"
                                     "c.example id text 10-20;e.example id text 10-20;");
    finish(s);
}

static void what_waits_is_bounded_and_drops_are_counted(void **state)
{
    (void)state;
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    struct state *s = open_state();
    allow_bytes(0);
    ask(s, failures());
    char *large = mem_new(1048577);
    memset(large, 'x', 1048576);
    for (int i = 0; i < 80; i++) { // 80 MiB: the bound in bytes is met first
        struct ledger_entry *f = entry("d.example", "mx.example", WHY_CERTIFICATE_EXPIRED);
        ledger_entry_set(&f->reason, large);
        state_ledger_add(s, f);
    }
    free(large);
    uint64_t alarms = log_alarms();
    ask(s, failures());
    struct state_health health;
    state_get_health(s, &health);
    allow_bytes(before.rlim_cur);
    assert_in_range(health.waiting, 60, 64);
    assert_int_equal(health.dropped, 80 - health.waiting);
    ask(s, sums());
    assert_in_range(log_alarms(), alarms, alarms + 2);
    finish(s);
    assert_true(log_alarms() >= alarms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(policies_and_memory_survive_a_restart),
        TEST(a_stored_policy_is_there_for_another_reader_at_once),
        TEST(the_file_is_not_for_everybody),
        TEST(case_33_successes_are_counted_by_day_domain_policy_and_host),
        TEST(failures_come_newest_first_and_by_filter),
        TEST(failures_are_chosen_by_words_that_are_no_pattern),
        TEST(the_details_of_a_kind_and_day_are_bounded),
        TEST(the_kinds_of_a_domain_and_day_are_bounded),
        TEST(facts_older_than_keep_go),
        TEST(a_file_that_is_no_database_is_moved_aside_and_told),
        TEST(scribbled_pages_are_seen_at_start),
        TEST(damage_met_while_running_is_moved_aside_and_writing_goes_on),
        TEST(a_newer_version_is_refused_and_left_alone),
        TEST(another_programs_database_is_refused),
        TEST(without_its_folder_it_opens_and_is_not_writable),
        TEST(a_disk_that_cannot_be_written_is_one_episode),
        TEST(what_waits_is_bounded_and_drops_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
