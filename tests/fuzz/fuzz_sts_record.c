// SPDX-License-Identifier: ISC
// The TXT record of MTA-STS: two records, split at the first LF.
#include <assert.h>
#include <string.h>
#include "tls/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span txts[2] = {span_of(data, size), span_of(NULL, 0)};
    bool two = span_cut(txts[0], '\n', &txts[0], &txts[1]), found;
    char id[STS_ID_MAX + 1];
    struct why why;
    int rc = sts_record_parse(txts, two ? 2 : 1, id, &found, &why);
    assert(rc < 0 || !found || (strlen(id) > 0 && strlen(id) <= STS_ID_MAX));
    return 0;
}
