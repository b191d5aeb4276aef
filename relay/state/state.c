// SPDX-License-Identifier: ISC
// The thread that owns the state database: what is posted to it, when it is written, what happens when it
// cannot be. SQL is in db.c, write.c, read.c and the files of single tables.
#include "relay/state/state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

#define WRITE_MS 1000  // entries and memory wait this long for a transaction
#define RETRY_MS 5000  // after a failed one
#define LOOK_MS  60000 // at the date, when nothing else happens

// What waits, in the order of posting.
struct waiting {
    struct state_write *first, **last;
    size_t n;
};

struct state {
    pthread_t thread;
    struct inbox *mail;
    struct state_db db; // the thread's, but for the path
    int lock_fd;        // -1: nothing could be locked
    _Atomic int64_t keep_days;
    struct waiting rows, policies;     // the thread's
    uint64_t write_at, retry_at;       // monotonic; 0: nothing waits, no failure
    bool failing, told_drops, pruning; // failing: an episode in which nothing can be written
    bool closing;
    _Atomic uint64_t queued, queued_bytes, dropped; // entries and memory rows, from the post on
    pthread_mutex_t lock;                           // of what follows
    struct state_health health;
};

enum job_kind { JOB_ROW, JOB_POLICY, JOB_WORK, JOB_SETTLE, JOB_CLOSE };

struct job {
    struct item item;
    enum job_kind kind;
    struct state_write *write; // JOB_ROW, JOB_POLICY
    struct state_work *work;   // JOB_WORK
    struct inbox *reply;       // JOB_POLICY
    void (*stored)(void *arg);
    void *arg;
    uv_sem_t *settled; // JOB_SETTLE
};

static void wait_for(struct waiting *w, struct state_write *write)
{
    write->next = NULL;
    *w->last = write;
    w->last = &write->next;
    w->n++;
}

static struct state_write *take_first(struct waiting *w)
{
    struct state_write *write = w->first;
    w->first = write->next;
    if (!w->first)
        w->last = &w->first;
    w->n--;
    return write;
}

static void forget_rows(struct state *state)
{
    while (state->rows.first) {
        struct state_write *write = take_first(&state->rows);
        atomic_fetch_sub(&state->queued, 1);
        atomic_fetch_sub(&state->queued_bytes, write->size);
        state_write_free(write);
    }
}

static void forget_policies(struct state *state)
{
    while (state->policies.first)
        state_write_free(take_first(&state->policies));
}

static void set_health(struct state *state, bool writable)
{
    pthread_mutex_lock(&state->lock);
    state->health.writable = writable;
    pthread_mutex_unlock(&state->lock);
}

// The start and the end of an episode, each once.
static void note(struct state *state, enum db_result rc, const struct why *why)
{
    bool failing = rc != DB_DONE;
    if (failing && !state->failing) {
        log_alarm("state", why->reason,
                  "%s; policies and memory live on in memory, and up to %d ledger entries wait",
                  why->text, STATE_WAITING_MAX);
        set_health(state, false);
    }
    if (!failing && state->failing) {
        set_health(state, true);
        state->told_drops = false;
    }
    state->failing = failing;
    state->retry_at = failing ? clock_mono_ms() + RETRY_MS : 0;
}

static void tell_drops(struct state *state)
{
    uint64_t dropped = atomic_load(&state->dropped);
    pthread_mutex_lock(&state->lock);
    bool more = dropped > state->health.dropped;
    state->health.dropped = dropped;
    pthread_mutex_unlock(&state->lock);
    if (more && !state->told_drops) {
        log_alarm("state", REASON_STATE_TROUBLE,
                  "ledger entries are being dropped: %d of them, or %d MiB, wait to be written",
                  STATE_WAITING_MAX, STATE_WAITING_BYTES >> 20);
        state->told_drops = true;
    }
}

static void look_at_loss(struct state *state)
{
    struct state_health health = {0};
    struct why why;
    if (db_loss(&state->db, &health, &why) != DB_DONE)
        return;
    pthread_mutex_lock(&state->lock);
    state->health.lost_ms = health.lost_ms;
    memcpy(state->health.lost, health.lost, sizeof health.lost);
    pthread_mutex_unlock(&state->lock);
}

// A file that is empty or gone is known for lost before SQLite makes a new one of it.
static void look_for_file(struct state *state, bool used_before)
{
    char *loss = state->db.loss ? NULL : presence_lost(state->db.path, used_before);
    if (!loss)
        return;
    log_alarm("state", REASON_STATE_LOST, "%s", loss);
    state->db.loss = loss;
}

// Somebody took the file away under the open database: what is written now would go with it.
static void look_for_change(struct state *state)
{
    if (!state->db.sql || !presence_changed(&state->db))
        return;
    db_close(&state->db);
    look_for_file(state, true);
}

// Opens the file where an earlier failure left it closed.
static enum db_result reopen(struct state *state, struct why *why)
{
    bool foreign;
    look_for_change(state);
    bool was_open = state->db.sql != NULL;
    enum db_result rc = was_open ? DB_DONE : db_open(&state->db, &foreign, why);
    if (rc == DB_DAMAGED)
        rc = db_replace(&state->db, why, why);
    if (rc == DB_DONE && !was_open)
        look_at_loss(state);
    return rc;
}

static enum db_result write_list(struct state *state, const struct waiting *w, struct why *why)
{
    enum db_result rc = reopen(state, why);
    if (rc != DB_DONE)
        return rc;
    rc = db_write(&state->db, w->first, why);
    if (rc == DB_FAILED && state->db.stale)
        db_close(&state->db); // opened anew at the next try
    if (rc != DB_DAMAGED)
        return rc;
    rc = db_replace(&state->db, why, why);
    if (rc == DB_DONE)
        look_at_loss(state);
    return rc == DB_DONE ? db_write(&state->db, w->first, why) : rc;
}

static void write_policies(struct state *state)
{
    struct why why;
    if (!state->policies.first)
        return;
    enum db_result rc = write_list(state, &state->policies, &why);
    note(state, rc, &why);
    if (rc == DB_DONE)
        forget_policies(state);
    while (state->policies.n > STATE_POLICIES_MAX)
        state_write_free(take_first(&state->policies));
}

static void write_rows(struct state *state)
{
    struct why why;
    state->write_at = 0;
    if (!state->rows.first)
        return;
    enum db_result rc = write_list(state, &state->rows, &why);
    note(state, rc, &why);
    if (rc == DB_DONE)
        forget_rows(state);
}

// Once a UTC day, a piece a second until nothing old is left.
static void prune(struct state *state)
{
    int64_t today = ledger_day(clock_ms());
    struct why why;
    if (!state->db.sql || (state->db.pruned == today && !state->pruning))
        return;
    enum db_result rc = db_prune(&state->db, today - state->keep_days, &state->pruning, &why);
    state->db.pruned = today;
    if (rc != DB_DONE)
        state->pruning = false; // what is wrong shows at the next write
}

static void state_policy_stored(struct item *item)
{
    struct job *job = list_of(item, struct job, item);
    if (job->stored)
        job->stored(job->arg);
    free(job);
}

// As one transaction: all of it, or nothing.
static enum db_result do_whole(struct state *state, struct state_work *work, struct why *why)
{
    enum db_result rc = db_do(&state->db, "BEGIN IMMEDIATE", why);
    if (rc == DB_DONE)
        rc = work->run(&state->db, work, why);
    if (rc == DB_DONE)
        rc = db_do(&state->db, "COMMIT", why);
    if (rc != DB_DONE && !sqlite3_get_autocommit(state->db.sql))
        sqlite3_exec(state->db.sql, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

// Whether the database can be written shows by what writes alone.
static void note_work(struct state *state, enum db_result rc, const struct why *why)
{
    if (rc == DB_FAILED && state->db.sql && state->db.stale)
        db_close(&state->db);
    note(state, rc == DB_DAMAGED && state->db.sql ? DB_DONE : rc, why);
}

static void do_work(struct state *state, struct state_work *work)
{
    struct why why;
    write_rows(state);
    why_clear(&work->why);
    enum db_result rc = reopen(state, &why);
    if (rc == DB_DONE)
        rc = work->reads ? work->run(&state->db, work, &why) : do_whole(state, work, &why);
    if (rc != DB_DONE)
        work->why = why;
    if (rc == DB_DAMAGED && db_replace(&state->db, &why, &why) == DB_DONE)
        look_at_loss(state);
    if (!work->reads)
        note_work(state, rc, &why);
    if (work->reply)
        inbox_post(work->reply, &work->item);
    else
        work->item.run(&work->item);
}

struct chain {
    struct item *first, **last;
};

static void chain_add(struct chain *chain, struct item *item)
{
    item->next = NULL;
    *chain->last = item;
    chain->last = &item->next;
}

// Into the lists that are written; what is to be answered goes to a chain of its kind.
static void sort(struct state *state, struct item *items, struct chain *stored, struct chain *asked)
{
    for (struct item *item = items, *next; item; item = next) {
        struct job *job = list_of(item, struct job, item);
        next = item->next;
        if (job->kind == JOB_POLICY) {
            wait_for(&state->policies, job->write);
            chain_add(stored, item);
        } else if (job->kind == JOB_WORK || job->kind == JOB_SETTLE) {
            chain_add(asked, item);
        } else {
            if (job->kind == JOB_ROW)
                wait_for(&state->rows, job->write);
            else
                state->closing = true;
            free(job);
        }
    }
}

// Policies first, all that came together in one transaction, so that their deliveries go on.
static void state_take(struct state *state, struct item *items)
{
    struct chain stored = {.last = &stored.first}, asked = {.last = &asked.first};
    sort(state, items, &stored, &asked);
    if (stored.first)
        write_policies(state);
    for (struct item *item = stored.first, *next; item; item = next) {
        struct job *job = list_of(item, struct job, item);
        next = item->next;
        job->item.run = state_policy_stored;
        if (job->reply)
            inbox_post(job->reply, &job->item);
        else
            free(job);
    }
    for (struct item *item = asked.first, *next; item; item = next) {
        struct job *job = list_of(item, struct job, item);
        next = item->next;
        if (job->kind == JOB_WORK)
            do_work(state, job->work);
        else
            uv_sem_post(job->settled);
        free(job);
    }
}

// How long nothing needs to be done, in ms.
static int idle(const struct state *state, uint64_t now)
{
    uint64_t until = now + LOOK_MS;
    uint64_t due = state->failing ? state->retry_at : state->write_at;
    if (due && due < until)
        until = due;
    if (state->pruning && now + WRITE_MS < until)
        until = now + WRITE_MS;
    return until > now ? (int)(until - now) : 0;
}

// Nothing waits whose writing would show that the trouble is over.
static void try_again(struct state *state)
{
    struct why why;
    enum db_result rc = reopen(state, &why);
    note(state, rc, &why);
}

static void *state_run(void *arg)
{
    naming_thread("state");
    struct state *state = arg;
    while (!state->closing) {
        state_take(state, inbox_wait(state->mail, idle(state, clock_mono_ms())));
        uint64_t now = clock_mono_ms();
        if (state->rows.first && !state->write_at)
            state->write_at = now + WRITE_MS;
        bool due =
            state->failing ? now >= state->retry_at : state->write_at && now >= state->write_at;
        if (due || state->closing) {
            state->retry_at = now + RETRY_MS;
            write_policies(state);
            write_rows(state);
            if (state->failing && !state->rows.first && !state->policies.first)
                try_again(state);
        }
        look_for_change(state);
        prune(state);
        tell_drops(state);
    }
    return NULL;
}

void state_set_keep(struct state *state, uint64_t keep_ms)
{
    state->keep_days = (int64_t)((keep_ms + (uint64_t)LEDGER_DAY_MS - 1) / (uint64_t)LEDGER_DAY_MS);
}

static void state_release(struct state *state)
{
    db_close(&state->db);
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    pthread_mutex_destroy(&state->lock);
    free(state->db.loss);
    free(state->db.path);
    free(state);
}

static struct state *state_new(const struct state_options *options)
{
    struct state *state = mem_new(sizeof *state);
    state->db.path = mem_dup(options->path);
    state_set_keep(state, options->keep_ms);
    state->rows.last = &state->rows.first;
    state->policies.last = &state->policies.first;
    pthread_mutex_init(&state->lock, NULL);
    state->health.writable = true;
    return state;
}

// -1: a database that is not ours to write.
static int open_first(struct state *state, struct why *why)
{
    bool foreign;
    enum db_result rc = db_open(&state->db, &foreign, why);
    if (foreign)
        return -1;
    if (rc == DB_DAMAGED)
        rc = db_replace(&state->db, why, why);
    if (rc == DB_DONE)
        look_at_loss(state);
    else
        note(state, rc, why);
    prune(state);
    return 0;
}

struct state *state_open(const struct state_options *options, struct why *why)
{
    int none, *exit_status = options->exit_status ? options->exit_status : &none;
    struct state *state = state_new(options);
    bool used_before;
    *exit_status = EXIT_TEMP;
    if (presence_lock(options->path, &state->lock_fd, &used_before, why) < 0) {
        state_release(state);
        return NULL;
    }
    look_for_file(state, used_before || options->used_before);
    if (open_first(state, why) < 0) {
        *exit_status = EXIT_CONFIG;
        state_release(state);
        return NULL;
    }
    state->mail = inbox_open_blocking();
    if (pthread_create(&state->thread, NULL, state_run, state) == 0)
        return state;
    why_set(why, WHY_OURS, "4.3.0", "the state thread cannot be started");
    inbox_close(state->mail);
    state_release(state);
    return NULL;
}

static void post(struct state *state, const struct job *job)
{
    struct job *copy = mem_new(sizeof *copy);
    *copy = *job;
    inbox_post(state->mail, &copy->item);
}

void state_settle(struct state *state)
{
    uv_sem_t settled;
    uv_sem_init(&settled, 0);
    post(state, &(struct job){.kind = JOB_SETTLE, .settled = &settled});
    uv_sem_wait(&settled);
    uv_sem_destroy(&settled);
}

void state_close(struct state *state)
{
    if (!state)
        return;
    post(state, &(struct job){.kind = JOB_CLOSE});
    pthread_join(state->thread, NULL);
    if (state->rows.n || state->policies.n)
        log_alarm("state", REASON_STATE_TROUBLE,
                  "%zu entries and %zu policies could not be written before the end", state->rows.n,
                  state->policies.n);
    forget_rows(state);
    forget_policies(state);
    inbox_close(state->mail);
    state_release(state);
}

// Entries and memory rows share a bound; what passes it is counted alone.
void state_post_write(struct state *state, struct state_write *write)
{
    uint64_t rows = atomic_fetch_add(&state->queued, 1);
    uint64_t bytes = atomic_fetch_add(&state->queued_bytes, write->size);
    if (rows < STATE_WAITING_MAX && bytes < STATE_WAITING_BYTES) {
        post(state, &(struct job){.kind = JOB_ROW, .write = write});
        return;
    }
    atomic_fetch_sub(&state->queued, 1);
    atomic_fetch_sub(&state->queued_bytes, write->size);
    atomic_fetch_add(&state->dropped, 1);
    state_write_free(write);
}

void state_ledger_add(struct state *state, struct ledger_entry *entry)
{
    struct state_write *write = mem_new(sizeof *write);
    write->entry = entry;
    write->size = ledger_entry_size(entry);
    state_post_write(state, write);
}

void state_keep_memory(struct state *state, const char *domain, const struct memory_row *row)
{
    struct state_write *write = mem_new(sizeof *write);
    write->domain = mem_dup(domain);
    write->memory = *row;
    write->memory.host = mem_dup(row->host);
    write->size = sizeof *write + strlen(domain) + strlen(row->host);
    state_post_write(state, write);
}

void state_keep_policy(struct state *state, const struct sts_row *row, struct inbox *reply,
                       void (*stored)(void *arg), void *arg)
{
    struct state_write *write = mem_new(sizeof *write);
    write->domain = mem_dup(row->domain);
    write->policy = *row;
    write->policy.domain = NULL; // `domain` stands for it
    write->policy.id = mem_dup(row->id);
    write->policy.text = mem_dup(row->text);
    post(state,
         &(struct job){
             .kind = JOB_POLICY, .write = write, .reply = reply, .stored = stored, .arg = arg});
}

void state_do(struct state *state, struct state_work *work)
{
    post(state, &(struct job){.kind = JOB_WORK, .work = work});
}

static void state_done_now(struct item *item)
{
    uv_sem_post(list_of(item, struct state_work, item)->done);
}

int state_do_now(struct state *state, struct state_work *work, struct why *why)
{
    uv_sem_t done;
    uv_sem_init(&done, 0);
    work->item.run = state_done_now;
    work->done = &done;
    state_do(state, work);
    uv_sem_wait(&done);
    uv_sem_destroy(&done);
    if (!why_is_set(&work->why))
        return 0;
    *why = work->why;
    return -1;
}

void state_restore(struct state *state, void (*policy)(void *arg, const struct sts_row *row),
                   void (*memory)(void *arg, const char *domain, const struct memory_row *row),
                   void *arg)
{
    struct why why;
    if (state_read(state->db.path, policy, memory, arg, &why) < 0)
        log_alarm("state", why.reason, "policies and memory cannot be read: %s", why.text);
}

const char *state_path(const struct state *state)
{
    return state->db.path;
}

void state_get_health(struct state *state, struct state_health *out)
{
    pthread_mutex_lock(&state->lock);
    *out = state->health;
    pthread_mutex_unlock(&state->lock);
    out->waiting = atomic_load(&state->queued);
    out->dropped = atomic_load(&state->dropped);
}
