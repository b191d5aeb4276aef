// SPDX-License-Identifier: ISC
// A message itself, told through the control socket: its envelope, then its bytes as they would be sent, a piece at a
// time, read from the spool in the thread pool. A message of any size costs the relay one piece.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/control/inside.h"
#include "relay/log/json.h"

#define EXPORT_READ 131072 // bytes of content in one piece

struct export
{
    uv_work_t work;
    struct control_call *call;
    struct spool *spool;
    uint64_t id;
    bool header_only;
    struct message *message; // NULL: not read yet
    struct buf content;      // what is sent of it, without a large body
    uint64_t at;             // how far it has been told
    ssize_t n;               // the last read: bytes, 0 at the end, -1 with why
    unsigned char *room;
    struct why why;
};

static json_t *envelope(const struct message *m)
{
    char time[40], id[ID_TEXT];
    clock_rfc3339(m->env.created_ms, time);
    id_text(m->env.id, id);
    json_t *j = json_object();
    json_object_set_new(j, "id", json_string(id));
    json_object_set_new(j, "accepted", json_string(time));
    json_object_set_new(j, "from", json_text(m->env.from));
    json_object_set_new(j, "principal", json_text(m->env.principal));
    json_object_set_new(j, "client", json_text(m->env.client));
    json_object_set_new(j, "size", json_integer((json_int_t)message_size(m)));
    json_object_set_new(j, "requiretls", json_boolean(m->env.requiretls));
    return j;
}

// Content travels as Latin-1 code points, one a byte, so that JSON carries any message.
static json_t *as_json_bytes(struct span bytes)
{
    struct buf out;
    buf_init(&out, bytes.n * 2 + 1);
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] < 128) {
            buf_addc(&out, (char)bytes.p[i]);
        } else {
            buf_addc(&out, (char)(0xc0 | bytes.p[i] >> 6));
            buf_addc(&out, (char)(0x80 | (bytes.p[i] & 63)));
        }
    }
    json_t *j = json_stringn(buf_text(&out), out.len);
    buf_free(&out);
    return j;
}

static void export_begin(struct export *e)
{
    e->message = spool_find(e->spool, e->id, &e->why);
    if (!e->message)
        return;
    const struct message *m = e->message;
    buf_init(&e->content, SIZE_MAX / 4);
    message_sent_header(m, &e->content);
    if (!m->large && !e->header_only)
        buf_addspan(&e->content, buf_span(&m->body));
}

// In the thread pool: the message at first, then its next bytes.
static void export_on_work(uv_work_t *work)
{
    struct export *e = work->data;
    e->n = -1;
    if (!e->message)
        export_begin(e);
    if (!e->message)
        return;
    if (e->at < e->content.len) {
        size_t left = e->content.len - (size_t)e->at;
        e->n = (ssize_t)(left < EXPORT_READ ? left : EXPORT_READ);
        memcpy(e->room, e->content.data + e->at, (size_t)e->n);
    } else if (e->message->large && !e->header_only) {
        e->n = spool_read_large(e->spool, e->message, e->at - e->content.len, e->room, EXPORT_READ,
                                &e->why);
    } else {
        e->n = 0;
    }
}

static void export_end(struct export *e, int exit)
{
    if (exit == EXIT_YES)
        control_answer(e->call, exit, json_object());
    else
        control_error(e->call, exit, "%s", e->why.text);
    message_unref(e->message);
    buf_free(&e->content);
    free(e->room);
    free(e);
}

static void export_on_done(uv_work_t *work, int status);

static void export_next(void *arg)
{
    struct export *e = arg;
    if (uv_queue_work(control_loop(e->call), &e->work, export_on_work, export_on_done) < 0)
        abort(); // libuv refuses no work
}

static void export_on_done(uv_work_t *work, int status)
{
    struct export *e = work->data;
    bool whole = e->n != 0 || e->header_only || !e->message ||
                 e->at == e->content.len + (e->message->large ? e->message->body_bytes : 0);
    if (status == 0 && !whole) {
        why_set(&e->why, WHY_MESSAGE, "5.3.0", "the stored body of the message is cut off");
        e->n = -1;
    }
    if (status < 0 || e->n < 0) {
        export_end(e, e->message && !why_permanent(&e->why) ? EXIT_TEMP : EXIT_NO);
        return;
    }
    if (e->n == 0) {
        export_end(e, EXIT_YES);
        return;
    }
    json_t *line = e->at ? json_object() : envelope(e->message);
    json_object_set_new(line, "content", as_json_bytes(span_of(e->room, (size_t)e->n)));
    char *text = json_dumps(line, JSON_COMPACT);
    struct buf piece;
    buf_init(&piece, CONTROL_ANSWER_MAX);
    buf_adds(&piece, text ? text : "{}");
    buf_addc(&piece, '\n');
    free(text);
    json_decref(line);
    e->at += (uint64_t)e->n;
    if (!control_piece(e->call, &piece, export_next, e))
        export_end(e, EXIT_YES); // to nobody
}

void control_export(struct control_call *call, struct relay *relay, const json_t *request)
{
    uint64_t id;
    const char *name = json_string_value(json_object_get(request, "id"));
    if (!name || !id_parse(name, &id)) {
        control_error(call, EXIT_USAGE, "'%s' is not a message id", name ? name : "");
        return;
    }
    struct export *e = mem_new(sizeof *e);
    e->work.data = e;
    e->call = call;
    e->spool = relay->spool;
    e->id = id;
    e->room = mem_new(EXPORT_READ);
    e->header_only = json_is_true(json_object_get(request, "header_only"));
    why_clear(&e->why);
    export_next(e);
}
