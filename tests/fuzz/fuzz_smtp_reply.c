// SPDX-License-Identifier: ISC
// Replies of a server: the first byte says where to cut; cut or whole, the same comes out.
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "relay/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t cut = data[0] < size ? data[0] : size - 1, used, more = 0;
    struct span in = span_of(data + 1, size - 1);
    struct smtp_reply whole, pieces;
    struct smtp_extensions extensions;
    struct why why;
    char text[512], status[12];
    smtp_reply_init(&whole);
    smtp_reply_init(&pieces);
    enum smtp_reply_state a = smtp_reply_feed(&whole, in, &used, &why);
    enum smtp_reply_state b = smtp_reply_feed(&pieces, span_slice(in, 0, cut), &more, &why);
    if (b == SMTP_REPLY_MORE) {
        size_t rest;
        b = smtp_reply_feed(&pieces, span_from(in, more), &rest, &why);
        more += rest;
    }
    assert(a == b);
    if (a == SMTP_REPLY_DONE) {
        assert(used == more && whole.code == pieces.code && whole.lines == pieces.lines);
        assert(span_equal(buf_span(&whole.text), buf_span(&pieces.text)));
        smtp_extensions_read(&whole, &extensions);
        smtp_reply_text(&whole, text, sizeof text);
        smtp_reply_status(&whole, status);
    }
    smtp_reply_free(&whole);
    smtp_reply_free(&pieces);
    return 0;
}
