// SPDX-License-Identifier: ISC
// DMARC, RFC 9989: does what SPF and DKIM prove belong to the domain that the reader sees in From, and what
// does that domain ask for when it does not? Organizational domains are found by walking up the DNS tree,
// at most 8 queries a domain; no public suffix list. A pure evaluation over DNS facts (dns/facts.h).
#ifndef SIGN_DMARC_H
#define SIGN_DMARC_H

#include <stdbool.h>
#include <stddef.h>
#include "dns/facts.h"
#include "sign/result.h"

struct dmarc_input {
    const char *from_domain;         // of header From
    const char *spf_domain;          // the domain that passed; NULL: SPF did not pass
    const char *const *dkim_domains; // d= of the signatures that passed
    size_t ndkim;
};

struct dmarc_result {
    // none: no record; permerror: a record that says nothing usable; temperror: the DNS did not answer.
    enum auth_result result;
    char policy[16];  // asked for, after t=: "none", "quarantine", "reject"; "": no policy
    char domain[256]; // the From domain, in normal form
    char org[256];    // its organizational domain; "" while the DNS does not tell
    char reason[256]; // in words; printable ASCII
};

// True: wants more facts. Otherwise *out is set.
bool dmarc_evaluate(const struct dmarc_input *in, struct facts *facts, struct dmarc_result *out);

#endif
