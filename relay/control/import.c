// SPDX-License-Identifier: ISC
// A message from another spool, through the control socket: one request has its words and its content. Large ones go
// through `queue import --offline`.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/control/inside.h"
#include "relay/log/log.h"
#include "relay/queue/queue.h"

struct import {
    uv_work_t work;
    struct control_call *call;
    struct relay *relay;
    struct buf words, content;
    struct message *message;
    struct spool_write write;
    struct why why;
    char by[64];
};

// Code points up to U+00FF are bytes (see export.c). False: there are others.
static bool from_json_bytes(const json_t *text, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)json_string_value(text);
    size_t n = json_string_length(text);
    buf_init(out, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 128)
            buf_addc(out, (char)p[i]);
        else if (i + 1 < n && (p[i] & 0xfc) == 0xc0)
            buf_addc(out, (char)((p[i] & 3) << 6 | (p[i + 1] & 63))), i++;
        else
            return false;
    }
    return p != NULL;
}

static void import_free(struct import *in)
{
    buf_free(&in->words);
    buf_free(&in->content);
    message_unref(in->message);
    free(in);
}

static void import_on_work(uv_work_t *work)
{
    struct import *in = work->data;
    in->message =
        spool_import(in->relay->spool, buf_span(&in->words), buf_span(&in->content), &in->why);
}

static void import_add(struct worker *worker, void *arg)
{
    if (worker->queue)
        queue_add(worker->queue, arg);
    else
        message_unref(arg);
}

static void import_tell(const struct import *in)
{
    for (size_t i = 0; i < in->message->env.nrcpts; i++) {
        struct logline line;
        log_begin(&line, LOG_INFO, "operator", in->message->env.id);
        log_text(&line, "verb", "import");
        log_address(&line, "to", in->message->env.rcpts[i].address);
        log_text(&line, "by", in->by);
        log_end(&line);
    }
}

static void import_on_stored(struct item *item)
{
    struct import *in = list_of(item, struct import, write.item);
    if (in->write.failed) {
        control_error(in->call, EXIT_TEMP, "%s", in->write.why.text);
        import_free(in);
        return;
    }
    char id[ID_TEXT];
    id_text(in->message->env.id, id);
    json_t *j = json_object();
    json_object_set_new(j, "id", json_string(id));
    json_object_set_new(j, "recipients", json_integer((json_int_t)in->message->env.nrcpts));
    import_tell(in);
    if (in->relay->nworkers) {
        worker_call(in->relay->workers[in->message->env.id % in->relay->nworkers], import_add,
                    in->message);
        in->message = NULL;
    }
    control_answer(in->call, EXIT_YES, j);
    import_free(in);
}

static void import_on_done(uv_work_t *work, int status)
{
    struct import *in = work->data;
    if (status < 0 || !in->message) {
        control_error(in->call, why_permanent(&in->why) ? EXIT_DATA : EXIT_TEMP, "%s",
                      in->why.text);
        import_free(in);
        return;
    }
    in->write.item.run = import_on_stored;
    in->write.reply = control_mail(in->call);
    in->write.message = in->message;
    spool_store(in->relay->spool, &in->write);
}

void control_import(struct control_call *call, struct relay *relay, const json_t *request)
{
    struct import *in = mem_new(sizeof *in);
    in->work.data = in;
    in->call = call;
    in->relay = relay;
    control_by(call, in->by, sizeof in->by);
    why_set(&in->why, WHY_OURS, "4.3.2", "the relay is ending");
    bool read = from_json_bytes(json_object_get(request, "words"), &in->words);
    read = from_json_bytes(json_object_get(request, "content"), &in->content) && read;
    if (!read || relay->stage == RELAY_STOPPING) {
        control_error(call, read ? EXIT_TEMP : EXIT_DATA, "%s",
                      read ? in->why.text : "this is not an exported message");
        import_free(in);
        return;
    }
    if (!spool_room_for(relay->spool, in->content.len)) {
        control_error(call, EXIT_TEMP, "the spool's disk is full");
        import_free(in);
        return;
    }
    if (uv_queue_work(control_loop(call), &in->work, import_on_work, import_on_done) < 0)
        abort(); // libuv refuses no work
}
