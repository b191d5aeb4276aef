// SPDX-License-Identifier: ISC
// `waxwing queue`: what waits, and what to do about it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "config/load.h"
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/terminal.h"
#include "relay/control/control.h"

struct queue_call {
    json_t *request;
    json_t *ids;
    bool json, filtered, all;
};

static int take_older(struct queue_call *call, const char *value)
{
    uint64_t ms;
    struct why why;
    if (value_duration(span_text(value), &ms, &why) < 0)
        return command_usage_error("queue", "--older: %s", why.text);
    json_object_set_new(call->request, "older_ms", json_integer((json_int_t)ms));
    return 0;
}

static int command_queue_take_option(struct queue_call *call, const char *option, const char *value)
{
    static const char *const plain[] = {"--domain", "--sender", "--state"};
    if (!value)
        return command_usage_error("queue", "'%s' needs a value", option);
    call->filtered = true;
    if (strcmp(option, "--older") == 0)
        return take_older(call, value);
    for (size_t i = 0; i < 3; i++)
        if (strcmp(option, plain[i]) == 0) {
            json_object_set_new(call->request, option + 2, json_string(value));
            return 0;
        }
    return command_usage_error("queue", "unknown option '%s'", option);
}

static int read_arguments(struct queue_call *call, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        uint64_t id;
        if (strcmp(argv[i], "--json") == 0) {
            call->json = true;
        } else if (strcmp(argv[i], "--all") == 0) {
            call->all = true;
        } else if (argv[i][0] == '-') {
            int rc = command_queue_take_option(call, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
            if (rc)
                return rc;
            i++;
        } else if (!id_parse(argv[i], &id)) {
            return command_usage_error("queue", "'%s' is not a message id", argv[i]);
        } else {
            json_array_append_new(call->ids, json_string(argv[i]));
        }
    }
    json_object_set(call->request, "ids", call->ids);
    return 0;
}

static const char *command_queue_word(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : "";
}

// What a peer wrote must not steer the terminal.
static void print_safe(const char *s)
{
    for (; *s; s++)
        putchar((unsigned char)*s < 32 || *s == 127 ? '?' : *s);
}

static void print_row(const json_t *row)
{
    long long age = (long long)(clock_s() - json_integer_value(json_object_get(row, "created")));
    const json_t *next = json_object_get(row, "next");
    printf("%s  %-7s %6llds %8lld  ", command_queue_word(row, "id"),
           command_queue_word(row, "state"), age,
           (long long)json_integer_value(json_object_get(row, "size")));
    print_safe(command_queue_word(row, "from"));
    fputs(" -> ", stdout);
    print_safe(command_queue_word(row, "to"));
    if (json_is_integer(next))
        printf("  (try %lld in %llds)",
               (long long)json_integer_value(json_object_get(row, "attempts")) + 1,
               (long long)(json_integer_value(next) - clock_s()));
    if (command_queue_word(row, "reason")[0]) {
        fputs("\n               ", stdout);
        print_safe(command_queue_word(row, "reason"));
    }
    putchar('\n');
}

static void print_rows(const json_t *answer, const char *verb)
{
    const json_t *rows = json_object_get(answer, "rows"), *row;
    size_t i;
    json_array_foreach (rows, i, row)
        print_row(row);
    bool list = strcmp(verb, "list") == 0 || strcmp(verb, "show") == 0;
    printf("%zu recipient%s%s\n", json_array_size(rows), json_array_size(rows) == 1 ? "" : "s",
           list ? " in the queue" : "");
}

static int run_rows(struct queue_call *call, const char *control, const char *verb)
{
    char name[32];
    snprintf(name, sizeof name, "queue-%s", strcmp(verb, "show") == 0 ? "list" : verb);
    json_object_set_new(call->request, "verb", json_string(name));
    int status;
    json_t *answer = control_ask(control, json_incref(call->request), &status);
    if (answer && json_object_get(answer, "rows")) {
        if (call->json)
            json_dumpf(json_object_get(answer, "rows"), stdout, JSON_INDENT(2)), putchar('\n');
        else
            print_rows(answer, verb);
        if (status == EXIT_NO)
            fputs("waxwing: no such message in the queue\n", stderr);
    }
    json_decref(answer);
    return status;
}

// The bytes come as code points up to U+00FF (see relay/control/verbs_queue.c).
static void print_content(const json_t *answer)
{
    const json_t *content = json_object_get(answer, "content");
    const unsigned char *p = (const unsigned char *)json_string_value(content);
    size_t n = json_string_length(content);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 128 || i + 1 == n)
            putchar(p[i]);
        else
            putchar((p[i] & 3) << 6 | (p[i + 1] & 63)), i++;
    }
}

static int run_export(struct queue_call *call, const char *control, bool header_only)
{
    json_object_set_new(call->request, "verb", json_string("queue-export"));
    json_object_set(call->request, "id", json_array_get(call->ids, 0));
    json_object_set_new(call->request, "header_only", json_boolean(header_only));
    int status;
    json_t *answer = control_ask(control, json_incref(call->request), &status);
    if (answer && status == EXIT_YES && header_only)
        printf("\nid %s, accepted %s from %s %s\nsender <%s>, %lld bytes\n\n",
               command_queue_word(answer, "id"), command_queue_word(answer, "accepted"),
               command_queue_word(answer, "principal"), command_queue_word(answer, "client"),
               command_queue_word(answer, "from"),
               (long long)json_integer_value(json_object_get(answer, "size")));
    if (answer && status == EXIT_YES)
        print_content(answer);
    json_decref(answer);
    return status;
}

static int dispatch(struct queue_call *call, const char *control, const char *verb)
{
    bool changes = strcmp(verb, "list") != 0;
    size_t ids = json_array_size(call->ids);
    if ((strcmp(verb, "show") == 0 || strcmp(verb, "export") == 0) && ids != 1)
        return command_usage_error("queue", "%s takes one message id", verb);
    if (strcmp(verb, "export") == 0) {
        terminal_bytes();
        return run_export(call, control, false);
    }
    if (changes && !ids && !call->filtered && !call->all)
        return command_usage_error("queue", "%s needs message ids, a filter, or --all", verb);
    int status = run_rows(call, control, verb);
    if (status == EXIT_YES && strcmp(verb, "show") == 0 && !call->json)
        return run_export(call, control, true);
    return status;
}

int command_queue(int argc, char **argv)
{
    static const char *const verbs[] = {"list", "show",    "export", "retry",
                                        "hold", "release", "remove", "bounce"};
    const char *verb = argc > 1 ? argv[1] : "list";
    bool known = false;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        known = known || strcmp(verbs[i], verb) == 0;
    if (!known)
        return command_usage_error("queue", "unknown verb '%s'", verb);
    struct queue_call call = {.request = json_object(), .ids = json_array()};
    int status = read_arguments(&call, argc, argv);
    struct config *config = status ? NULL : command_load_config(&status);
    if (config)
        status = dispatch(&call, config->control, verb);
    config_unref(config);
    json_decref(call.request);
    json_decref(call.ids);
    return status;
}
