// SPDX-License-Identifier: ISC
// SPF, RFC 7208: may this client send mail that claims to come from this domain? The whole language, with
// the limits of section 4.6.4. A pure evaluation over DNS facts (dns/facts.h), each time from scratch.
#ifndef SIGN_SPF_H
#define SIGN_SPF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "dns/facts.h"
#include "sign/result.h"

struct spf_input {
    const struct sockaddr *client; // AF_INET or AF_INET6; an IPv4-mapped address counts as IPv4
    const char *helo;              // NULL counts as ""
    const char *mail_from;         // "" or NULL: the null sender; then the HELO identity is checked
    const char *receiver;          // who checks, for the %{r} of explanations; NULL: "unknown"
    int64_t now_s;                 // Unix seconds, for %{t}
};

struct spf_result {
    enum auth_result result; // never AUTH_POLICY
    char reason[256];      // which term decided, or what is wrong with the record; printable ASCII
    char explanation[512]; // with AUTH_FAIL, what the domain wants said (exp=); "": nothing usable.
                           // Printable ASCII, a stranger's words
};

// True: wants more facts. Otherwise *out is set.
bool spf_evaluate(const struct spf_input *in, struct facts *facts, struct spf_result *out);

#endif
