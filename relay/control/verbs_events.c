// SPDX-License-Identifier: ISC
// The verbs of the control socket behind `waxwing events`: what was told, and how the sinks are.
#include <stdlib.h>
#include <string.h>
#include "relay/base/exit.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/control/control.h"
#include "relay/events/backlog.h"
#include "relay/log/json.h"

// A list on its way: a piece, then the loop's other work, then the next.
struct event_list {
    struct item item;
    struct control_call *call;
    struct inbox *mail;
    struct backlog backlog;
    struct buf piece;
    char *time, *id;
};

static void list_end(struct event_list *l)
{
    json_t *end = json_pack("{s:I}", "after", (json_int_t)l->backlog.place.seq);
    control_answer(l->call, EXIT_YES, end);
    journal_unref(l->backlog.journal);
    buf_free(&l->piece);
    free(l->time);
    free(l->id);
    free(l);
}

static void verbs_events_on_next(void *arg)
{
    struct event_list *l = arg;
    buf_init(&l->piece, CONTROL_ANSWER_MAX);
    bool more = backlog_read(&l->backlog);
    if (!more) {
        list_end(l);
    } else if (!l->piece.len) {
        inbox_post(l->mail, &l->item);
    } else {
        buf_addc(&l->piece, '\n');
        if (!control_piece(l->call, &l->piece, verbs_events_on_next, l))
            list_end(l); // to nobody
    }
}

static void verbs_events_run_next(struct item *item)
{
    verbs_events_on_next(list_of(item, struct event_list, item));
}

static const char *verbs_events_text(const json_t *request, const char *key)
{
    return json_string_value(json_object_get(request, key));
}

static void verbs_events_list(struct control_call *call, struct relay *relay, const json_t *request)
{
    const char *type = verbs_events_text(request, "type");
    if (type && event_type_parse(type) == EVENT_TYPES) {
        control_error(call, EXIT_USAGE, "'%s' is no type of event", type);
        return;
    }
    struct journal *journal = events_journal(relay->events);
    if (!journal) {
        control_error(call, EXIT_NO, "no events are kept (events, event_log)");
        return;
    }
    struct event_list *l = mem_new(sizeof *l);
    const json_t *limit = json_object_get(request, "limit");
    l->item.run = verbs_events_run_next;
    l->call = call;
    l->mail = control_mail(call);
    l->time = mem_dup(verbs_events_text(request, "time"));
    l->id = mem_dup(verbs_events_text(request, "id"));
    l->backlog = (struct backlog){
        .journal = journal,
        .place = {.seq = (uint64_t)json_number_of(request, "after")},
        .type = type ? (int)event_type_parse(type) : -1,
        .time = l->time,
        .id = l->id,
        .limit = limit ? (uint64_t)json_integer_value(limit) : UINT64_MAX,
        .out = &l->piece,
        .between = "\n",
        .room = CONTROL_PIECE,
    };
    verbs_events_on_next(l);
}

static void verbs_events_add_sink(const struct sink_row *row, void *arg)
{
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(row->name));
    json_object_set_new(j, "target", json_text(row->target));
    json_object_set_new(j, "cursor", json_integer((json_int_t)row->cursor));
    json_object_set_new(j, "waiting", json_integer((json_int_t)row->waiting));
    json_object_set_new(j, "dropped", json_integer((json_int_t)row->dropped));
    json_object_set_new(j, "failures", json_integer(row->failures));
    json_object_set_new(j, "trouble", json_text(row->trouble));
    json_array_append_new(arg, j);
}

static void verbs_events_sinks(struct control_call *call, struct relay *relay,
                               const json_t *request)
{
    (void)request;
    struct events_state state;
    json_t *rows = json_array();
    events_sinks(relay->events, verbs_events_add_sink, rows);
    events_get_state(relay->events, &state);
    control_answer(call, EXIT_YES,
                   json_pack("{s:o, s:I, s:I, s:I}", "sinks", rows, "newest",
                             (json_int_t)state.newest, "written", (json_int_t)state.written,
                             "dropped", (json_int_t)state.dropped));
}

const struct control_verb control_event_verbs[] = {
    {"events-list", false, verbs_events_list},
    {"events-sinks", false, verbs_events_sinks},
    {NULL, false, NULL},
};
