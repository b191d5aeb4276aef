// SPDX-License-Identifier: ISC
// One line, "1 FLEET TIMELINE"; the timeline in eight digits of hexadecimal, as names of WAL files have it.
#include "relay/fleet/history.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/replace.h"

#define HISTORY_FLEET 40 // bytes of a UUID and more
#define HISTORY_LINE  16 // of a timeline

struct history {
    pthread_mutex_t lock;
    char *path;
    char fleet[HISTORY_FLEET], timeline[HISTORY_LINE];
};

struct history *history_open(const char *spool)
{
    struct history *h = mem_new(sizeof *h);
    char line[128] = "";
    pthread_mutex_init(&h->lock, NULL);
    h->path = mem_printf("%s/fleet.history", spool);
    int fd = open(h->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (n > 0 && sscanf(line, "1 %39[0-9a-f-] %8[0-9A-F]", h->fleet, h->timeline) != 2)
        h->fleet[0] = h->timeline[0] = 0;
    return h;
}

void history_close(struct history *h)
{
    if (!h)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h->path);
    free(h);
}

static int history_keep(struct history *h, const char *fleet, const char *timeline, struct why *why)
{
    char line[128];
    int n = snprintf(line, sizeof line, "1 %s %s\n", fleet, timeline);
    if (replace_file(h->path, span_of(line, (size_t)n), NULL) < 0)
        return why_set(why, WHY_OURS, "4.3.0", "%s cannot be written: %s", h->path,
                       strerror(errno));
    snprintf(h->fleet, sizeof h->fleet, "%s", fleet);
    snprintf(h->timeline, sizeof h->timeline, "%s", timeline);
    return 0;
}

// A database that was made anew is another fleet, whose timelines say nothing about this one's.
static int history_compare(struct history *h, const char *fleet, const char *timeline,
                           struct why *why)
{
    bool same = strcmp(fleet, h->fleet) == 0;
    int order = same ? strcmp(timeline, h->timeline) : 1;
    if (order < 0)
        return why_set(
            why, WHY_OURS, "4.3.0",
            "this database server was passed over by another: its timeline is %s, and %s "
            "was seen; stop it, or make it follow the other",
            timeline, h->timeline);
    return order > 0 ? history_keep(h, fleet, timeline, why) : 0;
}

static int history_check(struct history *h, struct session *s, struct why *why)
{
    struct rows *rows = NULL;
    if (session_run(s,
                    "SELECT id, left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM waxwing.fleet",
                    NULL, 0, &rows, why) < 0)
        return -1;
    int rc = -1;
    if (rows_count(rows) != 1)
        why_set(why, WHY_OURS, "4.3.0", "no fleet was made in this database");
    else {
        pthread_mutex_lock(&h->lock);
        rc = history_compare(h, rows_text(rows, 0, 0), rows_text(rows, 0, 1), why);
        pthread_mutex_unlock(&h->lock);
    }
    rows_free(rows);
    return rc;
}

struct session *history_session(struct history *h, const struct target *target, size_t *host,
                                int stop, struct why *why)
{
    for (size_t tries = 0; tries < target->nhosts; tries++) {
        struct session *s = session_open_any(target, host, stop, why);
        if (!s || history_check(h, s, why) == 0)
            return s;
        session_close(s);
        *host += 1;
    }
    return NULL;
}
