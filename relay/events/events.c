// SPDX-License-Identifier: ISC
// Where events are taken, and the thread that brings them to disk and to the sinks.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/events/inside.h"
#include "relay/log/log.h"

#define TICK_MS 1000    // how often a disk that takes none is tried again, and sinks are looked at
#define TRIM_MS 10000   // how often old events are looked for
#define TELL_MS 3600000 // how often an alarm of one kind is told

struct events {
    pthread_mutex_t lock; // over the list of what was posted, and the journal's pointer
    struct journal_entry *first, **last;
    size_t bytes;
    bool woken; // the thread knows that there is something
    struct item wake;
    atomic_uint wanted; // bits of types; 0: none

    pthread_mutex_t flushing; // held while the disk is at work, and where the pointer changes
    struct journal *journal;
    uint64_t retry_ms; // monotonic: not before that, after a failure

    uv_thread_t thread;
    bool running;
    uv_loop_t loop;
    struct inbox *mail;
    uv_timer_t gather, tick;
    struct config *config;
    struct sinks sinks;
    uint64_t trim_at_ms;
    _Atomic uint64_t posted, written, dropped;
};

static struct events *events_of_item(struct item *item)
{
    return list_of(item, struct events, wake);
}

// ---- posting

static void drop_entries(struct journal_entry *first)
{
    while (first) {
        struct journal_entry *next = first->next;
        free(first);
        first = next;
    }
}

static void events_run_wake(struct item *item)
{
    struct events *e = events_of_item(item);
    pthread_mutex_lock(&e->lock);
    e->woken = false;
    pthread_mutex_unlock(&e->lock);
    if (!uv_is_active((uv_handle_t *)&e->gather))
        uv_timer_start(&e->gather, e->gather.timer_cb, EVENTS_GATHER, 0);
}

bool events_wanted(const struct events *events, enum event_type type)
{
    return events && atomic_load_explicit(&events->wanted, memory_order_relaxed) & 1u << type;
}

void events_post(struct events *e, const struct event *event)
{
    if (!events_wanted(e, event->type))
        return;
    struct journal_entry *entry = event_entry(event);
    size_t n = entry->n;
    atomic_fetch_add_explicit(&e->posted, 1, memory_order_relaxed);
    pthread_mutex_lock(&e->lock);
    bool room = e->bytes + n <= EVENTS_WAITING;
    bool wake = room && !e->woken;
    if (room) {
        *e->last = entry;
        e->last = &entry->next;
        e->bytes += n;
        e->woken = true;
    }
    pthread_mutex_unlock(&e->lock);
    if (wake)
        inbox_post(e->mail, &e->wake);
    if (room)
        return;
    free(entry);
    atomic_fetch_add(&e->dropped, 1);
    log_alarm_once("events", REASON_EVENTS_DROPPED, "memory", TELL_MS,
                   "events are dropped: the disk takes none, and memory for them is full");
}

// ---- to disk

static struct journal_entry *take_posted(struct events *e)
{
    pthread_mutex_lock(&e->lock);
    struct journal_entry *first = e->first;
    e->first = NULL;
    e->last = &e->first;
    e->bytes = 0;
    pthread_mutex_unlock(&e->lock);
    return first;
}

// Before what was posted meanwhile.
static void put_back_posted(struct events *e, struct journal_entry *first)
{
    struct journal_entry **last = &first;
    size_t bytes = 0;
    for (; *last; last = &(*last)->next)
        bytes += (*last)->n;
    pthread_mutex_lock(&e->lock);
    *last = e->first;
    if (!e->first)
        e->last = last;
    e->first = first;
    e->bytes += bytes;
    pthread_mutex_unlock(&e->lock);
}

static bool write_posted(struct events *e, struct journal_entry *first)
{
    struct why why;
    uint64_t n = 0;
    if (journal_append(e->journal, first, &why) < 0) {
        put_back_posted(e, first);
        e->retry_ms = clock_mono_ms() + TICK_MS;
        log_alarm_once("events", why.reason, "disk", TELL_MS, "%s: events wait in memory",
                       why.text);
        return false;
    }
    for (const struct journal_entry *entry = first; entry; entry = entry->next)
        n++;
    atomic_fetch_add(&e->written, n);
    drop_entries(first);
    return true;
}

bool events_keep(struct events *e)
{
    if (!e || !atomic_load_explicit(&e->wanted, memory_order_relaxed))
        return true;
    pthread_mutex_lock(&e->flushing);
    bool may = e->journal && clock_mono_ms() >= e->retry_ms;
    struct journal_entry *first = may ? take_posted(e) : NULL;
    bool kept = may && (!first || write_posted(e, first));
    pthread_mutex_unlock(&e->flushing);
    return kept;
}

void events_flush(void *events)
{
    events_keep(events);
}

// ---- the thread

static void trim(struct events *e)
{
    struct journal *j = clock_mono_ms() < e->trim_at_ms ? NULL : events_journal(e);
    if (!j)
        return;
    e->trim_at_ms = clock_mono_ms() + TRIM_MS;
    const struct cfg_event_log *log = &e->config->event_log;
    journal_trim(j, clock_ms() - (int64_t)log->keep, log->size);
    if (journal_damaged(j))
        log_alarm_once("events", REASON_EVENTS_DISK, "damage", 24 * TELL_MS,
                       "%s has lines that make no sense: %llu", journal_directory(j),
                       (unsigned long long)journal_damaged(j));
    journal_unref(j);
}

// What others flushed is new to the sinks as well.
static void events_on_gather(uv_timer_t *timer)
{
    struct events *e = timer->data;
    events_flush(e);
    sinks_run(&e->sinks);
}

// With the lock `flushing`.
static void set_journal(struct events *e, struct journal *j)
{
    pthread_mutex_lock(&e->lock);
    struct journal *former = e->journal;
    e->journal = j;
    pthread_mutex_unlock(&e->lock);
    journal_unref(former);
}

static void open_journal(struct events *e, const char *directory)
{
    struct why why;
    if (e->journal || !directory[0])
        return;
    set_journal(e, journal_open(directory, &why));
    if (!e->journal)
        log_alarm_once("events", why.reason, "directory", TELL_MS, "no events can be kept: %s",
                       why.text);
}

static void events_on_tick(uv_timer_t *timer)
{
    struct events *e = timer->data;
    pthread_mutex_lock(&e->flushing);
    bool had = e->journal;
    open_journal(e, e->config->event_log.directory);
    bool found = !had && e->journal;
    uint64_t newest = found ? journal_last(e->journal) : 0;
    pthread_mutex_unlock(&e->flushing);
    if (found)
        sinks_use(&e->sinks, events_journal(e), newest);
    events_flush(e);
    sinks_run(&e->sinks);
    trim(e);
}

static void events_run_loop(void *arg)
{
    naming_thread("events");
    struct events *e = arg;
    uv_run(&e->loop, UV_RUN_DEFAULT);
}

struct events *events_open(void)
{
    struct events *e = mem_new(sizeof *e);
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->flushing, NULL);
    e->last = &e->first;
    e->wake.run = events_run_wake;
    return e;
}

// The first configuration that wants events.
static int start_thread(struct events *e, struct dns *dns, struct config *config)
{
    if (uv_loop_init(&e->loop) < 0)
        return -1;
    e->mail = inbox_open(&e->loop);
    if (!e->mail) {
        uv_loop_close(&e->loop);
        return -1;
    }
    uv_timer_init(&e->loop, &e->gather);
    uv_timer_init(&e->loop, &e->tick);
    e->config = config_ref(config);
    e->gather.data = e->tick.data = e;
    e->gather.timer_cb = events_on_gather;
    uv_timer_start(&e->tick, events_on_tick, TICK_MS, TICK_MS);
    sinks_init(&e->sinks, &e->loop, e->mail, dns);
    e->running = uv_thread_create(&e->thread, events_run_loop, e) == 0;
    return e->running ? 0 : -1;
}

struct events_news {
    struct item item;
    struct events *events;
    struct config *config;
    struct trust *trust;
    struct journal *journal; // NULL: there is none
    uint64_t newest;
};

static unsigned types_wanted(const struct config *config)
{
    unsigned wanted = 0;
    if (!config->event_log.directory[0])
        return 0;
    for (size_t i = 0; i < config->nsinks; i++) {
        struct sink_filter filter = sink_filter_of(&config->sinks[i]);
        wanted |= filter.types ? filter.types : (1u << EVENT_TYPES) - 1;
    }
    return config->nsinks ? wanted : (1u << EVENT_TYPES) - 1;
}

static void events_run_news(struct item *item)
{
    struct events_news *news = list_of(item, struct events_news, item);
    struct events *e = news->events;
    struct config *former = e->config;
    e->config = news->config;
    sinks_use(&e->sinks, news->journal, news->newest);
    sinks_reload(&e->sinks, e->config, news->trust);
    config_unref(former);
    trust_unref(news->trust);
    free(news);
    sinks_run(&e->sinks);
}

// At once, so that nothing is settled meanwhile whose event is nowhere. The newest event that new sinks do not get.
static uint64_t use_journal(struct events *e, const char *directory)
{
    events_flush(e);
    pthread_mutex_lock(&e->flushing);
    if (e->journal && strcmp(journal_directory(e->journal), directory) != 0)
        set_journal(e, NULL);
    open_journal(e, directory);
    uint64_t newest = e->journal ? journal_last(e->journal) : 0;
    pthread_mutex_unlock(&e->flushing);
    return newest;
}

void events_reload(struct events *e, struct dns *dns, struct config *config, struct trust *trust)
{
    if (!e->running && !config->event_log.directory[0])
        return;
    if (!e->running && start_thread(e, dns, config) < 0) {
        log_alarm("events", REASON_RELAY_FAULT,
                  "the thread for events cannot be started: none is kept");
        return;
    }
    uint64_t newest = use_journal(e, config->event_log.directory);
    atomic_store(&e->wanted, types_wanted(config));
    struct events_news *news = mem_new(sizeof *news);
    *news = (struct events_news){.item = {NULL, events_run_news},
                                 .events = e,
                                 .config = config_ref(config),
                                 .trust = trust ? trust_ref(trust) : NULL,
                                 .journal = events_journal(e),
                                 .newest = newest};
    inbox_post(e->mail, &news->item);
}

struct events_stop {
    struct item item;
    struct events *events;
};

static void events_run_close(struct item *item)
{
    struct events *e = list_of(item, struct events_stop, item)->events;
    events_flush(e);
    sinks_close(&e->sinks);
    uv_close((uv_handle_t *)&e->gather, NULL);
    uv_close((uv_handle_t *)&e->tick, NULL);
    inbox_close(e->mail);
}

void events_stop(struct events *e)
{
    if (!e || !e->running)
        return;
    struct events_stop stop = {.item = {NULL, events_run_close}, .events = e};
    inbox_post(e->mail, &stop.item);
    uv_thread_join(&e->thread);
    uv_loop_close(&e->loop);
}

void events_free(struct events *e)
{
    if (!e)
        return;
    events_flush(e);
    journal_unref(e->journal);
    drop_entries(e->first);
    config_unref(e->config);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->flushing);
    free(e);
}

// ---- for those who look

struct journal *events_journal(struct events *e)
{
    if (!e)
        return NULL;
    pthread_mutex_lock(&e->lock);
    struct journal *j = e->journal ? journal_ref(e->journal) : NULL;
    pthread_mutex_unlock(&e->lock);
    return j;
}

struct furthest {
    uint64_t waiting;
};

static void events_find_furthest(const struct sink_row *row, void *arg)
{
    struct furthest *f = arg;
    if (row->waiting > f->waiting)
        f->waiting = row->waiting;
}

void events_get_state(struct events *e, struct events_state *out)
{
    *out = (struct events_state){0};
    if (!e || !e->running)
        return;
    struct furthest f = {0};
    events_sinks(e, events_find_furthest, &f);
    *out =
        (struct events_state){.posted = atomic_load(&e->posted),
                              .written = atomic_load(&e->written),
                              .sent = atomic_load(&e->sinks.sent),
                              .failed_posts = atomic_load(&e->sinks.failed),
                              .dropped = atomic_load(&e->dropped) + atomic_load(&e->sinks.dropped),
                              .waiting = f.waiting};
    struct journal *j = events_journal(e);
    if (!j)
        return;
    out->newest = journal_last(j);
    out->damaged = journal_damaged(j);
    journal_unref(j);
}

void events_sinks(struct events *e, void (*each)(const struct sink_row *row, void *arg), void *arg)
{
    if (!e || !e->running)
        return;
    struct journal *j = events_journal(e);
    uint64_t newest = j ? journal_last(j) : 0;
    journal_unref(j);
    sinks_each(&e->sinks, newest, each, arg);
}
