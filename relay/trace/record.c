// SPDX-License-Identifier: ISC
// A record while its owner puts it together.
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/log/log.h"
#include "relay/trace/trace.h"

bool trace_begin(struct trace_record *r, struct trace *t, uint64_t id, const char *event)
{
    return trace_begin_at(r, t, id, event, clock_ms());
}

bool trace_begin_at(struct trace_record *r, struct trace *t, uint64_t id, const char *event,
                    int64_t at_ms)
{
    char text[ID_TEXT];
    r->trace = trace_on(t) ? t : NULL;
    if (!r->trace)
        return false;
    r->nrefs = 0;
    unsigned char *room;
    buf_init(&r->out, TRACE_RECORD);
    buf_init(&r->keys, TRACE_RECORD);
    buf_reserve(&r->out, TRACE_USUAL, &room);
    id_text(id, text);
    text_string(&r->out, "id", text);
    text_number(&r->out, "at", at_ms);
    text_string(&r->out, "event", event);
    trace_key(r, TRACE_KEY_ID, text);
    return true;
}

void trace_key(struct trace_record *r, enum trace_key kind, const char *text)
{
    if (!text || !*text || (kind == TRACE_KEY_ADDRESS && log_masks()))
        return;
    uint64_t key = keys_of(kind, text);
    buf_add(&r->keys, &key, sizeof key);
}

void trace_refer(struct trace_record *r, const char *key, struct trace_piece *piece)
{
    if (!piece)
        return;
    if (r->nrefs == TRACE_REFS) {
        piece_unref(piece);
        return;
    }
    r->refs[r->nrefs++] = (struct trace_ref){key, piece};
}

void trace_reply(struct buf *out, const char *key, struct span text, struct trace_replies *replies)
{
    size_t room = sizeof replies->at / sizeof *replies->at;
    if (text.n < TRACE_REPLY || replies->n == room) {
        text_bytes(out, key, text);
        return;
    }
    text_open(out, key, '{');
    text_number(out, "reply", (int64_t)replies->n);
    text_close(out, '}');
    replies->at[replies->n++] = piece_of_reply(text);
}

void trace_add_replies(struct trace_record *r, struct trace_replies *replies)
{
    for (size_t i = 0; i < replies->n; i++)
        trace_refer(r, "replies", replies->at[i]);
    replies->n = 0;
}

void trace_replies_clear(struct trace_replies *replies)
{
    for (size_t i = 0; i < replies->n; i++)
        piece_unref(replies->at[i]);
    replies->n = 0;
}
