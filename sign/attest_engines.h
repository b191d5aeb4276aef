// SPDX-License-Identifier: ISC
// Where this build has no SPF and DMARC engines: both say "none".
#ifndef SIGN_ATTEST_ENGINES_H
#define SIGN_ATTEST_ENGINES_H

#include "dns/facts.h"
#include "sign/result.h"

struct spf_input {
    const struct sockaddr *client;
    const char *helo, *mail_from, *receiver;
    int64_t now_s;
};
struct spf_result {
    enum auth_result result;
    char reason[256];
    char explanation[512];
};
struct dmarc_input {
    const char *from_domain, *spf_domain;
    const char *const *dkim_domains;
    size_t ndkim;
};
struct dmarc_result {
    enum auth_result result;
    char policy[16], domain[256], org[256];
};

static inline bool spf_evaluate(const struct spf_input *in, struct facts *facts,
                                struct spf_result *out)
{
    (void)in;
    (void)facts;
    *out = (struct spf_result){.result = AUTH_NONE};
    return false;
}

static inline bool dmarc_evaluate(const struct dmarc_input *in, struct facts *facts,
                                  struct dmarc_result *out)
{
    (void)in;
    (void)facts;
    *out = (struct dmarc_result){.result = AUTH_NONE};
    return false;
}

#endif
