// SPDX-License-Identifier: ISC
// What the parts of one SPF evaluation share: who asks, what has been counted so far, and how a step ends.
#ifndef SIGN_SPF_INSIDE_H
#define SIGN_SPF_INSIDE_H

#include <netinet/in.h>
#include "relay/base/buf.h"
#include "sign/spf.h"
#include "sign/spf_record.h"

#define SPF_MAX_LOOKUPS  10  // terms that ask the DNS, RFC 7208 section 4.6.4
#define SPF_MAX_VOID     2   // of them, those that find nothing
#define SPF_MAX_NAMES    10  // MX hosts, and PTR names, of one term
#define SPF_MAX_NAME     253 // octets of an expanded domain name, section 7.3
#define SPF_MAX_EXPANDED 4096
#define SPF_MAX_RECORD   65535

// How looking at one term ended.
enum spf_match { SPF_NO, SPF_YES, SPF_WAIT, SPF_TEMPERROR, SPF_PERMERROR };

struct spf_eval {
    const struct spf_input *in;
    struct facts *facts;
    int family;                // of the client: AF_INET or AF_INET6
    unsigned char address[16]; // 4 or 16 bytes
    char *sender;              // always with a local part
    char *helo;                // as A-labels
    const char *sender_domain; // in sender
    size_t nlocal;             // bytes of the local part
    unsigned lookups, voids;
    unsigned including; // how deep in include: what they explain is not for this domain to say
    bool name_counted;  // %{p} has cost its lookup
    char reason[256];
};

// Fills reason and returns SPF_PERMERROR.
enum spf_match spf_perm(struct spf_eval *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Counts one term that asks the DNS: SPF_YES, or SPF_PERMERROR past the limit.
enum spf_match spf_count_lookup(struct spf_eval *e);
// Asks. SPF_YES: found; SPF_NO: nothing there, which is counted. *answer is set unless SPF_WAIT.
enum spf_match spf_ask(struct spf_eval *e, const char *name, uint16_t type,
                       const struct dns_answer **answer);

// The mechanisms that are no recursion: all but include. `target` is the expanded domain.
enum spf_match spf_mechanism(struct spf_eval *e, const struct spf_term *term, const char *target);
// A name of the client proved both ways (section 5.5): `domain` itself, else one below it, else, with `any`,
// some other one. SPF_YES: in out; SPF_NO: none.
enum spf_match spf_client_name(struct spf_eval *e, const char *domain, bool any,
                               char out[static 256]);

// Macro expansion (section 7), appended to out: SPF_YES, SPF_WAIT or SPF_PERMERROR. `domain` is %{d}.
enum spf_match spf_expand(struct spf_eval *e, const char *domain, struct span text,
                          bool explanation, struct buf *out);
// The same for a domain-spec, cut on the left to a name that can be asked.
enum spf_match spf_expand_domain(struct spf_eval *e, const char *domain, struct span spec,
                                 char out[static 256]);

#endif
