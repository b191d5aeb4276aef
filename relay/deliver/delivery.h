// SPDX-License-Identifier: ISC
// A delivery: a message and its open recipients of one destination domain, which travel together until
// each has ended. Belongs to one worker at a time (it crosses to another as an inbox item) and stands in
// one place at a time; `place` follows list membership and has one mover, delivery_move. The places are those
// of relay/queue, which moves it; a session (relay/deliver/session.h) only changes its recipients' standing.
#ifndef RELAY_DELIVER_DELIVERY_H
#define RELAY_DELIVER_DELIVERY_H

#include <stdatomic.h>
#include "relay/base/list.h"
#include "relay/base/inbox.h"
#include "relay/deliver/content.h"
#include "relay/message/message.h"
#include "relay/worker/relay.h"
#include "relay/route/wish.h"
#include "relay/setup/principal.h"

// The one place of a delivery in its worker's queue.
enum queue_state { QUEUE_ROUTING, QUEUE_WAITING, QUEUE_READY, QUEUE_ACTIVE, QUEUE_HELD };

// Where one recipient stands within the present attempt.
enum standing {
    STANDING_OPEN,     // not asked yet, or asked without an answer that counts
    STANDING_TAKEN,    // its RCPT was accepted
    STANDING_AGAIN,    // "too many recipients": belongs into another transaction
    STANDING_REFUSED,  // its why says why
    STANDING_DELIVERED // the message was accepted for it
};

// What the log and the reports say of the attempt that a recipient's answer came from. Counted: the recipients of
// one transaction share it.
struct attempt {
    atomic_uint refs;
    char host[256], ip[64];              // ip "" before an address was chosen
    char local[64];                      // our address on that connection; "" without one
    char tls[16];                        // "TLSv1.3", "none"
    const char *demand, *source, *proof; // words
    char *reply;                         // one line, at most MAX_REPLY_TOLD bytes; "" without
    char status[12];                     // of a success
    bool dsn;                            // the host offered DSN (RFC 3461)
    struct shown *shown;                 // of its handshake; a reference. NULL: there was none
    bool noted;                          // relay/recent has its failure
    bool left;         // no connection was made: the host is left alone since it failed before
    struct why *would; // enforcing would have refused it (shadow mode); NULL: it would not. Owned
};
struct shown;                                   // tls/shown.h
struct attempt *attempt_ref(struct attempt *a); // accepts NULL
void attempt_unref(struct attempt *a);          // accepts NULL

struct delivery_rcpt {
    const struct recipient *recipient; // of the message
    enum standing standing;
    bool delay_warned;
    uint16_t told;           // event_reason of the deferral that was last told; 0: none
    struct why *why;         // STANDING_REFUSED; owned
    struct attempt *attempt; // that gave the standing; NULL: no host was chosen. A reference
};

struct delivery {
    struct item item; // while it crosses to another worker
    struct list list; // its place: routing, ready in a lane, in a session, held; times: in the heap
    struct list all;  // every delivery of this worker
    enum queue_state place;
    unsigned attempts;     // ended so far
    struct worker *worker; // whose it is
    struct message *message;
    struct content *content; // NULL: not in memory
    uint64_t size;           // as sent
    const char *domain;      // the recipients' domain; the message's memory
    int64_t next_ms;         // wall clock: when due; INT64_MAX: held
    int64_t begun_ms;        // wall clock: when a session last took it
    unsigned heap;           // 1-based position among the waiting, 0: not there
    unsigned underway;       // its number in the spool while a session has it; 0: none
    unsigned metered;        // bytes counted in message->meter
    bool siblings;           // the message has other deliveries as well
    bool returned;           // an operator bounces it
    unsigned char class;     // enum reply_class of `reason`; without one it says nothing
    bool second_look;        // a TLS policy was looked up again before the last attempt
    bool asked;              // an operator wants it tried now, whoever is being left alone
    struct route_request *asking;
    struct route *route; // while ready or active
    // Shared texts (relay/base/words.h); NULL: none. An operator's next hop; where it went last, until it has a route.
    const char *next_hop, *site;
    const char *reason; // the last failure in words, shared (relay/base/words.h); NULL if none
    unsigned short why; // enum reason: what it is called
    unsigned char act;  // enum act: who can mend it
    // A TLS failure waits for policy and records to be looked up again, and then for its next time.
    bool looking, looked; // now; since it last waited for its time
    size_t nrcpts;
    struct delivery_rcpt rcpts[];
};

// which[0] to which[n - 1] are the indexes of its recipients in the message's list. Takes a reference to the message.
struct delivery *delivery_new(struct message *m, const size_t *which, size_t n);

void delivery_free(struct delivery *d); // out of every list; accepts NULL
// The one mover: into `list` (NULL: none) as `place`.
void delivery_move(struct delivery *d, enum queue_state place, struct list *list);
// Records a reason for a recipient (copies it).
void delivery_refuse(struct delivery_rcpt *r, const struct why *why);
void delivery_attempt(struct delivery_rcpt *r, struct attempt *a); // takes a reference of its own
// What it waits for, as operators see it: status, sentence, host and reply; replaces the one before.
void delivery_waits_for(struct delivery *d, const struct why *why);
// Before an attempt: everybody open, reasons gone.
void delivery_reset(struct delivery *d);
// Drops the recipients whose standing is final (`ended` says so); true: none is left.
bool delivery_prune(struct delivery *d, bool (*ended)(const struct delivery_rcpt *r));
int64_t delivery_expires(const struct delivery *d, uint64_t expire_ms); // wall clock
struct cfg_delivery;
// When its sender is told that it is delayed, wall clock; 0: never. That is earlier where a failure of TLS keeps it.
int64_t delivery_notice_at(const struct delivery *d, const struct cfg_delivery *config,
                           bool of_tls);
enum route_variant delivery_variant(const struct delivery *d);
// What route it wants, by this configuration. Valid as long as the delivery.
struct delivery_way {
    struct route_wish wish;
    char sender[PRINCIPAL_NAME];
};
void delivery_wish(const struct delivery *d, const struct config *config, struct delivery_way *out);

#endif
