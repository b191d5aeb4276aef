// SPDX-License-Identifier: ISC
// Rdata from strangers: whatever it is, it is read within its bounds, and a name that was read can be
// written and is then the same.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "dns/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rdata = span_of(data, size);
    struct dns_mx mx;
    struct dns_tlsa tlsa;
    char name[256], again[256];
    struct buf out;
    buf_init(&out, 4096);
    rdata_mx(rdata, &mx);
    rdata_tlsa(rdata, &tlsa);
    rdata_tlsa_print(rdata, &out);
    buf_reset(&out);
    rdata_txt(rdata, &out);
    buf_reset(&out);
    if (rdata_name(rdata, name)) {
        assert(rdata_name_wire(name, &out));
        assert(rdata_name(buf_span(&out), again) && strcmp(name, again) == 0);
        buf_reset(&out);
    }
    char *text = span_dup(rdata);
    if (rdata_tlsa_text(text, &out))
        assert(rdata_tlsa(buf_span(&out), &tlsa));
    buf_reset(&out);
    rdata_name_wire(text, &out);
    free(text);
    buf_free(&out);
    return 0;
}
