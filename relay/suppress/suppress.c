// SPDX-License-Identifier: ISC
// The list in memory.
#include "relay/suppress/suppress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/base/words.h"
#include "relay/log/log.h"
#include "relay/smtp/reply_class.h"
#include "relay/state/suppressed.h"
#include "relay/suppress/inside.h"

#define TELL_MS 3600000

struct suppress {
    struct state *state;
    pthread_rwlock_t lock;
    struct suppress_table *kept, *files;
    atomic_size_t count; // of both
    uint64_t newest;     // number of the newest entry
    _Atomic uint64_t bounces_ms;
};

const char *suppress_origin_word(enum suppress_origin origin)
{
    static const char *const words[] = {"bounce", "hand", "import", "file"};
    return words[origin];
}

// ---- the table

// "sender\naddress", so that no two pairs are one text.
static size_t suppress_key(const char *sender, const char *address, char out[static SUPPRESS_KEY])
{
    int n = snprintf(out, SUPPRESS_KEY, "%s\n%s", sender, address);
    return n < SUPPRESS_KEY ? (size_t)n : 0;
}

static struct suppress_entry *table_get(const struct suppress_table *t, const char *sender,
                                        const char *address)
{
    char key[SUPPRESS_KEY];
    size_t n = suppress_key(sender, address, key);
    struct suppress_entry *e = NULL;
    if (n && t->entries)
        HASH_FIND(hh, t->entries, key, n, e);
    return e;
}

static void table_take_out(struct suppress_table *t, struct suppress_entry *e)
{
    HASH_DEL(t->entries, e);
    list_remove(&e->list);
    t->n--;
    words_drop(e->reason);
    free(e);
}

bool suppress_table_put(struct suppress_table *t, const struct suppressed_row *row, size_t most,
                        uint64_t number)
{
    char key[SUPPRESS_KEY];
    size_t n = suppress_key(row->sender, row->address, key);
    struct suppress_entry *e = table_get(t, row->sender, row->address);
    if (!n || (!e && t->n >= most))
        return false;
    if (e)
        table_take_out(t, e);
    e = mem_new(sizeof *e + n + 1);
    memcpy(e->key, key, n + 1);
    e->sender_bytes = (unsigned short)strlen(row->sender);
    e->origin = row->origin;
    e->since_ms = row->since_ms;
    e->until_ms = row->until_ms;
    e->reason = words_keep(row->reason);
    e->number = number;
    list_init(&e->list);
    list_append(&t->in_order, &e->list);
    HASH_ADD(hh, t->entries, key, n, e);
    t->n++;
    return true;
}

static struct suppress_table *table_new(void)
{
    struct suppress_table *t = mem_new(sizeof *t);
    list_init(&t->in_order);
    return t;
}

static void table_free(struct suppress_table *t)
{
    list_each_safe (it, &t->in_order)
        table_take_out(t, list_of(it, struct suppress_entry, list));
    free(t);
}

// ---- life

static void suppress_restore_row(void *arg, const struct state_suppressed *row)
{
    struct suppress *s = arg;
    const struct suppressed_row entry = {
        row->sender,   row->address,  (enum suppress_origin)row->origin,
        row->since_ms, row->until_ms, row->reason};
    suppress_table_put(s->kept, &entry, SUPPRESS_MOST, ++s->newest);
}

static void count_anew(struct suppress *s)
{
    atomic_store(&s->count, s->kept->n + s->files->n);
}

struct suppress *suppress_new(struct state *state)
{
    struct suppress *s = mem_new(sizeof *s);
    s->state = state;
    pthread_rwlock_init(&s->lock, NULL);
    s->kept = table_new();
    s->files = table_new();
    if (state)
        state_restore_suppressed(state, clock_ms(), SUPPRESS_MOST, suppress_restore_row, s);
    count_anew(s);
    return s;
}

void suppress_free(struct suppress *s)
{
    if (!s)
        return;
    table_free(s->kept);
    table_free(s->files);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

void suppress_reload(struct suppress *s, const struct config *config)
{
    struct suppress_table *files = table_new();
    atomic_store(&s->bounces_ms, config->suppress.bounces);
    if (suppress_read_files(files, &config->suppress.files)) {
        pthread_rwlock_wrlock(&s->lock);
        struct suppress_table *former = s->files;
        s->files = files;
        files = former;
        count_anew(s);
        pthread_rwlock_unlock(&s->lock);
    }
    table_free(files);
}

// ---- looking

static void lower(const char *text, char *out, size_t n)
{
    size_t i = 0;
    for (; text[i] && i + 1 < n; i++)
        out[i] = (char)ascii_lower((unsigned char)text[i]);
    out[i] = 0;
}

// The domain of an address, in lower case; "" without one.
static void sender_of(const char *from, char out[static SUPPRESS_NAME])
{
    const char *at = strrchr(from, '@');
    lower(at ? at + 1 : "", out, SUPPRESS_NAME);
}

// With the domain as its A-label.
static void suppress_address(const char *address, const char *domain,
                             char out[static SUPPRESS_NAME])
{
    const char *at = strrchr(address, '@');
    char local[SUPPRESS_NAME];
    lower(address, local, sizeof local);
    snprintf(out, SUPPRESS_NAME, "%.*s@%s", at ? (int)(at - address) : 0, local, domain);
}

static const struct suppress_entry *look_up(const struct suppress *s, const char *sender,
                                            const char *name, int64_t now)
{
    const struct suppress_table *tables[] = {s->kept, s->files};
    const char *senders[] = {sender, ""};
    for (size_t i = 0; i < 4; i++) {
        const struct suppress_entry *e = table_get(tables[i / 2], senders[i % 2], name);
        if (e && (!e->until_ms || e->until_ms > now))
            return e;
    }
    return NULL;
}

bool suppress_find(struct suppress *s, const char *from, const char *address, const char *domain,
                   char out[static SUPPRESS_REASON])
{
    if (!s || !atomic_load_explicit(&s->count, memory_order_relaxed))
        return false;
    char sender[SUPPRESS_NAME], name[SUPPRESS_NAME];
    int64_t now = clock_ms();
    sender_of(from, sender);
    suppress_address(address, domain, name);
    pthread_rwlock_rdlock(&s->lock);
    const struct suppress_entry *e = look_up(s, sender, name, now);
    if (!e)
        e = look_up(s, sender, domain, now);
    if (e)
        snprintf(out, SUPPRESS_REASON, "%s", e->reason);
    pthread_rwlock_unlock(&s->lock);
    return e;
}

// ---- changing

static struct state_suppressed state_row(const struct suppressed_row *row)
{
    return (struct state_suppressed){row->sender,   row->address,  (int)row->origin,
                                     row->since_ms, row->until_ms, row->reason};
}

size_t suppress_add(struct suppress *s, const struct suppressed_row *rows, size_t n)
{
    struct state_suppressed *kept = mem_new((n + 1) * sizeof *kept);
    size_t taken = 0;
    pthread_rwlock_wrlock(&s->lock);
    for (size_t i = 0; i < n; i++)
        if (suppress_table_put(s->kept, &rows[i], SUPPRESS_MOST, ++s->newest))
            kept[taken++] = state_row(&rows[i]);
    count_anew(s);
    pthread_rwlock_unlock(&s->lock);
    if (s->state && taken)
        state_keep_suppressed(s->state, kept, taken, false);
    free(kept);
    return taken;
}

bool suppress_remove(struct suppress *s, const char *sender, const char *address)
{
    pthread_rwlock_wrlock(&s->lock);
    struct suppress_entry *e = table_get(s->kept, sender, address);
    bool found = e;
    if (e)
        table_take_out(s->kept, e);
    count_anew(s);
    pthread_rwlock_unlock(&s->lock);
    const struct state_suppressed row = {.sender = sender, .address = address, .reason = ""};
    if (s->state && found)
        state_keep_suppressed(s->state, &row, 1, true);
    return found;
}

// Until when something lasts, for comparing.
static int64_t suppress_end(int64_t until_ms)
{
    return until_ms ? until_ms : INT64_MAX;
}

void suppress_hear(struct suppress *s, const struct suppressed_row *row)
{
    pthread_rwlock_rdlock(&s->lock);
    const struct suppress_entry *e = table_get(s->kept, row->sender, row->address);
    bool longer = !e || suppress_end(row->until_ms) > suppress_end(e->until_ms);
    pthread_rwlock_unlock(&s->lock);
    if (longer && suppress_end(row->until_ms) > clock_ms())
        suppress_add(s, row, 1);
}

void suppress_hear_removed(struct suppress *s, const char *sender, const char *address,
                           int64_t until_ms)
{
    pthread_rwlock_rdlock(&s->lock);
    const struct suppress_entry *e = table_get(s->kept, sender, address);
    bool meant = e && e->since_ms <= until_ms;
    pthread_rwlock_unlock(&s->lock);
    if (meant)
        suppress_remove(s, sender, address);
}

void suppress_bounced(struct suppress *s, const char *from, const char *address, const char *domain,
                      const struct why *why)
{
    uint64_t keep = s ? atomic_load_explicit(&s->bounces_ms, memory_order_relaxed) : 0;
    // The host's own word about this address, and no other reason.
    if (!keep || !from[0] || why->scope != WHY_RECIPIENT || why->reply[0] != '5' ||
        reply_meaning_of(why).class != REPLY_ADDRESS_UNKNOWN)
        return;
    char sender[SUPPRESS_NAME], name[SUPPRESS_NAME], reason[SUPPRESS_REASON];
    int64_t now = clock_ms();
    sender_of(from, sender);
    suppress_address(address, domain, name);
    snprintf(reason, sizeof reason, "%s said: %s", why->host, why->reply);
    const struct suppressed_row row = {sender, name, SUPPRESS_BOUNCE, now, now + (int64_t)keep,
                                       reason};
    if (!suppress_add(s, &row, 1))
        log_alarm_once("suppress", REASON_SUPPRESS_FULL, "full", TELL_MS,
                       "the suppression list is full: bounced addresses are not remembered");
}

int suppress_name(struct span text, char out[static SUPPRESS_NAME], struct why *why)
{
    char *name = NULL;
    text = span_trim(text);
    int rc = span_find(text, '@') >= 0 ? value_mailbox(text, &name, why)
                                       : value_domain(text, &name, why);
    if (rc == 0 && strlen(name) >= SUPPRESS_NAME)
        rc = why_set(why, WHY_OURS, "5.1.3", "it is too long");
    if (rc == 0)
        lower(name, out, SUPPRESS_NAME);
    free(name);
    return rc;
}

// ---- for people

size_t suppress_count(struct suppress *s)
{
    return atomic_load(&s->count);
}

static void suppress_show(const struct suppress_entry *e,
                          void (*each)(const struct suppressed_row *, void *), void *arg)
{
    char sender[SUPPRESS_NAME];
    snprintf(sender, sizeof sender, "%.*s", (int)e->sender_bytes, e->key);
    const struct suppressed_row row = {
        sender, e->key + e->sender_bytes + 1, e->origin, e->since_ms, e->until_ms, e->reason};
    each(&row, arg);
}

bool suppress_each(struct suppress *s, uint64_t *mark, size_t n,
                   void (*each)(const struct suppressed_row *row, void *arg), void *arg)
{
    int64_t now = clock_ms();
    pthread_rwlock_rdlock(&s->lock);
    struct list *it = s->kept->in_order.next;
    // Where it stood; numbers rise along the list.
    while (it != &s->kept->in_order && list_of(it, struct suppress_entry, list)->number <= *mark)
        it = it->next;
    for (; n && it != &s->kept->in_order; it = it->next, n--) {
        const struct suppress_entry *e = list_of(it, struct suppress_entry, list);
        *mark = e->number;
        if (!e->until_ms || e->until_ms > now)
            suppress_show(e, each, arg);
    }
    bool more = it != &s->kept->in_order;
    pthread_rwlock_unlock(&s->lock);
    return more;
}
