// SPDX-License-Identifier: ISC
// The verbs of the control socket behind `waxwing suppress`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/control/control.h"
#include "relay/log/json.h"
#include "relay/log/log.h"
#include "relay/suppress/suppress.h"

#define SUPPRESS_ROUND 200   // entries of one piece
#define SUPPRESS_NAMES 10000 // of one request

// What an operator did, once a request.
static void log_change(struct control_call *call, const char *verb, size_t n, const char *sender)
{
    struct logline line;
    char by[64];
    control_by(call, by, sizeof by);
    log_begin(&line, LOG_INFO, "operator", 0);
    log_text(&line, "by", by);
    log_text(&line, "verb", verb);
    log_number(&line, "addresses", (int64_t)n);
    log_text(&line, "sender", sender[0] ? sender : NULL);
    log_end(&line);
}

// ---- add, remove

// The names of a request in the form that entries have; NULL after an error was answered.
static char (*read_names(struct control_call *call, const json_t *request,
                         size_t *n))[SUPPRESS_NAME]
{
    const json_t *names = json_object_get(request, "names");
    *n = json_array_size(names);
    if (!*n || *n > SUPPRESS_NAMES) {
        control_error(call, EXIT_USAGE, "1 to %d addresses", SUPPRESS_NAMES);
        return NULL;
    }
    char(*out)[SUPPRESS_NAME] = mem_new(*n * sizeof *out);
    for (size_t i = 0; i < *n; i++) {
        struct why why;
        const char *name = json_string_value(json_array_get(names, i));
        if (name && suppress_name(span_text(name), out[i], &why) == 0)
            continue;
        control_error(call, EXIT_USAGE, "'%.100s' is no address and no domain", name ? name : "");
        free(out);
        return NULL;
    }
    return out;
}

static bool read_sender(struct control_call *call, const json_t *request,
                        char out[static SUPPRESS_NAME])
{
    struct why why;
    const char *text = json_word(request, "sender");
    out[0] = 0;
    if (!text[0] || (!strchr(text, '@') && suppress_name(span_text(text), out, &why) == 0))
        return true;
    control_error(call, EXIT_USAGE, "'%.100s' is no domain of senders", text);
    return false;
}

static void verbs_suppress_add(struct control_call *call, struct relay *relay,
                               const json_t *request)
{
    char sender[SUPPRESS_NAME], by[64], reason[SUPPRESS_REASON];
    size_t n;
    char(*names)[SUPPRESS_NAME];
    if (!read_sender(call, request, sender) || !(names = read_names(call, request, &n)))
        return;
    int64_t now = clock_ms(), keep = json_number_of(request, "for_ms");
    control_by(call, by, sizeof by);
    const char *given = json_word(request, "reason");
    snprintf(reason, sizeof reason, "%s%.150s", given[0] ? "" : "put on the list by ",
             given[0] ? given : by);
    bool import = json_says(request, "import");
    struct suppressed_row *rows = mem_new(n * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct suppressed_row){.sender = sender,
                                          .address = names[i],
                                          .origin = import ? SUPPRESS_IMPORT : SUPPRESS_HAND,
                                          .since_ms = now,
                                          .until_ms = keep > 0 ? now + keep : 0,
                                          .reason = reason};
    size_t taken = suppress_add(relay->suppress, rows, n);
    log_change(call, import ? "suppress-import" : "suppress-add", taken, sender);
    if (taken < n)
        control_error(call, EXIT_TEMP, "the list is full: %zu of %zu were taken", taken, n);
    else
        control_answer(call, EXIT_YES, json_pack("{s:I}", "added", (json_int_t)taken));
    free(rows);
    free(names);
}

static void verbs_suppress_remove(struct control_call *call, struct relay *relay,
                                  const json_t *request)
{
    char sender[SUPPRESS_NAME];
    size_t n, removed = 0;
    char(*names)[SUPPRESS_NAME];
    if (!read_sender(call, request, sender) || !(names = read_names(call, request, &n)))
        return;
    for (size_t i = 0; i < n; i++)
        removed += suppress_remove(relay->suppress, sender, names[i]);
    log_change(call, "suppress-remove", removed, sender);
    control_answer(call, removed ? EXIT_YES : EXIT_NO,
                   json_pack("{s:I}", "removed", (json_int_t)removed));
    free(names);
}

// ---- list

struct suppress_list {
    struct item item;
    struct control_call *call;
    struct relay *relay;
    struct inbox *mail;
    uint64_t mark, shown;
    char sender[SUPPRESS_NAME];
    bool all, more;
    struct buf piece;
};

static int verbs_suppress_add_text(const char *text, size_t n, void *piece)
{
    return buf_add(piece, text, n);
}

static void verbs_suppress_on_row(const struct suppressed_row *row, void *arg)
{
    struct suppress_list *l = arg;
    if (!l->all && strcmp(row->sender, l->sender) != 0)
        return;
    json_t *j = json_object();
    json_object_set_new(j, "address", json_text(row->address));
    json_object_set_new(j, "sender", json_text(row->sender));
    json_object_set_new(j, "origin", json_string(suppress_origin_word(row->origin)));
    json_object_set_new(j, "since", json_integer(row->since_ms / 1000));
    json_object_set_new(j, "until",
                        row->until_ms ? json_integer(row->until_ms / 1000) : json_null());
    json_object_set_new(j, "reason", json_text(row->reason));
    json_dump_callback(j, verbs_suppress_add_text, &l->piece, JSON_COMPACT);
    buf_addc(&l->piece, '\n');
    json_decref(j);
    l->shown++;
}

static void suppress_list_end(struct suppress_list *l)
{
    control_answer(l->call, EXIT_YES, json_pack("{s:I}", "shown", (json_int_t)l->shown));
    buf_free(&l->piece);
    free(l);
}

static void verbs_suppress_on_next(void *arg)
{
    struct suppress_list *l = arg;
    if (!l->more || l->relay->stage == RELAY_STOPPING) {
        suppress_list_end(l);
        return;
    }
    buf_init(&l->piece, CONTROL_ANSWER_MAX);
    l->more = suppress_each(l->relay->suppress, &l->mark, SUPPRESS_ROUND, verbs_suppress_on_row, l);
    if (!l->piece.len)
        inbox_post(l->mail, &l->item);
    else if (!control_piece(l->call, &l->piece, verbs_suppress_on_next, l))
        suppress_list_end(l); // to nobody
}

static void verbs_suppress_run_next(struct item *item)
{
    verbs_suppress_on_next(list_of(item, struct suppress_list, item));
}

static void verbs_suppress_list(struct control_call *call, struct relay *relay,
                                const json_t *request)
{
    char sender[SUPPRESS_NAME];
    if (!read_sender(call, request, sender))
        return;
    struct suppress_list *l = mem_new(sizeof *l);
    l->item.run = verbs_suppress_run_next;
    l->call = call;
    l->relay = relay;
    l->mail = control_mail(call);
    memcpy(l->sender, sender, sizeof sender);
    l->all = !json_object_get(request, "sender");
    l->more = true;
    verbs_suppress_on_next(l);
}

const struct control_verb control_suppress_verbs[] = {
    {"suppress-add", true, verbs_suppress_add},
    {"suppress-remove", true, verbs_suppress_remove},
    {"suppress-list", false, verbs_suppress_list},
    {NULL, false, NULL},
};
