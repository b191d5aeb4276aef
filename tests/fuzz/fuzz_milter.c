// SPDX-License-Identifier: ISC
// What a filter says: packets that are read stand in their bytes, and a header that it changed is still one, with
// its fields and no more.
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "relay/milter/edit.h"
#include "relay/milter/protocol.h"
#include "sign/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void edit(struct span changes, size_t added)
{
    static const char text[] = "From: a@b.example\r\nX: one\r\nx: two\r\n\r\n";
    struct buf header;
    struct header parsed;
    struct why why;
    size_t used;
    buf_init(&header, 1 << 20);
    buf_adds(&header, text);
    if (milter_edit(&header, changes, added & 1, 1 << 20, &why) == 0) {
        int rc = header_parse(&parsed, buf_span(&header), &used, &why);
        assert(rc == 0 && used == header.len && parsed.n <= 3 + added);
        header_free(&parsed);
    }
    buf_free(&header);
}

static void one(const struct milter_packet *packet)
{
    struct milter_options options;
    struct milter_reply reply;
    struct why why;
    if (packet->code == 'O' && milter_read_options(packet->data, &options, &why) == 0) {
        assert(!(options.steps & ~(uint32_t)MILTER_STEPS));
        milter_options_free(&options);
    }
    if (packet->code == 'y' && milter_read_reply(packet->data, &reply, &why) == 0) {
        assert(reply.code >= 400 && reply.code < 600 && reply.status[0] == '0' + reply.code / 100);
        for (const char *c = reply.text; *c; c++)
            assert(*c >= 32 && *c < 127);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = span_of(data, size), rest = all;
    struct milter_packet packet;
    struct milter_change change;
    struct why why;
    size_t used, changes = 0;
    while (milter_take(rest, &packet, &used, &why) == 1) {
        assert(used <= rest.n && packet.data.n + 5 == used);
        one(&packet);
        if (milter_action_of(packet.code) && packet.code != 'b') {
            if (milter_read_change(&packet, &change, &why) < 0)
                break;
            changes++;
        }
        rest = span_from(rest, used);
    }
    edit(span_of(all.p, all.n - rest.n), changes);
    return 0;
}
