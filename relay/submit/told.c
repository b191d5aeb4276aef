// SPDX-License-Identifier: ISC
// A message that goes to nobody (its recipients are suppressed, or were return paths of ours) leaves nothing in the
// spool. What it had to tell are its events, so its 250 waits until the disk has them; where the disk takes none the
// client keeps the message and tries again.
#include "relay/submit/message_inside.h"

#include <assert.h>
#include <stdlib.h>
#include "relay/base/mem.h"
#include "relay/events/events.h"

struct telling {
    uv_work_t work;
    struct submit *submit;
    struct events *events;
    bool kept;
};

static void told_flush(uv_work_t *work)
{
    struct telling *t = work->data;
    t->kept = events_keep(t->events);
}

static void told_flushed(uv_work_t *work, int status)
{
    struct telling *t = work->data;
    struct submit *s = t->submit;
    bool kept = t->kept;
    struct why why;
    (void)status;
    free(t);
    if (!submit_answered(s))
        return;
    if (!kept)
        why_say(&why, EVENTS_NOT_KEPT);
    submit_go(s, kept ? submit_end_accepted(s) : submit_refuse_message(s, &why));
    submit_turn(s);
}

void submit_keep_told(struct submit *s)
{
    struct telling *t = mem_new(sizeof *t);
    *t = (struct telling){.submit = s, .events = s->host->worker->relay->events};
    t->work.data = t;
    s->pending++;
    int rc = uv_queue_work(&s->host->worker->loop, &t->work, told_flush, told_flushed);
    assert(rc == 0);
    (void)rc;
}
