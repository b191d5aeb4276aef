// SPDX-License-Identifier: ISC
// rotation.json: {"version": 1, "clock": {"boot_ms", "wall_ms"}, "keys": [{"selector", "type", "phase", "aged_ms",
// "since_ms", "settled"}]}.
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/rotate/inside.h"
#include "relay/rotate/store.h"

#define VERSION  1
#define NEW_FILE ".rotation.json.new"

// False: not a word of these.
static bool phase_of(const char *word, enum rotation_phase *out)
{
    for (int i = ROTATION_NEXT; word && i <= ROTATION_WITHDRAWN; i++)
        if (strcmp(word, rotation_phase_word((enum rotation_phase)i)) == 0) {
            *out = (enum rotation_phase)i;
            return true;
        }
    return false;
}

static bool read_key(const json_t *row, struct rotation *r)
{
    const char *selector, *type, *phase;
    json_int_t aged, since;
    int settled;
    enum rotation_phase at;
    if (json_unpack((json_t *)row, "{s:s, s:s, s:s, s:I, s:I, s:b}", "selector", &selector, "type",
                    &type, "phase", &phase, "aged_ms", &aged, "since_ms", &since, "settled",
                    &settled) < 0 ||
        !phase_of(phase, &at) || aged < 0 || !selector[0] || strchr(selector, '/') ||
        strlen(selector) >= ROTATION_SELECTOR || rotation_find(r, selector))
        return false;
    struct rotation_key *key = rotation_add(
        r, selector, strcmp(type, "ed25519") == 0 ? KEY_ED25519 : KEY_RSA, at, (int64_t)since);
    key->aged_ms = (uint64_t)aged;
    key->settled = settled;
    return true;
}

static bool read_all(const json_t *all, struct rotation *r)
{
    json_int_t boot, wall;
    json_t *keys;
    size_t i;
    const json_t *row;
    if (json_unpack((json_t *)all, "{s:{s:I, s:I}, s:o}", "clock", "boot_ms", &boot, "wall_ms",
                    &wall, "keys", &keys) < 0 ||
        boot < 0 || !json_is_array(keys))
        return false;
    json_array_foreach (keys, i, row)
        if (!read_key(row, r))
            return false;
    r->marked = true;
    r->boot_ms = (uint64_t)boot;
    r->wall_ms = (int64_t)wall;
    return true;
}

static json_t *parse_file(const char *path, bool *damaged, struct why *why)
{
    json_error_t error;
    FILE *f = fopen(path, "re");
    if (!f) {
        why_set(why, WHY_OURS, "4.3.0", "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    json_t *all = json_loadf(f, 0, &error);
    fclose(f);
    *damaged = !json_is_object(all);
    if (*damaged) {
        json_decref(all);
        all = NULL;
        why_set(why, WHY_OURS, "4.3.0", "%s makes no sense", path);
    }
    return all;
}

int store_load(const char *folder, struct rotation *r, bool *damaged, struct why *why)
{
    char *path = mem_printf("%s/%s", folder, STORE_FILE);
    *damaged = false;
    *r = (struct rotation){0};
    int rc = 0;
    if (access(path, F_OK) == 0 || errno != ENOENT) {
        json_t *all = parse_file(path, damaged, why);
        const json_t *version = json_object_get(all, "version");
        if (all && json_is_integer(version) && json_integer_value(version) > VERSION) {
            rc = why_set(why, WHY_OURS, "4.3.0", "%s was written by a newer waxwing", path);
        } else if (all && !read_all(all, r)) {
            *damaged = true;
            rc = why_set(why, WHY_OURS, "4.3.0", "%s makes no sense", path);
        } else if (!all) {
            rc = -1;
        }
        json_decref(all);
    }
    if (rc < 0)
        rotation_free(r);
    free(path);
    return rc;
}

static json_t *store_json(const struct rotation *r)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const struct rotation_key *key = &r->keys[i];
        json_array_append_new(
            keys, json_pack("{s:s, s:s, s:s, s:I, s:I, s:b}", "selector", key->selector, "type",
                            key->type == KEY_RSA ? "rsa" : "ed25519", "phase",
                            rotation_phase_word(key->phase), "aged_ms", (json_int_t)key->aged_ms,
                            "since_ms", (json_int_t)key->since_ms, "settled", key->settled));
    }
    return json_pack("{s:i, s:{s:I, s:I}, s:o}", "version", VERSION, "clock", "boot_ms",
                     (json_int_t)r->boot_ms, "wall_ms", (json_int_t)r->wall_ms, "keys", keys);
}

static int write_synced(const char *path, const char *text)
{
    size_t n = strlen(text), at = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (fd >= 0 && at < n) {
        ssize_t some = write(fd, text + at, n - at);
        if (some < 0 && errno != EINTR)
            break;
        at += some > 0 ? (size_t)some : 0;
    }
    int rc = fd >= 0 && at == n && fsync(fd) == 0 ? 0 : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return rc;
}

int store_save(const char *folder, const struct rotation *r, const char *like, struct why *why)
{
    char *path = mem_printf("%s/%s", folder, STORE_FILE);
    char *new = mem_printf("%s/%s", folder, NEW_FILE);
    json_t *all = store_json(r);
    char *text = json_dumps(all, JSON_INDENT(1));
    int rc = 0;
    if (write_synced(new, text) < 0 || store_give(new, like) < 0 || rename(new, path) < 0 ||
        store_sync(folder) < 0) {
        rc = why_set(why, WHY_OURS, "4.3.0", "%s cannot be written: %s", path, strerror(errno));
        unlink(new);
    }
    json_decref(all);
    free(text);
    free(new);
    free(path);
    return rc;
}
