// SPDX-License-Identifier: ISC
// What became of a login.
#ifndef RELAY_WORKER_LOGIN_RESULT_H
#define RELAY_WORKER_LOGIN_RESULT_H

enum login_result {
    LOGIN_OK,
    LOGIN_FAILED,
    LOGIN_DEFERRED, // nobody could say, or too many came at once
    LOGIN_BANNED,   // not looked at
    LOGIN_RESULTS
};
const char *login_result_word(enum login_result result); // "ok", "failed", "deferred", "banned"

#endif
