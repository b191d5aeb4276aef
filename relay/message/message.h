// SPDX-License-Identifier: ISC
// A message: envelope, what is sent in front, what was received. Counted and immutable from the moment
// it is handed to the spool; what becomes of its recipients lives in deliveries (relay/deliver/delivery.h).
//
// What goes out is: prefix, then the header as received without the left-out ranges, then the body as
// received. No byte of it changes after signing. A message that waits has none of them in memory;
// relay/spool/spool.h brings them back.
#ifndef RELAY_MESSAGE_MESSAGE_H
#define RELAY_MESSAGE_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "relay/base/buf.h"

enum dsn_notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum dsn_ret { RET_UNSET, RET_FULL, RET_HDRS };
enum body_kind { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };

struct recipient {
    char *address; // as given, without angle brackets; the domain may be a U-label (SMTPUTF8)
    char *domain;  // lower-case A-label, or "[address literal]"
    char *orcpt;   // xtext-decoded "rfc822;x@y", "" if none
    // What MAIL FROM says for it (SRS, VERP) where that is not the envelope's sender; "": that, "<>": nobody.
    char *return_path;
    // Where it stood when the message was last written to the spool; deliveries carry on from here.
    const char *
        next_hop; // an operator's, instead of where its domain leads: a word (relay/base/words.h); NULL: none
    int64_t next_ms; // wall clock; INT64_MAX: held
    unsigned attempts;
    unsigned char notify; // enum dsn_notify bits; 0: not given
    bool delay_warned;    // a delay DSN has been sent
    bool copy;            // for an archive: its sender never hears of it
    bool returned;        // it came to a return address of ours; not kept
};

struct envelope {
    uint64_t id;        // relay/base/id.h
    int64_t created_ms; // wall clock, when accepted
    char *from;         // envelope sender without brackets; "" is the null sender
    char *envid;        // xtext-decoded, "" if none
    enum dsn_ret ret;
    enum body_kind body;
    bool smtputf8;     // MAIL said so
    bool eightbit;     // the content has bytes over 127
    bool utf8_header;  // the header has bytes over 127
    bool requiretls;   // RFC 8689
    bool tls_optional; // TLS-Required: No, honoured
    bool dsn;          // made by us: a DSN or report; never answered by another
    bool uncounted;    // our own TLS report: neither counted nor reported
    bool high;         // goes before others of its site (senders.priority)
    int64_t expire_ms; // wall clock; 0: created_ms + delivery.expire
    char *principal;   // who submitted: user name, "network:10.0.0.0/24", or "relay"
    char *client;      // "[192.0.2.1]" as logged
    char *tag;         // the application's own name for it (X-Waxwing-Tag), "" if none
    char
        *message_id; // of its header, without angle brackets; "" if none, or no event would tell it
    char *held_for;  // why it was held when it was accepted, a sentence; "" if it was not
    struct recipient *rcpts;
    size_t nrcpts;
};

struct range {
    uint64_t start, end; // bytes of the received header, end not included
};

struct message {
    atomic_uint refs;
    bool in_memory; // prefix, header and body (unless large) are here; true at birth
    struct envelope env;
    struct buf prefix;      // whole header fields with CRLF, sent first
    struct range *left_out; // ascending, apart
    size_t nleft_out;
    struct buf header; // as received, up to and with the empty line (if there is one)
    struct buf body;   // as received (dot-unstuffed); empty when `large` names a file
    // Sizes as received, also when not in memory (prefix_bytes is kept by the spool).
    uint64_t header_bytes, body_bytes, prefix_bytes;
    char *large;                 // name below spool/large/, NULL: the body is in the record
    unsigned char large_sum[16]; // XXH3-128 of that file
    uint64_t segment, offset, record_bytes; // where the spool has it; 0 before
    _Atomic int64_t *meter; // what `metered` is counted in, until it is freed; NULL: nothing
    int64_t metered;
    void *packed; // message_pack: the one piece of memory of envelope and ranges
};

struct message *message_new(void); // one reference, everything empty, id chosen
struct message *message_ref(struct message *m);
void message_unref(struct message *m); // accepts NULL
struct recipient *message_add_recipient(struct message *m, const char *address, const char *domain);
void message_drop_recipient(struct message *m, size_t i); // of a message that is not packed
// Everybody waits until an operator releases it, for this reason; the first one stays. Before it is stored.
void message_hold(struct message *m, const char *reason);
// What stands in MAIL FROM for the recipient, without brackets; "" is the null sender.
const char *message_return_path(const struct message *m, const struct recipient *r);
// What stands behind the "@" in MAIL FROM; NULL: nothing, as with the null sender.
const char *message_sender_domain(const struct message *m);
// Before others know the message. "" and NULL: none.
void message_set_next_hop(struct recipient *r, const char *next_hop);
// Counts the message with `amount` in `meter`, and no more where it was counted before; NULL: nowhere. Whose it is
// at the moment calls this; the last message_unref takes it out by itself.
void message_meter(struct message *m, _Atomic int64_t *meter, int64_t amount);
// Moves the envelope and the ranges, which do not change any more, into one piece of memory: a million of them wait.
// No recipient is added afterwards.
void message_pack(struct message *m);
// Bytes of memory that it holds, its content apart.
size_t message_footprint(const struct message *m);
// Bytes that DATA would carry before dot-stuffing.
uint64_t message_size(const struct message *m);
// Adds a range of the received header that is not sent; in ascending order.
void message_leave_out(struct message *m, uint64_t start, uint64_t end);
// Another message of the same id, envelope and place in the spool, not in memory: for whoever loads it
// while others hold the first one (a shared message is never loaded or forgotten under its holders).
struct message *message_twin(const struct message *m);
// Fills `out` with the header fields as sent: prefix, then header without the left-out ranges.
// The message must be in memory. -1: the ceiling of `out`.
int message_sent_header(const struct message *m, struct buf *out);

#endif
