// SPDX-License-Identifier: ISC
// Any header against rules for its addresses: what is written is whole fields, and where there is room the header
// that goes on has one From and it names nobody whom the rules replace.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/ingest/rewrite.h"

static struct sender_pattern from[] = {{SENDER_ADDRESS, (char *)(uintptr_t) "root@printer"},
                                       {SENDER_BELOW, (char *)(uintptr_t) "lan"}};

static struct cfg_sender row(unsigned char pick, struct cfg_rewrite rules[2])
{
    char *none = (char *)(uintptr_t) "", *own = (char *)(uintptr_t) "alerts@example.org";
    rules[0] = (struct cfg_rewrite){from[0], {SENDER_ADDRESS, own}};
    rules[1] = (struct cfg_rewrite){from[1], {SENDER_DOMAIN, own + 7}};
    return (struct cfg_sender){.rewrites = rules,
                               .nrewrites = 2,
                               .default_from = pick & 1 ? own : none,
                               .force_from = pick & 2 ? own : none};
}

// The new fields read again, whole and nothing else.
static void check_fields(const struct rewritten *made, const struct cfg_sender *r)
{
    struct header again;
    struct why why;
    size_t used;
    assert(header_parse(&again, buf_span(&made->fields), &used, &why) == 0);
    assert(used == made->fields.len);
    size_t n = header_count(&again, "From");
    assert(n <= 1);
    struct addresses list;
    const struct field *f = header_find(&again, "From", 0);
    if (f) {
        assert(header_addresses(f->value, &list) == 0 && list.n >= 1);
        for (size_t i = 0; i < list.n; i++)
            assert(strcmp(list.at[i], "root@printer") != 0 &&
                   (!r->force_from[0] || strcmp(list.at[i], "alerts@example.org") == 0));
        addresses_free(&list);
    }
    header_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header header;
    struct rewritten made;
    struct cfg_rewrite rules[2];
    struct why why;
    size_t used;
    if (!size || header_parse(&header, span_of(data + 1, size - 1), &used, &why) < 0)
        return 0;
    struct cfg_sender r = row(data[0], rules);
    if (rewrite_header(&r, &header, &made) && !made.fields.full)
        check_fields(&made, &r);
    rewritten_free(&made);
    header_free(&header);
    return 0;
}
