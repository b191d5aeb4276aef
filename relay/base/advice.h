// SPDX-License-Identifier: ISC
// The words that an advice of the catalogue leaves open, filled in where they are known: "waxwing audit SENDER-DOMAIN"
// becomes "waxwing audit example.org". Pure.
#ifndef RELAY_BASE_ADVICE_H
#define RELAY_BASE_ADVICE_H

#include "relay/base/buf.h"

// NULL or "": not known, and its word stays.
struct advice_names {
    const char *domain;        // DOMAIN: the recipients'
    const char *host;          // HOST: that failed
    const char *site;          // SITE: relay/route/route.h
    const char *sender_domain; // SENDER-DOMAIN
    const char *postmaster;    // OPERATOR: whoever runs this relay
};

// Appends the advice.
void advice_fill(const char *advice, const struct advice_names *names, struct buf *out);

#endif
