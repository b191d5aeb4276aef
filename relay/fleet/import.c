// SPDX-License-Identifier: ISC
// From a log of the journal to messages of this spool.
#include "relay/fleet/import.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/fleet/import_inside.h"
#include "relay/log/log.h"

#define IMPORT_PIECE 1048576 // bytes of a large body
#define TELL_MS      3600000 // how often the same trouble is told

static void found_add(struct import_found *f, struct message *m)
{
    f->at = mem_grow(f->at, f->n + 1, sizeof(struct message *));
    f->at[f->n++] = m;
}

void import_found_free(struct import_found *f)
{
    for (size_t i = 0; i < f->n; i++)
        message_unref(f->at[i]);
    free(f->at);
    *f = (struct import_found){0};
}

static void import_found(struct message *m, void *arg)
{
    found_add(arg, m);
}

static void import_alarm(void *arg, const char *sentence)
{
    struct work *w = arg;
    if (!atomic_load(&w->opened))
        atomic_store(&w->damaged, true);
    log_alarm("spool", REASON_SPOOL_TROUBLE, "%s", sentence);
}

// ---- one message

// Its large body becomes a file of this spool.
static int take_body(struct work *w, struct message *m, struct why *why)
{
    struct spool_large *large = spool_large_begin(w->import->spool, why);
    unsigned char *piece = mem_new(IMPORT_PIECE);
    ssize_t n = large ? 1 : -1;
    for (uint64_t at = 0; n > 0; at += (uint64_t)n) {
        n = spool_read_large(w->scratch, m, at, piece, IMPORT_PIECE, why);
        if (n > 0 && spool_large_write(large, piece, (size_t)n, why) < 0)
            n = -1;
    }
    free(piece);
    if (n < 0) {
        spool_large_abort(large);
        return -1;
    }
    free(m->large);
    m->large = NULL;
    return spool_large_finish(large, m, why);
}

// A message in memory, ready to be stored; NULL with why.
static struct message *take_message(struct work *w, const struct message *from, struct why *why)
{
    struct message *m = message_twin(from);
    if (spool_load(w->scratch, m, why) == 0 && (!m->large || take_body(w, m, why) == 0))
        return m;
    message_unref(m);
    return NULL;
}

// Damaged for good, or such that this disk is full, say.
static void tell_not_taken(struct work *w, const struct why *why)
{
    atomic_store(&w->damaged, true);
    if (!why_permanent(why)) {
        w->late++;
        w->cause = *why;
    }
    log_alarm_once("fleet", why->reason, why->text, TELL_MS,
                   "a message that is to go on here cannot be read or stored, and stays where it "
                   "is: %s",
                   why->text);
}

struct store {
    struct spool_write write;
    struct work *work;
};

// Posted all at once, so that they share commits; waited for one by one. -1 with why: one of them is not here.
int import_store(struct work *w, struct message *const *at, size_t n, struct why *why)
{
    struct store *stores = mem_new((n + 1) * sizeof *stores);
    size_t out = 0;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (spool_has(w->import->spool, at[i]->env.id))
            continue;
        struct message *m = take_message(w, at[i], why);
        if (!m) {
            tell_not_taken(w, why);
            continue;
        }
        stores[out].write = (struct spool_write){.reply = w->inbox, .message = m};
        spool_store(w->import->spool, &stores[out++].write);
    }
    for (size_t back = 0; back < out;)
        for (struct item *it = inbox_wait(w->inbox, -1); it; it = it->next)
            back++;
    for (size_t i = 0; i < out; i++) {
        struct message *m = stores[i].write.message;
        if (stores[i].write.failed) {
            *why = stores[i].write.why;
            rc = -1;
        } else {
            found_add(&w->import->kept, message_twin(m));
        }
        message_unref(m);
    }
    free(stores);
    return rc;
}

// ---- a log

static int import_by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static bool was_moved(const struct work *w, uint64_t id)
{
    return w->nmoved && bsearch(&id, w->moved, w->nmoved, sizeof id, import_by_id);
}

// Those that nobody has taken out of it yet.
static void keep_unmoved(struct work *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->found.n; i++) {
        struct message *m = w->found.at[i];
        if (was_moved(w, m->env.id))
            message_unref(m);
        else
            w->found.at[n++] = m;
    }
    w->found.n = n;
}

// What is not here could not be read.
static int import_mark(struct work *w, const char *log, struct message *const *at, size_t n,
                       struct why *why)
{
    struct buf ids;
    buf_init(&ids, STORE_AT_ONCE * 24);
    for (size_t i = 0; i < n; i++)
        if (spool_has(w->import->spool, at[i]->env.id))
            buf_addf(&ids, "%c%llu", ids.len ? ',' : '{', (unsigned long long)at[i]->env.id);
    int rc = 0;
    if (ids.len) {
        buf_addc(&ids, '}');
        rc = tables_moved(&w->tables, log, buf_text(&ids), why) == TABLES_DONE ? 0 : -1;
    }
    buf_free(&ids);
    return rc;
}

void import_hand_out(struct work *w, uint64_t id)
{
    struct import_found *kept = &w->import->kept;
    for (size_t i = 0; i < kept->n; i++)
        if (kept->at[i]->env.id == id) {
            w->import->each(kept->at[i], w->import->arg);
            kept->at[i] = kept->at[--kept->n];
            w->handed++;
            return;
        }
}

static int move_all(struct work *w, const char *log, bool own, struct why *why)
{
    int rc = 0;
    for (size_t i = 0; i < w->found.n && rc == 0; i += STORE_AT_ONCE) {
        size_t n = w->found.n - i < STORE_AT_ONCE ? w->found.n - i : STORE_AT_ONCE;
        rc = import_store(w, w->found.at + i, n, why);
        if (rc == 0 && !own)
            rc = import_mark(w, log, w->found.at + i, n, why);
        for (size_t k = 0; k < n && rc == 0 && !w->hold; k++)
            import_hand_out(w, w->found.at[i + k]->env.id);
    }
    return rc;
}

int import_open(struct work *w, const char *folder, struct why *why)
{
    int status;
    const struct spool_options options = {
        .directory = folder, .segment_bytes = IMPORT_PIECE, .alarm = import_alarm, .arg = w};
    atomic_store(&w->opened, false);
    int rc = spool_open(&w->scratch, &options, import_found, &w->found, &status, why);
    atomic_store(&w->opened, true);
    return rc;
}

// `own`: the log that this spool writes, of which the journal has more than the disk.
static int import_log(struct work *w, const char *log, bool own, struct why *why)
{
    char *folder = mem_printf("%s/adopted/%s", w->import->directory, log);
    atomic_store(&w->damaged, false);
    int rc = import_fetch(&w->tables, log, w->import->directory, folder, why);
    if (rc == 0)
        rc = tables_moved_ids(&w->tables, log, &w->moved, &w->nmoved, why);
    if (rc == 0)
        rc = import_open(w, folder, why);
    if (rc == 0) {
        keep_unmoved(w);
        log_event("fleet", "%zu messages of the log %s go on here", w->found.n, log);
        rc = move_all(w, log, own, why);
    }
    spool_close(w->scratch);
    w->scratch = NULL;
    import_found_free(&w->found);
    free(w->moved);
    w->moved = NULL;
    bool whole = rc == 0 && !atomic_load(&w->damaged);
    if (whole && !own)
        rc = tables_end_log(&w->tables, log, why) == TABLES_DONE ? 0 : -1;
    if (whole)
        import_remove(folder);
    free(folder);
    return rc;
}

// A node that ended as it took over leaves messages in two logs, its own and the one that they came from. Whoever has
// both now delivers nothing of one before the other is through: what is out is not known by its id any more.
static int import_each(struct work *w, struct why *why)
{
    char **logs;
    size_t n;
    if (tables_logs(&w->tables, &logs, &n, why) < 0)
        return -1;
    int rc = 0;
    w->hold = n > 1;
    for (size_t i = 0; i < n; i++) {
        if (rc == 0)
            rc = import_log(w, logs[i], false, why);
        free(logs[i]);
    }
    free(logs);
    while (rc == 0 && w->import->kept.n)
        import_hand_out(w, w->import->kept.at[0]->env.id);
    return rc;
}

int import_logs(struct import *import, size_t *n, struct why *why)
{
    struct work w = {.import = import};
    *n = 0;
    if (journal_tables(import->journal, &w.tables, import->stop, why) < 0)
        return -1;
    w.inbox = inbox_open_blocking();
    int rc = journal_strays(import->journal) ? import_log(&w, w.tables.log, true, why) : 0;
    if (rc == 0 && !atomic_load(&w.damaged))
        rc = journal_drop_strays(import->journal, &w.tables, why);
    if (rc == 0)
        rc = import_each(&w, why);
    inbox_close(w.inbox);
    session_close(w.tables.session);
    *n = w.handed;
    import->late = w.late > 0;
    return rc;
}

void import_end(struct import *import)
{
    import_found_free(&import->kept);
}
