// SPDX-License-Identifier: ISC
// The journal of events: numbers, torn ends, restarts, a disk that fails, what is removed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/events/journal.h"

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/journal-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char *command = mem_printf("rm -r %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static struct journal *begin(void)
{
    struct why why;
    struct journal *j = journal_open(folder, &why);
    assert_non_null(j);
    return j;
}

static struct journal_entry *entry_new(const char *text)
{
    struct journal_entry *e = mem_new(sizeof *e + strlen(text) + 1);
    e->n = strlen(text);
    memcpy(e->text, text, e->n);
    return e;
}

static int add(struct journal *j, const char *name)
{
    char *text = mem_printf("\"name\":\"%s\"}", name);
    struct journal_entry *e = entry_new(text);
    struct why why;
    int rc = journal_append(j, e, &why);
    free(e);
    free(text);
    return rc;
}

struct seen {
    char names[4096];
    size_t stop_at; // lines taken before one is not; 0: all
    size_t n;
};

static bool take(uint64_t seq, struct span object, void *arg)
{
    struct seen *s = arg;
    char line[256];
    if (s->stop_at && s->n == s->stop_at)
        return false;
    s->n++;
    snprintf(line, sizeof line, "%llu%.*s ", (unsigned long long)seq, (int)object.n,
             (const char *)object.p);
    strncat(s->names, line, sizeof s->names - strlen(s->names) - 1);
    return true;
}

static void expect(struct journal *j, uint64_t behind, size_t n, const char *last)
{
    struct seen seen = {0};
    struct journal_place at = {.seq = behind};
    while (journal_read(j, &at, take, &seen))
        continue;
    assert_int_equal(seen.n, n);
    if (last)
        assert_non_null(strstr(seen.names, last));
}

static void numbers_rise_and_survive_a_restart(void **state)
{
    (void)state;
    struct journal *j = begin();
    assert_int_equal(journal_last(j), 0);
    assert_int_equal(add(j, "a"), 0);
    assert_int_equal(add(j, "b"), 0);
    expect(j, 0, 2, "2{\"seq\":2,\"name\":\"b\"}");
    journal_unref(j);
    j = begin();
    assert_int_equal(journal_last(j), 2);
    assert_int_equal(add(j, "c"), 0);
    expect(j, 0, 3, "3{\"seq\":3,\"name\":\"c\"}");
    expect(j, 2, 1, "\"c\"");
    expect(j, 3, 0, NULL);
    journal_unref(j);
}

static void a_reader_stays_at_what_it_did_not_take(void **state)
{
    (void)state;
    struct journal *j = begin();
    for (int i = 0; i < 5; i++)
        add(j, "x");
    struct seen seen = {.stop_at = 2};
    struct journal_place at = {0};
    journal_read(j, &at, take, &seen);
    assert_int_equal(at.seq, 2);
    seen = (struct seen){0};
    journal_read(j, &at, take, &seen);
    assert_int_equal(seen.n, 3);
    assert_false(journal_read(j, &at, take, &seen));
    add(j, "y"); // and goes on where something is added
    seen = (struct seen){0};
    assert_true(journal_read(j, &at, take, &seen));
    assert_non_null(strstr(seen.names, "\"y\""));
    journal_unref(j);
}

static void spoil(const char *bytes)
{
    char *path = mem_printf("%s/00000000000000000001.events", folder);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    close(fd);
    free(path);
}

static void a_torn_end_is_passed_over_and_its_number_used(void **state)
{
    (void)state;
    struct journal *j = begin();
    add(j, "a");
    journal_unref(j);
    spoil("0123456789abcdef {\"seq\":2,\"na");
    j = begin();
    assert_int_equal(journal_last(j), 1);
    add(j, "b");
    expect(j, 0, 2, "2{\"seq\":2,\"name\":\"b\"}");
    journal_unref(j);
}

static void a_line_that_was_changed_is_no_event(void **state)
{
    (void)state;
    struct journal *j = begin();
    add(j, "a");
    spoil("0123456789abcdef {\"seq\":2,\"name\":\"forged\"}\n");
    journal_unref(j);
    j = begin();
    add(j, "b");
    expect(j, 0, 2, "\"b\"");
    assert_true(journal_damaged(j) > 0);
    journal_unref(j);
}

// What was written before a failure may be there or not: the new file's lines count.
static void case_295_after_a_failure_a_new_file_takes_the_same_numbers(void **state)
{
    (void)state;
    struct journal *j = begin();
    add(j, "a");
    journal_unref(j);
    char *path = mem_printf("%s/00000000000000000002.events", folder);
    j = begin();
    assert_int_equal(mkdir(path, 0700), 0); // in the way of the next file
    assert_int_equal(add(j, "b"), -1);
    assert_int_equal(journal_last(j), 1);
    assert_int_equal(rmdir(path), 0);
    free(path);
    assert_int_equal(add(j, "c"), 0);
    expect(j, 0, 2, "2{\"seq\":2,\"name\":\"c\"}");
    journal_unref(j);
}

static void the_oldest_files_go_and_the_newest_stays(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct journal *j = begin(); // each begins a file
        add(j, "x");
        journal_unref(j);
    }
    struct journal *j = begin();
    assert_int_equal(journal_first(j), 1);
    assert_int_equal(journal_trim(j, 0, 1 << 20), 0);
    assert_int_equal(journal_trim(j, 0, 60), 2);
    assert_int_equal(journal_first(j), 3);
    assert_int_equal(journal_trim(j, INT64_MAX, 0), 0);
    expect(j, 0, 1, "3{");
    assert_int_equal(journal_last(j), 3);
    journal_unref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_rise_and_survive_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_stays_at_what_it_did_not_take, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_end_is_passed_over_and_its_number_used, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_was_changed_is_no_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(case_295_after_a_failure_a_new_file_takes_the_same_numbers,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_files_go_and_the_newest_stays, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
