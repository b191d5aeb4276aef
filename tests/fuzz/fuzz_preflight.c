// SPDX-License-Identifier: ISC
// Any header and body: each finding once, in printable ASCII, and a note and a refusal that fit.
#include <assert.h>
#include <string.h>
#include "relay/preflight/preflight.h"

static void check_text(const char *text)
{
    for (; *text; text++)
        assert(*text >= ' ' && *text <= '~');
}

static void check(const struct preflight *p)
{
    char names[PREFLIGHT_NAMES];
    struct why why;
    for (size_t i = 0; i < p->n; i++) {
        check_text(p->at[i].text);
        for (size_t k = 0; k < i; k++)
            assert(p->at[i].reason != p->at[k].reason);
    }
    preflight_names(p, names);
    check_text(names);
    if (preflight_problem(p)) {
        assert(preflight_refuse(p, &why) == -1);
        check_text(why.text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header header;
    struct preflight found;
    struct why why;
    size_t used;
    if (!size || header_parse(&header, span_of(data + 1, size - 1), &used, &why) < 0)
        return 0;
    struct preflight_input in = {.header = &header,
                                 .body = span_of(data + 1 + used, size - 1 - used),
                                 .body_whole = true,
                                 .eightbit = data[0] & 1,
                                 .smtputf8 = data[0] & 2,
                                 .sender = data[0] & 4 ? "a@example.org" : "",
                                 .signer = data[0] & 8 ? "example.org" : NULL,
                                 .nrcpts = data[0],
                                 .now_s = 1767268800};
    preflight_look(&in, &found);
    check(&found);
    preflight_free(&found);
    header_free(&header);
    return 0;
}
