// SPDX-License-Identifier: ISC
// Authenticated Received Chain (RFC 8617): reading and validating the chain of a message, and adding a set
// to it. Pure, like sign/dkim_verify.h. Only sign/message_auth.c asks here: ARC is on its way out, and what
// comes after it should be able to stand beside it.
#ifndef SIGN_ARC_H
#define SIGN_ARC_H

#include "sign/signature.h"

#define ARC_MAX_SETS 50 // RFC 8617 section 4.2.1

enum arc_cv { ARC_NONE, ARC_PASS, ARC_FAIL };
const char *arc_cv_word(enum arc_cv cv); // "none", "pass", "fail"

struct arc_chain;

// The header lives as long as the chain. min_rsa_bits 0: 1024.
struct arc_chain *arc_new(const struct header *header, unsigned min_rsa_bits);
void arc_free(struct arc_chain *c); // accepts NULL
void arc_want(struct arc_chain *c, struct body_hashes *hashes);
// True: wants more facts. `hashes` are finished.
bool arc_evaluate(struct arc_chain *c, const struct body_hashes *hashes, struct facts *facts);
void arc_give_up(struct arc_chain *c); // what is undecided fails, but not for good

// After evaluation:
enum arc_cv arc_result(const struct arc_chain *c);
const char *arc_reason(const struct arc_chain *c); // why it fails; "" otherwise
bool arc_temporary(const struct arc_chain *c);     // it fails because the DNS did
size_t arc_instances(const struct arc_chain *c);   // the highest instance found
// The lowest instance from which on every ARC-Message-Signature still holds; 0: all of them do, or the
// chain does not pass (RFC 8617 section 5.2).
size_t arc_oldest_pass(const struct arc_chain *c);
// Every set has its three fields, and only once.
bool arc_complete(const struct arc_chain *c);
// Nothing may be added: the newest seal says cv=fail, or there are ARC_MAX_SETS.
bool arc_closed(const struct arc_chain *c);

// Who sealed the set of an instance (d=); "" where there is none.
const char *arc_sealer(const struct arc_chain *c, size_t instance);
// The results of that set say dmarc=pass, of this From domain or of none.
bool arc_records_dmarc_pass(const struct arc_chain *c, size_t instance, const char *from_domain);

struct arc_set {
    const char *domain, *selector;
    const struct sign_key *key;
    const char *headers;         // "from:to:…" to sign where present; NULL: the default list
    const struct header *header; // what is sealed; NULL: the chain's
    int64_t time;                // t=, Unix seconds; 0: none
    enum arc_cv cv;
    const char *results; // what stands behind "ARC-Authentication-Results: i=N; "
};
// Adds ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results to out, whole fields. `hashes`
// hold (CANON_RELAXED, CANON_NO_LIMIT). Not for a closed chain.
int arc_seal(const struct arc_chain *c, const struct arc_set *set, const struct body_hashes *hashes,
             struct buf *out, struct why *why);

// For arc_seal: adds the canonical fields of the sets 1 to n.
int arc_canon_sets(const struct arc_chain *c, size_t n, struct buf *out);
const struct header *arc_header(const struct arc_chain *c);

#endif
