// SPDX-License-Identifier: ISC
// The policy of MTA-STS: what was read reads the same again from its kept text, and its patterns match.
#include <assert.h>
#include <string.h>
#include "tls/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sts_policy policy, again;
    struct why why;
    if (sts_policy_parse(span_of(data, size), &policy, &why) < 0)
        return 0;
    assert(policy.max_age <= STS_MAX_AGE && (policy.mode == STS_NONE || policy.mx.n > 0));
    if (strlen(policy.text) <= STS_POLICY_MAX) {
        assert(sts_policy_parse(span_text(policy.text), &again, &why) == 0);
        assert(again.mode == policy.mode && again.mx.n == policy.mx.n);
        sts_policy_free(&again);
    }
    for (size_t i = 0; i < policy.mx.n; i++)
        assert((policy.mx.at[i][0] == '*') != sts_match(policy.mx.at[i], policy.mx.at[i]));
    sts_policy_free(&policy);
    return 0;
}
