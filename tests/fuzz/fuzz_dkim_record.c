// SPDX-License-Identifier: ISC
// Any bytes as a key record, and the key in it, whatever it is, asked about a signature.
#include <assert.h>
#include "sign/dkim_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dkim_record record;
    char reason[128] = "";
    if (dkim_record_parse(span_of(data, size), &record, reason) == 0) {
        struct verify_key *key = verify_key_new(&record, reason);
        assert(key || *reason);
        if (key) {
            assert(verify_key_bits(key) >= 256);
            assert(!verify_key_holds(key, span_of(data, size), buf_span(&record.key)));
        }
        verify_key_free(key);
    } else {
        assert(*reason);
    }
    dkim_record_free(&record);
    return 0;
}
