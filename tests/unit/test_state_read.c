// SPDX-License-Identifier: ISC
// Questions to the state database, answered by its thread.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include "relay/state/reports.h"
#include "relay/state/shadow.h"
#include "tests/unit/state_story.h"

static uv_loop_t loop;
static struct inbox *mail;

static int begin(void **state)
{
    (void)state;
    if (folder_begin(20000 * LEDGER_DAY_MS) < 0)
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

struct answer {
    bool came, failed;
    size_t n;
};

static void take_rows(struct ledger_rows *rows, const struct why *trouble, void *arg)
{
    *(struct answer *)arg = (struct answer){true, trouble, rows->n};
}

static void take_shadow(const struct shadow_rows *rows, const struct why *trouble, void *arg)
{
    *(struct answer *)arg = (struct answer){true, trouble, rows->n};
}

static void take_sendings(struct sendings *found, const struct why *trouble, void *arg)
{
    *(struct answer *)arg = (struct answer){true, trouble, found->n};
}

static void await(const struct answer *a)
{
    while (!a->came)
        uv_run(&loop, UV_RUN_ONCE);
    assert_false(a->failed);
    assert_int_equal(a->n, 0);
}

// What only looks waits for nobody's lock, and is answered where nothing can be written.
static void questions_are_answered_while_another_process_writes(void **state)
{
    (void)state;
    struct state *s = open_state();
    struct answer rows = {0}, shadow = {0}, sendings = {0};
    sqlite3 *other;
    state_settle(s);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    state_ask(s, &(struct state_query){.view = STATE_FAILURES, .result = -1}, mail, take_rows,
              &rows);
    await(&rows);
    state_shadow_ask(s, 0, mail, take_shadow, &shadow);
    await(&shadow);
    state_sendings_ask(s, &(struct sending_query){.before = INT64_MAX}, mail, take_sendings,
                       &sendings);
    await(&sendings);
    sqlite3_close(other);
    state_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(questions_are_answered_while_another_process_writes, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
