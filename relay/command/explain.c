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
#include "relay/command/explain.h"
#include "relay/command/offline.h"
#include "relay/command/options.h"
#include "relay/command/probe.h"
#include "relay/command/terminal.h"
#include "relay/control/address.h"
#include "relay/control/control.h"
#include "relay/recent/recent_json.h"
#include "relay/route/explain.h"

#define FIRST_MS 700 // a screen shows what is known by then

struct explain_options {
    const char *address; // NULL: a domain was named
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
    o->address = at ? argv[optind] : NULL;
    if (o->domain[0] == '[')
        snprintf(o->ascii, sizeof o->ascii, "%s", o->domain);
    else if (idn_to_ascii(o->domain, o->ascii) < 0)
        return command_usage_error("explain", "'%s' is not a domain", argv[optind]);
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

static json_t *ask_relay(const struct explain_options *o, const struct config *config,
                         unsigned patience_ms, int *status)
{
    json_t *request =
        json_pack("{s:s, s:s, s:i, s:i, s:s*, s:s*, s:s*}", "verb", "explain", "domain", o->ascii,
                  "variant", (int)o->wish.variant, "patience", (int)patience_ms, "sender",
                  o->sender, "next_hop", o->next_hop, "address", o->address);
    json_t *answer = control_ask_quietly(config->control, request, status);
    if (answer && !json_object_get(answer, "verdict")) {
        json_decref(answer);
        answer = NULL;
    }
    json_object_del(answer, "exit"); // of the socket, not of the explanation
    if (!answer)
        return NULL;
    explain_add_lately(answer, config->control, o->ascii);
    explain_add_site(answer, config->control);
    explain_add_sender(answer, config);
    explain_agree(answer);
    return answer;
}

static void show(const struct explain_options *o, json_t *explanation)
{
    if (o->json)
        json_dumpf(explanation, stdout, JSON_INDENT(2)), putchar('\n');
    else
        explain_print(explanation, stdout);
}

// A screen shows at once what is known, and the rest when it is there; everybody else waits, within bounds.
static json_t *explain_asked(const struct explain_options *o, const struct config *config,
                             int *status)
{
    bool screen = !o->json && terminal_width() > 0;
    json_t *answer = ask_relay(o, config, screen ? FIRST_MS : 0, status);
    if (!answer || !screen || !json_object_get(answer, "running"))
        return answer;
    show(o, answer);
    json_t *whole = ask_relay(o, config, 0, status);
    if (!whole)
        return answer;
    json_decref(answer);
    fputs("\nWith what was looked up meanwhile:\n", stdout);
    return whole;
}

// What became of the last deliveries: of the relay where one runs, else of the state database.
static void add_recent(const struct explain_options *o, const struct config *config,
                       const char *state, json_t *explanation)
{
    int status;
    json_t *answer = NULL, *recent = NULL;
    if (!o->alone && !o->state)
        answer = control_ask_quietly(config->control,
                                     json_pack("{s:s, s:s, s:O}", "verb", "recent", "domain",
                                               o->ascii, "explanation", explanation),
                                     &status);
    recent = json_incref(json_object_get(answer, "recent"));
    json_decref(answer);
    if (!recent)
        recent = recent_json_file(state, o->ascii, explanation);
    json_object_set_new(explanation, "recent", recent);
    if (o->alone)
        return;
    explain_add_lately(explanation, config->control, o->ascii);
    explain_add_site(explanation, config->control);
}

static void explain_add_address(const struct explain_options *o, const struct config *config,
                                json_t *explanation)
{
    const struct address_question q = {
        .config = config, .address = o->address, .domain = o->ascii, .sender = o->sender};
    if (o->address)
        json_object_set_new(explanation, "address", address_rules(&q));
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
    json_t *explanation = explain_json(planning, NULL, o->ascii);
    if (o->connect)
        explain_add_connections(explanation,
                                probe_route(offline_loop(offline), planning_route(planning)));
    add_recent(o, config, state, explanation);
    explain_add_address(o, config, explanation);
    explain_add_sender(explanation, config);
    explain_agree(explanation);
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
    json_t *answer = o.offline ? NULL : explain_asked(&o, config, &status);
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
