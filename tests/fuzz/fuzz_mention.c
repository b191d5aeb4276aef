// SPDX-License-Identifier: ISC
// Any bytes as a From that cannot be read: every lenient reading ends, and one that shows an own domain in
// clear letters is found.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/ingest/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sender_pattern own = {SENDER_DOMAIN, (char *)(uintptr_t) "own.example"};
    struct cfg_sender row = {.from = &own, .nfrom = 1};
    (void)ingest_mentions_own(&row, span_of(data, size));
    char *text = mem_new(size + 32);
    memcpy(text, data, size);
    memcpy(text + size, " <ceo@own.example>", 18);
    assert(ingest_mentions_own(&row, span_of(text, size + 18)));
    free(text);
    return 0;
}
