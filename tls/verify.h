// SPDX-License-Identifier: ISC
// What a peer's certificate chain proves: the reference names by WebPKI (RFC 5280, 6125, 8461 4.1), a TLSA
// set (tls/dane.h: RFC 6698, 7671, 7672), or a pinned key. Pure but for the clock; the chain is hostile.
#ifndef TLS_VERIFY_H
#define TLS_VERIFY_H

#include "relay/base/buf.h"
#include "relay/base/span.h"
#include "relay/base/why.h"

enum tls_proof { PROOF_NONE, PROOF_WEBPKI, PROOF_DANE_EE, PROOF_DANE_TA, PROOF_PIN, PROOFS };
const char *tls_proof_word(enum tls_proof proof); // "none", "webpki", "dane-ee", "dane-ta", "pin"

// A CA file, loaded once and shared (counted, thread-safe), with the chains that led to it lately (tls/verified.h).
struct trust;
struct trust *trust_load(const char *ca_file, struct why *why);
struct trust *trust_ref(struct trust *trust);
void trust_unref(struct trust *trust); // accepts NULL

// The chain leads to the trust store now, and the leaf carries one of the names (dNSName, never the common
// name: RFC 8461 sections 3.3 and 4.2; wildcard for exactly one left-most label). On -1 why->tls is
// certificate-expired, -host-mismatch, -not-trusted or validation-failure; scope WHY_HOST, 4.7.5.
int verify_webpki(const struct span *chain, size_t nchain, const char *const *names, size_t nnames,
                  struct trust *trust, struct why *why);
// One of the pins ("sha256:" + hex or base64 of the leaf's SubjectPublicKeyInfo).
int verify_pin(const struct span *chain, size_t nchain, const char *const *pins, size_t npins,
               struct why *why);
// For a client: the chain leads to the trust store now. On -1 as above.
int verify_client(const struct span *chain, size_t nchain, struct trust *trust, struct why *why);
// "sha256:" + hex or base64 is that of the leaf itself or of its SubjectPublicKeyInfo.
bool verify_fingerprint(const struct span *chain, size_t nchain, const char *digest);
// The leaf carries this "dns:…", "email:…" or "uri:…"; what that is worth is verify_client's to say.
bool verify_alternative_name(struct span leaf, const char *name);
// The name test alone, as a client might do it: the common name counts where there is no other.
bool verify_name(struct span leaf, const char *const *names, size_t nnames);
// End of validity of the leaf, Unix seconds; 0 when it cannot be read.
int64_t verify_not_after(struct span leaf);
// The certificates of a PEM file (at most MAX_CHAIN), for command lines: *memory holds what chain[]
// points to.
int verify_load_chain(const char *file, struct buf *memory, struct span *chain, size_t *nchain,
                      struct why *why);
// "CN=…, issuer …, valid until …" and the like for people.
void verify_describe(struct span certificate, char *out, size_t n);

#endif
