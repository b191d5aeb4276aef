// SPDX-License-Identifier: ISC
// Answer files: any bytes are a file or a reason; what loads can be asked.
#include <assert.h>
#include "dns/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {DNS_A, DNS_MX, DNS_TXT, DNS_TLSA, DNS_CNAME};
    static const char *const names[] = {"a", "a.b", "mx.a", "", "a..b"};
    struct why why = {0};
    struct answers *answers = answers_parse((const char *)data, size, &why);
    if (!answers) {
        assert(why_is_set(&why));
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t j = 0; j < sizeof types / sizeof *types; j++) {
            struct dns_answer *a = answers_ask(answers, names[i], types[j]);
            assert((a->outcome == DNS_FOUND) == (a->nrecords > 0));
            assert((a->outcome == DNS_FAILED) == why_is_set(&a->why));
            dns_answer_unref(a);
        }
    answers_free(answers);
    return 0;
}
