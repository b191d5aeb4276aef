// SPDX-License-Identifier: ISC
// Brings messages back from the log: finds where a message stands now, reads it, believes nothing that
// its checksums do not say. What is damaged is set aside and never sent.
#include <errno.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/spool/inside.h"

static int read_part(struct segment *g, struct buf *out, uint64_t n, uint64_t *offset)
{
    unsigned char *room;
    buf_free(out);
    if (out->max < n)
        out->max = n;
    if (buf_reserve(out, n, &room) < 0)
        return -1;
    ssize_t got = spool_files_read(g->files, g->fd, room, n, *offset);
    if (got < 0)
        return -1;
    out->len = (size_t)got;
    *offset += n;
    return 0;
}

static bool words_of(const struct spool_entry *place, const struct buf *head,
                     struct segment_record *r, struct message **m)
{
    const struct segment_key *key = &place->segment->key;
    struct span bytes = buf_span(head);
    if (bytes.n != SEGMENT_RECORD + (size_t)place->text ||
        !segment_record_decode(key, place->offset, UINT64_MAX, bytes.p, r) ||
        r->length != place->length || r->text != place->text ||
        !segment_text_whole(key, r, span_from(bytes, SEGMENT_RECORD)))
        return false;
    bool damaged;
    *m = segment_message_decode(span_from(bytes, SEGMENT_RECORD), place->id, r->length - r->text,
                                &damaged);
    return *m && !damaged;
}

// 1: whole, and *m is a new message of it; 0: damaged; -1: cannot be read now, errno says why.
static int read_record(const struct spool_entry *place, struct message **m)
{
    struct segment *g = place->segment;
    struct segment_record r;
    struct buf head;
    uint64_t at = place->offset;
    *m = NULL;
    buf_init(&head, SEGMENT_RECORD + (size_t)place->text);
    int rc = read_part(g, &head, SEGMENT_RECORD + (size_t)place->text, &at);
    bool known = rc == 0 && words_of(place, &head, &r, m);
    buf_free(&head);
    if (known) {
        rc = read_part(g, &(*m)->prefix, (*m)->prefix_bytes, &at);
        if (rc == 0)
            rc = read_part(g, &(*m)->header, (*m)->header_bytes, &at);
        if (rc == 0 && !(*m)->large)
            rc = read_part(g, &(*m)->body, (*m)->body_bytes, &at);
    }
    if (known && rc == 0) {
        struct span rest[3] = {buf_span(&(*m)->prefix), buf_span(&(*m)->header),
                               buf_span(&(*m)->body)};
        unsigned char sum[SEGMENT_SUM];
        segment_sum(&g->key, place->offset, PART_REST, rest, 3, sum);
        rc = memcmp(sum, r.rest_sum, sizeof sum) == 0;
    }
    if (rc <= 0) {
        int saved = errno;
        message_unref(*m);
        errno = saved;
        *m = NULL;
    }
    return rc;
}

static int is_damaged(struct why *why)
{
    return why_say(why, STORED_MESSAGE_DAMAGED);
}

// The record is copied aside at once: its segment may go before anybody looks.
static int quarantine_entry(struct spool *s, const struct spool_entry *place, struct why *why)
{
    struct segment *g = place->segment;
    char id[ID_TEXT];
    id_text(place->id, id);
    table_damaged(s, place->id);
    if (segment_quarantine(s, g, place->offset, place->offset + SEGMENT_RECORD + place->length) ==
        0)
        spool_alarm(s,
                    "a message in %08llu.log at byte %llu is damaged and will not be sent; a copy "
                    "is kept in %s; its id is %s, and its sender is told",
                    (unsigned long long)g->key.number, (unsigned long long)place->offset,
                    s->damaged, id);
    return is_damaged(why);
}

static int load_large(struct spool *s, const struct spool_entry *place, struct message *m,
                      struct why *why)
{
    if (!m->large || large_verify(s, m, why) == 0)
        return 0;
    if (why_permanent(why)) {
        char id[ID_TEXT];
        id_text(place->id, id);
        table_damaged(s, place->id);
        spool_alarm(s, "%s: %s/%s; message %s will not be sent, and its sender is told", why->text,
                    s->large, m->large, id);
    }
    return -1;
}

struct message *spool_find(struct spool *s, uint64_t id, struct why *why)
{
    struct spool_entry place;
    struct message *m = NULL;
    if (!table_place(s, id, &place)) {
        why_say(why, MESSAGE_GONE);
        return NULL;
    }
    int whole = place.damaged ? 0 : read_record(&place, &m);
    if (place.damaged)
        is_damaged(why);
    else if (whole < 0)
        spool_trouble(why, errno, "the message cannot be read from the spool now");
    else if (whole == 0)
        quarantine_entry(s, &place, why);
    if (m) {
        m->segment = place.segment->key.number;
        m->offset = place.offset;
        m->record_bytes = SEGMENT_RECORD + place.length;
        m->in_memory = true;
    }
    if (m && load_large(s, &place, m, why) < 0) {
        message_unref(m);
        m = NULL;
    }
    segment_unref(place.segment);
    return m;
}

int spool_load(struct spool *s, struct message *m, struct why *why)
{
    if (m->in_memory)
        return 0;
    struct message *found = spool_find(s, m->env.id, why);
    if (!found)
        return -1;
    buf_move(&m->prefix, &found->prefix);
    buf_move(&m->header, &found->header);
    buf_move(&m->body, &found->body);
    message_unref(found);
    m->in_memory = true;
    return 0;
}

int spool_load_header(struct spool *s, struct message *m)
{
    struct spool_entry place;
    struct message *found = NULL;
    if (m->in_memory || !table_place(s, m->env.id, &place))
        return -1;
    bool whole = read_record(&place, &found) == 1 && found->large;
    segment_unref(place.segment);
    if (whole) {
        buf_move(&m->prefix, &found->prefix);
        buf_move(&m->header, &found->header);
        m->in_memory = true;
    }
    message_unref(found);
    return whole ? 0 : -1;
}
