// SPDX-License-Identifier: ISC
// A ring of traces whose one file is arbitrary: its bytes and its index as they come (first byte even), or lines of
// arbitrary objects with right sums, each of them found under one id and one address (first byte odd), so that the story
// behind the sums is reached, too. What is told is a string, and masked lines show no local part.
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/trace/read.h"
#include "relay/trace/ring.h"
#include "relay/trace/story.h"

#define ID      "0cra17wgffh00"
#define ADDRESS "a@dest.test"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/fuzz-trace.XXXXXX";

static void fuzz_trace_end(void)
{
    static const char *const parts[] = {"trace", "keys", "index"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *path = ring_path(folder, 1, parts[i]);
        unlink(path);
        free(path);
    }
    rmdir(folder);
}

static void put(const char *what, struct span bytes)
{
    char *path = ring_path(folder, 1, what);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert(fd >= 0 && keys_write_all(fd, bytes, 0) == 0);
    close(fd);
    free(path);
}

static void drop(const char *what)
{
    char *path = ring_path(folder, 1, what);
    unlink(path);
    free(path);
}

static void on_line(const struct story_line *line, void *arg)
{
    const bool *masked = arg;
    const char *at = *masked ? strchr(line->text, '@') : NULL;
    assert(line->at_ms >= 0 && strlen(line->head) < 64);
    // Behind a letter or a digit nothing is left of whoever it was.
    for (; at; at = strchr(at + 1, '@'))
        assert(at == line->text || !ascii_is_alnum((unsigned char)at[-1]));
}

static void tell(bool masked, bool full)
{
    struct story_options options = {.mask = masked, .full = full, .line = on_line, .arg = &masked};
    struct story *story = story_new(&options);
    struct why why;
    size_t n;
    assert(read_message(folder, ID, story_add, story, &n, &why) == 0 && n <= READ_RECORDS);
    story_free(story);
}

// A line for each line of the input, and the keys of them all.
static void mend(struct span in, struct buf *lines, struct buf *keys)
{
    unsigned char head[KEYS_HEAD];
    struct span line;
    keys_head(head);
    buf_add(keys, head, sizeof head);
    buf_adds(lines, "waxwing trace 1 1795782720000\n");
    for (size_t n = 0; in.n && n < 64; n++) {
        if (!span_cut(in, '\n', &line, &in)) {
            line = in;
            in = span_of(NULL, 0);
        }
        keys_add(keys, keys_of(TRACE_KEY_ID, ID), (uint32_t)lines->len);
        keys_add(keys, keys_of(TRACE_KEY_ADDRESS, ADDRESS), (uint32_t)lines->len);
        ring_line(lines, line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    struct buf lines, keys;
    struct read_found found;
    struct why why;
    if (!begun) {
        begun = mkdtemp(folder);
        assert(begun);
        atexit(fuzz_trace_end);
    }
    buf_init(&lines, 1 << 22);
    buf_init(&keys, 1 << 16);
    struct span in = span_of(data, size);
    if (size && data[0] & 1) {
        mend(span_from(in, 1), &lines, &keys);
    } else if (size) {
        buf_addspan(&lines, span_from(in, 1));
        buf_addspan(&keys, span_slice(in, 1, size < 4096 ? size : 4096));
    }
    put("trace", buf_span(&lines));
    drop(size && data[0] & 2 ? "keys" : "index");
    put(size && data[0] & 2 ? "index" : "keys", buf_span(&keys));
    tell(false, size && data[0] & 4);
    tell(true, false);
    assert(read_find(folder, TRACE_KEY_ADDRESS, ADDRESS, 3, &found, &why) == 0 && found.n <= 3);
    read_found_free(&found);
    buf_free(&lines);
    buf_free(&keys);
    return 0;
}
