// SPDX-License-Identifier: ISC
// A message in memory: its life, its size, its header as sent. Does no I/O; relay/spool/load.c fills in
// what relay/spool/spool.c wrote.
#include "relay/message/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/words.h"

// The texts of an envelope and of a recipient: each is owned, and none is NULL.
static const size_t envelope_texts[] = {
    offsetof(struct envelope, from),      offsetof(struct envelope, envid),
    offsetof(struct envelope, principal), offsetof(struct envelope, client),
    offsetof(struct envelope, tag),       offsetof(struct envelope, message_id),
    offsetof(struct envelope, held_for),
};
#define ENVELOPE_TEXTS (sizeof envelope_texts / sizeof *envelope_texts)

// Those of a recipient, but for address and domain, which share memory once they are packed.
static const size_t recipient_texts[] = {
    offsetof(struct recipient, orcpt),
    offsetof(struct recipient, return_path),
};
#define RECIPIENT_TEXTS (sizeof recipient_texts / sizeof *recipient_texts)

static char **text_of(const struct envelope *env, size_t i)
{
    return (char **)(void *)((char *)env + envelope_texts[i]);
}

static char **recipient_text(const struct recipient *r, size_t i)
{
    return (char **)(void *)((char *)r + recipient_texts[i]);
}

struct message *message_new(void)
{
    struct message *m = mem_new(sizeof *m);
    atomic_init(&m->refs, 1);
    m->env.id = id_new();
    for (size_t i = 0; i < ENVELOPE_TEXTS; i++)
        *text_of(&m->env, i) = mem_dup("");
    buf_init(&m->prefix, MAX_PREFIX);
    buf_init(&m->header, MAX_HEADER);
    buf_init(&m->body, MAX_MEMORY_BODY);
    m->in_memory = true;
    return m;
}

void message_meter(struct message *m, _Atomic int64_t *meter, int64_t amount)
{
    if (m->meter)
        atomic_fetch_sub_explicit(m->meter, m->metered, memory_order_relaxed);
    m->meter = meter;
    m->metered = amount;
    if (meter)
        atomic_fetch_add_explicit(meter, amount, memory_order_relaxed);
}

struct message *message_ref(struct message *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

static void free_recipient(struct recipient *r)
{
    free(r->address);
    free(r->domain);
    for (size_t i = 0; i < RECIPIENT_TEXTS; i++)
        free(*recipient_text(r, i));
}

static void free_envelope(struct message *m)
{
    for (size_t i = 0; i < m->env.nrcpts; i++)
        words_drop(m->env.rcpts[i].next_hop);
    if (m->packed) {
        free(m->packed);
        return;
    }
    for (size_t i = 0; i < m->env.nrcpts; i++)
        free_recipient(&m->env.rcpts[i]);
    free(m->env.rcpts);
    for (size_t i = 0; i < ENVELOPE_TEXTS; i++)
        free(*text_of(&m->env, i));
    free(m->left_out);
}

// The end of `text` that is `tail`, or NULL: most domains are the end of their addresses.
static char *ending(char *text, const char *tail)
{
    size_t n = strlen(text), k = strlen(tail);
    return k <= n && strcmp(text + n - k, tail) == 0 ? text + n - k : NULL;
}

// What a text takes in a packed envelope: an empty one is the end of the one before it.
static size_t packed_bytes(const char *text)
{
    return text[0] ? strlen(text) + 1 : 0;
}

static size_t text_bytes(const struct envelope *env)
{
    size_t n = 1; // where the first of them is empty
    for (size_t i = 0; i < ENVELOPE_TEXTS; i++)
        n += packed_bytes(*text_of(env, i));
    for (size_t i = 0; i < env->nrcpts; i++) {
        const struct recipient *r = &env->rcpts[i];
        n += strlen(r->address) + 1;
        n += ending(r->address, r->domain) ? 0 : strlen(r->domain) + 1;
        for (size_t k = 0; k < RECIPIENT_TEXTS; k++)
            n += packed_bytes(*recipient_text(r, k));
    }
    return n;
}

static char *put_text(char **at, const char *text)
{
    if (!text[0])
        return *at - 1;
    size_t n = strlen(text) + 1;
    char *here = memcpy(*at, text, n);
    *at += n;
    return here;
}

void message_pack(struct message *m)
{
    if (m->packed)
        return;
    struct envelope old = m->env, *env = &m->env;
    size_t rcpts = old.nrcpts * sizeof *old.rcpts, ranges = m->nleft_out * sizeof *m->left_out;
    unsigned char *block = mem_new(rcpts + ranges + text_bytes(&old));
    char *at = (char *)block + rcpts + ranges;
    *at++ = 0;
    struct message former = {.env = old, .left_out = m->left_out};
    env->rcpts = (struct recipient *)(void *)block;
    m->left_out = (struct range *)(void *)(block + rcpts);
    if (ranges)
        memcpy(m->left_out, former.left_out, ranges);
    for (size_t i = 0; i < ENVELOPE_TEXTS; i++)
        *text_of(env, i) = put_text(&at, *text_of(&old, i));
    for (size_t i = 0; i < old.nrcpts; i++) {
        struct recipient *r = &env->rcpts[i];
        *r = old.rcpts[i];
        old.rcpts[i].next_hop = NULL; // moved
        r->address = put_text(&at, r->address);
        char *end = ending(r->address, r->domain);
        r->domain = end ? end : put_text(&at, r->domain);
        for (size_t k = 0; k < RECIPIENT_TEXTS; k++)
            *recipient_text(r, k) = put_text(&at, *recipient_text(r, k));
    }
    free_envelope(&former);
    m->packed = block;
}

size_t message_footprint(const struct message *m)
{
    size_t heap = 16; // what an allocation costs besides
    return sizeof *m + heap + m->env.nrcpts * sizeof *m->env.rcpts +
           m->nleft_out * sizeof *m->left_out + text_bytes(&m->env) + heap;
}

void message_unref(struct message *m)
{
    if (!m)
        return;
    unsigned before = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    message_meter(m, NULL, 0);
    free_envelope(m);
    buf_free(&m->prefix);
    buf_free(&m->header);
    buf_free(&m->body);
    free(m->large);
    free(m);
}

struct recipient *message_add_recipient(struct message *m, const char *address, const char *domain)
{
    struct envelope *env = &m->env;
    assert(!m->packed);
    if ((env->nrcpts & (env->nrcpts - 1)) == 0) // full at every power of two
        env->rcpts = mem_grow(env->rcpts, env->nrcpts ? 2 * env->nrcpts : 1, sizeof *env->rcpts);
    struct recipient *r = &env->rcpts[env->nrcpts++];
    *r = (struct recipient){.address = mem_dup(address), .domain = mem_dup(domain)};
    for (size_t i = 0; i < RECIPIENT_TEXTS; i++)
        *recipient_text(r, i) = mem_dup("");
    return r;
}

void message_drop_recipient(struct message *m, size_t i)
{
    struct envelope *env = &m->env;
    assert(!m->packed && i < env->nrcpts);
    struct recipient gone = env->rcpts[i];
    env->nrcpts--; // message_add_recipient asks for no less room at any number than there is already
    memmove(env->rcpts + i, env->rcpts + i + 1, (env->nrcpts - i) * sizeof *env->rcpts);
    words_drop(gone.next_hop);
    free_recipient(&gone);
}

void message_hold(struct message *m, const char *reason)
{
    assert(!m->packed);
    if (!m->env.held_for[0]) {
        free(m->env.held_for);
        m->env.held_for = mem_dup(reason);
    }
    for (size_t i = 0; i < m->env.nrcpts; i++)
        m->env.rcpts[i].next_ms = INT64_MAX;
}

const char *message_return_path(const struct message *m, const struct recipient *r)
{
    if (!r->return_path[0])
        return m->env.from;
    return strcmp(r->return_path, "<>") == 0 ? "" : r->return_path;
}

const char *message_sender_domain(const struct message *m)
{
    const char *at = strrchr(m->env.from, '@');
    return at ? at + 1 : NULL;
}

void message_set_next_hop(struct recipient *r, const char *next_hop)
{
    words_drop(r->next_hop);
    r->next_hop = next_hop && next_hop[0] ? words_keep(next_hop) : NULL;
}

static uint64_t left_out_bytes(const struct message *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->nleft_out; i++)
        n += m->left_out[i].end - m->left_out[i].start;
    return n;
}

uint64_t message_size(const struct message *m)
{
    uint64_t prefix = m->in_memory ? m->prefix.len : m->prefix_bytes;
    uint64_t header = m->in_memory ? m->header.len : m->header_bytes;
    uint64_t body = m->in_memory && !m->large ? m->body.len : m->body_bytes;
    return prefix + header - left_out_bytes(m) + body;
}

int message_sent_header(const struct message *m, struct buf *out)
{
    int rc = buf_addspan(out, buf_span(&m->prefix));
    size_t at = 0;
    for (size_t i = 0; i < m->nleft_out; i++) {
        assert(m->left_out[i].start >= at && m->left_out[i].end <= m->header.len);
        rc |= buf_add(out, m->header.data + at, m->left_out[i].start - at);
        at = m->left_out[i].end;
    }
    if (m->header.len > at)
        rc |= buf_add(out, m->header.data + at, m->header.len - at);
    return rc;
}

struct message *message_twin(const struct message *m)
{
    struct message *twin = mem_new(sizeof *twin);
    atomic_init(&twin->refs, 1);
    struct envelope env = m->env;
    for (size_t i = 0; i < ENVELOPE_TEXTS; i++)
        *text_of(&env, i) = mem_dup(*text_of(&env, i));
    env.rcpts = NULL;
    env.nrcpts = 0;
    twin->env = env;
    for (size_t i = 0; i < m->env.nrcpts; i++) {
        const struct recipient *from = &m->env.rcpts[i];
        struct recipient *to = message_add_recipient(twin, from->address, from->domain);
        struct recipient mine = *to;
        *to = *from;
        to->address = mine.address;
        to->domain = mine.domain;
        for (size_t k = 0; k < RECIPIENT_TEXTS; k++) {
            free(*recipient_text(&mine, k));
            *recipient_text(to, k) = mem_dup(*recipient_text(from, k));
        }
        to->next_hop = words_keep(from->next_hop);
    }
    buf_init(&twin->prefix, MAX_PREFIX);
    buf_init(&twin->header, MAX_HEADER);
    buf_init(&twin->body, MAX_MEMORY_BODY);
    for (size_t i = 0; i < m->nleft_out; i++)
        message_leave_out(twin, m->left_out[i].start, m->left_out[i].end);
    twin->prefix_bytes = m->in_memory ? m->prefix.len : m->prefix_bytes;
    twin->header_bytes = m->in_memory ? m->header.len : m->header_bytes;
    twin->body_bytes = m->in_memory && !m->large ? m->body.len : m->body_bytes;
    twin->large = mem_dup(m->large);
    memcpy(twin->large_sum, m->large_sum, sizeof twin->large_sum);
    twin->segment = m->segment;
    twin->offset = m->offset;
    twin->record_bytes = m->record_bytes;
    return twin;
}

void message_leave_out(struct message *m, uint64_t start, uint64_t end)
{
    assert(!m->packed);
    assert(start <= end && (!m->nleft_out || m->left_out[m->nleft_out - 1].end <= start));
    m->left_out = mem_grow(m->left_out, m->nleft_out + 1, sizeof *m->left_out);
    m->left_out[m->nleft_out++] = (struct range){start, end};
}
