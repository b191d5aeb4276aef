// SPDX-License-Identifier: ISC
// The table of logins. Never talks to a client and holds no mail itself.
#include "relay/base/table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/login/habits.h"
#include "relay/state/habits.h"

#define HABITS_NAMES 256 // domains of one message that are looked at

struct known {
    UT_hash_handle hh;
    struct habit habit;
    int64_t held_ms;
    char held_why[HABITS_WHY];
    bool changed;
    char login[];
};

struct habits {
    pthread_mutex_t lock;
    struct state *state;
    struct known *table; // those used longest ago first
    _Atomic unsigned nheld;
};

static struct known *find(struct habits *habits, const char *login)
{
    struct known *k;
    HASH_FIND_STR(habits->table, login, k);
    return k;
}

static void habits_forget(struct habits *habits, struct known *k)
{
    HASH_DEL(habits->table, k);
    free(k);
}

static struct known *known_of(struct habits *habits, const char *login)
{
    struct known *k = find(habits, login);
    if (k)
        return k;
    struct known *oldest = habits->table;
    if (HASH_COUNT(habits->table) >= HABITS_LOGINS && !oldest->held_ms)
        habits_forget(habits, oldest);
    size_t n = strlen(login);
    k = mem_new(sizeof *k + n + 1);
    memcpy(k->login, login, n);
    HASH_ADD_KEYPTR(hh, habits->table, k->login, n, k);
    return k;
}

static void habits_on_row(const struct state_habit *row, void *arg)
{
    struct habits *habits = arg;
    struct known *k = known_of(habits, row->login);
    struct habit *h = &k->habit;
    *h = (struct habit){.since_ms = row->since_ms,
                        .used_ms = row->used_ms,
                        .hour_ms = row->hour_ms,
                        .halved_ms = row->halved_ms,
                        .hour = row->hour,
                        .fresh = row->fresh,
                        .peak = row->peak,
                        .good = row->good,
                        .bad = row->bad};
    if (row->ndomains == sizeof h->domains)
        memcpy(h->domains, row->domains, sizeof h->domains);
    k->held_ms = row->held_ms;
    snprintf(k->held_why, sizeof k->held_why, "%s", row->held_why);
    habits->nheld += row->held_ms != 0;
}

struct habits *habits_new(struct state *state)
{
    struct habits *habits = mem_new(sizeof *habits);
    pthread_mutex_init(&habits->lock, NULL);
    habits->state = state;
    if (state)
        state_habits_restore(state, habits_on_row, habits);
    return habits;
}

void habits_free(struct habits *habits)
{
    if (!habits)
        return;
    habits_keep(habits);
    while (habits->table)
        habits_forget(habits, habits->table);
    pthread_mutex_destroy(&habits->lock);
    free(habits);
}

// Under the mutex.
static void hold(struct habits *habits, struct known *k, enum habit_sign sign)
{
    char text[HABITS_WHY - 40];
    if (sign == HABIT_USUAL || k->held_ms)
        return;
    habit_say(&k->habit, sign, text, sizeof text);
    snprintf(k->held_why, sizeof k->held_why, "the login is held: %s", text);
    k->held_ms = clock_ms();
    habits->nheld++;
    log_alarm("login", REASON_LOGIN_HELD,
              "%s jumps (%s): %s; its mail is held until 'waxwing logins release %s'", k->login,
              habit_sign_word(sign), text, k->login);
}

bool habits_sent(struct habits *habits, const struct cfg_jumps *limits, const struct envelope *env,
                 char why[static HABITS_WHY])
{
    const char *domains[HABITS_NAMES];
    size_t n = 0;
    for (; n < env->nrcpts && n < HABITS_NAMES; n++)
        domains[n] = env->rcpts[n].domain;
    pthread_mutex_lock(&habits->lock);
    struct known *k = known_of(habits, env->principal);
    hold(habits, k, habit_sent(&k->habit, limits, domains, n, clock_ms()));
    k->habit.hour += (unsigned)(env->nrcpts - n);
    k->changed = true;
    bool held = k->held_ms;
    memcpy(why, k->held_why, HABITS_WHY);
    pthread_mutex_unlock(&habits->lock);
    return held;
}

void habits_result(struct habits *habits, const struct cfg_jumps *limits, const char *login,
                   bool failed)
{
    pthread_mutex_lock(&habits->lock);
    struct known *k = find(habits, login);
    if (k) {
        hold(habits, k, habit_result(&k->habit, limits, failed, clock_ms()));
        k->changed = true;
    }
    pthread_mutex_unlock(&habits->lock);
}

bool habits_held(struct habits *habits, const char *login, char why[static HABITS_WHY])
{
    if (!habits || !atomic_load_explicit(&habits->nheld, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&habits->lock);
    struct known *k = find(habits, login);
    bool held = k && k->held_ms;
    if (held)
        memcpy(why, k->held_why, HABITS_WHY);
    pthread_mutex_unlock(&habits->lock);
    return held;
}

bool habits_release(struct habits *habits, const char *login, const char *by)
{
    pthread_mutex_lock(&habits->lock);
    struct known *k = find(habits, login);
    bool held = k && k->held_ms;
    if (held) {
        habit_forgive(&k->habit, clock_ms());
        k->held_ms = 0;
        k->held_why[0] = 0;
        k->changed = true;
        habits->nheld--;
    }
    pthread_mutex_unlock(&habits->lock);
    if (!held)
        return false;
    struct logline line;
    log_begin(&line, LOG_INFO, "operator", 0);
    log_text(&line, "verb", "release");
    log_text(&line, "user", login);
    log_text(&line, "by", by);
    log_end(&line);
    habits_keep(habits);
    return true;
}

static struct state_habit row_of(const struct known *k)
{
    const struct habit *h = &k->habit;
    struct state_habit row = {.login = mem_dup(k->login),
                              .since_ms = h->since_ms,
                              .used_ms = h->used_ms,
                              .hour_ms = h->hour_ms,
                              .halved_ms = h->halved_ms,
                              .hour = h->hour,
                              .fresh = h->fresh,
                              .peak = h->peak,
                              .good = h->good,
                              .bad = h->bad,
                              .domains = mem_new(sizeof h->domains),
                              .ndomains = sizeof h->domains,
                              .held_ms = k->held_ms,
                              .held_why = mem_dup(k->held_why)};
    memcpy(row.domains, h->domains, sizeof h->domains);
    return row;
}

void habits_keep(struct habits *habits)
{
    struct state_habit *rows = NULL;
    size_t n = 0, room = 0;
    if (!habits || !habits->state)
        return;
    pthread_mutex_lock(&habits->lock);
    struct known *k, *next;
    HASH_ITER (hh, habits->table, k, next) {
        if (!k->changed)
            continue;
        if (n == room)
            rows = mem_grow(rows, room = room ? 2 * room : 16, sizeof *rows);
        rows[n++] = row_of(k);
        k->changed = false;
    }
    pthread_mutex_unlock(&habits->lock);
    if (n)
        state_habits_keep(habits->state, rows, n);
}

void habits_each(struct habits *habits, void (*fn)(void *arg, const struct habit_view *view),
                 void *arg)
{
    pthread_mutex_lock(&habits->lock);
    struct known *k, *next;
    HASH_ITER (hh, habits->table, k, next)
        fn(arg, &(struct habit_view){k->login, &k->habit, k->held_ms, k->held_why});
    pthread_mutex_unlock(&habits->lock);
}
