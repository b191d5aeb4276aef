// SPDX-License-Identifier: ISC
// A fact of another node: the first byte chooses the kind, a tab stands between key and body.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/fleet/fact.h"

#define NOW_MS ((int64_t)1763726400000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fact fact;
    struct why why;
    char *key = span_dup(span_of(data + (size > 0), size ? size - 1 : 0));
    char *body = strchr(key, '\t');
    if (body)
        *body++ = 0;
    enum shared_kind kind = size ? (enum shared_kind)(data[0] % (SHARED_KINDS + 1)) : SHARED_KINDS;
    int rc = fact_read(kind, key, body, NOW_MS, NOW_MS, &fact, &why);
    assert(rc < 0 || (kind > 0 && kind < SHARED_KINDS && fact.gone == !body));
    assert(rc < 0 || fact.at_ms <= NOW_MS + FACT_AHEAD * 1000);
    assert(rc < 0 || fact.gone || kind != SHARED_MEMORY || fact.memory.seen_s <= NOW_MS / 1000);
    fact_free(&fact);
    free(key);
    return 0;
}
