// SPDX-License-Identifier: ISC
// What pre-flight found in a message, told to whoever sent it: behind the 250, in the numbers and as an event. In the
// reply stand names of ours alone, so that nothing of the message comes back in it.
#include <stdio.h>
#include "relay/base/buf.h"
#include "relay/base/reasons.h"
#include "relay/events/events.h"
#include "relay/preflight/preflight.h"
#include "relay/submit/message_inside.h"

#define NOTED_TEXT 4096 // bytes of the sentences in an event

void submit_note(const struct submit *s, char out[static SUBMIT_NOTE])
{
    char names[PREFLIGHT_NAMES];
    const struct preflight *p = s->ingest ? ingest_found(s->ingest) : NULL;
    out[0] = 0;
    if (!p || !p->n)
        return;
    preflight_names(p, names);
    snprintf(out, SUBMIT_NOTE, "; note: %s", names);
}

void submit_count_notes(struct submit *s, const struct why *refused)
{
    struct counters *c = &s->host->worker->relay->counters;
    const struct preflight *p = ingest_found(s->ingest);
    if (!p->n)
        return;
    const struct preflight_finding *problem = preflight_problem(p);
    bool ours = refused && problem && problem->reason == refused->reason;
    if (ours || !refused)
        atomic_fetch_add_explicit(ours ? &c->noted_refused : &c->noted, 1, memory_order_relaxed);
    for (size_t i = 0; i < p->n; i++)
        tally_add(&c->findings, reason_row(p->at[i].reason)->name, 0, 1);
}

void submit_tell_notes(struct submit *s)
{
    struct events *events = s->host->worker->relay->events;
    const struct preflight *p = ingest_found(s->ingest);
    if (!p->n || !events_wanted(events, EVENT_NOTED))
        return;
    char names[PREFLIGHT_NAMES];
    struct buf text;
    buf_init(&text, NOTED_TEXT);
    for (size_t i = 0; i < p->n; i++)
        buf_addf(&text, "%s%s", i ? "; " : "", p->at[i].text);
    preflight_names(p, names);
    struct event event = event_of(EVENT_NOTED, &s->message->env, NULL);
    event.note = names;
    event.text = buf_text(&text);
    events_post(events, &event);
    buf_free(&text);
}
