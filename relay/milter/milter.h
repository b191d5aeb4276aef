// SPDX-License-Identifier: ISC
// A message shown to the filters of the configuration, one after the other, before it is signed: each sees what
// the earlier ones made of it. The client side of the milter protocol (relay/milter/protocol.h), on the loop of a
// worker; nothing here waits longer than MILTER_PATIENCE_MS, and whatever a filter says is bounded.
//
// Life: milter_start → `done`, once, on the loop and never inside the call → milter_answer →
// milter_free, which also cancels at any time.
#ifndef RELAY_MILTER_MILTER_H
#define RELAY_MILTER_MILTER_H

#include <uv.h>
#include "config/config.h"
#include "relay/message/message.h"
#include "relay/milter/book.h"
#include "relay/worker/worker.h"
#include "sign/canon.h"

#define MILTER_PATIENCE_MS                                                                         \
    540000                    // for all filters of a message: RFC 5321 clients wait for ten minutes
#define MILTER_CHANGES 2000   // changes by one filter, pieces of a body apart
#define MILTER_PACKETS 200000 // from one filter about one message

// What filters are told of who sends. Everything lives as long as the run.
struct milter_client {
    struct worker *worker;
    const struct config *config;
    const struct cfg_sender *row;
    const struct sockaddr *address; // IPv4, IPv6, or anything else for a program on this machine
    const char *name;               // "" where it is not known
    const char *helo;
    const char *user, *mechanism; // NULL: nobody logged in
    const char *tls;              // "TLSv1.3 TLS_AES_256_GCM_SHA384", "" in clear
    const char *listener;         // where the client connected to, as the configuration writes it
};

enum milter_verdict { MILTER_PASS, MILTER_REFUSE, MILTER_DISCARD };
enum milter_standing { RCPT_KEPT, RCPT_ADDED, RCPT_DELETED };
struct milter_rcpt {
    char *address; // without angle brackets, as the filter wrote it
    enum milter_standing standing;
};

struct milter_result {
    enum milter_verdict verdict;
    const char *filter;              // whose verdict it is; NULL: MILTER_PASS
    struct why why;                  // MILTER_REFUSE
    int code;                        // MILTER_REFUSE: of the SMTP reply
    char *hold;                      // why the message is to be held; NULL: it is not
    char *from;                      // another envelope sender; NULL: as it was
    const char *header_by, *body_by; // the last filter that changed them; NULL: as they were
    struct buf header;               // as it is now
    struct milter_rcpt *rcpts;       // those of the message in their order, then added ones
    size_t nrcpts;
};

// Some filter sees mail of this row.
bool milter_wanted(const struct config *config, const struct cfg_sender *row);

struct milter_run;
typedef void milter_fn(void *arg);
// The message does not change until the run is freed; where its body is in a file, that is finished. `header`
// is what filters see of its header, and is taken over.
struct milter_run *milter_start(const struct milter_client *client, struct message *message,
                                struct buf *header, milter_fn *done, void *arg);
const struct milter_result *milter_answer(const struct milter_run *run);
// Where body_by is set: the body that the filters made goes into the message in the place of its own, whose file
// is removed. Returns its hash, the caller's; *longest: octets of its longest line.
struct body_hashes *milter_take_body(struct milter_run *run, struct message *message,
                                     uint64_t *longest);
void milter_free(struct milter_run *run); // accepts NULL

// Connects and negotiates, no more: 0, or -1 with why. Blocking, for commands.
int milter_probe(const struct cfg_milter *filter, struct why *why);

#endif
