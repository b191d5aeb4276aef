// SPDX-License-Identifier: ISC
// Any bytes as a tag list: tags lie in order inside it, and every name is there once.
#include <assert.h>
#include <stdlib.h>
#include "sign/tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tags tags;
    if (!tags_parse(span_of(data, size), &tags))
        return 0;
    assert(tags.n > 0 && tags.n <= MAX_TAGS);
    for (size_t i = 0; i < tags.n; i++) {
        const struct tag *t = &tags.at[i];
        assert(t->raw.p >= data && t->raw.p + t->raw.n <= data + size);
        assert(t->value.n <= t->raw.n);
        char *name = span_dup(t->name);
        assert(tags_find(&tags, name) == t);
        free(name);
        tag_lists(t->value, ':', "sha256");
    }
    return 0;
}
