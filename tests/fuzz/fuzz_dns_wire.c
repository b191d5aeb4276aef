// SPDX-License-Identifier: ISC
// Replies from any server: read within their bounds, and an answer is never half filled.
#include <assert.h>
#include "dns/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {DNS_A, DNS_MX, DNS_SOA, DNS_CNAME};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct dns_answer *a = dns_answer_new("mx.example", types[i]);
        a->ttl = WIRE_TTL_FIRST;
        struct wire_reply m = wire_read(span_of(data, size), a);
        assert((m.end == WIRE_FOUND) == (a->nrecords > 0));
        assert((m.end == WIRE_ABSENT) == (a->outcome == DNS_ABSENT));
        dns_answer_unref(a);
    }
    return 0;
}
