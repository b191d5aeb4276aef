// SPDX-License-Identifier: ISC
// `waxwing events`: what was told to applications, and how those take it. Asks the running relay.
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/control/control.h"
#include "relay/log/json.h"
#include "relay/log/log.h"

struct events_options {
    bool json;
    json_t *request; // owned
};

// A number of an event, an age, or a time as events have it.
static int events_take_since(json_t *request, const char *text)
{
    uint64_t number, ms;
    struct why why;
    char time[40];
    if (span_number(span_text(text), UINT64_MAX / 2, &number)) {
        json_object_set_new(request, "after", json_integer((json_int_t)number));
        return 0;
    }
    if (value_duration(span_text(text), &ms, &why) == 0) {
        clock_rfc3339(clock_ms() - (int64_t)ms, time);
        text = time;
    } else if (strlen(text) < 10 || text[4] != '-' || text[7] != '-') {
        return command_usage_error("events",
                                   "--since '%s': a number, an age (2h, 3d) or a time, as in "
                                   "2026-11-21 or 2026-11-21T20:49:00Z",
                                   text);
    }
    json_object_set_new(request, "time", json_text(text));
    return 0;
}

static int events_take(struct events_options *o, int c)
{
    uint64_t number;
    if (c == 'j') {
        o->json = true;
    } else if (c == 's') {
        return events_take_since(o->request, optarg);
    } else if (c == 't') {
        json_object_set_new(o->request, "type", json_text(optarg));
    } else if (c == 'i') {
        json_object_set_new(o->request, "id", json_text(optarg));
    } else if (c != 'l' || !span_number(span_text(optarg), 1000000000, &number) || !number) {
        return command_usage_error("events",
                                   c == 'l' ? "--limit takes a number" : "unknown option");
    } else {
        json_object_set_new(o->request, "limit", json_integer((json_int_t)number));
    }
    return 0;
}

static void print_word(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    struct buf out;
    if (!text)
        return;
    buf_init(&out, LOG_VALUE_MAX * 8);
    log_quote(span_text(text), &out);
    printf(" %s=%s", key, buf_text(&out));
    buf_free(&out);
}

static bool events_on_line(const json_t *event, void *arg)
{
    const struct events_options *o = arg;
    static const char *const keys[] = {"id",   "tag",  "to", "site",   "status", "class",
                                       "rule", "note", "by", "reason", "reply"};
    if (o->json) {
        json_dumpf(event, stdout, JSON_COMPACT);
        return putchar('\n') != EOF;
    }
    printf("%lld %s %s", json_number_of(event, "seq"),
           json_string_value(json_object_get(event, "time")),
           json_string_value(json_object_get(event, "event")));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        print_word(event, keys[i]);
    return putchar('\n') != EOF;
}

struct shown {
    uint64_t wanted;
    bool found;
};

static bool events_on_shown(const json_t *event, void *arg)
{
    struct shown *s = arg;
    s->found = (uint64_t)json_number_of(event, "seq") == s->wanted;
    if (s->found)
        json_dumpf(event, stdout, JSON_INDENT(2)), putchar('\n');
    return true;
}

static int events_show(const char *socket, const char *text)
{
    int status;
    struct shown s = {0};
    if (!span_number(span_text(text), UINT64_MAX / 2, &s.wanted) || !s.wanted)
        return command_usage_error("events", "'%s' is no number of an event", text);
    json_t *request = json_pack("{s:s, s:I, s:i}", "verb", "events-list", "after",
                                (json_int_t)(s.wanted - 1), "limit", 1);
    json_decref(control_ask_lines(socket, request, events_on_shown, &s, &status));
    if (status == EXIT_YES && !s.found) {
        fprintf(stderr, "waxwing events: there is no event %s (any more)\n", text);
        return EXIT_NO;
    }
    return status;
}

static void print_sinks(const json_t *answer)
{
    const json_t *all = json_object_get(answer, "sinks"), *row;
    size_t i;
    printf("newest event %lld, %lld dropped since the start\n", json_number_of(answer, "newest"),
           json_number_of(answer, "dropped"));
    json_array_foreach (all, i, row) {
        const char *trouble = json_string_value(json_object_get(row, "trouble"));
        printf("%s: %lld waiting behind %lld, %lld dropped; %s%s\n",
               json_string_value(json_object_get(row, "name")), json_number_of(row, "waiting"),
               json_number_of(row, "cursor"), json_number_of(row, "dropped"),
               trouble[0] ? "fails: " : "well", trouble);
    }
}

static int events_sinks_verb(const char *socket, bool as_json)
{
    int status;
    json_t *answer = control_ask(socket, json_pack("{s:s}", "verb", "events-sinks"), &status);
    if (answer && as_json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (answer && status == EXIT_YES)
        print_sinks(answer);
    json_decref(answer);
    return status;
}

static int events_verb(struct events_options *o, int argc, char **argv)
{
    int status = EXIT_YES;
    const char *verb = optind < argc ? argv[optind] : "";
    bool show = strcmp(verb, "show") == 0, list = strcmp(verb, "list") == 0;
    if (!show && !list && strcmp(verb, "sinks") != 0)
        return command_usage_error("events", "list, show or sinks?");
    if (argc - optind != (show ? 2 : 1))
        return command_usage_error(
            "events", show ? "show takes the number of an event" : "%s takes no further words",
            verb);
    struct config *config = command_load_config(&status);
    if (!config)
        return status;
    if (show)
        status = events_show(config->control, argv[optind + 1]);
    else if (list)
        json_decref(control_ask_lines(config->control, json_incref(o->request), events_on_line, o,
                                      &status));
    else
        status = events_sinks_verb(config->control, o->json);
    config_unref(config);
    return status;
}

int command_events(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},        {"since", required_argument, NULL, 's'},
        {"type", required_argument, NULL, 't'},  {"id", required_argument, NULL, 'i'},
        {"limit", required_argument, NULL, 'l'}, {0}};
    struct events_options o = {.request = json_pack("{s:s}", "verb", "events-list")};
    int status = EXIT_YES;
    optind = 0; // GNU: start anew
    opterr = 0;
    for (int c; status == EXIT_YES && (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        status = events_take(&o, c);
    if (status == EXIT_YES)
        status = events_verb(&o, argc, argv);
    json_decref(o.request);
    return status;
}
