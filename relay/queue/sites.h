// SPDX-License-Identifier: ISC
// The sites of one worker as operators see them: what each gets, what was learned and from which reply, and the
// pauses that operators make. On the worker's thread.
#ifndef RELAY_QUEUE_SITES_H
#define RELAY_QUEUE_SITES_H

#include "relay/queue/queue.h"
#include "relay/state/sites.h"

#define SITES_KEPT 10000 // lanes that a worker remembers although nothing is in them
#define SITES_COUNT                                                                                \
    10000 // deliveries that are counted in one lane; what lies beyond shows as this number

enum site_state {
    SITE_OPEN,   // nothing holds its mail back
    SITE_PACED,  // it gets so many messages a minute
    SITE_SHUT,   // nothing begins before a time, and then one message as a probe
    SITE_PAUSED, // by an operator
    SITE_STATES
};
const char *site_state_word(enum site_state state); // "open", "paced", "shut", "paused"

const char *sites_lesson_word(int taught); // "connections", "rate", "busy", "away"; "" without

struct site_view {
    const struct site_row *row; // as it would be kept
    enum site_state state;
    size_t ready;             // deliveries that could start, SITES_COUNT at most
    size_t sessions, idle;    // connections in use and kept
    unsigned window, ceiling; // connections at once: now, at most
    double pace;              // messages a minute; 0: no pace is kept
    unsigned minute;          // taken in the last minute
    uint64_t taken, refused;  // since the start
};
// Every site that has mail, or of which something is known.
void sites_each(struct queue *queue, void (*fn)(const struct site_view *view, void *arg),
                void *arg);
// From now on nothing begins for this site, and what is under way ends; NULL: it goes on. Survives a restart. False:
// it was not paused.
bool sites_pause(struct queue *queue, const char *site, const struct site_pause *pause,
                 const char *by);
// What another relay of the fleet learned. On the worker's thread.
void sites_hear(struct queue *queue, const struct site_row *row);
// What an earlier run of the relay learned. Before the worker's thread runs.
void sites_restore(struct queue *queue, const struct site_row *row);

#endif
