// SPDX-License-Identifier: ISC
// What is true of a message that somebody else made, and a seal over it: DKIM, ARC, SPF and DMARC
// verified, one Authentication-Results, one ARC set. The relay asks this door alone, so a successor of
// ARC can stand behind it.
//
// A pure evaluation over DNS facts (dns/facts.h): call message_auth_evaluate until it returns false. Its steps:
//   message_auth_new(header)          reads signatures and chains; says which body hashes are needed
//   ... feed the body into message_auth_hashes(), finish ...
//   message_auth_evaluate(a, facts)   true: wants more facts
//   message_auth_results / message_auth_seal
#ifndef SIGN_MESSAGE_AUTH_H
#define SIGN_MESSAGE_AUTH_H

#include "config/config.h"
#include "dns/facts.h"
#include "sign/arc.h"
#include "sign/canon.h"
#include "sign/dkim_verify.h"
#include "sign/header.h"
#include "sign/key.h"
#include "sign/result.h"

struct message_auth_input {
    const struct header *header; // as received; lives as long as the evaluation
    const char *authserv_id;
    bool has_client;                        // SPF can be evaluated
    struct sockaddr_storage client;         // the original client
    const char *helo, *mail_from;           // mail_from "" for the null sender
    const struct strings *trust_results_of; // other authserv-ids whose results are taken over
    uint64_t trusted_hops;                  // Received fields that may stand above those
    bool trust_own_results;                 // fields of our own authserv-id count too, anywhere
    const char *own_headers;                // what our own signature covers; NULL: the default list
    unsigned min_rsa_bits;                  // 0: 1024
    int64_t now_s;
};

struct message_auth;
struct message_auth *
message_auth_new(const struct message_auth_input *in); // copies what it keeps but the header
void message_auth_free(struct message_auth *a);        // accepts NULL
struct body_hashes *message_auth_hashes(struct message_auth *a); // owned by a; feed, finish
bool message_auth_evaluate(struct message_auth *a, struct facts *facts);
// The deadline came: what `facts` still do not tell counts as temperror.
void message_auth_give_up(struct message_auth *a, struct facts *facts);

// After evaluation. What a trusted field says of a method stands before what was found here, for DMARC only
// where its header.from is the From domain. DMARC is a temperror, not a fail, while a signature or SPF that
// the DNS kept from us might have made it pass, and none where only SPF, of which nobody knows, could.
enum auth_result message_auth_dmarc(const struct message_auth *a);
// It did not pass and would fail if SPF, of which nobody knows, had failed.
bool message_auth_dmarc_open(const struct message_auth *a);
const char *
message_auth_dmarc_policy(const struct message_auth *a); // "none", "quarantine", "reject", ""
enum auth_result message_auth_spf(const struct message_auth *a);
const char *message_auth_arc(const struct message_auth *a); // "none", "pass", "fail"
// The chain is "fail" only because the DNS did not answer.
bool message_auth_arc_temporary(const struct message_auth *a);
// A DKIM pass of our own finding for this header-From domain or one above it (the origin test of "no
// laundering"). It has to cover every field that our own signature would: who signs anew vouches for all
// of them, and what the old signature left open a stranger may have written.
bool message_auth_dkim_aligned(const struct message_auth *a, const char *from_domain);
// A trusted authserv-id said auth=pass, and none that this From domain fails DMARC or SPF.
bool message_auth_trusted_auth(const struct message_auth *a);
// The chain holds, and from some set that records dmarc=pass of this From upward every sealer is listed.
bool message_auth_arc_vouches(const struct message_auth *a, const struct strings *sealers);
// Ranges of Authentication-Results fields that claim our authserv-id, to be left out of what goes on:
// the i-th such field's index in header->fields; false behind the last.
bool message_auth_left_out(const struct message_auth *a, size_t i, size_t *field);
// "spf=pass dkim=pass/2 arc=none dmarc=pass" for the log line.
void message_auth_summary(const struct message_auth *a, struct buf *out);

// What was found here, in detail, whatever trusted fields say.
const struct dkim_checks *message_auth_dkim(const struct message_auth *a);
const struct arc_chain *message_auth_chain(const struct message_auth *a);
enum auth_result message_auth_spf_found(const struct message_auth *a, const char **reason,
                                        const char **explanation);
enum auth_result message_auth_dmarc_found(const struct message_auth *a, const char **domain,
                                          const char **organizational);

// The Authentication-Results field, whole, with CRLF.
int message_auth_results(const struct message_auth *a, struct buf *out);

struct seal {
    const char *domain, *selector;
    const struct sign_key *key; // RSA
    const char *headers;        // NULL: the default list
    // What goes on, where that is not what was verified; NULL: it is.
    const struct header *header;
    const struct body_hashes *body;
    int64_t time; // Unix seconds; 0: no t=
};
// The three ARC fields, whole, newest on top (case 13). Adds nothing and returns 0 where the chain
// is closed (case 10).
int message_auth_seal(const struct message_auth *a, const struct seal *how, struct buf *out,
                      struct why *why);

#endif
