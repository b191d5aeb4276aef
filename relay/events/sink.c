// SPDX-License-Identifier: ISC
// The sinks: what each has taken, the batch that is under way, when a failed one is tried again.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/events/inside.h"
#include "relay/log/log.h"

#define SINK_FIRST_MS 1000
#define SINK_TELL_MS  3600000

enum sink_state { SINK_IDLE, SINK_SENDING, SINK_WAITING };

struct sink {
    struct list list;
    struct sinks *sinks;
    struct config *owner; // a reference: `config` is a row of it
    const struct cfg_sink *config;
    struct sink_filter filter;
    const struct sink_way *way;
    void *open; // of the way; NULL: could not be opened yet
    struct trust *trust;
    char *cursor;                       // file
    bool placed;                        // the place was found, in the journal of now
    struct journal_place place, behind; // behind: of the batch
    enum sink_state state;
    struct sink_batch batch;
    size_t most;        // of one batch
    unsigned failures;  // in a row
    uint64_t retry_ms;  // monotonic; SINK_WAITING
    struct why trouble; // of the last failure
    uint64_t dropped;
    bool kept; // reload: still configured
};

static void sink_run(struct sink *s);

// ---- where it stands

// A name may be a URL; a file's may not.
static char *cursor_path(const char *directory, const char *name)
{
    bool plain = strlen(name) < 100 && name[0] != '.';
    for (const char *c = name; *c; c++)
        plain = plain && (ascii_is_alnum((unsigned char)*c) || strchr("-_.", *c));
    if (plain)
        return mem_printf("%s/%s.cursor", directory, name);
    return mem_printf("%s/%016llx.cursor", directory,
                      (unsigned long long)XXH3_64bits(name, strlen(name)));
}

static void sink_save(struct sink *s)
{
    struct why why;
    if (cursor_save(s->cursor, s->place.seq, &why) < 0)
        log_alarm_once("events", why.reason, s->config->name, SINK_TELL_MS,
                       "%s; after a restart %s gets events again", why.text, s->config->name);
}

// A new sink begins with what comes from now on; one that has lost its journal too.
static void sink_place(struct sink *s)
{
    struct journal *j = s->sinks->journal;
    uint64_t seq, newest = journal_last(j);
    free(s->cursor);
    s->cursor = cursor_path(journal_directory(j), s->config->name);
    bool known = cursor_load(s->cursor, &seq) == 0;
    pthread_mutex_lock(&s->sinks->lock);
    s->place = (struct journal_place){.seq = !known          ? s->sinks->begin
                                             : seq <= newest ? seq
                                                             : newest};
    pthread_mutex_unlock(&s->sinks->lock);
    if (known && seq > newest)
        log_alarm("events", REASON_EVENTS_DISK,
                  "%s had come to event %llu, and the newest one here is %llu: it goes on "
                  "from there",
                  s->config->name, (unsigned long long)seq, (unsigned long long)newest);
    s->placed = true;
    if (!known || seq > newest)
        sink_save(s);
}

// ---- a batch

static bool sink_on_line(uint64_t seq, struct span object, void *arg)
{
    struct sink *s = arg;
    struct sink_batch *b = &s->batch;
    if (!sink_filter_takes(&s->filter, object))
        return true;
    if (b->n == s->most || b->lines.len + object.n + 1 > SINK_BYTES)
        return false;
    buf_addspan(&b->lines, object);
    buf_addc(&b->lines, '\n');
    b->first = b->n++ ? b->first : seq;
    b->last = seq;
    return true;
}

// What is gone from the journal it cannot get any more.
static void sink_lose(struct sink *s)
{
    uint64_t oldest = journal_first(s->sinks->journal);
    if (s->place.seq + 1 >= oldest)
        return;
    uint64_t n = oldest - 1 - s->place.seq;
    pthread_mutex_lock(&s->sinks->lock);
    s->dropped += n;
    s->place = (struct journal_place){.seq = oldest - 1};
    pthread_mutex_unlock(&s->sinks->lock);
    atomic_fetch_add(&s->sinks->dropped, n);
    log_alarm("events", REASON_EVENTS_DROPPED,
              "up to %llu events were dropped before %s took them: too old or too many",
              (unsigned long long)n, s->config->name);
    sink_save(s);
}

// What it does not want is passed over; the cursor goes to disk with the next batch, or when there is much of it.
static bool sink_gather(struct sink *s)
{
    struct sink_batch *b = &s->batch;
    sink_lose(s);
    buf_reset(&b->lines);
    b->n = 0;
    struct journal_place at = s->place;
    bool more = journal_read(s->sinks->journal, &at, sink_on_line, s);
    s->behind = at;
    if (b->n)
        return true;
    pthread_mutex_lock(&s->sinks->lock);
    s->place = at;
    pthread_mutex_unlock(&s->sinks->lock);
    return more;
}

static uint64_t backoff(unsigned failures)
{
    uint64_t wait = SINK_FIRST_MS << (failures < 10 ? failures - 1 : 9);
    if (wait > SINK_LATEST)
        wait = SINK_LATEST;
    return wait * 3 / 4 + random_below(wait / 2);
}

static void sink_taken(struct sink *s)
{
    pthread_mutex_lock(&s->sinks->lock);
    if (s->failures)
        log_event("events", "%s takes events again", s->config->name);
    s->failures = 0;
    s->place = s->behind;
    why_clear(&s->trouble);
    pthread_mutex_unlock(&s->sinks->lock);
    s->most = s->config->batch;
    s->state = SINK_IDLE;
    atomic_fetch_add(&s->sinks->sent, s->batch.n);
    sink_save(s);
    sink_run(s);
}

static void sink_failed(struct sink *s, const struct why *why)
{
    pthread_mutex_lock(&s->sinks->lock);
    s->failures++;
    s->trouble = *why;
    pthread_mutex_unlock(&s->sinks->lock);
    atomic_fetch_add(&s->sinks->failed, 1);
    // It may be one event, or their number, that it does not like.
    if (s->batch.n > 1 && strncmp(why->status, "5", 1) == 0)
        s->most = s->batch.n / 2;
    s->retry_ms = clock_mono_ms() + backoff(s->failures);
    s->state = SINK_WAITING;
    if (s->failures > 1)
        log_alarm_once("events", why->reason, s->config->name, SINK_TELL_MS,
                       "%s takes no events: %s; they wait for it", s->config->name, why->text);
}

static size_t sink_count(const struct sink_batch *b, uint64_t upto)
{
    struct span line, number, rest = buf_span(&b->lines), none = span_of("", 0);
    size_t n = 0;
    uint64_t seq = 0;
    while (span_cut(rest, '\n', &line, &rest) && span_cut(line, ',', &number, &none) &&
           span_number(span_from(number, strlen("{\"seq\":")), UINT64_MAX / 2, &seq) && seq <= upto)
        n++;
    return n;
}

// The head of the batch was taken: it goes on from there, and soon.
static void sink_partly(struct sink *s, uint64_t upto)
{
    pthread_mutex_lock(&s->sinks->lock);
    s->place = (struct journal_place){.seq = upto};
    s->failures = 0;
    pthread_mutex_unlock(&s->sinks->lock);
    atomic_fetch_add(&s->sinks->sent, sink_count(&s->batch, upto));
    sink_save(s);
}

static void sink_on_done(void *arg, uint64_t taken, const struct why *why)
{
    struct sink *s = arg;
    if (why && taken >= s->batch.first && taken <= s->batch.last)
        sink_partly(s, taken);
    if (why)
        sink_failed(s, why);
    else
        sink_taken(s);
}

static bool sink_ready(struct sink *s)
{
    struct why why;
    if (s->state == SINK_SENDING || !s->sinks->journal ||
        (s->state == SINK_WAITING && clock_mono_ms() < s->retry_ms))
        return false;
    if (!s->placed)
        sink_place(s);
    if (s->open)
        return true;
    s->open = s->way->open(s->sinks, s->config, s->trust, &why);
    if (!s->open) {
        s->batch.n = 0;
        sink_failed(s, &why);
    }
    return s->open;
}

static void sink_run(struct sink *s)
{
    if (!sink_ready(s))
        return;
    s->state = SINK_IDLE;
    while (s->state == SINK_IDLE && sink_gather(s)) {
        if (!s->batch.n)
            continue;
        s->state = SINK_SENDING;
        s->way->send(s->open, &s->batch, sink_on_done, s);
    }
}

// ---- all of them

void sinks_init(struct sinks *s, uv_loop_t *loop, struct inbox *mail, struct dns *dns)
{
    *s = (struct sinks){.loop = loop, .mail = mail, .dns = dns};
    list_init(&s->all);
    pthread_mutex_init(&s->lock, NULL);
}

static void sink_free(struct sink *s)
{
    pthread_mutex_lock(&s->sinks->lock);
    list_remove(&s->list);
    pthread_mutex_unlock(&s->sinks->lock);
    if (s->open)
        s->way->close(s->open);
    buf_free(&s->batch.lines);
    config_unref(s->owner);
    trust_unref(s->trust);
    free(s->cursor);
    free(s);
}

static struct sink *sink_find(struct sinks *sinks, const char *name)
{
    list_each (it, &sinks->all) {
        struct sink *s = list_of(it, struct sink, list);
        if (strcmp(s->config->name, name) == 0)
            return s;
    }
    return NULL;
}

static struct sink *sink_new(struct sinks *sinks)
{
    struct sink *s = mem_new(sizeof *s);
    s->sinks = sinks;
    list_init(&s->list);
    buf_init(&s->batch.lines, SINK_BYTES + JOURNAL_LINE);
    return s;
}

// A batch that is under way is sent again by the new configuration: nobody knows whether it was taken.
static void sink_use(struct sink *s, struct config *owner, const struct cfg_sink *config,
                     struct trust *trust)
{
    struct config *former = s->owner;
    struct trust *believed = s->trust;
    if (s->open)
        s->way->close(s->open);
    s->open = NULL;
    pthread_mutex_lock(&s->sinks->lock);
    s->owner = config_ref(owner);
    s->config = config;
    s->state = SINK_IDLE;
    pthread_mutex_unlock(&s->sinks->lock);
    s->trust = trust ? trust_ref(trust) : NULL;
    s->filter = sink_filter_of(config);
    s->most = config->batch;
    s->way = config->url[0] ? &sink_webhook : config->file[0] ? &sink_file : &sink_socket;
    s->kept = true;
    config_unref(former);
    trust_unref(believed);
}

void sinks_reload(struct sinks *sinks, struct config *config, struct trust *trust)
{
    list_each (it, &sinks->all)
        list_of(it, struct sink, list)->kept = false;
    for (size_t i = 0; i < config->nsinks; i++) {
        struct sink *known = sink_find(sinks, config->sinks[i].name);
        struct sink *s = known ? known : sink_new(sinks);
        sink_use(s, config, &config->sinks[i], trust);
        if (known)
            continue;
        pthread_mutex_lock(&sinks->lock);
        list_append(&sinks->all, &s->list);
        pthread_mutex_unlock(&sinks->lock);
    }
    list_each_safe (it, &sinks->all)
        if (!list_of(it, struct sink, list)->kept)
            sink_free(list_of(it, struct sink, list));
}

void sinks_use(struct sinks *sinks, struct journal *j, uint64_t newest)
{
    bool same = j && sinks->journal == j;
    journal_unref(sinks->journal);
    sinks->journal = j;
    sinks->begin = newest;
    list_each (it, &sinks->all)
        list_of(it, struct sink, list)->placed &= same;
}

void sinks_run(struct sinks *sinks)
{
    list_each (it, &sinks->all)
        sink_run(list_of(it, struct sink, list));
}

void sinks_each(struct sinks *sinks, uint64_t newest,
                void (*each)(const struct sink_row *row, void *arg), void *arg)
{
    pthread_mutex_lock(&sinks->lock);
    list_each (it, &sinks->all) {
        const struct sink *s = list_of(it, struct sink, list);
        const struct cfg_sink *c = s->config;
        struct sink_row row = {
            .name = c->name,
            .target = c->url[0]    ? c->url
                      : c->file[0] ? c->file
                                   : c->socket,
            .trouble = s->failures ? s->trouble.text : "",
            .cursor = s->place.seq,
            .waiting = newest > s->place.seq ? newest - s->place.seq : 0,
            .dropped = s->dropped,
            .failures = s->failures,
        };
        each(&row, arg);
    }
    pthread_mutex_unlock(&sinks->lock);
}

void sinks_close(struct sinks *sinks)
{
    list_each_safe (it, &sinks->all)
        sink_free(list_of(it, struct sink, list));
    if (sinks->https)
        https_close(sinks->https);
    journal_unref(sinks->journal);
    sinks->journal = NULL;
}
