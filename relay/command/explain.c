// SPDX-License-Identifier: ISC
// `waxwing explain DOMAIN`: from the running relay if there is one, else planned here. Exit: deliver 0,
// bounce 1, defer 75.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/idn.h"
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/options.h"
#include "relay/control/control.h"
#include "relay/route/explain.h"
#include "relay/command/offline.h"
#include "relay/command/probe.h"

#define LATELY_MS   3600000 // failures younger than this are told
#define LATELY_ROWS 5

struct explain_options {
    const char *domain, *dns_file, *resolver, *state, *sender, *next_hop;
    bool json, offline, connect, requiretls;
    bool alone; // --offline was said
    struct route_wish wish;
    char ascii[256];
};

static int verdict_status(const json_t *explanation)
{
    const char *verdict = json_string_value(json_object_get(explanation, "verdict"));
    if (!verdict)
        return EXIT_FAULT;
    return strcmp(verdict, "deliver") == 0 ? EXIT_YES
           : strcmp(verdict, "defer") == 0 ? EXIT_TEMP
                                           : EXIT_NO;
}

#define ROW(name, kind, field)                                                                     \
    {                                                                                              \
        name, kind, offsetof(struct explain_options, field), NULL                                  \
    }
static const struct option_row rows[] = {
    ROW("json", OPTION_FLAG, json),
    ROW("offline", OPTION_FLAG, offline),
    ROW("connect", OPTION_FLAG, connect),
    ROW("requiretls", OPTION_FLAG, requiretls),
    ROW("dns-file", OPTION_TEXT, dns_file),
    ROW("resolver", OPTION_TEXT, resolver),
    ROW("state", OPTION_TEXT, state),
    ROW("sender", OPTION_TEXT, sender),
    ROW("next-hop", OPTION_TEXT, next_hop),
    {"now", OPTION_CLOCK, 0, NULL},
    {0},
};

static int explain_read_options(struct explain_options *o, int argc, char **argv)
{
    int rc = command_table("explain", argc, argv, rows, o);
    if (rc != EXIT_YES)
        return rc;
    if (optind + 1 != argc)
        return command_usage_error("explain", "one domain is wanted");
    const char *at = strrchr(argv[optind], '@'); // an address will do too
    o->domain = at ? at + 1 : argv[optind];
    if (o->domain[0] == '[')
        snprintf(o->ascii, sizeof o->ascii, "%s", o->domain);
    else if (idn_to_ascii(o->domain, o->ascii) < 0)
        return command_usage_error("explain", "'%s' is not a domain", o->domain);
    o->wish = (struct route_wish){.domain = o->ascii,
                                  .variant = o->requiretls ? ROUTE_REQUIRETLS : ROUTE_PLAIN,
                                  .sender = o->sender,
                                  .next_hop = o->next_hop};
    struct why why;
    struct cfg_next_hop hop = {0};
    if (o->next_hop && value_hop(span_text(o->next_hop), &hop, &why) < 0)
        return command_usage_error("explain", "%s", why.text);
    free(hop.name);
    o->alone = o->offline || o->dns_file;
    // What changes the world is only for a look of our own.
    o->offline = o->offline || o->dns_file || o->resolver || o->state || o->connect;
    return 0;
}

// What the present plan does not show: what failed when it was last tried.
static void add_lately(const struct explain_options *o, const struct config *config,
                       json_t *explanation)
{
    int status;
    json_t *waiting = control_ask_quietly(
        config->control, json_pack("{s:s, s:s}", "verb", "waiting", "domain", o->ascii), &status);
    if (status == EXIT_YES && json_integer_value(json_object_get(waiting, "recipients"))) {
        json_object_del(waiting, "exit");
        json_object_set(explanation, "waiting", waiting);
    }
    json_decref(waiting);
    json_t *failures = control_ask_quietly(
        config->control,
        json_pack("{s:s, s:s, s:I, s:i}", "verb", "tls-failures", "domain", o->ascii, "since",
                  (json_int_t)(clock_ms() - LATELY_MS), "limit", LATELY_ROWS),
        &status);
    json_t *lately = status == EXIT_YES ? json_object_get(failures, "rows") : NULL;
    if (json_array_size(lately))
        json_object_set(explanation, "failures", lately);
    json_decref(failures);
}

static json_t *ask_relay(const struct explain_options *o, const struct config *config, int *status)
{
    json_t *request =
        json_pack("{s:s, s:s, s:i, s:s*, s:s*}", "verb", "explain", "domain", o->ascii, "variant",
                  (int)o->wish.variant, "sender", o->sender, "next_hop", o->next_hop);
    json_t *answer = control_ask_quietly(config->control, request, status);
    if (answer && !json_object_get(answer, "verdict")) {
        json_decref(answer);
        answer = NULL;
    }
    json_object_del(answer, "exit"); // of the socket, not of the explanation
    if (answer)
        add_lately(o, config, answer);
    return answer;
}

static void show(const struct explain_options *o, json_t *explanation)
{
    if (o->json)
        json_dumpf(explanation, stdout, JSON_INDENT(2)), putchar('\n');
    else
        explain_print(explanation, stdout);
}

// The plan says what may happen, the hosts what does: the first that lets mail pass decides, as in a delivery;
// where none does, the first that does not.
static void add_connections(json_t *explanation, json_t *connect)
{
    size_t i;
    json_t *c, *first = NULL;
    const char *verdict = json_string_value(json_object_get(explanation, "verdict"));
    bool passes = false;
    json_object_set_new(explanation, "connect", connect);
    json_array_foreach (connect, i, c) {
        const char *result = json_string_value(json_object_get(c, "result"));
        passes = passes || strcmp(result, "proved") == 0 || strcmp(result, "clear") == 0;
        if (!first || (strcmp(result, "failed") == 0 &&
                       strcmp(json_string_value(json_object_get(first, "result")), "failed") != 0))
            first = c; // a host that answers says more than one that does not
    }
    if (strcmp(verdict, "deliver") != 0 || passes || !first)
        return;
    const char *reason = json_string_value(json_object_get(first, "reason"));
    const char *type = json_string_value(json_object_get(first, "type"));
    json_object_set_new(explanation, "verdict", json_string("defer"));
    json_object_set_new(explanation, "status", json_string(type && type[0] ? "4.7.5" : "4.4.1"));
    char *text = mem_printf("%s: %s", json_string_value(json_object_get(first, "host")),
                            reason && reason[0] ? reason : "no connection");
    json_object_set_new(explanation, "reason", json_string(text));
    free(text);
}

static int explain_here(const struct explain_options *o, struct config *config)
{
    struct why why;
    const char *state = o->state;
    // A look at the hosts counts the policies and the memory that the relay here delivers by.
    if (!state && o->connect && !o->alone && access(config->state, R_OK) == 0)
        state = config->state;
    struct offline_options options = {
        .config = config, .dns_file = o->dns_file, .resolver = o->resolver, .state_file = state};
    struct offline *offline = offline_open(&options, &why);
    if (!offline) {
        fprintf(stderr, "waxwing: %s\n", why.text);
        return EXIT_TEMP;
    }
    struct planning *planning = offline_plan(offline, &o->wish);
    json_t *explanation = explain_json(planning, o->ascii);
    if (o->connect)
        add_connections(explanation, probe_route(offline_loop(offline), planning_route(planning)));
    if (!o->alone)
        add_lately(o, config, explanation);
    show(o, explanation);
    int status = verdict_status(explanation);
    json_decref(explanation);
    planning_free(planning);
    offline_close(offline);
    return status;
}

int command_explain(int argc, char **argv)
{
    struct explain_options o = {0};
    int status = explain_read_options(&o, argc, argv);
    if (status)
        return status;
    struct config *config = command_load_config_or_default(&status);
    if (!config)
        return status;
    json_t *answer = o.offline ? NULL : ask_relay(&o, config, &status);
    if (answer) {
        show(&o, answer);
        status = verdict_status(answer);
        json_decref(answer);
    } else {
        status = explain_here(&o, config);
    }
    config_unref(config);
    return status;
}
