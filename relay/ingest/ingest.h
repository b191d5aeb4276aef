// SPDX-License-Identifier: ISC
// From a received message to what goes on: may this principal send it, is it of our making or
// somebody else's, what is put in front (Received, DKIM-Signature; Authentication-Results, ARC),
// what is left out (ARCHITECTURE.md: A message's walk, Who may say what). Never touches a received byte.
//
// Life: ingest_new → ingest_header when the header is complete → the body is fed to its hashes →
// ingest_ask (and its callback) where it says so → ingest_verdict, and what filters change → ingest_finish →
// ingest_free.
#ifndef RELAY_INGEST_INGEST_H
#define RELAY_INGEST_INGEST_H

#include "relay/worker/limits.h"
#include "relay/message/message.h"
#include "relay/returns/notice.h"
#include "relay/setup/principal.h"
#include "relay/setup/setup.h"
#include "relay/smtp/command.h"
#include "sign/canon.h"

// What is known of the session. Everything lives as long as the ingest.
struct ingest_session {
    struct setup *setup;
    const struct principal *principal;
    const struct smtp_forward *forward; // the original client; NULL: nothing was said of one
    const char *helo;
    const char *client;        // "[192.0.2.1]"
    const char *with;          // "ESMTPSA"
    const struct sizes *sizes; // how much destinations take; NULL: not known
    const char *tls;           // "TLSv1.3 TLS_AES_256_GCM_SHA384", "" in clear
};

struct ingest;
struct preflight; // relay/preflight/preflight.h
struct ingest *ingest_new(const struct ingest_session *session, struct message *message);
// Cancels what ingest_ask began. Accepts NULL.
void ingest_free(struct ingest *g);

// Checks what the header alone can tell; -1 refuses. *hashes: what to feed the body to.
int ingest_header(struct ingest *g, struct body_hashes **hashes, struct why *why);
// The rewriting of an envelope sender, logged.
void ingest_log_rewritten_sender(uint64_t id, const char *from, const char *to);
// Behind the last body byte. True: facts are being looked up and `done` will be called once on the
// loop of `mail`; false: go on with ingest_finish.
struct dns;
bool ingest_ask(struct ingest *g, struct dns *dns, struct inbox *mail, void (*done)(void *arg),
                void *arg);
// The deadline came: what is not known counts as a temporary error. `done` will not be called.
void ingest_give_up(struct ingest *g);
// Judges what was received; -1 refuses. Filters come behind it.
int ingest_verdict(struct ingest *g, struct why *why);
// The header as filters see it: without what was rewritten, with what stands in its place. Begins `out`.
void ingest_shown(const struct ingest *g, struct buf *out);
// What filters made of it becomes the message's header. Who may send it is asked again; -1 refuses.
int ingest_change_header(struct ingest *g, struct buf *header, struct why *why);
// The message has another body, of this hash, which is taken over.
void ingest_change_body(struct ingest *g, struct body_hashes *hashes);
// After the verdict: signs or seals: message->prefix and left_out are final. -1 refuses (why says whether for
// good).
int ingest_finish(struct ingest *g, struct why *why);
// The longest line of the message in octets without its line end; said before ingest_finish.
void ingest_longest_line(struct ingest *g, uint64_t octets);
// All of it as it came, in octets; said before ingest_finish.
void ingest_octets(struct ingest *g, uint64_t octets);
// After ingest_finish: the message is taken and goes nowhere (senders.on_own_fail: discard).
bool ingest_discarded(const struct ingest *g);
// What its recipients may stumble over, for the accept line; "" without.
const char *ingest_warning(struct ingest *g);
// The Message-ID of its header, as received or as added, without angle brackets; the caller frees it. Valid as long
// as the header is in memory.
char *ingest_message_id(const struct ingest *g);
// The body in memory is about to go to its file: what may have to be read of it is kept.
void ingest_body_leaves(struct ingest *g);
// After ingest_finish: what came back to keyed return paths, which are no recipients of the message any more; where it
// has none left it goes nowhere. `row` is whose path it was; `read` false: no report that a program can read.
struct ingest_returned {
    uint64_t id;
    char *recipient;
    const struct cfg_sender *row;
    bool read;
    struct notice notice;
};
const struct ingest_returned *ingest_returned(const struct ingest *g, size_t *n);
// After ingest_finish: what pre-flight found; empty where it did not look.
const struct preflight *ingest_found(const struct ingest *g);
// For the accept line: "example.org/r2026,example.org/e2026", "arc:example.org/r2026" or "none".
const char *ingest_sign(struct ingest *g);

// "spf=pass dkim=pass/2 arc=none dmarc=pass" where the message was verified, else "".
const char *ingest_results(struct ingest *g);

// A message that this relay wrote (a DSN, a report), header and body in memory: its DKIM signatures
// are put in front of message->prefix. No key for the domain of its From: 0, unsigned.
int ingest_own(struct setup *setup, struct message *message, struct why *why);

#endif
