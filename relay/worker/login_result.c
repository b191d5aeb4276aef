// SPDX-License-Identifier: ISC
// The words of results.
#include "relay/worker/login_result.h"

const char *login_result_word(enum login_result result)
{
    static const char *const words[LOGIN_RESULTS] = {
        [LOGIN_OK] = "ok",
        [LOGIN_FAILED] = "failed",
        [LOGIN_DEFERRED] = "deferred",
        [LOGIN_BANNED] = "banned",
    };
    return words[result];
}
