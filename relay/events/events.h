// SPDX-License-Identifier: ISC
// What became of each message, for the applications that sent it: delivered, deferred, failed and so on.
//
//     struct event event = event_of(EVENT_FAILED, &message->env, recipient);
//     event.why = why;
//     events_post(relay->events, &event);
//
// An event that tells of an end is posted before its RESULT is noted (spool_note); the spool's thread calls
// events_flush before it writes, so that no end is on disk whose event is not. What a crash leaves is an event whose
// RESULT is not there: it is told again. A disk that is full stops no mail: events wait in memory up to a bound, and
// what passes that is dropped with an alarm.
#ifndef RELAY_EVENTS_EVENTS_H
#define RELAY_EVENTS_EVENTS_H

#include "config/config.h"
#include "dns/dns.h"
#include "relay/base/why.h"
#include "relay/message/message.h"
#include "tls/verify.h"

#define EVENTS_WAITING 67108864 // bytes of events that wait for a disk that takes none
#define EVENTS_GATHER  50 // ms that an event waits for others, where the spool does not write before

struct events;
struct journal;

enum event_type {
    EVENT_DELIVERED,
    EVENT_DEFERRED, // the first time, and whenever its class, rule or status changes
    EVENT_FAILED,
    EVENT_EXPIRED,
    EVENT_HELD,
    EVENT_SUPPRESSED, // taken from the client and dropped: the recipient is on the suppression list
    EVENT_RETURNED,   // another host's notification came back: `why` says what it told
    EVENT_NOTED,      // accepted, with what pre-flight found (relay/preflight/preflight.h)
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
    const char *note;                    // noted: the names of what was found
    unsigned attempts;                   // made so far, with this one
};

// One that is about this message and recipient, all else empty.
struct event event_of(enum event_type type, const struct envelope *env, const char *to);

// Any thread; cheap, and never waits for a disk. NULL: nobody wants events.
void events_post(struct events *events, const struct event *event);
// Whether anybody wants events of that type now; for what would cost something to find out.
bool events_wanted(const struct events *events, enum event_type type);
// A number that differs for two reasons that are told as two: class, rule and status. Never 0.
uint16_t event_reason(const struct why *why);

const char *event_type_word(enum event_type type); // "delivered"; names are never changed
// The type of that word, or EVENT_TYPES.
enum event_type event_type_parse(const char *word);

// Nothing runs before the first events_reload that names a directory.
struct events *events_open(void);
// The configuration from now on; trust: what webhooks without a ca_file must lead to. Takes references; dns is there
// until events_stop.
void events_reload(struct events *events, struct dns *dns, struct config *config,
                   struct trust *trust);
// What was posted goes to disk; any thread. The spool's thread calls it.
void events_flush(void *events);
// The same; false: something that was posted before still waits in memory. May wait for the disk. Accepts NULL.
bool events_keep(struct events *events);
// Nobody posts any more: what was posted goes to disk, and the thread ends, with its questions to dns. Then, when the
// spool's thread has ended too, free. Both accept NULL.
void events_stop(struct events *events);
void events_free(struct events *events);

struct events_state {
    uint64_t posted, written, sent, failed_posts, dropped, damaged;
    uint64_t waiting, newest; // waiting: for the sink that is furthest behind
};
void events_get_state(struct events *events, struct events_state *out);
// For pages and verbs: a reference to the journal; NULL: there is none. Any thread.
struct journal *events_journal(struct events *events);
// One row a sink; strings live until the callback returns.
struct sink_row {
    const char *name, *target, *trouble; // trouble: "" where all is well
    uint64_t cursor, waiting, dropped;
    unsigned failures; // in a row
};
void events_sinks(struct events *events, void (*each)(const struct sink_row *row, void *arg),
                  void *arg);

#endif
