// SPDX-License-Identifier: ISC
// A body gives the same digests whichever way it is cut. The first byte says how.
#include <assert.h>
#include <string.h>
#include "sign/canon.h"

static struct body_hashes *hash(const uint8_t *data, size_t size, size_t piece)
{
    struct body_hashes *h = body_hashes_new();
    body_hashes_want(h, CANON_SIMPLE, CANON_NO_LIMIT);
    body_hashes_want(h, CANON_RELAXED, CANON_NO_LIMIT);
    body_hashes_want(h, CANON_RELAXED, 7);
    for (size_t n; size; data += n, size -= n) {
        n = size < piece ? size : piece;
        body_hashes_feed(h, data, n);
    }
    body_hashes_finish(h);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct body_hashes *whole = hash(data + 1, size - 1, size);
    struct body_hashes *cut = hash(data + 1, size - 1, data[0] % 16 + 1u);
    static const uint64_t limits[] = {CANON_NO_LIMIT, CANON_NO_LIMIT, 7};
    for (int i = 0; i < 3; i++) {
        unsigned char a[32], b[32];
        uint64_t na, nb;
        assert(body_hashes_get(whole, i > 0, limits[i], a, &na));
        assert(body_hashes_get(cut, i > 0, limits[i], b, &nb));
        assert(na == nb && memcmp(a, b, sizeof a) == 0);
    }
    body_hashes_free(whole);
    body_hashes_free(cut);
    return 0;
}
