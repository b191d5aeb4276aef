// SPDX-License-Identifier: ISC
// /events?since=N&limit=M: the events behind a number, for a receiver that was down.
#include <inttypes.h>
#include "relay/events/backlog.h"
#include "relay/http/http.h"
#include "relay/http/views.h"

#define EVENTS_LIMIT 100     // of one answer where nothing is said
#define EVENTS_MOST  1000    // and at most
#define EVENTS_BYTES 1048576 // about

// True: it is not given, or a number.
static bool events_number(struct http_call *call, const char *name, uint64_t max, uint64_t *out)
{
    const char *text = http_argument(call, name);
    return !text || span_number(span_text(text), max, out);
}

static void answer_events(struct http_call *call, struct journal *journal, uint64_t since,
                          uint64_t limit)
{
    struct buf text, events;
    buf_init(&text, HTTP_CONTENT_MAX);
    buf_init(&events, HTTP_CONTENT_MAX);
    struct backlog backlog = {.journal = journal,
                              .place = {.seq = since},
                              .type = -1,
                              .limit = limit,
                              .out = &events,
                              .between = ",",
                              .room = EVENTS_BYTES};
    while (events.len < EVENTS_BYTES && backlog_read(&backlog))
        continue;
    buf_addf(&text, "{\"events\":[%s],\"after\":%" PRIu64 ",\"newest\":%" PRIu64 "}\n",
             buf_text(&events), backlog.place.seq, journal_last(journal));
    buf_free(&events);
    http_answer(call, 200, "application/json", &text);
}

void views_events(struct http_call *call, struct relay *relay)
{
    uint64_t since = 0, limit = EVENTS_LIMIT;
    if (!events_number(call, "since", UINT64_MAX / 2, &since) ||
        !events_number(call, "limit", EVENTS_MOST, &limit)) {
        http_answer_line(call, 400, "since is the number of an event, limit at most 1000");
        return;
    }
    struct journal *journal = events_journal(relay->events);
    if (!journal) {
        http_answer_line(call, 404, "no events are kept (events, event_log)");
        return;
    }
    answer_events(call, journal, since, limit);
    journal_unref(journal);
}
