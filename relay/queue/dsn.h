// SPDX-License-Identifier: ISC
// Delivery status notifications (RFC 3464, 6522, 3461, 6533; RFC 3834 for what keeps them from being
// answered): a message about a message. Pure but for the new id and the boundary. Whether one is owed is
// relay/deliver/outcome.h's question; storing and sending is the queue's.
#ifndef RELAY_QUEUE_DSN_H
#define RELAY_QUEUE_DSN_H

#include "relay/deliver/content.h"
#include "relay/deliver/outcome.h"

#define DSN_RETURN_MAX 65536  // bytes of a message returned whole where its sender said nothing
#define DSN_FULL_MAX   196608 // and where he asked for it (RET=FULL)

struct dsn_row {
    const struct recipient *recipient;
    const struct why *why; // NULL: relayed
    const char *host;      // relayed: who took it; NULL or "": not known
    const char *
        reply; // in full: its words where it was relayed, else where why has one; NULL: what why has of it
    const char *site; // where it goes, as operators name it; NULL or "": not known
    bool expired;
    bool returned; // by an operator's word
    bool unmet;    // no host was asked this time: the reply is an earlier one
    unsigned attempts;
    int64_t tried_ms, until_ms; // wall clock: the last attempt; delayed: how long it goes on
    int64_t next_ms;            // delayed: the next attempt; 0 or INT64_MAX: not known
};

struct dsn {
    const struct config *config;
    enum dsn_kind kind;
    const struct message *about;
    const struct content *content; // NULL: the message cannot be read any more
    const struct dsn_row *rows;
    size_t nrows;
    // NULL: to the sender. Else a copy for the postmaster, of a report that could not be delivered itself.
    const char *postmaster;
    int64_t now_ms;
};

// A message of its own, in memory, from the null sender, unsigned; NULL: its recipient's address has no domain.
struct message *dsn_compose(const struct dsn *dsn);

#endif
