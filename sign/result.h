// SPDX-License-Identifier: ISC
// The outcomes that authentication methods share (RFC 8601 section 2.7): DKIM, SPF, DMARC and ARC all
// answer in these words.
#ifndef SIGN_RESULT_H
#define SIGN_RESULT_H

enum auth_result {
    AUTH_NONE,
    AUTH_PASS,
    AUTH_FAIL,
    AUTH_SOFTFAIL,
    AUTH_NEUTRAL,
    AUTH_POLICY,
    AUTH_TEMPERROR,
    AUTH_PERMERROR
};

const char *auth_result_word(enum auth_result r); // "none", "pass", ...

#endif
