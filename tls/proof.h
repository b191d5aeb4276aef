// SPDX-License-Identifier: ISC
// Does a finished TLS session prove what a demand (tls/policy.h) asks? One answer for deliveries and for
// `explain --connect`. Pure but for the clock.
#ifndef TLS_PROOF_H
#define TLS_PROOF_H

#include "tls/session.h"
#include "tls/policy.h"

// One level; *proof is set to the strongest proof found, also one that nobody demanded.
int proof_of_level(const struct demand *want, enum tls_level level,
                   const struct tls_session_info *info, enum tls_proof *proof, struct why *why);
// The whole demand: its level, and its pins.
int proof_of_demand(const struct demand *want, const struct tls_session_info *info,
                    enum tls_proof *proof, struct why *why);

#endif
