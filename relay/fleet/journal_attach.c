// SPDX-License-Identifier: ISC
// A start: the lease, what of the spool's directory still counts, and the journal brought to what the disk has.
//
// The disk counts where this spool was the last to hold the node's lease. Otherwise another node, or a new disk, went on
// with the journal meanwhile: what lies here is put aside, and a new log begun.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/fleet/evacuation.h"
#include "relay/fleet/journal_inside.h"
#include "relay/log/log.h"

static int take_lease(struct journal *j, const char *marker, struct why *why)
{
    struct holder_options options = {.target = j->options.target,
                                     .node = j->options.node,
                                     .ms = (uint64_t)j->options.config->fleet.lease,
                                     .history = j->history,
                                     .wait_ms = j->preferred ? JOURNAL_ALONE_MS : 0,
                                     .silent = &j->away,
                                     .lost = j->options.lost,
                                     .arg = j->options.arg};
    memcpy(options.log, marker, sizeof options.log);
    marker_new(options.fresh);
    j->holder = holder_take(&options, why);
    if (!j->holder)
        return -1;
    j->away = false;
    memcpy(j->log, holder_log(j->holder), sizeof j->log);
    j->state.epoch = holder_epoch(j->holder);
    return 0;
}

// Whether its mail was asked for while it lived, or taken as it did not. A database that cannot say is a trouble that the
// next statement meets.
static void tell_taken(struct journal *j, const char *directory)
{
    struct tables t;
    struct why why;
    char heir[SELF_NAME];
    int was = journal_tables(j, &t, j->stop, &why);
    if (was == 0)
        was = evacuation_before(t.session, j->options.node, j->state.epoch, heir, &why);
    session_close(t.session);
    if (was > 0)
        log_event("fleet",
                  "this node was evacuated, and %s has its mail: what lies in %s is put aside in "
                  "its folder taken",
                  heir, directory);
    else
        log_alarm("fleet", REASON_NONE,
                  "the mail of this spool was taken over while this node was away: what lies in %s "
                  "is put aside in its folder taken",
                  directory);
}

int journal_prepare(void *self, const char *directory, int *exit_status, struct why *why)
{
    struct journal *j = self;
    char marker[MARKER_LOG];
    *exit_status = EXIT_TEMP;
    j->spool = mem_dup(directory);
    j->history = history_open(directory);
    if (marker_read(directory, marker, why) < 0 || take_lease(j, marker, why) < 0)
        return -1;
    if (strcmp(marker, j->log) == 0)
        return 0;
    if (marker[0]) {
        tell_taken(j, directory);
        if (marker_put_aside(directory, why) < 0)
            return -1;
    }
    return marker_write(directory, j->log, why);
}

// ---- segments

static const struct tables_segment *find_there(const struct tables_segment *there, size_t n,
                                               uint64_t number)
{
    for (size_t i = 0; i < n; i++)
        if (there[i].number == number)
            return &there[i];
    return NULL;
}

static int done(enum tables_end end)
{
    return end == TABLES_DONE ? 0 : -1;
}

static int upload(struct journal *j, const struct spool_sink_segment *g, int64_t id, uint64_t from,
                  const struct spool_files *files, struct why *why)
{
    unsigned char *piece = mem_new(TABLES_PIECE);
    int rc = 0;
    while (rc == 0 && from < g->end) {
        size_t n = g->end - from < TABLES_PIECE ? (size_t)(g->end - from) : TABLES_PIECE;
        ssize_t got = spool_files_read(files, g->fd, piece, n, from);
        bool alone;
        if (got <= 0)
            rc = why_set(why, WHY_OURS, "4.3.0", "a segment of the spool cannot be read: %s",
                         strerror(errno));
        else
            rc = done(tables_put(&j->tables, id, from, span_of(piece, (size_t)got), &alone, why));
        from += got > 0 ? (uint64_t)got : 0;
    }
    free(piece);
    return rc;
}

static int lost_mail(const struct journal *j, uint64_t number, int *exit_status, struct why *why)
{
    *exit_status = EXIT_CONFIG;
    return why_set(why, WHY_OURS, "4.3.0",
                   "segment %llu of %s is older than its journal: this is a copy, or part of it is "
                   "lost. Move what lies there away, with the file fleet: the mail comes back from "
                   "the journal",
                   (unsigned long long)number, j->spool);
}

// The last batch may be there and not here, or in part: it was never answered, and what is here counts.
static int attach_segment(struct journal *j, const struct spool_sink_segment *g,
                          const struct tables_segment *there, const struct spool_files *files,
                          int *exit_status, struct why *why)
{
    unsigned char head[SEGMENT_HEAD];
    int64_t id;
    uint64_t from = SEGMENT_HEAD;
    segment_head_encode(g->key, head);
    if (there &&
        (!there->whole || memcmp(head, there->head, sizeof head) != 0 || there->last > g->end))
        return lost_mail(j, g->key->number, exit_status, why);
    if (done(journal_segment(j, g->key, &id, why)) < 0)
        return -1;
    if (there && there->end) {
        from = there->end > g->end ? there->last : there->end;
        if (there->end > g->end && done(tables_cut(&j->tables, id, from, why)) < 0)
            return -1;
    }
    return upload(j, g, id, from, files, why);
}

// The journal may have what is no more here, as long as that is older than all that is: it was about to be dropped.
static int find_strays(struct journal *j, const struct tables_segment *there, size_t n,
                       const struct spool_sink_standing *standing, int *exit_status,
                       struct why *why)
{
    uint64_t oldest = standing->nsegments ? standing->segments[0].key->number : standing->head;
    for (size_t i = 0; i < n; i++) {
        bool here = false;
        for (size_t k = 0; k < standing->nsegments && !here; k++)
            here = standing->segments[k].key->number == there[i].number;
        if (here)
            continue;
        if (there[i].number >= oldest)
            return lost_mail(j, there[i].number, exit_status, why);
        j->strays = mem_grow(j->strays, j->nstrays + 1, sizeof *j->strays);
        j->strays[j->nstrays++] = there[i].id;
    }
    return 0;
}

bool journal_strays(const struct journal *j)
{
    return j->nstrays > 0;
}

int journal_drop_strays(struct journal *j, struct tables *t, struct why *why)
{
    int rc = 0;
    while (j->nstrays && rc == 0) {
        rc = done(tables_drop(t, j->strays[j->nstrays - 1], why));
        j->nstrays -= rc == 0;
    }
    return rc;
}

static int attach_segments(struct journal *j, const struct spool_sink_standing *standing,
                           int *exit_status, struct why *why)
{
    struct tables_segment *there;
    size_t n;
    if (tables_list(&j->tables, j->log, &there, &n, why) < 0)
        return -1;
    int rc = find_strays(j, there, n, standing, exit_status, why);
    for (size_t i = 0; i < standing->nsegments && rc == 0; i++) {
        const struct spool_sink_segment *g = &standing->segments[i];
        const struct tables_segment *same = find_there(there, n, g->key->number);
        if (same)
            journal_know(j, same->number, same->id);
        rc = attach_segment(j, g, same, standing->files, exit_status, why);
    }
    free(there);
    return rc;
}

// ---- large bodies

static bool attach_is_whole(const struct journal *j, const struct tables_body *body)
{
    struct stat st;
    char *path = mem_printf("%s/large/%s", j->spool, body->name);
    bool whole = stat(path, &st) == 0 &&
                 body->pieces == (unsigned)((st.st_size + TABLES_PIECE - 1) / TABLES_PIECE);
    free(path);
    return whole;
}

static int journal_attach_large_by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static int journal_attach_body_by_name(const void *a, const void *b)
{
    const struct tables_body *x = a, *y = b;
    return strcmp(x->name, y->name);
}

// Those there that no open message names.
static int forget_bodies(struct journal *j, const struct spool_sink_standing *standing,
                         const struct tables_body *bodies, size_t n, struct why *why)
{
    size_t bytes = standing->nlarges * sizeof(const char *);
    const char **names = mem_new(bytes + 1);
    int rc = 0;
    if (bytes)
        memcpy(names, standing->larges, bytes);
    qsort(names, standing->nlarges, sizeof *names, journal_attach_large_by_name);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!bsearch(&bodies[i].name, names, standing->nlarges, sizeof *names,
                     journal_attach_large_by_name))
            rc = done(tables_forget(&j->tables, bodies[i].name, why));
    free(names);
    return rc;
}

static int attach_bodies(struct journal *j, const struct spool_sink_standing *standing,
                         struct why *why)
{
    struct tables_body *bodies;
    size_t n;
    if (tables_bodies(&j->tables, j->log, &bodies, &n, why) < 0)
        return -1;
    qsort(bodies, n, sizeof *bodies, journal_attach_body_by_name);
    int rc = forget_bodies(j, standing, bodies, n, why);
    for (size_t i = 0; i < standing->nlarges && rc == 0; i++) {
        const struct tables_body key = {.name = (char *)(uintptr_t)standing->larges[i]};
        const struct tables_body *there =
            bsearch(&key, bodies, n, sizeof *bodies, journal_attach_body_by_name);
        if (!there || !attach_is_whole(j, there))
            rc = done(journal_large(j, standing->larges[i], why));
    }
    tables_bodies_free(bodies, n);
    return rc;
}

int journal_attach(void *self, const struct spool_sink_standing *standing, int *exit_status,
                   struct why *why)
{
    struct journal *j = self;
    *exit_status = EXIT_TEMP;
    j->tables =
        (struct tables){.node = j->options.node, .epoch = holder_epoch(j->holder), .log = j->log};
    if (journal_connect(j, why) < 0 || attach_segments(j, standing, exit_status, why) < 0 ||
        attach_bodies(j, standing, why) < 0) {
        j->away = *exit_status == EXIT_TEMP;
        return -1;
    }
    j->running = pthread_create(&j->thread, NULL, journal_run, j) == 0;
    return j->running ? 0
                      : why_set(why, WHY_OURS, "4.3.0", "the journal's thread cannot be started");
}
