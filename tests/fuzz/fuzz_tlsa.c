// SPDX-License-Identifier: ISC
// A TLSA record in text, as `--tlsa` and answer files have it: what was read prints and reads the same.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "tls/dane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf wire, text, again;
    struct dns_tlsa tlsa;
    char *input = span_dup(span_of(data, size));
    buf_init(&wire, 65535);
    buf_init(&text, 262144);
    buf_init(&again, 65535);
    if (rdata_tlsa_text(input, &wire) && rdata_tlsa(buf_span(&wire), &tlsa)) {
        (void)dane_usable(&tlsa);
        rdata_tlsa_print(buf_span(&wire), &text);
        assert(rdata_tlsa_text(buf_text(&text), &again));
        assert(span_equal(buf_span(&wire), buf_span(&again)));
    }
    buf_free(&wire);
    buf_free(&text);
    buf_free(&again);
    free(input);
    return 0;
}
