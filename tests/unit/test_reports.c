// SPDX-License-Identifier: ISC
// The rows of daily reports: planned once a day, claimed and moved on, sorted out after a restart, kept no longer
// than the ledger; and a database of before there were any.
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
#include "relay/state/reports.h"
#include "tests/unit/state_story.h"

#define DAY  20000
#define NOON ((DAY + 1) * LEDGER_DAY_MS + LEDGER_DAY_MS / 2)

static char text[8192];
static uv_loop_t loop;
static struct inbox *mail;
static struct state *state;
static struct sendings found;
static bool came;

static void reopen(void)
{
    state_close(state);
    state = open_state();
}

static int begin(void **unused)
{
    (void)unused;
    if (folder_begin(NOON) < 0)
        return -1;
    uv_loop_init(&loop);
    mail = inbox_open(&loop);
    state = open_state();
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    state_close(state);
    sendings_free(&found);
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return folder_end();
}

static void take(struct sendings *rows, const struct why *trouble, void *arg)
{
    (void)arg;
    assert_null(trouble);
    sendings_free(&found);
    found = *rows;
    *rows = (struct sendings){0};
    came = true;
}

static void wait_for_it(void)
{
    while (!came)
        uv_run(&loop, UV_RUN_ONCE);
    came = false;
}

static void happened(const char *domain, int64_t day)
{
    struct ledger_entry *f = ledger_entry_new();
    ledger_entry_set(&f->domain, domain);
    ledger_entry_set(&f->policy_domain, domain);
    f->time_ms = day * LEDGER_DAY_MS + 1000;
    state_ledger_add(state, f);
}

static void plan(int64_t day, const char *domain, bool by_hand)
{
    const struct sending_plan p = {
        .day = day, .start_ms = NOON, .spread_ms = 1000, .domain = domain, .by_hand = by_hand};
    state_sendings_plan(state, &p, mail, take, NULL);
    wait_for_it();
}

static void look(const char *domain)
{
    const struct sending_query q = {.domain = domain, .day = INT64_MIN, .before = INT64_MAX};
    state_sendings_ask(state, &q, mail, take, NULL);
    wait_for_it();
}

// All rows: "domain rua state;".
static const char *standing(void)
{
    size_t n = 0;
    look(NULL);
    text[0] = '\0';
    for (size_t i = 0; i < found.n; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %s %s;", found.at[i].domain,
                              found.at[i].rua, sending_state_word(found.at[i].state));
    return text;
}

static void expand(const char *domain, const char *const *rua, size_t n, bool by_hand)
{
    struct strings list = {.at = mem_new((n + 1) * sizeof(char *)), .n = n};
    for (size_t i = 0; i < n; i++)
        list.at[i] = mem_dup(rua[i]);
    const struct sending row = {.day = DAY,
                                .domain = (char *)(uintptr_t)domain,
                                .rua = mem_dup(""),
                                .by_hand = by_hand,
                                .answer = mem_dup("")};
    state_sendings_expand(state, &row, &list, mail, take, NULL);
    wait_for_it();
    for (size_t i = 0; i < n; i++)
        free(list.at[i]);
    free(list.at);
    free(row.rua);
    free(row.answer);
}

// Moves the row of this address on, with the message that carries it.
static void put(const char *rua, enum sending_state to, uint64_t message)
{
    look(NULL);
    for (size_t i = 0; i < found.n; i++) {
        if (strcmp(found.at[i].rua, rua) != 0)
            continue;
        struct sending row;
        sending_copy(&row, &found.at[i]);
        row.state = to;
        row.message = message;
        row.attempts++;
        state_sendings_put(state, &row, mail, take, NULL);
        wait_for_it();
        sending_clear(&row);
        return;
    }
    fail_msg("no row %s", rua);
}

static void adopt(const char *domain, bool by_hand)
{
    struct sending one = {.day = DAY,
                          .domain = (char *)(uintptr_t)domain,
                          .rua = (char *)(uintptr_t) "",
                          .answer = (char *)(uintptr_t) ""};
    const struct sendings all = {&one, 1};
    const struct sending_plan p = {.start_ms = NOON, .spread_ms = 1000, .by_hand = by_hand};
    state_sendings_adopt(state, &all, &p, mail, take, NULL);
    wait_for_it();
}

static void what_another_node_counted_is_planned_once(void **unused)
{
    (void)unused;
    happened("a.example", DAY);
    plan(DAY, NULL, false);
    adopt("a.example", false);
    adopt("b.example", false);
    adopt("b.example", false);
    assert_string_equal(standing(), "a.example  waiting;b.example  waiting;");
    assert_true(found.at[1].next_ms >= NOON && found.at[1].next_ms <= NOON + 1000);
    put("", SENDING_NONE, 0); // a.example's
    adopt("a.example", false);
    assert_string_equal(standing(), "a.example  none;b.example  waiting;");
    adopt("a.example", true);
    assert_string_equal(standing(), "a.example  waiting;b.example  waiting;");
    assert_true(found.at[0].by_hand && !found.at[1].by_hand);
}

static void two_addresses(void)
{
    static const char *const rua[] = {"mailto:a@r.example", "https://r.example/"};
    happened("d.example", DAY);
    plan(DAY, NULL, false);
    expand("d.example", rua, 2, false);
}

static void a_day_is_planned_once_and_its_record_has_a_time(void **unused)
{
    (void)unused;
    happened("b.example", DAY);
    happened("a.example", DAY);
    happened("a.example", DAY);
    happened("c.example", DAY - 1);
    plan(DAY, NULL, false);
    assert_string_equal(standing(), "a.example  waiting;b.example  waiting;");
    for (size_t i = 0; i < found.n; i++)
        assert_in_range(found.at[i].next_ms, NOON, NOON + 1000);
    happened("late.example", DAY);
    plan(DAY, NULL, false);
    assert_string_equal(standing(), "a.example  waiting;b.example  waiting;");
    reopen();
    plan(DAY, NULL, false); // nor by the next process
    assert_string_equal(standing(), "a.example  waiting;b.example  waiting;");
}

static void by_hand_one_domain_is_planned_and_again(void **unused)
{
    (void)unused;
    happened("a.x.example", DAY);
    happened("y.example", DAY);
    plan(DAY, "*.x.example", true);
    assert_string_equal(standing(), "a.x.example  waiting;");
    assert_true(found.at[0].by_hand);
    plan(DAY, "y.example", true);
    put("", SENDING_NONE, 0); // of the first in order
    plan(DAY, NULL, true);
    assert_string_equal(standing(), "a.x.example  waiting;y.example  waiting;");
    plan(DAY, NULL, false); // by itself it changes nothing of that
    assert_int_equal(found.n, 0);
}

static void what_is_due_comes_in_order(void **unused)
{
    (void)unused;
    two_addresses();
    put("https://r.example/", SENDING_CLAIMED, 0);
    state_sendings_due(state, false, 10, mail, take, NULL);
    wait_for_it();
    assert_int_equal(found.n, 1);
    assert_string_equal(found.at[0].rua, "mailto:a@r.example");
    state_sendings_due(state, true, 10, mail, take, NULL);
    wait_for_it();
    assert_int_equal(found.n, 0); // none of them by hand
}

static void an_address_is_one_row_however_often_it_is_found(void **unused)
{
    (void)unused;
    static const char *const more[] = {"mailto:a@r.example", "mailto:b@r.example",
                                       "https://r.example/"};
    two_addresses();
    put("mailto:a@r.example", SENDING_DONE, 7);
    put("https://r.example/", SENDING_FAILED, 0);
    expand("d.example", more, 3, false);
    assert_string_equal(standing(), "d.example  sent;d.example https://r.example/ failed;"
                                    "d.example mailto:a@r.example sent;"
                                    "d.example mailto:b@r.example waiting;");
    expand("d.example", more, 3,
           true); // by hand, what was given up goes once more; what was sent does not
    assert_string_equal(standing(), "d.example  sent;d.example https://r.example/ waiting;"
                                    "d.example mailto:a@r.example sent;"
                                    "d.example mailto:b@r.example waiting;");
}

static void recover(const uint64_t *mails, size_t n, bool taken)
{
    state_sendings_recover(state, mails, n, taken);
    look("d.example");
}

static void case_153_claimed_mail_is_found_again_or_sent(void **unused)
{
    (void)unused;
    static const uint64_t spool[] = {5, 77};
    two_addresses();
    put("mailto:a@r.example", SENDING_CLAIMED, 77);
    reopen();
    recover(spool, 2, false);
    assert_int_equal(found.at[2].state, SENDING_QUEUED); // the spool has it
    recover(spool, 2, false);
    assert_int_equal(found.at[2].state, SENDING_QUEUED);
    state_sendings_mailed(state, 77, SENDING_QUEUED, "450 later");
    state_sendings_mailed(state, 78, SENDING_FAILED, "another's");
    look("d.example");
    assert_string_equal(found.at[2].answer, "450 later");
    recover(NULL, 0, false);
    assert_int_equal(found.at[2].state, SENDING_DONE); // it left the queue: not once more
    put("mailto:a@r.example", SENDING_CLAIMED, 78);
    recover(spool, 2, false);
    assert_int_equal(found.at[2].state, SENDING_WAITS); // it never reached the spool
    assert_int_equal(found.at[2].lost, 0);
}

static void case_644_claimed_mail_that_another_node_may_have_is_not_sent_twice(void **unused)
{
    (void)unused;
    static const uint64_t spool[] = {5, 77};
    two_addresses();
    put("mailto:a@r.example", SENDING_CLAIMED, 77);
    recover(spool, 2, true);
    assert_int_equal(found.at[2].state, SENDING_QUEUED);
    put("mailto:a@r.example", SENDING_CLAIMED, 78);
    recover(spool, 2, true);
    assert_int_equal(found.at[2].state, SENDING_UNKNOWN);
    assert_string_equal(found.at[2].answer, "another node may have sent it on");
}

static void case_152_a_lost_answer_is_borne_once(void **unused)
{
    (void)unused;
    two_addresses();
    put("https://r.example/", SENDING_CLAIMED, 0);
    recover(NULL, 0, false);
    assert_int_equal(found.at[1].state, SENDING_WAITS);
    put("https://r.example/", SENDING_CLAIMED, 0);
    recover(NULL, 0, false);
    assert_int_equal(found.at[1].state, SENDING_UNKNOWN);
    assert_string_equal(found.at[0].answer, ""); // the record is no report
}

static void run_sql(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

// What version 1 had is all that is left, whatever later ones have added.
static void back_to_the_first(void)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    char drops[2048] = "";
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT name FROM sqlite_master WHERE type = 'table' AND "
                                        "name NOT LIKE 'sqlite_%' AND name NOT IN ('policy', "
                                        "'memory', 'subject', 'kind', 'detail', 'loss')",
                                        -1, &st, NULL),
                     SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        size_t n = strlen(drops);
        snprintf(drops + n, sizeof drops - n, "DROP TABLE %s;", sqlite3_column_text(st, 0));
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    run_sql(drops);
    run_sql("PRAGMA user_version = 1");
}

static void case_159_a_database_of_before_gets_its_tables_and_keeps_what_it_has(void **unused)
{
    (void)unused;
    struct sendings none;
    const struct sending_query all = {.day = INT64_MIN, .before = INT64_MAX};
    happened("d.example", DAY);
    state_close(state);
    back_to_the_first();
    assert_int_equal(state_sendings_file(path, &all, &none, &why), 0); // asked before it is opened
    assert_int_equal(none.n, 0);
    state = open_state();
    plan(DAY, NULL, false);
    assert_string_equal(standing(), "d.example  waiting;");
    state_settle(state);
    assert_int_equal(state_sendings_file(path, &all, &none, &why), 0);
    assert_int_equal(none.n, 1);
    sendings_free(&none);
}

static void case_151_a_clock_that_was_ahead_holds_nothing_up(void **unused)
{
    (void)unused;
    two_addresses();
    clock_advance(20 * LEDGER_DAY_MS);
    plan(DAY + 20, NULL, false); // marks a day that has not been yet
    look("d.example");
    struct sending row;
    sending_copy(&row, &found.at[1]);
    row.next_ms = clock_ms() + 1000;
    row.until_ms = clock_ms() + LEDGER_DAY_MS;
    state_sendings_put(state, &row, mail, take, NULL);
    wait_for_it();
    sending_clear(&row);
    clock_advance(-20 * LEDGER_DAY_MS);
    state_sendings_due(state, false, 10, mail, take, NULL);
    wait_for_it();
    assert_int_equal(found.n, 2);
    assert_in_range(found.at[1].next_ms, NOON, NOON + 2000);
    assert_int_equal(found.at[1].until_ms, 0);
    plan(DAY - 1, NULL, false);
    clock_advance(20 * LEDGER_DAY_MS);
    happened("e.example", DAY + 20);
    plan(DAY + 20, "e.example", false); // when it comes it is planned
    look("e.example");
    assert_int_equal(found.n, 1);
}

static void rows_go_with_the_ledger(void **unused)
{
    (void)unused;
    two_addresses();
    clock_advance(2 * LEDGER_DAY_MS);
    reopen();
    look(NULL);
    assert_int_equal(found.n, 3);
    clock_advance(40 * LEDGER_DAY_MS);
    reopen();
    look(NULL);
    assert_int_equal(found.n, 0);
}

// tls_report.keep after a reload: from the next day on, without a restart.
static void what_is_kept_follows_the_configuration(void **unused)
{
    (void)unused;
    two_addresses();
    state_set_keep(state, 2 * (uint64_t)LEDGER_DAY_MS);
    look(NULL);
    assert_int_equal(found.n, 3);
    clock_advance(5 * LEDGER_DAY_MS);
    for (int i = 0; i < 2000 && found.n; i++)
        look(NULL); // whatever is asked, the thread then looks at the date
    assert_int_equal(found.n, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_another_node_counted_is_planned_once, begin, end),
        TEST(a_day_is_planned_once_and_its_record_has_a_time),
        TEST(by_hand_one_domain_is_planned_and_again),
        TEST(what_is_due_comes_in_order),
        TEST(an_address_is_one_row_however_often_it_is_found),
        TEST(case_153_claimed_mail_is_found_again_or_sent),
        TEST(case_644_claimed_mail_that_another_node_may_have_is_not_sent_twice),
        TEST(case_152_a_lost_answer_is_borne_once),
        TEST(case_159_a_database_of_before_gets_its_tables_and_keeps_what_it_has),
        TEST(case_151_a_clock_that_was_ahead_holds_nothing_up),
        TEST(rows_go_with_the_ledger),
        TEST(what_is_kept_follows_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
