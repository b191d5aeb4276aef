// SPDX-License-Identifier: ISC
// What a fleet hears of this relay's counts: every change is marked, nothing is marked twice, absolute values go out.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/state/counts.h"
#include "tests/unit/state_story.h"

#define DAY   20000
#define LIMIT 100

static struct state *state;
static struct counts counts;

static int begin(void **unused)
{
    (void)unused;
    if (folder_begin(DAY * LEDGER_DAY_MS + 1000) < 0)
        return -1;
    state = open_state();
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    counts_free(&counts);
    state_close(state);
    return folder_end();
}

static void happened(const char *domain, enum why_tls result, const char *reason)
{
    struct ledger_entry *f = ledger_entry_new();
    ledger_entry_set(&f->domain, domain);
    ledger_entry_set(&f->policy_domain, domain);
    ledger_entry_set(&f->reason, reason);
    f->result = result;
    f->time_ms = clock_ms();
    state_ledger_add(state, f);
}

static size_t look(const char *fleet)
{
    counts_free(&counts);
    assert_int_equal(state_counts_look(state, fleet, LIMIT, &counts, &why), 0);
    return counts.npages;
}

static void told(void)
{
    assert_int_equal(state_counts_told(state, &counts, &why), 0);
}

static uint64_t sessions(const struct ledger_rows *rows)
{
    uint64_t n = 0;
    for (size_t i = 0; i < rows->n; i++)
        n += rows->at[i].count;
    return n;
}

static void what_was_there_before_is_told_from_today_on(void **unused)
{
    (void)unused;
    clock_fix((DAY - 1) * LEDGER_DAY_MS);
    happened("old.example", WHY_TLS_NONE, "");
    clock_fix(DAY * LEDGER_DAY_MS + 1000);
    happened("new.example", WHY_TLS_NONE, "");
    assert_int_equal(look("one"), 1);
    assert_string_equal(counts.pages[0].domain, "new.example");
    assert_int_equal(counts.since, DAY);
    assert_int_equal(strlen(counts.generation), COUNTS_GENERATION - 1);
}

static void a_change_is_marked_and_told_with_all_of_its_page(void **unused)
{
    (void)unused;
    assert_int_equal(look("one"), 0);
    assert_true(counts.oldest == INT64_MAX);
    for (size_t i = 0; i < 3; i++)
        happened("a.example", WHY_TLS_NONE, "");
    happened("a.example", WHY_CERTIFICATE_EXPIRED, "x");
    happened("b.example", WHY_TLS_NONE, "");
    assert_int_equal(look("one"), 2);
    assert_int_equal(counts.waiting, 2);
    assert_int_equal(counts.oldest, DAY);
    assert_int_equal(sessions(&counts.pages[0].rows), 4);
    told();
    assert_int_equal(look("one"), 0);
    happened("a.example", WHY_TLS_NONE, "");
    assert_int_equal(look("one"), 1);
    assert_int_equal(sessions(&counts.pages[0].rows), 5);
}

static void what_changes_while_it_is_told_stays_marked(void **unused)
{
    (void)unused;
    look("one");
    happened("a.example", WHY_TLS_NONE, "");
    assert_int_equal(look("one"), 1);
    happened("a.example", WHY_TLS_NONE, "");
    state_settle(state);
    struct counts later;
    assert_int_equal(state_counts_look(state, "one", LIMIT, &later, &why), 0); // it is written
    counts_free(&later);
    told();
    assert_int_equal(look("one"), 1);
    assert_int_equal(sessions(&counts.pages[0].rows), 2);
}

static void details_beyond_the_most_frequent_are_counted_with_their_kind(void **unused)
{
    (void)unused;
    char reason[32];
    look("one");
    for (int i = 0; i < 1200; i++) {
        snprintf(reason, sizeof reason, "reason %d", i);
        happened("a.example", WHY_CERTIFICATE_EXPIRED, reason);
        happened("a.example", WHY_CERTIFICATE_EXPIRED, "the same");
        happened("a.example", WHY_VALIDATION_FAILURE, reason);
    }
    happened("a.example", WHY_TLS_NONE, "");
    assert_int_equal(look("one"), 1);
    assert_int_equal(sessions(&counts.pages[0].rows), 3 * 1200 + 1);
    assert_true(counts.pages[0].rows.n <= 1000 + 3);
}

static void another_fleet_hears_everything(void **unused)
{
    (void)unused;
    look("one");
    happened("a.example", WHY_TLS_NONE, "");
    assert_int_equal(look("one"), 1);
    told();
    assert_int_equal(look(""), 0); // nobody in particular
    assert_int_equal(look("two"), 1);
    told();
    assert_int_equal(look("two"), 0);
}

static void a_generation_lives_as_long_as_the_database(void **unused)
{
    (void)unused;
    char first[COUNTS_GENERATION];
    look("one");
    memcpy(first, counts.generation, sizeof first);
    state_close(state);
    state = open_state();
    look("one");
    assert_string_equal(counts.generation, first);
    state_counts_end(state);
    happened("a.example", WHY_TLS_NONE, "");
    state_settle(state);
    clock_fix((DAY + 3) * LEDGER_DAY_MS);
    assert_int_equal(look("one"), 0); // it was alone meanwhile
    assert_string_equal(counts.generation, first);
    assert_int_equal(counts.since, DAY + 3);
    assert_int_equal(state_counts_anew(state, &why), 0);
    look("one");
    assert_string_not_equal(counts.generation, first);
}

static void run_sql(const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_database_of_before_gets_what_it_lacks(void **unused)
{
    (void)unused;
    struct sendings all;
    const struct sending_query query = {.day = INT64_MIN, .before = INT64_MAX};
    happened("a.example", WHY_TLS_NONE, "");
    const struct sending_plan plan = {.day = DAY, .start_ms = 1};
    state_sendings_plan(state, &plan, NULL, NULL, NULL);
    state_close(state);
    run_sql("DROP TABLE count_mark; DROP TABLE count_book; DROP TABLE report_mark;"
            "DROP TABLE report_other; ALTER TABLE report DROP COLUMN claim;"
            "PRAGMA user_version = 12");
    assert_int_equal(state_sendings_file(path, &query, &all, &why), 0); // read as it is
    assert_int_equal(all.n, 1);
    sendings_free(&all);
    state = open_state();
    assert_int_equal(look("one"), 1);
    assert_int_equal(sessions(&counts.pages[0].rows), 1);
}

static void claimed_reports_are_told_when_they_move_on(void **unused)
{
    (void)unused;
    look("one");
    happened("a.example", WHY_TLS_NONE, "");
    const struct sending_plan plan = {.day = DAY, .start_ms = 1};
    state_sendings_plan(state, &plan, NULL, NULL, NULL);
    look("one");
    assert_int_equal(counts.reports.n, 0); // it is nobody's yet
    run_sql("UPDATE report SET claim = 3, state = 2, message = 77");
    look("one");
    assert_int_equal(counts.reports.n, 1);
    assert_int_equal(counts.reports.at[0].claim, 3);
    told();
    look("one");
    assert_int_equal(counts.reports.n, 0);
    state_sendings_mailed(state, 77, SENDING_DONE, "250 ok");
    state_sendings_mailed(state, 78, SENDING_DONE, "250 of another's");
    state_sendings_mailed(state, 79, SENDING_QUEUED, "later");
    look("one");
    assert_int_equal(counts.reports.n, 1);
    assert_int_equal(counts.reports.at[0].state, SENDING_DONE);
    assert_int_equal(counts.nothers, 1);
    assert_int_equal(counts.others[0].message, 78);
    told();
    look("one");
    assert_int_equal(counts.reports.n + counts.nothers, 0);
    look("two"); // a database that may have lost what it was told
    assert_int_equal(counts.reports.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_there_before_is_told_from_today_on, begin, end),
        cmocka_unit_test_setup_teardown(a_change_is_marked_and_told_with_all_of_its_page, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_changes_while_it_is_told_stays_marked, begin, end),
        cmocka_unit_test_setup_teardown(
            details_beyond_the_most_frequent_are_counted_with_their_kind, begin, end),
        cmocka_unit_test_setup_teardown(another_fleet_hears_everything, begin, end),
        cmocka_unit_test_setup_teardown(a_generation_lives_as_long_as_the_database, begin, end),
        cmocka_unit_test_setup_teardown(a_database_of_before_gets_what_it_lacks, begin, end),
        cmocka_unit_test_setup_teardown(claimed_reports_are_told_when_they_move_on, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
