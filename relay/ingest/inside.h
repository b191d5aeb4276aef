// SPDX-License-Identifier: ISC
// The inside of relay/ingest/. The room owns a message from its first byte until the spool has it: what is kept
// of it, whose it is, and the fields that go in front.
//
// - Received bytes never change. What is ours goes into message->prefix, what goes away into message->left_out,
//   and both are final before a signature is made.
// - The kind is decided once the header is there, and only an evaluation moves it: CLAIMED becomes OWN where
//   origin is shown, else FOREIGN. Nothing that is not OWN is signed with DKIM.
// - What the DNS could not tell now is a refusal with class 4, never one with class 5.
#ifndef RELAY_INGEST_INSIDE_H
#define RELAY_INGEST_INSIDE_H

#include "dns/dns.h"
#include "relay/ingest/ingest.h"
#include "relay/preflight/preflight.h"
#include "sign/message_auth.h"

// OWN: of our making, to be signed. CLAIMED: From is ours, but a stranger may have written it; what
// is found decides. FOREIGN: somebody else's, to be sealed.
enum ingest_kind { INGEST_OWN, INGEST_CLAIMED, INGEST_FOREIGN };

#define INGEST_COVERED 8192 // bytes of lists of what others' signatures cover

struct ingest {
    struct ingest_session s;
    struct message *m;
    struct header header; // what is sent of m->header, behind what stands in its place (`instead`)
    bool parsed;
    struct buf instead;        // fields that were rewritten; header points into it
    const unsigned char *last; // where the received fields end
    struct buf covered;        // what others' signatures cover (view.c)
    enum ingest_kind kind;
    struct addresses from; // the addresses of header From
    char from_domain[256]; // A-label of the first; "" without
    bool own_from;         // one of them is the principal's own
    bool mixed_from;       // they are of several domains
    bool unread_from;      // From cannot be read, and some reading finds an own domain
    bool vetoed;           // a trusted host found what speaks against a local origin
    bool discarded;        // taken, and sent to nobody
    uint64_t longest_line; // octets without the line end
    uint64_t octets;       // of the message as it came
    bool body_left;        // it went to its file, or some of it
    struct buf start;      // of a body that went to its file (returns.c)
    struct ingest_returned *returned;
    size_t nreturned;
    struct preflight preflight; // what was found in own mail
    struct body_hashes *hashes; // ours, or the evaluation's
    struct header verified;    // what the evaluation looks at: the header before filters changed it
    struct buf received;       // its bytes, where they did
    struct body_hashes *made;  // of the body that filters made; NULL: none did
    bool unsealable;           // filters touched the ARC chain
    struct message_auth *auth; // CLAIMED and FOREIGN
    struct facts *facts;
    struct dns_evaluation *evaluation;
    void (*done)(void *arg);
    void *done_arg;
    struct buf sign;    // ingest_sign()
    struct buf results; // ingest_results()
    struct buf warning; // ingest_warning()
};

// mention.c: a From that cannot be read may still show a reader an address in one of the row's own domains.
bool ingest_mentions_own(const struct cfg_sender *row, struct span from);

// label.c: env.message_id, and the tag of own mail.
#define INGEST_TAG "X-Waxwing-Tag"
void ingest_label(struct ingest *g);

// check.c: reads From, decides the kind, refuses what the principal may not send.
int ingest_check(struct ingest *g, struct why *why);
// After the evaluation: CLAIMED becomes OWN or FOREIGN; -1 refuses.
int ingest_judge(struct ingest *g, struct why *why);

// view.c: the header that goes on. Its fields end here, in the message's own header.
void ingest_find_end(struct ingest *g);
// Rewrites what the row's rules say (senders.rewrite); -1: there is no room for it.
int ingest_rewrite(struct ingest *g, struct why *why);
bool ingest_was_received(const struct ingest *g, const struct field *field);
// Of `kept`, in their order, the received ones are sent; what lies between them becomes m->left_out.
void ingest_leave_out_rest(struct ingest *g, const struct field *kept, size_t n);
// The field is one of senders.strip_headers. Of mail that is not ours it stays where a signature there, or the
// seal that we add, covers it.
bool ingest_strips(struct ingest *g, const struct field *field);

// check.c: the session shows that the mail is of this host's own users or networks, and nothing speaks against it.
bool ingest_origin_shown(struct ingest *g);
// Filters changed From: the mail stays what it was found to be, and may have this From; -1 refuses.
int ingest_check_changed(struct ingest *g, struct why *why);

// returns.c: mail of nobody, to return addresses of ours alone.
bool ingest_is_return(const struct ingest *g);
// Recipients and return paths as they will be stored.
void ingest_finish_envelope(struct ingest *g);

// preflight.c: looks at own mail where the row or the configuration says so; `header` is what goes on. -1 refuses.
int ingest_look(struct ingest *g, const struct header *header, struct why *why);

// sign.c: m->prefix and m->left_out.
int ingest_prefix_own(struct ingest *g, struct why *why);
int ingest_prefix_foreign(struct ingest *g, struct why *why);
// "from:to:…" of a configured list, in out, which it begins; NULL: the built-in list.
const char *ingest_join(const struct strings *names, struct buf *out);
// Signs `header` with every key for the domain; adds the fields to out and their names to `names`.
// No key: nothing added, 0.
int ingest_signatures(const struct setup *setup, const char *domain, const struct header *header,
                      const struct body_hashes *hashes, uint64_t id, struct buf *out,
                      struct buf *names, struct why *why);

#endif
