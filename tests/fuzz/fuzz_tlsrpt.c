// SPDX-License-Identifier: ISC
// The TXT record of TLS-RPT: two records, split at the first LF.
#include <assert.h>
#include "tls/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span txts[2] = {span_of(data, size), span_of(NULL, 0)};
    bool two = span_cut(txts[0], '\n', &txts[0], &txts[1]), found;
    struct strings rua;
    struct why why;
    int rc = tlsrpt_record_parse(txts, two ? 2 : 1, &rua, &found, &why);
    assert(rua.n <= TLSRPT_MAX_RUA && (rc == 0 && found) == (rua.n > 0));
    tlsrpt_rua_free(&rua);
    return 0;
}
