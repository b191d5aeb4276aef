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
    bool filtered;                 // any of domain, sender, state, older
    bool all, json, yes, dry, offline, envelope;
    const char *file; // import
    const char **to;  // import: the recipients of a bare message
    size_t nto;
};

// EXIT_YES, or EXIT_USAGE with a sentence on stderr.
int queue_read_arguments(struct queue_call *call, int argc, char **argv); // queue_options.c

// Rows come one by one; `n` counts them. (queue_text.c)
void queue_print_row(const struct queue_call *call, const json_t *row, size_t n);
void queue_print_end(const struct queue_call *call, size_t n);
// What a changing verb has done, or (dry) would do.
void queue_print_done(const struct queue_call *call, uint64_t recipients, uint64_t active);
void queue_print_envelope(const json_t *envelope);

// On the spool of a relay that is stopped. (queue_offline.c)
int queue_offline(struct queue_call *call, const struct config *config);

#endif
