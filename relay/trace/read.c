// SPDX-License-Identifier: ISC
// Finds records by their keys and reads them, with the pieces that belong to them. Believes nothing that does not
// fit its sum.
#include "relay/trace/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/log/json.h"
#include "relay/trace/inside.h"
#include "sign/header.h"

#define READ_FIRST 4096 // bytes of a line that are read at first

// An open ring file.
struct opened {
    int fd;
    uint32_t *offsets; // of the records looked for
    size_t n;
};

// ---- lines

// The line at this place, parsed; NULL: there is none, or none that fits its sum.
static json_t *read_object(int fd, uint64_t offset)
{
    size_t room = READ_FIRST;
    unsigned char *bytes = NULL;
    json_t *object = NULL;
    for (;;) {
        bytes = mem_grow(bytes, room, 1);
        ssize_t n = pread(fd, bytes, room, (off_t)offset);
        const unsigned char *end = n > 0 ? memchr(bytes, '\n', (size_t)n) : NULL;
        struct span text;
        if (end && ring_line_read(span_of(bytes, (size_t)(end - bytes)), &text))
            object = json_loadb((const char *)text.p, text.n, 0, NULL);
        if (end || n < (ssize_t)room || room > 2 * TRACE_RECORD)
            break;
        room *= 4;
    }
    free(bytes);
    return object;
}

// A member that is the place of a piece becomes the piece.
static void read_fill(json_t *object, const char *key, int fd)
{
    const json_t *place = json_object_get(object, key);
    if (!json_is_integer(place))
        return;
    json_t *piece = read_object(fd, (uint64_t)json_integer_value(place));
    json_object_set_new(object, key, piece ? piece : json_object());
}

// {"reply":N} as an element of a step becomes the text.
static void fill_replies(json_t *steps, const json_t *replies)
{
    size_t i, k;
    json_t *step, *part;
    json_array_foreach (steps, i, step) {
        json_array_foreach (step, k, part) {
            const json_t *number = json_object_get(part, "reply");
            if (!json_is_integer(number))
                continue;
            const json_t *reply = json_array_get(replies, (size_t)json_integer_value(number));
            json_array_set_new(step, k, json_text(json_word(reply, "text")));
        }
    }
}

static void read_fill_all(json_t *record, int fd)
{
    json_t *replies = json_object_get(record, "replies"), *place;
    size_t i;
    json_array_foreach (replies, i, place)
        if (json_is_integer(place)) {
            json_t *piece = read_object(fd, (uint64_t)json_integer_value(place));
            json_array_set_new(replies, i, piece ? piece : json_object());
        }
    fill_replies(json_object_get(record, "steps"), replies);
    json_object_del(record, "replies");
    read_fill(record, "route", fd);
    read_fill(record, "connection", fd);
    read_fill(json_object_get(record, "connection"), "chain", fd);
}

// ---- files

static int open_part(const char *directory, uint64_t number, const char *what)
{
    char *path = ring_path(directory, number, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    return fd;
}

// False: nothing in that file is under the key.
static bool open_file(const char *directory, uint64_t number, uint64_t key, struct opened *out)
{
    *out = (struct opened){.fd = -1};
    int keys = open_part(directory, number, "index");
    bool sorted = keys >= 0;
    if (!sorted)
        keys = open_part(directory, number, "keys");
    if (keys < 0) { // the file became complete in between
        keys = open_part(directory, number, "index");
        sorted = true;
    }
    if (keys < 0)
        return false;
    out->n = keys_find(keys, sorted, key, &out->offsets);
    close(keys);
    if (out->n)
        out->fd = open_part(directory, number, "trace");
    if (out->fd >= 0)
        return true;
    free(out->offsets);
    return false;
}

static void close_file(struct opened *f)
{
    close(f->fd);
    free(f->offsets);
}

static int list_files(const char *directory, uint64_t **numbers, size_t *n, struct why *why)
{
    if (ring_list(directory, numbers, n) == 0)
        return 0;
    return why_set(why, WHY_OURS, "4.3.0", "%s: %s", directory, strerror(errno));
}

// ---- messages

struct telling {
    const char *id;
    bool (*each)(const json_t *record, void *arg);
    void *arg;
    size_t n;
};

// False: no more is wanted.
static bool tell_file(struct telling *t, const struct opened *f)
{
    bool on = true;
    for (size_t i = 0; on && i < f->n; i++) {
        json_t *record = read_object(f->fd, f->offsets[i]);
        if (record && strcmp(json_word(record, "id"), t->id) == 0) {
            read_fill_all(record, f->fd);
            on = ++t->n < READ_RECORDS && t->each(record, t->arg);
        }
        json_decref(record);
    }
    return on;
}

int read_message(const char *directory, const char *id,
                 bool (*each)(const json_t *record, void *arg), void *arg, size_t *n,
                 struct why *why)
{
    uint64_t *numbers, key = keys_of(TRACE_KEY_ID, id);
    size_t nfiles;
    struct telling t = {id, each, arg, 0};
    if (list_files(directory, &numbers, &nfiles, why) < 0)
        return -1;
    bool on = true;
    for (size_t i = 0; on && i < nfiles; i++) {
        struct opened f;
        if (!open_file(directory, numbers[i], key, &f))
            continue;
        on = tell_file(&t, &f);
        close_file(&f);
    }
    free(numbers);
    *n = t.n;
    return 0;
}

// ---- finding

static bool is_among(const json_t *list, const char *text)
{
    size_t i;
    const json_t *one;
    json_array_foreach (list, i, one)
        if (json_is_string(one) && strcasecmp(json_string_value(one), text) == 0)
            return true;
    return false;
}

// Recipients behind those that a record lists are known by its key alone.
static bool read_holds(const json_t *record, enum trace_key kind, const char *text)
{
    if (kind == TRACE_KEY_MESSAGE_ID)
        return strcmp(json_word(record, "message_id"), text) == 0;
    const json_t *to = json_object_get(record, "to");
    return strcasecmp(json_word(record, "from"), text) == 0 || is_among(to, text) ||
           (json_is_string(to) && strcasecmp(json_string_value(to), text) == 0) ||
           json_number_of(record, "more") > 0;
}

static bool is_found(const struct read_found *found, const char *id)
{
    for (size_t i = 0; i < found->n; i++)
        if (strcmp(found->ids[i], id) == 0)
            return true;
    return false;
}

// Newest first. False: as many as are wanted are there, and this is one more.
static bool find_in(struct read_found *found, const struct opened *f, enum trace_key kind,
                    const char *text, size_t most)
{
    bool room = true;
    for (size_t i = f->n; room && i-- > 0;) {
        json_t *record = read_object(f->fd, f->offsets[i]);
        const char *id = json_word(record, "id");
        if (record && *id && read_holds(record, kind, text) && !is_found(found, id)) {
            room = found->n < most;
            if (room) {
                found->ids = mem_grow(found->ids, found->n + 1, sizeof *found->ids);
                found->ids[found->n++] = mem_dup(id);
            }
        }
        json_decref(record);
    }
    return room;
}

int read_find(const char *directory, enum trace_key kind, const char *text, size_t most,
              struct read_found *out, struct why *why)
{
    uint64_t *numbers, key = keys_of(kind, text);
    size_t nfiles;
    *out = (struct read_found){0};
    if (list_files(directory, &numbers, &nfiles, why) < 0)
        return -1;
    char *wanted = span_dup(header_message_id(span_text(text)));
    for (size_t i = nfiles; !out->more && i-- > 0;) {
        struct opened f;
        if (!open_file(directory, numbers[i], key, &f))
            continue;
        out->more = !find_in(out, &f, kind, wanted, most);
        close_file(&f);
    }
    free(wanted);
    free(numbers);
    return 0;
}

void read_found_free(struct read_found *found)
{
    for (size_t i = 0; i < found->n; i++)
        free(found->ids[i]);
    free(found->ids);
    *found = (struct read_found){0};
}
