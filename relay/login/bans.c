// SPDX-License-Identifier: ISC
// Counts of failed logins, and the bans that follow. Never talks to a client.
#include "relay/login/bans.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/log/log.h"
#include "relay/state/bans.h"

#define KNOWN_MS 86400000  // how long a login that worked is remembered
#define KNOWN    BAN_KINDS // the table of these: "CLIENT USER"

struct tried {
    UT_hash_handle hh;
    uint64_t count;   // failures
    uint64_t least;   // so many are a ban
    uint64_t ends_ms; // when it is forgotten, or the ban ends: monotonic
    int64_t since_ms; // wall clock of the ban's beginning
    char name[];
};

struct bans {
    pthread_mutex_t lock;
    struct state *state;
    struct tried *tables[BAN_KINDS + 1];
};

const char *ban_kind_word(enum ban_kind kind)
{
    return kind == BAN_USER ? "user" : "client";
}

#define CLIENT_NAME 80
static const char *client_name(const struct sockaddr *client, char out[static CLIENT_NAME])
{
    size_t n = 0;
    const unsigned char *bytes = address_plain(client, &n);
    unsigned char net[16] = {0};
    if (n != 16) {
        if (n == 4)
            inet_ntop(AF_INET, bytes, out, CLIENT_NAME);
        else
            address_text(client, out);
        return out;
    }
    memcpy(net, bytes, 8);
    inet_ntop(AF_INET6, net, out, CLIENT_NAME - 4);
    strcat(out, "/64");
    return out;
}

static char *pair_name(const struct sockaddr *client, const char *user)
{
    char name[CLIENT_NAME];
    return mem_printf("%s %s", client_name(client, name), user);
}

static struct tried *bans_find(struct bans *b, int table, const char *name)
{
    struct tried *t;
    HASH_FIND_STR(b->tables[table], name, t);
    return t;
}

static void bans_forget(struct bans *b, int table, struct tried *t)
{
    HASH_DEL(b->tables[table], t);
    free(t);
}

static struct tried *find_or_add(struct bans *b, int table, const char *name)
{
    struct tried *t = bans_find(b, table, name);
    if (t)
        return t;
    if (HASH_COUNT(b->tables[table]) >= BANS_ENTRIES)
        bans_forget(b, table, b->tables[table]); // the head is the oldest
    size_t n = strlen(name);
    t = mem_new(sizeof *t + n + 1);
    memcpy(t->name, name, n);
    HASH_ADD_KEYPTR(hh, b->tables[table], t->name, n, t);
    return t;
}

static bool holds(const struct tried *t, uint64_t now_ms)
{
    return t && t->least && t->count >= t->least && t->ends_ms > now_ms;
}

// ---- what outlives the process

static int64_t wall_of(uint64_t mono_ms)
{
    return clock_ms() + (int64_t)(mono_ms - clock_mono_ms());
}

static void bans_keep(struct bans *b, int table, const struct tried *t, bool forget)
{
    if (!b->state)
        return;
    const struct state_ban row = {.kind = table,
                                  .name = t->name,
                                  .since_ms = t->since_ms,
                                  .until_ms = forget ? 0 : wall_of(t->ends_ms),
                                  .failures = t->count};
    state_keep_ban(b->state, &row);
}

// Where a user works is kept only while somebody else locks that user out.
static void keep_homes(struct bans *b, const char *user)
{
    struct tried *t, *next;
    HASH_ITER (hh, b->tables[KNOWN], t, next) {
        const char *blank = strchr(t->name, ' ');
        if (blank && strcmp(blank + 1, user) == 0 && t->ends_ms > clock_mono_ms())
            bans_keep(b, KNOWN, t, false);
    }
}

struct restoring {
    struct bans *bans;
    uint64_t most_ms;
};

static void bans_restore(void *arg, const struct state_ban *row)
{
    struct restoring *r = arg;
    if (row->kind < 0 || row->kind > KNOWN)
        return;
    uint64_t most = row->kind == KNOWN ? KNOWN_MS : r->most_ms;
    uint64_t left = (uint64_t)(row->until_ms - clock_ms());
    struct tried *t = find_or_add(r->bans, row->kind, row->name);
    t->ends_ms = clock_mono_ms() + (left < most ? left : most);
    t->since_ms = row->since_ms;
    t->count = t->least = row->kind == KNOWN ? 0 : row->failures;
}

struct bans *bans_new(struct state *state, uint64_t most_ms)
{
    struct bans *b = mem_new(sizeof *b);
    struct restoring r = {b, most_ms};
    pthread_mutex_init(&b->lock, NULL);
    b->state = state;
    if (state)
        state_restore_bans(state, clock_ms(), bans_restore, &r);
    return b;
}

void bans_free(struct bans *b)
{
    if (!b)
        return;
    for (int table = 0; table <= KNOWN; table++)
        while (b->tables[table])
            bans_forget(b, table, b->tables[table]);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

// ---- failures and successes

static void log_ban(const char *event, enum ban_kind kind, const struct tried *t, const char *by)
{
    struct logline line;
    char until[40];
    log_begin(&line, LOG_INFO, event, 0);
    log_text(&line, ban_kind_word(kind), t->name);
    log_number(&line, "failures", (int64_t)t->count);
    clock_rfc3339(wall_of(t->ends_ms), until);
    log_text(&line, "until", until);
    log_text(&line, "by", by);
    log_end(&line);
}

static bool count_failure(struct bans *b, enum ban_kind kind, const char *name, uint64_t failures,
                          uint64_t ban_ms)
{
    uint64_t now = clock_mono_ms();
    struct tried *t = find_or_add(b, kind, name);
    bool before = holds(t, now);
    if (t->ends_ms <= now)
        t->count = 0;
    if (!before)
        t->ends_ms = now + ban_ms; // one that holds is not made longer by those whom it holds
    t->count += !before;
    t->least = failures;
    if (before || !holds(t, now))
        return false;
    t->since_ms = clock_ms();
    log_ban("ban", kind, t, NULL);
    bans_keep(b, kind, t, false);
    if (kind == BAN_USER)
        keep_homes(b, name);
    return true;
}

bool bans_failed(struct bans *b, const struct sockaddr *client, const char *user, uint64_t failures,
                 uint64_t ban_ms)
{
    char name[CLIENT_NAME];
    bool began = false;
    if (!failures || !ban_ms)
        return false;
    pthread_mutex_lock(&b->lock);
    if (client)
        began |= count_failure(b, BAN_CLIENT, client_name(client, name), failures, ban_ms);
    if (user)
        began |= count_failure(b, BAN_USER, user, failures, ban_ms);
    pthread_mutex_unlock(&b->lock);
    return began;
}

void bans_proved(struct bans *b, const struct sockaddr *client, const char *user)
{
    char name[CLIENT_NAME], *pair = pair_name(client, user);
    uint64_t now = clock_mono_ms();
    client_name(client, name);
    pthread_mutex_lock(&b->lock);
    struct tried *t = bans_find(b, BAN_CLIENT, name);
    if (t && holds(t, now))
        bans_keep(b, BAN_CLIENT, t, true);
    if (t)
        bans_forget(b, BAN_CLIENT, t);
    find_or_add(b, KNOWN, pair)->ends_ms = now + KNOWN_MS;
    pthread_mutex_unlock(&b->lock);
    free(pair);
}

bool bans_client(struct bans *b, const struct sockaddr *client)
{
    char name[CLIENT_NAME];
    client_name(client, name);
    pthread_mutex_lock(&b->lock);
    bool yes = holds(bans_find(b, BAN_CLIENT, name), clock_mono_ms());
    pthread_mutex_unlock(&b->lock);
    return yes;
}

bool bans_user(struct bans *b, const struct sockaddr *client, const char *user)
{
    char *pair = pair_name(client, user);
    uint64_t now = clock_mono_ms();
    pthread_mutex_lock(&b->lock);
    struct tried *known = bans_find(b, KNOWN, pair);
    bool yes = holds(bans_find(b, BAN_USER, user), now) && !(known && known->ends_ms > now);
    pthread_mutex_unlock(&b->lock);
    free(pair);
    return yes;
}

// ---- for people

uint64_t bans_count(struct bans *b)
{
    uint64_t n = 0, now = clock_mono_ms();
    struct tried *t, *next;
    pthread_mutex_lock(&b->lock);
    for (int kind = 0; kind < BAN_KINDS; kind++)
        HASH_ITER (hh, b->tables[kind], t, next)
            n += holds(t, now);
    pthread_mutex_unlock(&b->lock);
    return n;
}

static struct ban *copy_all(struct bans *b, size_t *n)
{
    struct ban *all = NULL;
    uint64_t now = clock_mono_ms();
    struct tried *t, *next;
    for (int kind = 0; kind < BAN_KINDS; kind++)
        HASH_ITER (hh, b->tables[kind], t, next) {
            if (!holds(t, now))
                continue;
            if ((*n & (*n - 1)) == 0)
                all = mem_grow(all, *n ? *n * 2 : 1, sizeof *all);
            all[(*n)++] =
                (struct ban){kind, mem_dup(t->name), t->since_ms, wall_of(t->ends_ms), t->count};
        }
    return all;
}

void bans_each(struct bans *b, void (*fn)(void *arg, const struct ban *ban), void *arg)
{
    size_t n = 0;
    pthread_mutex_lock(&b->lock);
    struct ban *all = copy_all(b, &n);
    pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < n; i++) {
        fn(arg, &all[i]);
        free((char *)(uintptr_t)all[i].name);
    }
    free(all);
}

static bool lift_one(struct bans *b, enum ban_kind kind, struct tried *t, const char *by)
{
    bool held = holds(t, clock_mono_ms());
    if (held)
        log_ban("lift", kind, t, by);
    bans_forget(b, kind, t);
    return held;
}

uint64_t bans_lift(struct bans *b, const char *name, const char *by)
{
    char client[CLIENT_NAME] = "";
    struct sockaddr_storage address;
    if (name && address_read(span_text(name), 0, &address))
        client_name((struct sockaddr *)&address, client);
    uint64_t n = 0;
    struct tried *t, *next;
    pthread_mutex_lock(&b->lock);
    for (int kind = 0; kind < BAN_KINDS; kind++)
        HASH_ITER (hh, b->tables[kind], t, next)
            if (!name || strcmp(t->name, name) == 0 ||
                (kind == BAN_CLIENT && strcmp(t->name, client) == 0)) {
                if (name)
                    bans_keep(b, kind, t, true);
                n += lift_one(b, kind, t, by);
            }
    if (!name && b->state)
        state_keep_ban(b->state, &(struct state_ban){.name = ""}); // all in one
    pthread_mutex_unlock(&b->lock);
    return n;
}

// ---- what other relays know

void bans_hear(struct bans *b, const struct ban *ban, uint64_t most_ms)
{
    int64_t left = ban->until_ms - clock_ms();
    if (left <= 0 || !most_ms)
        return;
    uint64_t now = clock_mono_ms(),
             ends = now + ((uint64_t)left < most_ms ? (uint64_t)left : most_ms);
    pthread_mutex_lock(&b->lock);
    struct tried *t = find_or_add(b, ban->kind, ban->name);
    if (!holds(t, now)) {
        t->ends_ms = ends;
        t->since_ms = ban->since_ms;
        t->count = t->least = ban->failures;
        log_ban("ban", ban->kind, t, "the fleet");
        bans_keep(b, ban->kind, t, false);
        if (ban->kind == BAN_USER)
            keep_homes(b, ban->name);
    }
    pthread_mutex_unlock(&b->lock);
}

void bans_hear_lifted(struct bans *b, enum ban_kind kind, const char *name, int64_t until_ms)
{
    pthread_mutex_lock(&b->lock);
    struct tried *t = bans_find(b, kind, name);
    if (t && holds(t, clock_mono_ms()) && t->since_ms <= until_ms) {
        bans_keep(b, kind, t, true);
        lift_one(b, kind, t, "the fleet");
    }
    pthread_mutex_unlock(&b->lock);
}
