// SPDX-License-Identifier: ISC
// From the spool of runs without a journal (relay/fleet/alone.h) to messages of this one.
//
// A crash in between finds a message in both. So the next start notes in the one what the other has, before anything is
// delivered, as whoever is delivered cannot be told by his id any more. Where this spool was taken over meanwhile, what
// was stored less than a commit and a sync before the crash may arrive twice.
#include "relay/fleet/import_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/fleet/ending.h"
#include "relay/log/log.h"

struct joining {
    char *alone, *joining, *joined, *left;
};

static int joining_wrong(const char *path, struct why *why)
{
    return why_set(why, WHY_OURS, "4.3.0", "%s: %s", path, strerror(errno));
}

static bool has_folder(const char *path)
{
    return access(path, F_OK) == 0;
}

static int move_folder(const struct import *import, const char *from, const char *to,
                       struct why *why)
{
    const struct spool_files *files = &spool_files_system;
    if (files->rename(files->self, from, to) < 0 ||
        files->sync_dir(files->self, import->directory) < 0)
        return joining_wrong(from, why);
    return 0;
}

// What is here needs to be there no more; on disk when this returns.
static int note_joined(struct work *w, struct message *const *at, size_t n, struct why *why)
{
    for (size_t i = 0; i < n; i++) {
        const struct envelope *env = &at[i]->env;
        if (!spool_has(w->import->spool, env->id))
            continue; // it could not be read
        for (size_t k = 0; k < env->nrcpts; k++)
            spool_note(w->scratch, &(struct spool_result){.id = env->id,
                                                          .address = env->rcpts[k].address,
                                                          .outcome = SPOOL_REMOVED,
                                                          .attempts = env->rcpts[k].attempts});
    }
    spool_barrier(w->scratch, &w->noted, w->inbox);
    while (!inbox_wait(w->inbox, 500))
        if (ending_asked(w->import->stop, 0))
            return why_set(why, WHY_OURS, "4.3.0", "the relay ends");
    return 0;
}

static int join_all(struct work *w, _Atomic uint64_t *left, struct why *why)
{
    int rc = 0;
    for (size_t i = 0; i < w->found.n && rc == 0; i += STORE_AT_ONCE) {
        size_t n = w->found.n - i < STORE_AT_ONCE ? w->found.n - i : STORE_AT_ONCE;
        if (ending_asked(w->import->stop, 0))
            return why_set(why, WHY_OURS, "4.3.0", "the relay ends");
        rc = import_store(w, w->found.at + i, n, why);
        if (rc == 0)
            rc = note_joined(w, w->found.at + i, n, why);
        for (size_t k = 0; k < n && rc == 0; k++)
            import_hand_out(w, w->found.at[i + k]->env.id);
        atomic_store(left, w->found.n - i - (rc == 0 ? n : 0) + w->late);
    }
    return rc;
}

// What somebody else put there stays, and is out of the way of what is to be removed next.
static int end_joined(struct work *w, const struct joining *j, struct why *why)
{
    import_remove(j->joined);
    if (!has_folder(j->joined))
        return 0;
    log_alarm("fleet", REASON_SPOOL_TROUBLE, "%s has something that is not mail; it is now %s",
              j->joined, j->left);
    return move_folder(w->import, j->joined, j->left, why);
}

// Gone, but for what could not be read.
static int end_folder(struct work *w, const struct joining *j, bool whole, struct why *why)
{
    if (!whole)
        log_alarm("fleet", REASON_SPOOL_TROUBLE,
                  "some mail that stood on this disk alone cannot be read; it is now in %s",
                  j->left);
    if (move_folder(w->import, j->joining, whole ? j->joined : j->left, why) < 0)
        return -1;
    return whole ? end_joined(w, j, why) : 0;
}

static void end_scratch(struct work *w)
{
    spool_close(w->scratch);
    w->scratch = NULL;
    import_found_free(&w->found);
}

static int join_folder(struct work *w, const struct joining *j, _Atomic uint64_t *left,
                       struct why *why)
{
    atomic_store(&w->damaged, false);
    w->late = 0;
    int rc = import_open(w, j->joining, why);
    if (rc == 0) {
        atomic_store(left, w->found.n);
        rc = join_all(w, left, why);
    }
    end_scratch(w);
    if (rc == 0 && w->late) {
        *why = w->cause;
        rc = -1;
    }
    return rc == 0 ? end_folder(w, j, !atomic_load(&w->damaged), why) : -1;
}

static int join_both(struct work *w, const struct joining *j, _Atomic uint64_t *left,
                     struct why *why)
{
    if (has_folder(j->joined) && end_joined(w, j, why) < 0)
        return -1;
    if (has_folder(j->joining) && join_folder(w, j, left, why) < 0)
        return -1;
    if (!has_folder(j->alone))
        return 0;
    if (move_folder(w->import, j->alone, j->joining, why) < 0)
        return -1;
    return join_folder(w, j, left, why);
}

int import_alone(struct import *import, _Atomic uint64_t *left, size_t *n, struct why *why)
{
    const char *spool = import->directory;
    char digits[17];
    random_digits(digits, sizeof digits);
    struct joining j = {.alone = mem_printf("%s/alone", spool),
                        .joining = mem_printf("%s/joining", spool),
                        .joined = mem_printf("%s/joined", spool),
                        .left = mem_printf("%s/left-%s", spool, digits)};
    struct work w = {.import = import, .inbox = inbox_open_blocking()};
    int rc = join_both(&w, &j, left, why);
    inbox_close(w.inbox);
    *n = w.handed;
    free(j.alone);
    free(j.joining);
    free(j.joined);
    free(j.left);
    return rc;
}

int import_alone_begun(struct import *import, struct why *why)
{
    char *path = mem_printf("%s/joining", import->directory);
    int rc = 0;
    if (has_folder(path)) {
        struct work w = {.import = import, .inbox = inbox_open_blocking()};
        rc = import_open(&w, path, why);
        if (rc == 0)
            rc = note_joined(&w, w.found.at, w.found.n, why);
        end_scratch(&w);
        inbox_close(w.inbox);
    }
    free(path);
    return rc;
}
