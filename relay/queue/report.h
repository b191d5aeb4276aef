// SPDX-License-Identifier: ISC
// Reports to senders (DSNs, ARCHITECTURE.md calls them notifications; TLS reports are relay/report): gathered for a
// moment, so that one message's failures share one report; composed from the message's bytes; signed; stored. A
// recipient that failed has its end noted only when its report is on disk: a crash in between tries the delivery
// again and reports then. Knows no queue: its owner hears what came of each.
#ifndef RELAY_QUEUE_REPORT_H
#define RELAY_QUEUE_REPORT_H

#include "relay/deliver/delivery.h"
#include "relay/deliver/outcome.h"

struct reports;

struct report_owner {
    // A report is on disk: a message to be delivered, with its reference.
    void (*stored)(struct message *report, void *arg);
    // It could not be stored: this recipient of `about` is open again after so many attempts, on its way to next_hop (as
    // delivery->next_hop).
    void (*back)(struct message *about, size_t recipient, unsigned attempts, bool delay_warned,
                 const char *next_hop, void *arg);
    void (*ended)(void *arg); // one more has come to its end
    void *arg;
};

struct reports *reports_new(struct worker *worker, const struct report_owner *owner);
struct report_cause {
    enum dsn_kind kind;
    enum outcome outcome;
    const struct why *why; // DSN_RELAYED: has the host and the reply of who took it
    int64_t next_ms;       // DSN_DELAYED, wall clock: the next attempt; 0 or INT64_MAX: not known
};
void reports_add(struct reports *reports, struct delivery *d, const struct delivery_rcpt *r,
                 const struct report_cause *cause);
void reports_flush(struct reports *reports); // what is gathered goes now
// Nothing is gathered any more for long, and nothing comes back to its owner but `ended`.
void reports_stop(struct reports *reports);
size_t reports_pending(const struct reports *reports); // gathered, or on their way to the spool
void reports_free(struct reports *reports);            // none is pending; accepts NULL

#endif
