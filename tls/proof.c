// SPDX-License-Identifier: ISC
// A finished handshake held against a demand.
#include "tls/proof.h"

#include "tls/dane.h"

int proof_of_level(const struct demand *want, enum tls_level level,
                   const struct tls_session_info *info, enum tls_proof *proof, struct why *why)
{
    const char *const *names = (const char *const *)want->names;
    size_t depth;
    if (level == TLS_DANE)
        return dane_verify(info->chain, info->nchain, want->tlsa, want->ntlsa, names, want->nnames,
                           proof, &depth, why);
    struct why ignored;
    bool demanded = level == TLS_WEBPKI;
    // Where nobody demands it, what it proves all the same is remembered and shown.
    if (!demanded && !(want->nnames && want->trust && info->nchain))
        return 0;
    int rc = verify_webpki(info->chain, info->nchain, names, want->nnames, want->trust,
                           demanded ? why : &ignored);
    if (rc == 0)
        *proof = PROOF_WEBPKI;
    return demanded ? rc : 0;
}

int proof_of_demand(const struct demand *want, const struct tls_session_info *info,
                    enum tls_proof *proof, struct why *why)
{
    if (proof_of_level(want, want->level, info, proof, why) < 0)
        return -1;
    if (!want->npins)
        return 0;
    if (verify_pin(info->chain, info->nchain, (const char *const *)want->pins, want->npins, why) <
        0)
        return -1;
    if (*proof == PROOF_NONE)
        *proof = PROOF_PIN;
    return 0;
}
