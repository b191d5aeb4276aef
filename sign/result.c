// SPDX-License-Identifier: ISC
// The words of RFC 8601 section 2.7.
#include "sign/result.h"

#include <assert.h>

const char *auth_result_word(enum auth_result r)
{
    static const char *const words[] = {
        [AUTH_NONE] = "none",           [AUTH_PASS] = "pass",           [AUTH_FAIL] = "fail",
        [AUTH_SOFTFAIL] = "softfail",   [AUTH_NEUTRAL] = "neutral",     [AUTH_POLICY] = "policy",
        [AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror",
    };
    assert((unsigned)r < sizeof words / sizeof words[0]);
    return words[r];
}
