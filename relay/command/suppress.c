// SPDX-License-Identifier: ISC
// `waxwing suppress`: the list of addresses that get no mail from here. Asks the running relay.
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/control/control.h"
#include "relay/log/json.h"
#include "relay/log/log.h"

#define SUPPRESS_AT_ONCE 1000 // names of one request

struct suppress_options {
    bool json;
    const char *sender, *reason;
    uint64_t for_ms;
    const char *socket;
    bool any; // row of the list was shown
};

static json_t *suppress_request(const struct suppress_options *o, const char *verb)
{
    json_t *request = json_pack("{s:s}", "verb", verb);
    if (o->sender)
        json_object_set_new(request, "sender", json_text(o->sender));
    if (o->reason)
        json_object_set_new(request, "reason", json_text(o->reason));
    if (o->for_ms)
        json_object_set_new(request, "for_ms", json_integer((json_int_t)o->for_ms));
    return request;
}

static int suppress_names(const struct suppress_options *o, const char *verb, int n, char **names)
{
    int status;
    bool add = strcmp(verb, "suppress-add") == 0;
    if (!n)
        return command_usage_error("suppress", "which addresses or domains?");
    json_t *request = suppress_request(o, verb), *all = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(all, json_text(names[i]));
    json_object_set_new(request, "names", all);
    json_t *answer = control_ask(o->socket, request, &status);
    if (answer && o->json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (answer && (status == EXIT_YES || status == EXIT_NO))
        printf("%lld %s\n", json_number_of(answer, add ? "added" : "removed"),
               add ? "added" : "removed");
    json_decref(answer);
    return status;
}

// ---- import

struct suppress_import {
    const struct suppress_options *o;
    json_t *names;
    size_t lines, added;
    int status;
};

static bool send_names(struct suppress_import *i)
{
    if (!json_array_size(i->names))
        return true;
    json_t *request = suppress_request(i->o, "suppress-add");
    json_object_set_new(request, "import", json_true());
    json_object_set_new(request, "names", i->names);
    i->names = json_array();
    json_t *answer = control_ask(i->o->socket, request, &i->status);
    i->added += answer ? (size_t)json_number_of(answer, "added") : 0;
    json_decref(answer);
    return i->status == EXIT_YES;
}

static bool import_line(struct suppress_import *i, char *text)
{
    i->lines++;
    text[strcspn(text, "#\r\n")] = 0;
    struct span line = span_trim(span_text(text));
    if (!line.n)
        return true;
    char *name = span_dup(line);
    json_array_append_new(i->names, json_text(name));
    free(name);
    return json_array_size(i->names) < SUPPRESS_AT_ONCE || send_names(i);
}

static int suppress_import(const struct suppress_options *o, int n, char **files)
{
    char *line = NULL;
    size_t room = 0;
    if (n != 1)
        return command_usage_error("suppress", "import takes one file, or - for standard input");
    FILE *f = strcmp(files[0], "-") == 0 ? stdin : fopen(files[0], "re");
    if (!f) {
        fprintf(stderr, "waxwing suppress: %s: %s\n", files[0], strerror(errno));
        return EXIT_USAGE;
    }
    struct suppress_import import = {.o = o, .names = json_array(), .status = EXIT_YES};
    bool good = true;
    while (good && getline(&line, &room, f) > 0)
        good = import_line(&import, line);
    good = good && send_names(&import);
    if (!good)
        fprintf(stderr, "waxwing suppress: stopped at line %zu or up to %d before it\n",
                import.lines, SUPPRESS_AT_ONCE);
    printf(o->json ? "{\"added\": %zu}\n" : "%zu added\n", import.added);
    json_decref(import.names);
    free(line);
    if (f != stdin)
        fclose(f);
    return import.status;
}

// ---- list

static bool suppress_on_line(const json_t *row, void *arg)
{
    struct suppress_options *o = arg;
    o->any = true;
    if (o->json) {
        json_dumpf(row, stdout, JSON_COMPACT);
        return putchar('\n') != EOF;
    }
    char until[40] = "for good";
    struct buf reason;
    const char *sender = json_string_value(json_object_get(row, "sender"));
    if (json_number_of(row, "until"))
        clock_rfc3339(json_number_of(row, "until") * 1000, until);
    buf_init(&reason, LOG_VALUE_MAX * 8);
    log_quote(span_text(json_string_value(json_object_get(row, "reason"))), &reason);
    printf("%s from=%s origin=%s until=%s reason=%s\n",
           json_string_value(json_object_get(row, "address")), sender[0] ? sender : "*",
           json_string_value(json_object_get(row, "origin")), until, buf_text(&reason));
    buf_free(&reason);
    return true;
}

static int suppress_list(struct suppress_options *o)
{
    int status;
    json_decref(control_ask_lines(o->socket, suppress_request(o, "suppress-list"), suppress_on_line,
                                  o, &status));
    if (status == EXIT_YES && !o->any && !o->json)
        puts("no address is suppressed");
    return status;
}

// ----

static int suppress_take(struct suppress_options *o, int c)
{
    struct why why;
    if (c == 'j')
        o->json = true;
    else if (c == 's')
        o->sender = optarg;
    else if (c == 'r')
        o->reason = optarg;
    else if (c != 'f')
        return command_usage_error("suppress", "unknown option");
    else if (value_duration(span_text(optarg), &o->for_ms, &why) < 0 || !o->for_ms)
        return command_usage_error("suppress", "--for '%s': a time such as 30d", optarg);
    return EXIT_YES;
}

static int suppress_verb(struct suppress_options *o, int argc, char **argv)
{
    const char *verb = optind < argc ? argv[optind] : "";
    int n = argc - optind - 1;
    char **words = argv + optind + 1;
    if (strcmp(verb, "add") == 0)
        return suppress_names(o, "suppress-add", n, words);
    if (strcmp(verb, "remove") == 0)
        return suppress_names(o, "suppress-remove", n, words);
    if (strcmp(verb, "import") == 0)
        return suppress_import(o, n, words);
    if (strcmp(verb, "list") != 0 || n)
        return command_usage_error("suppress", "add, remove, list or import?");
    return suppress_list(o);
}

int command_suppress(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"sender", required_argument, NULL, 's'},
                                            {"for", required_argument, NULL, 'f'},
                                            {"reason", required_argument, NULL, 'r'},
                                            {0}};
    struct suppress_options o = {0};
    int status = EXIT_YES;
    optind = 0; // GNU: start anew
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if ((status = suppress_take(&o, c)) != EXIT_YES)
            return status;
    struct config *config = command_load_config(&status);
    if (!config)
        return status;
    o.socket = config->control;
    status = suppress_verb(&o, argc, argv);
    config_unref(config);
    return status;
}
