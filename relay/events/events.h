// SPDX-License-Identifier: ISC
// What became of each message, for the applications that sent it: delivered, deferred, failed and so on.
//
//     struct event event = event_of(EVENT_FAILED, &message->env, recipient);
//     event.why = why;
//     events_post(relay->events, &event);
//
// An event that tells of an end is posted before its RESULT is noted (spool_note).
#ifndef RELAY_EVENTS_EVENTS_H
#define RELAY_EVENTS_EVENTS_H

#include "relay/base/why.h"
#include "relay/message/message.h"

struct events;

enum event_type {
    EVENT_DELIVERED,
    EVENT_DEFERRED, // the first time, and whenever the class of the reason changes
    EVENT_FAILED,
    EVENT_EXPIRED,
    EVENT_HELD,
    EVENT_SUPPRESSED, // taken from the client and dropped: the recipient is on the suppression list
    EVENT_RETURNED,   // another host's notification came back: `why` says what it told
    EVENT_TYPES
};

// Strings may be NULL where there is nothing to say; all of it is copied by events_post.
struct event {
    enum event_type type;
    uint64_t id;                                     // of the message; 0: not known
    int64_t accepted_ms;                             // wall clock; 0: not known
    const char *principal, *from, *tag, *message_id; // tag: the application's X-Waxwing-Tag
    const char *to;
    const char *site;                    // where it was delivered to, or should have been
    const char *host, *ip, *tls, *proof; // as in the log; host: why's where NULL
    const char *status, *reply;          // of a success; else why's
    const struct why *why;               // NULL: no failure
    const char *text, *by;               // held, suppressed: the reason in words; who did it
    unsigned attempts;                   // made so far, with this one
};

// One that is about this message and recipient, all else empty.
struct event event_of(enum event_type type, const struct envelope *env, const char *to);

// Any thread; cheap, and never waits for a disk. NULL: nobody wants events.
void events_post(struct events *events, const struct event *event);

const char *event_type_word(enum event_type type); // "delivered"; names are never changed
// The type of that word, or EVENT_TYPES.
enum event_type event_type_parse(const char *word);

#endif
