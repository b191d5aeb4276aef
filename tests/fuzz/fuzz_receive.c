// SPDX-License-Identifier: ISC
// Message bytes: the first two say how (DATA or BDAT, bare LF fixed or not) and where to cut. Cut
// or whole the same comes out, and what comes out has no bare CR, bare LF or NUL.
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/ingest/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void collect(void *arg, struct span bytes)
{
    int rc = buf_addspan(arg, bytes);
    assert(rc == 0);
    (void)rc;
}

static void check_clean(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++) {
        assert(b->data[i]);
        assert(b->data[i] != '\r' || (i + 1 < b->len && b->data[i + 1] == '\n'));
        assert(b->data[i] != '\n' || (i && b->data[i - 1] == '\r'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool chunks = data[0] & 1, fix = data[0] & 2;
    struct span in = span_of(data + 2, size - 2);
    size_t cut = data[1] < in.n ? data[1] : in.n;
    struct buf a, b;
    buf_init(&a, 4 * size);
    buf_init(&b, 4 * size);
    struct receive_scan whole, pieces;
    receive_scan_init(&whole, chunks, fix, collect, &a);
    receive_scan_init(&pieces, chunks, fix, collect, &b);
    size_t used = receive_scan_feed(&whole, in);
    size_t more = receive_scan_feed(&pieces, span_slice(in, 0, cut));
    while (more < in.n && !pieces.done)
        more += receive_scan_feed(&pieces, span_slice(in, more, more + 1));
    if (chunks) {
        receive_scan_end(&whole);
        receive_scan_end(&pieces);
    }
    assert(used == more && whole.done == pieces.done);
    assert((whole.fault == FAULT_NONE) == (pieces.fault == FAULT_NONE));
    assert(whole.eightbit == pieces.eightbit);
    if (!whole.fault) {
        assert(span_equal(buf_span(&a), buf_span(&b)));
        if (whole.done || chunks)
            check_clean(&a);
    }
    buf_free(&a);
    buf_free(&b);
    return 0;
}
