// SPDX-License-Identifier: ISC
// One DMARC record.
#include <assert.h>
#include "sign/dmarc_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmarc_record r;
    if (!dmarc_record_parse(span_of(data, size), &r))
        return 0;
    assert(r.p != DMARC_UNSET && (r.psd == 'y' || r.psd == 'n' || r.psd == 'u'));
    assert(r.usable || !r.reports);
    return 0;
}
