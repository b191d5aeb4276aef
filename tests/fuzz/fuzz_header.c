// SPDX-License-Identifier: ISC
// Any bytes as a header block: the fields cover it without gap, and every canonical form has room.
#include <assert.h>
#include "sign/canon.h"
#include "sign/header.h"
#include "sign/selection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header h;
    struct why why;
    size_t used;
    if (header_parse(&h, span_of(data, size), &used, &why) < 0)
        return 0;
    assert(used <= size && h.bytes.n == used);
    struct buf simple, relaxed;
    buf_init(&simple, selection_ceiling(&h));
    buf_init(&relaxed, selection_ceiling(&h));
    const unsigned char *at = data;
    for (size_t i = 0; i < h.n; i++) {
        assert(h.fields[i].whole.p == at);
        at += h.fields[i].whole.n;
        assert(canon_field(CANON_SIMPLE, &h.fields[i], &simple) == 0);
        assert(canon_field(CANON_RELAXED, &h.fields[i], &relaxed) == 0);
    }
    buf_free(&simple);
    buf_free(&relaxed);
    header_free(&h);
    return 0;
}
