// SPDX-License-Identifier: ISC
// `waxwing queue`: what waits, and what to do about it. Asks the running relay; with --offline works on the spool of
// one that is stopped (queue_offline.c).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/queue.h"
#include "relay/command/terminal.h"
#include "relay/control/control.h"
#include "relay/log/json.h"
#include "relay/queue/redirect.h"

static bool is(const struct queue_call *call, const char *verb)
{
    return strcmp(call->verb, verb) == 0;
}

struct rows {
    const struct queue_call *call;
    const char *control;
    size_t n;
};

// What routing, or a session that has no token yet, waits for at this moment; nothing where it goes on by itself.
static json_t *with_waits(const struct rows *rows, const json_t *row)
{
    const char *state = json_string_value(json_object_get(row, "state"));
    const char *domain = json_string_value(json_object_get(row, "domain"));
    int status;
    if (!is(rows->call, "show") || !state || !domain ||
        (strcmp(state, "routing") != 0 && strcmp(state, "active") != 0))
        return json_incref((json_t *)(uintptr_t)row);
    json_t *whole = json_copy((json_t *)(uintptr_t)row);
    json_t *answer = control_ask_quietly(
        rows->control, json_pack("{s:s, s:s}", "verb", "route-waits", "domain", domain), &status);
    json_t *waits = json_object_get(answer, "waits");
    if (status == EXIT_YES && json_array_size(waits))
        json_object_set(whole, "waits_for", waits);
    json_decref(answer);
    return whole;
}

static bool queue_on_row(const json_t *row, void *arg)
{
    struct rows *rows = arg;
    json_t *whole = with_waits(rows, row);
    queue_print_row(rows->call, whole, rows->n++);
    json_decref(whole);
    return !ferror(stdout);
}

static int run_list(const struct queue_call *call, const char *control)
{
    struct rows rows = {.call = call, .control = control};
    int status;
    json_t *last =
        control_ask_lines(control, queue_request(call, "list"), queue_on_row, &rows, &status);
    if (last && !json_object_get(last, "error"))
        queue_print_end(call, rows.n);
    if (last && !queue_tell_frozen(last) && status == EXIT_NO)
        fputs("waxwing: no such message in the queue\n", stderr);
    json_decref(last);
    return status;
}

// The bytes come as code points up to U+00FF (see relay/control/export.c).
static void print_content(const json_t *content)
{
    const unsigned char *p = (const unsigned char *)json_string_value(content);
    size_t n = json_string_length(content);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 128 || i + 1 == n)
            putchar(p[i]);
        else
            putchar((p[i] & 3) << 6 | (p[i + 1] & 63)), i++;
    }
}

static bool queue_on_content(const json_t *line, void *arg)
{
    const bool *header_only = arg;
    if (*header_only && json_object_get(line, "id"))
        queue_print_envelope(line);
    print_content(json_object_get(line, "content"));
    return !ferror(stdout);
}

static int run_export(const struct queue_call *call, const char *control, bool header_only)
{
    char id[ID_TEXT];
    id_text(call->ids[0], id);
    json_t *request = json_pack("{s:s, s:s, s:b}", "verb", "queue-export", "id", id, "header_only",
                                (int)header_only);
    int status;
    json_decref(control_ask_lines(control, request, queue_on_content, &header_only, &status));
    return status;
}

// In its one spelling, whoever is asked.
static int queue_read_next_hop(struct queue_call *call, const struct config *config)
{
    struct why why;
    if (!call->next_hop)
        return EXIT_YES;
    if (queue_next_hop(call->next_hop, config->hostname, &call->hop, &why) < 0)
        return command_usage_error("queue", "--to-next-hop: %s", why.text);
    call->next_hop = call->hop;
    return EXIT_YES;
}

static int dispatch(struct queue_call *call, struct config *config)
{
    int bad = queue_read_next_hop(call, config);
    if (bad)
        return bad;
    if (is(call, "export"))
        terminal_bytes();
    if (call->fleet)
        return queue_fleet(call, config);
    if (call->offline)
        return queue_offline(call, config);
    const char *control = config->control;
    if (is(call, "import"))
        return queue_import_online(call, control);
    if (is(call, "export") && queue_is_many(call))
        return queue_export_many(call, control);
    if (is(call, "export"))
        return run_export(call, control, false);
    if (!is(call, "list") && !is(call, "show"))
        return queue_change_online(call, control);
    int status = run_list(call, control);
    if (status == EXIT_YES && is(call, "show") && !call->json)
        return run_export(call, control, true);
    return status;
}

// Nodes tell sums, not messages.
static int check_fleet(const struct queue_call *call)
{
    const struct queue_filter *f = &call->filter;
    if (!is(call, "list") || call->offline)
        return command_usage_error("queue", "--fleet is for list, without --offline");
    if (f->nids || f->sender || f->login || f->class || f->older_ms || f->newer_ms || f->larger ||
        f->smaller)
        return command_usage_error("queue",
                                   "--fleet knows sums: choose by --domain, --site and --state, "
                                   "and ask a node for its messages");
    return EXIT_YES;
}

// What the words must and must not say together.
static int check_words(const struct queue_call *call)
{
    bool list = is(call, "list"), import = is(call, "import"), export = is(call, "export");
    bool one = is(call, "show") || (export && !queue_is_many(call));
    bool change = !list && !one && !import && !export;
    if (one && (call->filter.nids != 1 || call->filtered || call->all))
        return command_usage_error("queue", "%s takes one message id", call->verb);
    if (change && !call->filter.nids && !call->filtered && !call->all)
        return command_usage_error("queue", "%s needs message ids, a filter, or --all", call->verb);
    if (!change && (call->dry || call->yes))
        return command_usage_error("queue", "%s knows no --dry-run and no --yes", call->verb);
    if (is(call, "redirect") != !!call->next_hop)
        return command_usage_error("queue", "%s",
                                   call->next_hop ? "--to-next-hop is for redirect"
                                                  : "redirect needs --to-next-hop");
    if (import && !call->file)
        return command_usage_error("queue", "import needs a file, or - for standard input");
    if (!import && call->nto)
        return command_usage_error("queue", "--to is for import");
    if (!export && call->envelope)
        return command_usage_error("queue", "--envelope is for export");
    if (call->fleet)
        return check_fleet(call);
    if (call->offline && is(call, "show"))
        return command_usage_error("queue", "show needs the running relay: no --offline");
    if (call->offline && (call->filter.site || call->filter.class))
        return command_usage_error("queue", "--site and --class need the running relay");
    return EXIT_YES;
}

int command_queue(int argc, char **argv)
{
    static const char *const verbs[] = {"list",    "show",     "export", "retry",  "hold",
                                        "release", "redirect", "remove", "bounce", "import"};
    struct queue_call *call = mem_new(sizeof *call);
    call->verb = argc > 1 ? argv[1] : "list";
    bool known = false;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        known = known || strcmp(verbs[i], call->verb) == 0;
    int status = known ? queue_read_arguments(call, argc, argv)
                       : command_usage_error("queue", "unknown verb '%s'", call->verb);
    if (status == EXIT_YES)
        status = check_words(call);
    struct config *config = status ? NULL : command_load_config(&status);
    if (config)
        status = dispatch(call, config);
    config_unref(config);
    free(call->to);
    free(call->hop);
    free(call);
    return status;
}
