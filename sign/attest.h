// SPDX-License-Identifier: ISC
// What is true of a message that somebody else made, and a seal over it: DKIM, ARC, SPF and DMARC
// verified, one Authentication-Results, one ARC set. The relay asks this door alone, so a successor of
// ARC can stand behind it.
//
// A pure evaluation over DNS facts (dns/facts.h): call attest_evaluate until it returns false. Its steps:
//   attest_new(header)          reads signatures and chains; says which body hashes are needed
//   ... feed the body into attest_hashes(), finish ...
//   attest_evaluate(a, facts)   true: wants more facts
//   attest_results / attest_seal
#ifndef SIGN_ATTEST_H
#define SIGN_ATTEST_H

#include "config/config.h"
#include "dns/facts.h"
#include "sign/arc.h"
#include "sign/canon.h"
#include "sign/dkim_verify.h"
#include "sign/header.h"
#include "sign/key.h"
#include "sign/result.h"

struct attest_input {
    const struct header *header; // as received; lives as long as the attest
    const char *authserv_id;
    bool has_client;                        // SPF can be evaluated
    struct sockaddr_storage client;         // the original client
    const char *helo, *mail_from;           // mail_from "" for the null sender
    const struct strings *trust_results_of; // other authserv-ids whose results are taken over
    bool trust_own_results;                 // fields of our own authserv-id count too, anywhere
    unsigned min_rsa_bits;                  // 0: 1024
    int64_t now_s;
};

struct attest;
struct attest *attest_new(const struct attest_input *in); // copies what it keeps but the header
void attest_free(struct attest *a);                       // accepts NULL
struct body_hashes *attest_hashes(struct attest *a);      // owned by a; feed, finish
bool attest_evaluate(struct attest *a, struct facts *facts);
// The deadline came: what `facts` still do not tell counts as temperror.
void attest_give_up(struct attest *a, struct facts *facts);

// After evaluation. What a trusted field says of a method stands before what was found here. DMARC is a
// temperror, not a fail, while a signature or SPF that the DNS kept from us might have made it pass.
enum auth_result attest_dmarc(const struct attest *a);
const char *attest_dmarc_policy(const struct attest *a); // "none", "quarantine", "reject", ""
enum auth_result attest_spf(const struct attest *a);
const char *attest_arc(const struct attest *a); // "none", "pass", "fail"
// Something above is only unknown because the DNS failed: asking the client to come back may help.
bool attest_temporary(const struct attest *a);
// The chain is "fail" only because the DNS did not answer.
bool attest_arc_temporary(const struct attest *a);
// A DKIM pass of our own finding for this header-From domain or one above it (the origin test of "no
// laundering"). It has to cover every field that our own signature would: who signs anew vouches for all
// of them, and what the old signature left open a stranger may have written.
bool attest_dkim_aligned(const struct attest *a, const char *from_domain);
// A trusted authserv-id said auth=pass.
bool attest_trusted_auth(const struct attest *a);
// Ranges of Authentication-Results fields that claim our authserv-id, to be left out of what goes on:
// the i-th such field's index in header->fields; false behind the last.
bool attest_left_out(const struct attest *a, size_t i, size_t *field);
// "spf=pass dkim=pass/2 arc=none dmarc=pass" for the log line.
void attest_summary(const struct attest *a, struct buf *out);

// What was found here, in detail, whatever trusted fields say.
const struct dkim_checks *attest_dkim(const struct attest *a);
const struct arc_chain *attest_chain(const struct attest *a);
enum auth_result attest_spf_found(const struct attest *a, const char **reason,
                                  const char **explanation);
enum auth_result attest_dmarc_found(const struct attest *a, const char **domain,
                                    const char **organizational);

// The Authentication-Results field, whole, with CRLF.
int attest_results(const struct attest *a, struct buf *out);

struct seal {
    const char *domain, *selector;
    const struct sign_key *key; // RSA
    const char *headers;        // NULL: the default list
    int64_t time;               // Unix seconds; 0: no t=
};
// The three ARC fields, whole, newest on top (cases.md 13). Adds nothing and returns 0 where the chain
// is closed (cases.md 10).
int attest_seal(const struct attest *a, const struct seal *how, struct buf *out, struct why *why);

#endif
