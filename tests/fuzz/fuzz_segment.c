// SPDX-License-Identifier: ISC
// A spool whose one segment is arbitrary: its bytes as they come (first byte even), or records of
// arbitrary text with right sums (first byte odd), so that the words behind the sums are reached, too.
#include <stdlib.h>
#include <string.h>
#include "relay/spool/format.h"
#include "tests/unit/spool_disk.h"
#include "tests/unit/spool_story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// type, id, text length, rest length: a byte each (the text's times four), then the payload.
static void mend(const uint8_t *data, size_t size, struct buf *out)
{
    struct segment_key key;
    unsigned char head[SEGMENT_HEAD], fixed[SEGMENT_RECORD];
    segment_key_make(&key, 1, (const unsigned char *)"sixteen bytes ok");
    segment_head_encode(&key, head);
    buf_add(out, head, sizeof head);
    while (size >= 4) {
        struct segment_record r = {.type = (enum segment_type)data[0],
                                   .offset = out->len,
                                   .id = data[1],
                                   .text = (uint64_t)data[2] * 4,
                                   .synced = SEGMENT_HEAD};
        r.length = r.text + data[3];
        data += 4;
        size -= 4;
        if (r.length > size)
            return;
        struct span text = span_of(data, r.text), rest = span_of(data + r.text, r.length - r.text);
        segment_sum(&key, r.offset, PART_TEXT, &text, 1, r.text_sum);
        segment_sum(&key, r.offset, PART_REST, &rest, 1, r.rest_sum);
        segment_record_encode(&key, &r, fixed);
        buf_add(out, fixed, sizeof fixed);
        buf_add(out, data, r.length);
        data += r.length;
        size -= r.length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf log;
    struct story story;
    struct disk *disk = disk_new();
    const struct spool_files *files = disk_files(disk);
    buf_init(&log, 1 << 20);
    if (size && data[0] & 1)
        mend(data + 1, size - 1, &log);
    else if (size)
        buf_add(&log, data + 1, size - 1);
    int fd = files->open(files->self, "/spool/00000001.log", SPOOL_CREATE);
    spool_files_write(files, fd, log.data, log.len, 0);
    files->close(files->self, fd);
    story_begin(&story, "/spool", files, 4096);
    if (story_open(&story) == 0)
        for (size_t i = 0; i < story.nfound; i++)
            (void)!spool_load(story.spool, story.found[i], &story.why);
    story_end(&story);
    disk_free(disk);
    buf_free(&log);
    return 0;
}
