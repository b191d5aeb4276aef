// SPDX-License-Identifier: ISC
// Segments as they were written, and large bodies of their pieces.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/fleet/import_inside.h"

static int fetch_wrong(const char *path, struct why *why)
{
    return why_set(why, WHY_OURS, "4.3.0", "%s: %s", path, strerror(errno));
}

static int fetch_folder(const char *path, struct why *why)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? fetch_wrong(path, why) : 0;
}

static void remove_files(const char *folder, const char *below)
{
    char *path = mem_printf("%s%s", folder, below);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char *file = mem_printf("%s/%s", path, e->d_name);
        (void)!unlink(file); // folders, "." and ".." stay
        free(file);
    }
    if (dir)
        closedir(dir);
    (void)!rmdir(path);
    free(path);
}

void import_remove(const char *folder)
{
    remove_files(folder, "/large");
    remove_files(folder, "/damaged");
    remove_files(folder, "");
}

struct fetching {
    int fd;
    const char *path;
};

static int fetch_put(const struct fetching *f, struct span bytes, uint64_t at, struct why *why)
{
    size_t put = 0;
    while (put < bytes.n) {
        ssize_t n = pwrite(f->fd, bytes.p + put, bytes.n - put, (off_t)(at + put));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fetch_wrong(f->path, why);
        put += (size_t)n;
    }
    return 0;
}

static int import_fetch_row(void *arg, uint64_t at, struct span bytes, struct why *why)
{
    return fetch_put(arg, bytes, at, why);
}

static int fetch_segment(struct tables *t, const struct tables_segment *g, const char *folder,
                         struct why *why)
{
    char *path = mem_printf("%s/%08" PRIu64 ".log", folder, g->number);
    struct fetching f = {open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), path};
    int rc =
        f.fd < 0 ? fetch_wrong(path, why) : fetch_put(&f, span_of(g->head, sizeof g->head), 0, why);
    uint64_t at = 1, next = 0;
    while (rc == 0 && next != at) {
        at = next;
        rc = tables_read(t, g->id, at, &next, import_fetch_row, &f, why);
    }
    if (f.fd >= 0 && close(f.fd) < 0 && rc == 0)
        rc = fetch_wrong(path, why);
    free(path);
    return rc;
}

static int fetch_segments(struct tables *t, const char *log, const char *folder, struct why *why)
{
    struct tables_segment *segments;
    size_t n;
    if (tables_list(t, log, &segments, &n, why) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = fetch_segment(t, &segments[i], folder, why);
    free(segments);
    return rc;
}

static int fetch_body(struct tables *t, const char *log, const struct tables_body *body,
                      const char *folder, struct why *why)
{
    char *path = mem_printf("%s/%s", folder, body->name);
    struct fetching f = {open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), path};
    int rc = f.fd < 0 ? fetch_wrong(path, why) : 0;
    for (unsigned i = 0; i < body->pieces && rc == 0; i++) {
        struct buf piece;
        buf_init(&piece, TABLES_PIECE);
        rc = tables_read_body(t, log, body->name, i, &piece, why);
        if (rc == 0)
            rc = fetch_put(&f, buf_span(&piece), (uint64_t)i * TABLES_PIECE, why);
        buf_free(&piece);
    }
    if (f.fd >= 0 && close(f.fd) < 0 && rc == 0)
        rc = fetch_wrong(path, why);
    free(path);
    return rc;
}

static int fetch_bodies(struct tables *t, const char *log, const char *folder, struct why *why)
{
    struct tables_body *bodies;
    size_t n;
    if (tables_bodies(t, log, &bodies, &n, why) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = fetch_body(t, log, &bodies[i], folder, why);
    tables_bodies_free(bodies, n);
    return rc;
}

int import_fetch(struct tables *t, const char *log, const char *spool, const char *folder,
                 struct why *why)
{
    char *all = mem_printf("%s/adopted", spool), *large = mem_printf("%s/large", folder);
    import_remove(folder);
    int rc = fetch_folder(all, why);
    if (rc == 0)
        rc = fetch_folder(folder, why);
    if (rc == 0)
        rc = fetch_folder(large, why);
    if (rc == 0)
        rc = fetch_segments(t, log, folder, why);
    if (rc == 0)
        rc = fetch_bodies(t, log, large, why);
    free(large);
    free(all);
    return rc;
}
