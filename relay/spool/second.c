// SPDX-License-Identifier: ISC
// What the spool says to its second place (relay/spool/sink.h), and nothing where there is none.
//
// A batch goes there first and to the disk while it is on its way. What one of the two has not, counts in neither: the
// segment ends where it was whole, and the other place is told so.
#include <stdlib.h>
#include "relay/base/mem.h"
#include "relay/spool/inside.h"
#include "relay/spool/second_inside.h"

#define SECOND_AWAIT_MS 1000 // after which no delivery is begun, as its result might have to wait

int second_prepare(struct spool *s, int *exit_status, struct why *why)
{
    const struct spool_sink *sink = s->options.sink;
    return sink ? sink->prepare(sink->self, s->directory, exit_status, why) : 0;
}

static size_t count_larges(const struct spool *s)
{
    size_t n = 0;
    for (const struct spool_entry *k = s->table; k; k = k->hh.next)
        n += k->message->large != NULL;
    return n;
}

// The new head has nothing yet, and comes with its first batch.
int second_attach(struct spool *s, int *exit_status, struct why *why)
{
    const struct spool_sink *sink = s->options.sink;
    if (!sink)
        return 0;
    size_t n = 0, m = 0;
    list_each (it, &s->segments)
        n++;
    struct spool_sink_segment *segments = mem_new((n + 1) * sizeof *segments);
    const char **larges = mem_new((count_larges(s) + 1) * sizeof *larges);
    n = 0;
    list_each (it, &s->segments) {
        const struct segment *g = list_of(it, struct segment, link);
        if (g != s->head)
            segments[n++] = (struct spool_sink_segment){.key = &g->key, .fd = g->fd, .end = g->end};
    }
    for (const struct spool_entry *k = s->table; k; k = k->hh.next)
        if (k->message->large)
            larges[m++] = k->message->large;
    const struct spool_sink_standing standing = {.segments = segments,
                                                 .nsegments = n,
                                                 .larges = larges,
                                                 .nlarges = m,
                                                 .head =
                                                     s->head ? s->head->key.number : s->next_number,
                                                 .files = s->files};
    int rc = sink->attach(sink->self, &standing, exit_status, why);
    free(larges);
    free(segments);
    return rc;
}

// NULL: there is none, or a batch went to the disk alone. What followed that batch there would hide the hole, and what
// went there might have its copy in it; the next start brings it all that is here.
static const struct spool_sink *second_of(const struct spool *s)
{
    return atomic_load(&s->parted) ? NULL : s->options.sink;
}

// Once a turn of the thread: what holds for the whole turn.
void second_look(struct spool *s)
{
    const struct spool_sink *sink = second_of(s);
    if (sink)
        atomic_store(&s->away, !sink->ready(sink->self));
}

bool second_away(const struct spool *s)
{
    return atomic_load(&s->away);
}

// When the relay ends without it, what is left (results) goes to the disk alone, and there at the next start.
bool second_submit(struct spool *s)
{
    const struct spool_sink *sink = second_of(s);
    const struct batch *b = &s->batch;
    const char *larges[SPOOL_PIECES];
    if (!sink || !b->bytes)
        return false;
    atomic_store(&s->parted, second_away(s));
    if (second_away(s))
        return false;
    struct spool_sink_batch batch = {.key = &s->head->key,
                                     .offset = s->head->end,
                                     .pieces = b->pieces,
                                     .npieces = b->npieces,
                                     .larges = larges};
    for (size_t i = 0; i < b->n; i++)
        if (b->jobs[i]->kind == JOB_STORE && b->jobs[i]->write->message->large)
            larges[batch.nlarges++] = b->jobs[i]->write->message->large;
    sink->submit(sink->self, &batch);
    return true;
}

int second_await(struct spool *s)
{
    const struct spool_sink *sink = s->options.sink;
    struct why why;
    enum spool_sink_answer answer;
    while ((answer = sink->await(sink->self, SECOND_AWAIT_MS, &why)) == SINK_WAIT)
        atomic_store(&s->away, true);
    if (answer == SINK_DONE) {
        atomic_store(&s->away, false);
        return 0;
    }
    s->trouble = why;
    return -1;
}

void second_cut(struct spool *s, const struct segment *g)
{
    const struct spool_sink *sink = second_of(s);
    if (sink)
        sink->cut(sink->self, g->key.number, g->end);
}

void second_drop(struct spool *s, uint64_t number)
{
    const struct spool_sink *sink = second_of(s);
    if (sink)
        sink->drop(sink->self, number);
}

// The spool's thread and whoever is refused: a file that has never been in a batch is not known there, and that is well.
void second_forget(struct spool *s, const char *large)
{
    const struct spool_sink *sink = second_of(s);
    large_unlink(s, large);
    if (sink)
        sink->forget(sink->self, large);
}
