// SPDX-License-Identifier: ISC
// Alarms: what somebody should look at. Counted, and where asked told once in a while, however many threads
// meet the same thing: a condition that lasts must not fill the log that tells of it.
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/log/inside.h"

#define TOLD_MAX 4096 // subjects remembered; the one that was added first makes room

struct told {
    UT_hash_handle hh;
    uint64_t at_ms, held_back; // at_ms: monotonic
    char key[];
};

static atomic_uint_fast64_t alarms;
static struct tally alarms_by;                           // what
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of the table
static struct told *table;
static struct log_recent recent[LOG_RECENT]; // a ring; the next stands at `nrecent` modulo its size
static size_t nrecent;

static void forget(struct told *t)
{
    HASH_DEL(table, t);
    free(t);
}

static struct told *alarm_find_or_add(const char *key, uint64_t now, bool *is_new)
{
    struct told *t;
    size_t n = strlen(key);
    HASH_FIND(hh, table, key, n, t);
    *is_new = !t;
    if (t)
        return t;
    if (HASH_COUNT(table) >= TOLD_MAX)
        forget(table);
    t = mem_new(sizeof *t + n + 1);
    memcpy(t->key, key, n);
    t->at_ms = now;
    HASH_ADD_KEYPTR(hh, table, t->key, n, t);
    return t;
}

// Whether it is time again; *held_back: how often it was not since the last time.
static bool is_due(const char *what, const char *subject, uint64_t period_ms, uint64_t *held_back)
{
    bool is_new;
    char *key = mem_printf("%s %s", what, subject);
    uint64_t now = clock_mono_ms();
    pthread_mutex_lock(&lock);
    struct told *t = alarm_find_or_add(key, now, &is_new);
    bool due = is_new || now - t->at_ms >= period_ms;
    *held_back = t->held_back;
    t->held_back = due ? 0 : t->held_back + 1;
    if (due)
        t->at_ms = now;
    pthread_mutex_unlock(&lock);
    free(key);
    return due;
}

static void __attribute__((format(printf, 2, 0)))
remember(const char *what, const char *format, va_list args)
{
    pthread_mutex_lock(&lock);
    struct log_recent *r = &recent[nrecent++ % LOG_RECENT];
    r->at_ms = clock_ms();
    snprintf(r->what, sizeof r->what, "%s", what);
    vsnprintf(r->text, sizeof r->text, format, args);
    pthread_mutex_unlock(&lock);
}

size_t log_recent_alarms(struct log_recent out[static LOG_RECENT])
{
    pthread_mutex_lock(&lock);
    size_t n = nrecent < LOG_RECENT ? nrecent : LOG_RECENT;
    for (size_t i = 0; i < n; i++)
        out[i] = recent[(nrecent - 1 - i) % LOG_RECENT];
    pthread_mutex_unlock(&lock);
    return n;
}

void log_alarm(const char *what, enum reason reason, const char *format, ...)
{
    atomic_fetch_add(&alarms, 1);
    tally_add(&alarms_by, what, 0, 1);
    va_list args;
    va_start(args, format);
    remember(what, format, args);
    va_end(args);
    va_start(args, format);
    log_sentence(LOG_ERROR, "alarm", what, reason, format, args);
    va_end(args);
}

void log_alarm_once(const char *what, enum reason reason, const char *subject, uint64_t period_ms,
                    const char *format, ...)
{
    uint64_t held_back;
    if (!is_due(what, subject, period_ms, &held_back))
        return;
    char text[LOG_VALUE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (held_back)
        log_alarm(what, reason, "%s (and %" PRIu64 " times more since this was last told)", text,
                  held_back);
    else
        log_alarm(what, reason, "%s", text);
}

const struct tally *log_alarm_tally(void)
{
    return &alarms_by;
}

uint64_t log_alarms(void)
{
    return atomic_load(&alarms);
}
