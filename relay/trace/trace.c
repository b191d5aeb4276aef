// SPDX-License-Identifier: ISC
// The queue of traces and the thread behind it. Callers copy a record in under a mutex that nobody holds while a disk
// is at work; the thread takes the queue whole, some time after its first record came.
#include "relay/trace/trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/trace/inside.h"

#define TRACE_GATHERED 65536 // bytes that are there for what comes before the thread looks

struct trace {
    atomic_bool on;
    pthread_mutex_t lock; // over all down to `closing`
    pthread_cond_t filled, emptied;
    struct buf waiting;
    uint64_t lost; // for want of room
    struct ring_options options;
    char *directory, *beside; // of the options
    bool changed;             // the options are others than the thread knows
    bool hurry;               // somebody waits for what is written
    bool running, closing;
    pthread_t thread;
    struct store *store;       // the thread's
    uint64_t looked_ms, alarm; // the thread's: when it last tidied; lost ones that an alarm told of
    _Atomic uint64_t written, lost_disk, bytes;
};

// ---- the thread

static void give_back(const struct trace_frame *frame)
{
    for (size_t i = 0; i < frame->nrefs; i++)
        piece_unref(frame->refs[i].piece);
}

static void take_frames(struct store *store, const struct buf *queue)
{
    struct trace_frame frame;
    for (size_t at = 0; at < queue->len;) {
        memcpy(&frame, queue->data + at, sizeof frame);
        const unsigned char *keys = queue->data + at + sizeof frame;
        const unsigned char *text = keys + frame.nkeys * sizeof(uint64_t);
        store_add(store, &frame, keys, span_of(text, frame.text));
        give_back(&frame);
        at = (size_t)(text + frame.text - queue->data);
    }
    store_write(store);
}

static void trace_tell_lost(struct trace *t, uint64_t for_room)
{
    uint64_t lost = for_room + store_lost(t->store);
    if (lost == t->alarm)
        return;
    const struct why *why = store_trouble(t->store);
    struct why fast;
    why_say(&fast, TRACE_FAST);
    if (!why_is_set(why))
        why = &fast;
    log_alarm_once("trace", why->reason, "lost", TRACE_ALARM_MS,
                   "%llu records of message traces were lost (mail is not touched): %s",
                   (unsigned long long)(lost - t->alarm), why->text);
    t->alarm = lost;
}

// The directory as it is now configured. Where it cannot be used it is tried again later.
static void use(struct trace *t, const struct ring_options *options, bool changed)
{
    struct why why;
    if (store_is_open(t->store) && !changed)
        return;
    if (store_is_open(t->store)) {
        store_set(t->store, options);
        return;
    }
    struct stat st;
    if (!options->size && stat(options->directory, &st) < 0)
        return;
    if (store_open(t->store, options, &why) < 0)
        log_alarm_once("trace", why.reason, "open", TRACE_ALARM_MS,
                       "no message traces are kept (mail is not touched): %s", why.text);
}

static void tidy(struct trace *t, bool at_once)
{
    uint64_t now = clock_mono_ms();
    if (!store_is_open(t->store) || (!at_once && now - t->looked_ms < TRACE_TIDY_MS))
        return;
    t->looked_ms = now;
    store_tidy(t->store);
}

static void report(struct trace *t)
{
    atomic_store(&t->written, store_written(t->store));
    atomic_store(&t->lost_disk, store_lost(t->store));
    atomic_store(&t->bytes, store_bytes(t->store));
}

static void trace_wait(struct trace *t, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!t->closing && !t->hurry && pthread_cond_timedwait(&t->filled, &t->lock, &until) == 0 &&
           !(ms > TRACE_GATHER_MS && (t->waiting.len || t->changed)))
        continue;
}

// One turn: waits for work, takes it, does it. False: the end. Called and left with the lock.
static bool trace_turn(struct trace *t)
{
    if (!t->waiting.len && !t->changed)
        trace_wait(t, TRACE_TIDY_MS);
    if (t->waiting.len)
        trace_wait(t, TRACE_GATHER_MS);
    bool last = t->closing, changed = t->changed;
    struct ring_options options = t->options; // its texts never change
    struct buf queue;
    buf_init(&queue, t->waiting.max);
    buf_move(&queue, &t->waiting);
    uint64_t lost = t->lost;
    t->changed = false;
    pthread_mutex_unlock(&t->lock);
    use(t, &options, changed);
    take_frames(t->store, &queue);
    tidy(t, changed);
    trace_tell_lost(t, lost);
    report(t);
    buf_free(&queue);
    pthread_mutex_lock(&t->lock);
    if (!t->waiting.len) {
        t->hurry = false;
        pthread_cond_broadcast(&t->emptied);
    }
    return !last || t->waiting.len;
}

static void *trace_run(void *arg)
{
    struct trace *t = arg;
    pthread_mutex_lock(&t->lock);
    while (trace_turn(t))
        continue;
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

// ---- life

struct trace *trace_open(void)
{
    struct trace *t = mem_new(sizeof *t);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->filled, &attr);
    pthread_cond_init(&t->emptied, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&t->lock, NULL);
    buf_init(&t->waiting, TRACE_QUEUE);
    t->store = store_new();
    return t;
}

static void begin_thread(struct trace *t)
{
    if (t->running || t->closing)
        return;
    t->running = pthread_create(&t->thread, NULL, trace_run, t) == 0;
    if (!t->running)
        log_alarm_once("trace", REASON_RELAY_FAULT, "thread", TRACE_ALARM_MS,
                       "no message traces are kept: there can be no thread for them");
}

void trace_reload(struct trace *t, const struct config *config)
{
    if (!t || !config->trace.directory[0])
        return;
    pthread_mutex_lock(&t->lock);
    if (!t->directory) { // a change of place waits for the next start, as the state's does
        t->directory = mem_dup(config->trace.directory);
        t->beside = config->spool ? mem_dup(config->spool) : NULL;
    }
    t->options = (struct ring_options){.directory = t->directory,
                                       .size = config->trace.size,
                                       .keep = config->trace.keep,
                                       .reserve = config->limits.disk_reserve,
                                       .beside = t->beside};
    t->changed = true;
    begin_thread(t);
    atomic_store(&t->on, t->running && config->trace.size > 0);
    pthread_cond_signal(&t->filled);
    pthread_mutex_unlock(&t->lock);
}

void trace_stop(struct trace *t)
{
    if (!t)
        return;
    atomic_store(&t->on, false);
    pthread_mutex_lock(&t->lock);
    bool running = t->running;
    t->closing = true;
    t->running = false;
    pthread_cond_signal(&t->filled);
    pthread_mutex_unlock(&t->lock);
    if (running)
        pthread_join(t->thread, NULL);
}

void trace_free(struct trace *t)
{
    if (!t)
        return;
    trace_stop(t);
    struct trace_frame frame;
    for (size_t at = 0; at < t->waiting.len; at += frame.nkeys * sizeof(uint64_t) + frame.text) {
        memcpy(&frame, t->waiting.data + at, sizeof frame);
        give_back(&frame);
        at += sizeof frame;
    }
    buf_free(&t->waiting);
    store_free(t->store);
    pthread_cond_destroy(&t->filled);
    pthread_cond_destroy(&t->emptied);
    pthread_mutex_destroy(&t->lock);
    free(t->directory);
    free(t->beside);
    free(t);
}

bool trace_on(const struct trace *t)
{
    return t && atomic_load_explicit(&t->on, memory_order_relaxed);
}

void trace_flush(struct trace *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    if (t->running) {
        t->hurry = t->changed = true; // a whole turn begins behind this
        pthread_cond_signal(&t->filled);
        while (t->hurry && !t->closing)
            pthread_cond_wait(&t->emptied, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

void trace_get_state(struct trace *t, struct trace_state *out)
{
    *out = (struct trace_state){0};
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    out->lost = t->lost;
    pthread_mutex_unlock(&t->lock);
    out->written = atomic_load(&t->written);
    out->lost += atomic_load(&t->lost_disk);
    out->bytes = atomic_load(&t->bytes);
}

// ---- records

static void record_free(struct trace_record *r)
{
    for (size_t i = 0; i < r->nrefs; i++)
        piece_unref(r->refs[i].piece);
    buf_free(&r->out);
    buf_free(&r->keys);
    r->trace = NULL;
}

static bool post(struct trace *t, const struct trace_record *r)
{
    struct trace_frame frame = {.text = (uint32_t)r->out.len,
                                .nkeys = (uint32_t)(r->keys.len / sizeof(uint64_t)),
                                .nrefs = (uint32_t)r->nrefs};
    memcpy(frame.refs, r->refs, r->nrefs * sizeof *r->refs);
    size_t n = sizeof frame + r->keys.len + r->out.len;
    bool fits = !t->closing && !r->out.full && t->waiting.len + n <= TRACE_QUEUE;
    if (!fits) {
        t->lost++;
        return false;
    }
    bool first = t->waiting.len == 0;
    unsigned char *room;
    if (!t->waiting.cap)
        buf_reserve(&t->waiting, TRACE_GATHERED, &room);
    buf_add(&t->waiting, &frame, sizeof frame);
    buf_add(&t->waiting, r->keys.data, r->keys.len);
    buf_add(&t->waiting, r->out.data, r->out.len);
    if (first)
        pthread_cond_signal(&t->filled);
    return true;
}

void trace_end(struct trace_record *r)
{
    struct trace *t = r->trace;
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    if (post(t, r))
        r->nrefs = 0; // they went with it
    pthread_mutex_unlock(&t->lock);
    record_free(r);
}
