// SPDX-License-Identifier: ISC
// Key files under the names that their phases give them.
#include "relay/rotate/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/rotate/inside.h"

#define MAKING     ".waxwing-new-key" // hidden, so that no key is seen before it is whole
#define SAME_DAY   26                 // keys of one type made in one day at most
#define NSUFFIXES  3
#define PRIVATE_OF 0640 // rights of a key file that a new one may take over

static const char *const suffixes[NSUFFIXES] = {".pem", ".next", ".retired"};
static const enum rotation_phase phases[NSUFFIXES] = {ROTATION_ACTIVE, ROTATION_NEXT,
                                                      ROTATION_RETIRED};

static const char *suffix_of(enum rotation_phase phase)
{
    return phase == ROTATION_ACTIVE                                ? suffixes[0]
           : phase == ROTATION_NEXT || phase == ROTATION_PUBLISHED ? suffixes[1]
                                                                   : suffixes[2];
}

char *store_path(const char *folder, const char *selector, enum rotation_phase phase)
{
    return mem_printf("%s/%s%s", folder, selector, suffix_of(phase));
}

char *store_find(const char *folder, const struct rotation_key *key)
{
    char *path = store_path(folder, key->selector, key->phase);
    for (size_t i = 0; access(path, F_OK) < 0; i++) {
        free(path);
        if (i == NSUFFIXES)
            return NULL;
        path = store_path(folder, key->selector, phases[i]);
    }
    return path;
}

int store_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

// A key that came by hand is as old as its file says.
static void store_take_in(const char *folder, struct rotation *r, const char *name, size_t suffix,
                          int64_t wall_ms)
{
    char selector[ROTATION_SELECTOR];
    struct stat st;
    struct why why;
    char *path = mem_printf("%s/%s", folder, name);
    struct sign_key *key = sign_key_load(path, &why);
    snprintf(selector, sizeof selector, "%.*s", (int)(strlen(name) - strlen(suffixes[suffix])),
             name);
    if (key && stat(path, &st) == 0) {
        struct rotation_key *row =
            rotation_add(r, selector, sign_key_type(key), phases[suffix], wall_ms);
        int64_t made_ms = (int64_t)st.st_mtim.tv_sec * 1000;
        if (row->phase == ROTATION_ACTIVE && made_ms < wall_ms) {
            row->aged_ms = (uint64_t)(wall_ms - made_ms);
            row->since_ms = made_ms;
        }
    }
    sign_key_unref(key);
    free(path);
}

static void store_see_name(const char *folder, struct rotation *r, const char *name,
                           int64_t wall_ms)
{
    size_t n = strlen(name);
    if (name[0] == '.' || n >= ROTATION_SELECTOR)
        return;
    for (size_t i = 0; i < NSUFFIXES; i++) {
        size_t end = strlen(suffixes[i]);
        if (n <= end || strcmp(name + n - end, suffixes[i]) != 0)
            continue;
        char selector[ROTATION_SELECTOR];
        snprintf(selector, sizeof selector, "%.*s", (int)(n - end), name);
        if (!rotation_find(r, selector))
            store_take_in(folder, r, name, i, wall_ms);
    }
}

void store_match(const char *folder, struct rotation *r, int64_t wall_ms)
{
    for (size_t i = r->n; i-- > 0;) {
        char *path = store_find(folder, &r->keys[i]);
        if (!path)
            rotation_drop(r, i);
        free(path);
    }
    struct dirent **names;
    int n = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        store_see_name(folder, r, names[i]->d_name, wall_ms);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

// Never over a file that is there.
static int rename_key(const char *folder, const struct rotation_key *key, bool *renamed,
                      struct why *why)
{
    char *from = store_find(folder, key), *to = store_path(folder, key->selector, key->phase);
    int rc = 0;
    if (from && strcmp(from, to) != 0) {
        rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
        if (rc < 0)
            rc = why_set(why, WHY_OURS, "4.3.0", "%s cannot become %s: %s", from, to,
                         strerror(errno));
        else
            *renamed = true;
    }
    free(from);
    free(to);
    return rc;
}

static bool another_signs(const char *folder, const struct rotation *r, enum key_type type)
{
    bool found = false;
    for (size_t i = 0; i < r->n && !found; i++) {
        if (r->keys[i].type != type || r->keys[i].phase != ROTATION_ACTIVE)
            continue;
        char *path = store_path(folder, r->keys[i].selector, ROTATION_ACTIVE);
        found = access(path, F_OK) == 0;
        free(path);
    }
    return found;
}

int store_rename(const char *folder, const struct rotation *r, bool *renamed, struct why *why)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->keys[i].phase == ROTATION_ACTIVE &&
            rename_key(folder, &r->keys[i], renamed, why) < 0)
            return -1;
    if (*renamed && store_sync(folder) < 0)
        return why_set(why, WHY_OURS, "4.3.0", "%s: %s", folder, strerror(errno));
    for (size_t i = 0; i < r->n; i++)
        if (r->keys[i].phase != ROTATION_ACTIVE && another_signs(folder, r, r->keys[i].type) &&
            rename_key(folder, &r->keys[i], renamed, why) < 0)
            return -1;
    return 0;
}

// r20261127 or e20261127, with a letter behind it where that is taken.
static bool free_selector(const char *folder, const struct rotation *r, enum key_type type,
                          int64_t wall_ms, char out[static ROTATION_SELECTOR])
{
    time_t now = (time_t)(wall_ms / 1000);
    struct tm day;
    gmtime_r(&now, &day);
    for (int i = 0; i < SAME_DAY; i++) {
        char letter[2] = {i ? (char)('a' + i) : 0, 0};
        snprintf(out, ROTATION_SELECTOR, "%c%04d%02d%02d%s", type == KEY_RSA ? 'r' : 'e',
                 day.tm_year + 1900, day.tm_mon + 1, day.tm_mday, letter);
        struct rotation_key key = {.phase = ROTATION_NEXT};
        snprintf(key.selector, sizeof key.selector, "%s", out);
        char *path = store_find(folder, &key);
        bool taken = path || rotation_find(r, out);
        free(path);
        if (!taken)
            return true;
    }
    return false;
}

int store_give(const char *path, const char *like)
{
    struct stat st;
    if (geteuid() != 0 || !like || stat(like, &st) < 0)
        return 0;
    if (chown(path, st.st_uid, st.st_gid) < 0)
        return -1;
    return st.st_uid == 0 ? chmod(path, st.st_mode & PRIVATE_OF) : 0;
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

// Whole and on disk under a hidden name first.
static int save_key(const char *folder, const struct sign_key *key, const char *path,
                    const char *like, struct why *why)
{
    char *hidden = mem_printf("%s/%s", folder, MAKING);
    unlink(hidden); // of an end on the way
    int rc = sign_key_save(key, hidden, why);
    if (rc == 0 && (store_give(hidden, like) < 0 || sync_file(hidden) < 0 ||
                    renameat2(AT_FDCWD, hidden, AT_FDCWD, path, RENAME_NOREPLACE) < 0 ||
                    store_sync(folder) < 0))
        rc = why_set(why, WHY_OURS, "4.3.0", "%s: %s", path, strerror(errno));
    free(hidden);
    return rc;
}

int store_make(const char *folder, struct rotation *r, enum key_type type, unsigned bits,
               const char *like, int64_t wall_ms, struct why *why)
{
    char selector[ROTATION_SELECTOR];
    if (!free_selector(folder, r, type, wall_ms, selector))
        return why_set(why, WHY_OURS, "4.3.0", "%s: too many keys were made today", folder);
    struct sign_key *key = sign_key_new(type, bits, why);
    char *path = store_path(folder, selector, ROTATION_NEXT);
    int rc = key ? save_key(folder, key, path, like, why) : -1;
    if (rc == 0)
        rotation_add(r, selector, type, ROTATION_NEXT, wall_ms);
    sign_key_unref(key);
    free(path);
    return rc;
}
