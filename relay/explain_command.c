// SPDX-License-Identifier: ISC
// `waxwing explain DOMAIN`: from the running relay if there is one, else planned here. Exit: deliver 0,
// bounce 1, defer 75.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/idn.h"
#include "config/load.h"
#include "relay/base/clock.h"
#include "relay/base/memory.h"
#include "relay/command.h"
#include "relay/control.h"
#include "relay/explain.h"
#include "relay/offline.h"
#include "relay/probe.h"

struct explain_options {
    const char *domain, *dns_file, *resolver, *state;
    bool json, offline, connect;
    bool alone; // --offline was said
    enum route_variant variant;
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

static const struct option long_options[] = {
    {"json", no_argument, NULL, 'j'},
    {"offline", no_argument, NULL, 'o'},
    {"connect", no_argument, NULL, 'c'},
    {"dns-file", required_argument, NULL, 'f'},
    {"resolver", required_argument, NULL, 'r'},
    {"state", required_argument, NULL, 's'},
    {"now", required_argument, NULL, 'n'},
    {"requiretls", no_argument, NULL, 't'},
    {NULL, 0, NULL, 0},
};

static bool take_option(struct explain_options *o, int option)
{
    uint64_t now;
    switch (option) {
    case 'j':
        o->json = true;
        return true;
    case 'o':
        o->offline = true;
        return true;
    case 'c':
        o->connect = true;
        return true;
    case 'f':
        o->dns_file = optarg;
        return true;
    case 'r':
        o->resolver = optarg;
        return true;
    case 's':
        o->state = optarg;
        return true;
    case 't':
        o->variant = ROUTE_REQUIRETLS;
        return true;
    case 'n':
        if (!span_number(span_text(optarg), INT64_MAX / 1000, &now))
            return false;
        clock_fix((int64_t)now * 1000);
        return true;
    default:
        return false;
    }
}

static int read_options(struct explain_options *o, int argc, char **argv)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        if (!take_option(o, option))
            return command_usage_error("explain", "an option cannot be read");
    if (optind + 1 != argc)
        return command_usage_error("explain", "one domain is wanted");
    const char *at = strrchr(argv[optind], '@'); // an address will do too
    o->domain = at ? at + 1 : argv[optind];
    if (o->domain[0] == '[')
        snprintf(o->ascii, sizeof o->ascii, "%s", o->domain);
    else if (idn_to_ascii(o->domain, o->ascii) < 0)
        return command_usage_error("explain", "'%s' is not a domain", o->domain);
    o->alone = o->offline || o->dns_file;
    // What changes the world is only for a look of our own.
    o->offline = o->offline || o->dns_file || o->resolver || o->state || o->connect;
    return 0;
}

static json_t *ask_relay(const struct explain_options *o, const struct config *config, int *status)
{
    json_t *request = json_pack("{s:s, s:s, s:i}", "verb", "explain", "domain", o->ascii, "variant",
                                (int)o->variant);
    json_t *answer = control_ask_quietly(config->control, request, status);
    if (answer && !json_object_get(answer, "verdict")) {
        json_decref(answer);
        answer = NULL;
    }
    return answer;
}

// Where the configuration cannot be loaded (no file at all), the defaults serve.
static struct config *load_config(int *status)
{
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_file(command_config_file, &load);
    bool named = strcmp(command_config_file, CONFIG_DEFAULT_FILE) != 0;
    if (!config && !named) {
        buf_reset(&load.errors);
        config = config_load_text(CONFIG_DEFAULT_FILE, "{}", 2, &load);
    }
    if (!config)
        fputs(buf_text(&load.errors), stderr);
    *status = config ? EXIT_YES : EXIT_CONFIG;
    config_load_free(&load);
    return config;
}

static void show(const struct explain_options *o, json_t *explanation)
{
    if (o->json)
        json_dumpf(explanation, stdout, JSON_INDENT(2)), putchar('\n');
    else
        explain_print(explanation, stdout);
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
    struct planning *planning = offline_plan(offline, o->ascii, o->variant);
    json_t *explanation = explain_json(planning, o->ascii);
    if (o->connect)
        json_object_set_new(explanation, "connect",
                            probe_route(offline_loop(offline), planning_route(planning)));
    show(o, explanation);
    int status = verdict_status(explanation);
    json_decref(explanation);
    planning_free(planning);
    offline_close(offline);
    return status;
}

int command_explain(int argc, char **argv)
{
    struct explain_options o = {.variant = ROUTE_PLAIN};
    int status = read_options(&o, argc, argv);
    if (status)
        return status;
    struct config *config = load_config(&status);
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
