// SPDX-License-Identifier: ISC
// What the sources of `waxwing queue` share: the words of one call, and how rows are printed.
#ifndef RELAY_COMMAND_QUEUE_H
#define RELAY_COMMAND_QUEUE_H

#include <jansson.h>
#include <stdbool.h>
#include "config/config.h"
#include "relay/message/message.h"
#include "relay/queue/queue.h"

#define QUEUE_IDS 10000 // message ids in one call

struct queue_call {
    const char *verb;
    uint64_t ids[QUEUE_IDS];
    struct queue_filter filter;
    char domain[256], sender[512]; // what the filter points to
    bool filtered;                 // by anything but ids
    char *hop;                     // it in its one spelling
    const char *next_hop;          // redirect; "": where the domain leads
    bool all, json, yes, dry, offline, envelope, fleet;
    const char *file; // import
    const char **to;  // import: the recipients of a bare message
    size_t nto;
};

// EXIT_YES, or EXIT_USAGE with a sentence on stderr.
int queue_read_arguments(struct queue_call *call, int argc, char **argv); // queue_options.c

// An export with envelopes, which import takes, rather than the bytes of one message.
static inline bool queue_is_many(const struct queue_call *call)
{
    return call->envelope || call->all || call->filtered || call->filter.nids > 1;
}

// With the running relay, and what the same offline shares. (queue_change.c)
int queue_change_online(const struct queue_call *call, const char *control);
bool queue_agreed(const struct queue_call *call, uint64_t recipients); // asks, on a terminal
void queue_progress(const char *verb, uint64_t recipients, uint64_t seen, uint64_t all);
void queue_progress_end(void);
json_t *queue_request(const struct queue_call *call, const char *verb); // to the control socket

// Rows come one by one; `n` counts them. (queue_text.c)
void queue_print_row(const struct queue_call *call, const json_t *row, size_t n);
void queue_print_end(const struct queue_call *call, size_t n);
// On standard error, what of the answer's messages is frozen (relay/fleet/alone.h). False: nothing is.
bool queue_tell_frozen(const json_t *answer);
// What a changing verb has done, or (dry) would do.
struct queue_done {
    uint64_t recipients, active,
        unknown; // done to; left alone, being in a session, or having no known site
};
void queue_print_done(const struct queue_call *call, const struct queue_done *done);
void queue_print_envelope(const json_t *envelope);

// The queues of all nodes in some rows. (queue_fleet.c)
int queue_fleet(const struct queue_call *call, const struct config *config);

// On the spool of a relay that is stopped. (queue_offline.c)
int queue_offline(struct queue_call *call, struct config *config);

// A file of exported messages: a first line, then for each message a line with the sizes of its words and its content, the
// words (those of a MESSAGE record of the spool), the content, and an end of line. (queue_exchange.c)
void queue_put_magic(void);
void queue_put_entry(struct span words,
                     uint64_t content_bytes); // the content and queue_put_end follow
void queue_put_end(void);
// Calls `take` for each message of call->file: of an exported queue, or the one bare message with --sender and --to.
// EXIT_YES and the count printed, or a status with a sentence on stderr; `take` returns a status too.
typedef int queue_take(void *arg, struct span words, struct span content);
int queue_import_file(const struct queue_call *call, queue_take *take, void *arg);
// With the running relay.
int queue_export_many(const struct queue_call *call, const char *control);
int queue_import_online(const struct queue_call *call, const char *control);

#endif
