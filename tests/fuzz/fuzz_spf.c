// SPDX-License-Identifier: ISC
// One SPF record, served for every name that is asked, so that includes and macros meet it again.
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include "sign/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dns_answer *answer_with(const char *name, uint16_t type, const uint8_t *data,
                                      size_t size)
{
    struct dns_answer *a = dns_answer_new(name, type);
    unsigned char rdata[1024];
    size_t n = 0;
    for (size_t piece; type == DNS_TXT && size && n + 256 <= sizeof rdata; size -= piece) {
        piece = size < 255 ? size : 255;
        rdata[n++] = (unsigned char)piece;
        memcpy(rdata + n, data, piece);
        n += piece;
        data += piece;
    }
    a->proof = DNS_INSECURE;
    a->outcome = n ? DNS_FOUND : DNS_ABSENT;
    if (n)
        dns_answer_add(a, rdata, n);
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct spf_input in = {.client = (const struct sockaddr *)&client,
                           .helo = "c.example",
                           .mail_from = "a-b@sub.example.org"};
    struct facts *facts = facts_new();
    struct spf_result r;
    const char *name;
    uint16_t type;
    unsigned rounds = 0;
    while (spf_evaluate(&in, facts, &r)) {
        assert(++rounds < 64 && facts_wanted(facts, 0, &name, &type));
        while (facts_wanted(facts, 0, &name, &type))
            facts_put(facts, answer_with(name, type, data, size));
    }
    assert(memchr(r.reason, 0, sizeof r.reason) && memchr(r.explanation, 0, sizeof r.explanation));
    assert(r.result == AUTH_FAIL || !*r.explanation);
    facts_free(facts);
    return 0;
}
