// SPDX-License-Identifier: ISC
// The inside of relay/audit/. The room owns nothing that lasts: an audit is a pure evaluation of a domain over DNS
// answers (dns/facts.h), a pass of which adds findings, and only daily.c has a loop and a time.
//
// - A pass that met an unknown answer sets `waits` and is thrown away whole; findings count when none waits.
// - A finding that can be mended carries the record to publish.
#ifndef RELAY_AUDIT_INSIDE_H
#define RELAY_AUDIT_INSIDE_H

#include "relay/audit/audit.h"
#include "relay/base/buf.h"

#define AUDIT_MAX_TEXTS  64    // TXT records of one name looked at
#define AUDIT_MAX_RECORD 65535 // bytes of one

struct audit_pass {
    const struct audit_input *in;
    struct facts *facts;
    struct audit *out;
    bool waits;
    bool relay; // what is said now is about the relay
};

// Adds a finding; returns it, valid until the next.
struct audit_finding *audit_say(struct audit_pass *a, enum audit_severity severity,
                                const char *about, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Says which record to publish.
void audit_publish(struct audit_finding *finding, const char *name, const char *type,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
// The answer; NULL: it is awaited, or failed, which is said.
const struct dns_answer *audit_ask(struct audit_pass *a, const char *about, const char *name,
                                   uint16_t type);

// The TXT records of an answer, each with its strings joined.
struct audit_texts {
    struct buf bytes[AUDIT_MAX_TEXTS];
    struct span at[AUDIT_MAX_TEXTS];
    size_t n;
};
void audit_texts_read(const struct dns_answer *answer, struct audit_texts *out);
void audit_texts_free(struct audit_texts *texts);

void audit_host(struct audit_pass *a);            // the addresses that mail leaves from
void audit_own_certificate(struct audit_pass *a); // certificate.c
void audit_policy_certificate(struct audit_pass *a);
void audit_spf(struct audit_pass *a);
void audit_dkim(struct audit_pass *a);
void audit_dmarc(struct audit_pass *a);
void audit_mx(struct audit_pass *a); // MX hosts, their TLSA records, MTA-STS, TLS-RPT

#endif
