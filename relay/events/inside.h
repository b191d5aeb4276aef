// SPDX-License-Identifier: ISC
// The inside of relay/events/.
//
// - Posting threads add to one list under a lock that nobody holds while a disk is at work. Whoever flushes takes
//   the list whole; the flush lock keeps its order.
// - The thread of events.c owns the sinks; each has one batch under way at most, so that all it tells is in order. Its
//   cursor moves when a batch was taken, and is on disk before the next one goes.
#ifndef RELAY_EVENTS_INSIDE_H
#define RELAY_EVENTS_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>
#include "relay/base/inbox.h"
#include "relay/base/list.h"
#include "relay/events/events.h"
#include "relay/events/journal.h"
#include "tls/https.h"

#define SINK_BYTES  524288 // of one batch
#define SINK_LATEST 300000 // ms between two attempts at most
#define SINK_SECRET 4096   // bytes of a secret file

struct sink;

// event.c: what is written of an event, without the first brace.
struct journal_entry *event_entry(const struct event *event);

// filter.c: whether a sink wants a line.
struct sink_filter {
    unsigned types; // bits; 0: all
    const struct strings *users;
    const struct sender_pattern *from;
    size_t nfrom;
};
struct sink_filter sink_filter_of(const struct cfg_sink *config);
bool sink_filter_takes(const struct sink_filter *filter, struct span object);

// cursor.c: FILE has the number of the last line that a sink has taken. 0 and *seq, or -1: there is none.
int cursor_load(const char *path, uint64_t *seq);
int cursor_save(const char *path, uint64_t seq, struct why *why);

// sink.c
struct sinks {
    uv_loop_t *loop;
    struct inbox *mail;
    struct dns *dns;
    struct https *https; // NULL: no webhook yet
    struct journal *journal;
    uint64_t begin;       // behind which new sinks begin
    struct list all;      // struct sink
    pthread_mutex_t lock; // over what sinks_each shows
    _Atomic uint64_t sent, failed, dropped;
};
void sinks_init(struct sinks *s, uv_loop_t *loop, struct inbox *mail, struct dns *dns);
// These rows from now on; one of the same name goes on where it was.
void sinks_reload(struct sinks *s, struct config *config, struct trust *trust);
// Takes the reference over; NULL: there is none now. A sink without a cursor begins behind `newest`.
void sinks_use(struct sinks *s, struct journal *j, uint64_t newest);
void sinks_run(struct sinks *s); // there may be something new
void sinks_each(struct sinks *s, uint64_t newest,
                void (*each)(const struct sink_row *row, void *arg), void *arg);
void sinks_close(struct sinks *s);

// The ways of a sink: each sends a batch and says once, later on the loop, whether it was taken. The batch stays as it is
// until then.
struct sink_batch {
    struct buf lines; // JSON objects, each ended by '\n'
    size_t n;
    uint64_t first, last;
};
// why NULL: all of it was taken. Else those up to the number `taken`, or none.
typedef void sink_done(void *arg, uint64_t taken, const struct why *why);
struct sink_way {
    void *(*open)(struct sinks *s, const struct cfg_sink *config, struct trust *trust,
                  struct why *why);
    void (*send)(void *way, const struct sink_batch *batch, sink_done *done, void *arg);
    void (*close)(void *way); // no `done` comes any more
};
extern const struct sink_way sink_webhook, sink_file, sink_socket;

#endif
