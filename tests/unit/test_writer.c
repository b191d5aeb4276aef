// SPDX-License-Identifier: ISC
// A log whose reader stalls: nobody waits for it, order is kept, what was lost is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/buf.h"
#include "relay/log/log.h"
#include "relay/log/writer.h"

#define THREADS 4

static int real_stderr, reader;

// Standard error becomes a pipe that nobody reads yet.
static void stall(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    real_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
    log_setup(LOG_TEXT, LOG_INFO, false);
}

static void *read_to_the_end(void *arg)
{
    struct buf *all = arg;
    unsigned char *room;
    for (;;) {
        assert_int_equal(buf_reserve(all, 65536, &room), 0);
        ssize_t n = read(reader, room, 65536);
        if (n <= 0)
            return NULL;
        all->len += (size_t)n;
    }
}

static void unstall(pthread_t *thread, struct buf *all)
{
    buf_init(all, 64 << 20);
    assert_int_equal(pthread_create(thread, NULL, read_to_the_end, all), 0);
}

static void finish(pthread_t thread)
{
    log_stop();
    dup2(real_stderr, STDERR_FILENO); // the last writing end closes
    close(real_stderr);
    pthread_join(thread, NULL);
    close(reader);
}

static void *chatter(void *arg)
{
    int self = (int)(intptr_t)arg;
    for (int i = 0; i < 2000; i++)
        log_event("ready", "thread %d line %d", self, i);
    return NULL;
}

// Each thread's lines come whole and in the order in which it wrote them.
static void nobody_waits_and_order_is_kept(void **state)
{
    (void)state;
    pthread_t threads[THREADS], reading;
    struct buf all;
    stall();
    assert_int_equal(log_start(), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chatter, (void *)(intptr_t)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL); // all of it, and no byte has been read
    unstall(&reading, &all);
    finish(reading);
    int next[THREADS] = {0};
    struct span rest = buf_span(&all), line;
    while (span_cut(rest, '\n', &line, &rest)) {
        int thread, number;
        char *text = span_dup(line);
        assert_int_equal(sscanf(text, "- ready text=\"thread %d line %d\"", &thread, &number), 2);
        assert_int_equal(number, next[thread]++);
        free(text);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], 2000);
    buf_free(&all);
}

static void what_does_not_fit_is_lost_counted_and_told(void **state)
{
    (void)state;
    pthread_t reading;
    struct buf all;
    char filler[1001], told[100];
    memset(filler, 'x', sizeof filler - 1);
    filler[1000] = 0;
    stall();
    assert_int_equal(log_start(), 0);
    uint64_t before = log_lines_lost();
    for (int i = 0; i < 6000; i++)
        log_event("ready", "%s", filler);
    uint64_t lost = log_lines_lost() - before;
    assert_in_range(lost, 1000, 5999);
    log_alarm("spool", REASON_SPOOL_TROUBLE, "an alarm finds room");
    assert_int_equal(log_lines_lost() - before, lost);
    unstall(&reading, &all);
    finish(reading);
    const char *text = buf_text(&all);
    snprintf(told, sizeof told, "- alarm what=log text=\"%d lines of this log were lost",
             (int)lost);
    assert_non_null(strstr(text, told));
    assert_non_null(strstr(text, "an alarm finds room"));
    buf_free(&all);
}

// The reader is gone for good: the end comes all the same, and the thread does not spin on telling so.
static void without_a_reader_the_end_comes(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    stall();
    close(reader);
    assert_int_equal(log_start(), 0);
    uint64_t alarms = log_alarms();
    for (int i = 0; i < 100; i++)
        log_event("ready", "to nobody");
    log_stop();
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    assert_int_equal(log_alarms(), alarms);
}

static void an_alarm_that_lasts_is_told_once_in_a_while(void **state)
{
    (void)state;
    uint64_t before = log_alarms();
    stall();
    for (int i = 0; i < 1000; i++)
        log_alarm_once("accept", REASON_ACCEPT_FAILS, "here", 3600000, "no descriptor is left");
    log_alarm_once("accept", REASON_ACCEPT_FAILS, "there", 3600000, "no descriptor is left");
    assert_int_equal(log_alarms() - before, 2);
    log_alarm_once("accept", REASON_ACCEPT_FAILS, "here", 0, "no descriptor is left");
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    char text[2000];
    ssize_t n = read(reader, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    assert_non_null(strstr(text, "(and 999 times more since this was last told)"));
    close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_and_order_is_kept),
        cmocka_unit_test(what_does_not_fit_is_lost_counted_and_told),
        cmocka_unit_test(without_a_reader_the_end_comes),
        cmocka_unit_test(an_alarm_that_lasts_is_told_once_in_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
