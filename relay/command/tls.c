// SPDX-License-Identifier: ISC
// `waxwing tls`: what happened over TLS, what is known of other domains' policies, and what is reported. Asks
// the running relay; without one (or with --state) reads the state database itself.
#include "relay/command/progress.h"
#include "relay/command/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "config/idn.h"
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/control/control.h"
#include "relay/fleet/ledger_look.h"
#include "relay/recent/coming.h"
#include "relay/log/json.h"

#define FAILURES_SHOWN 100 // without --since: the newest
#define DAYS_MOST      3650
#define FOLLOW_FIRST   10 // shown before --follow begins to wait

struct options {
    const char *domain, *type, *day, *state;
    const char *host, *policy, *result, *words; // of failures
    char ascii[IDN_NAME + 2];                   // the domain as A-labels, "*." kept
    int64_t since_ms, days;                     // days 0: not said
    bool follow, json, send, fleet;
    struct config *config; // NULL: not needed
};

// Domains are asked for as they are kept; an address stands for its domain.
static int take_domain(struct options *o, const char *text)
{
    const char *at = strrchr(text, '@');
    const char *name = at ? at + 1 : text;
    bool below = strncmp(name, "*.", 2) == 0;
    char ascii[IDN_NAME];
    if (idn_to_ascii(below ? name + 2 : name, ascii) < 0)
        return command_usage_error("tls", "'%s' is not a domain", text);
    snprintf(o->ascii, sizeof o->ascii, "%s%s", below ? "*." : "", ascii);
    o->domain = o->ascii;
    return 0;
}

// An age ("2h", "3d") or a day.
static int take_since(struct options *o, const char *text)
{
    uint64_t ms;
    int64_t day;
    struct why why;
    if (ledger_day_parse(text, &day) == 0)
        o->since_ms = day * LEDGER_DAY_MS;
    else if (value_duration(span_text(text), &ms, &why) == 0)
        o->since_ms = clock_ms() - (int64_t)ms;
    else
        return command_usage_error("tls", "--since '%s': an age (90s, 2h, 3d) or a day, %s", text,
                                   "as in 2026-11-21");
    return 0;
}

static int take_day(struct options *o, const char *text)
{
    int64_t day;
    if (ledger_day_parse(text, &day) < 0)
        return command_usage_error("tls", "--day '%s': a UTC day, as in 2026-11-21", text);
    o->day = text;
    return 0;
}

static int take_days(struct options *o, const char *text)
{
    char *end;
    o->days = strtol(text, &end, 10);
    if (!text[0] || *end || o->days < 1 || o->days > DAYS_MOST)
        return command_usage_error("tls", "--days '%s': a number of days, 1 to %d", text,
                                   DAYS_MOST);
    return 0;
}

static int take_type(struct options *o, const char *text)
{
    if (why_tls_parse(text) == WHY_TLS_NONE)
        return command_usage_error("tls", "--type '%s' is no result type of RFC 8460", text);
    o->type = text;
    return 0;
}

static const char **text_option(struct options *o, int c)
{
    return c == 'S'   ? &o->state
           : c == 'h' ? &o->host
           : c == 'p' ? &o->policy
           : c == 'r' ? &o->result
                      : &o->words;
}

static bool *switch_option(struct options *o, int c)
{
    return c == 'f' ? &o->follow : c == 'j' ? &o->json : c == 'x' ? &o->send : &o->fleet;
}

static int command_tls_read_options(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {{"domain", required_argument, NULL, 'd'},
                                          {"since", required_argument, NULL, 's'},
                                          {"type", required_argument, NULL, 't'},
                                          {"day", required_argument, NULL, 'D'},
                                          {"state", required_argument, NULL, 'S'},
                                          {"follow", no_argument, NULL, 'f'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"send", no_argument, NULL, 'x'},
                                          {"days", required_argument, NULL, 'n'},
                                          {"host", required_argument, NULL, 'h'},
                                          {"policy", required_argument, NULL, 'p'},
                                          {"result", required_argument, NULL, 'r'},
                                          {"search", required_argument, NULL, 'w'},
                                          {"fleet", no_argument, NULL, 'F'},
                                          {NULL, 0, NULL, 0}};
    int c, rc = 0;
    optind = 1;
    opterr = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, "f", names, NULL)) != -1)
        switch (c) {
        case 'd':
            rc = take_domain(o, optarg);
            break;
        case 's':
            rc = take_since(o, optarg);
            break;
        case 't':
            rc = take_type(o, optarg);
            break;
        case 'D':
            rc = take_day(o, optarg);
            break;
        case 'f':
        case 'j':
        case 'x':
        case 'F':
            *switch_option(o, c) = true;
            break;
        case 'n':
            rc = take_days(o, optarg);
            break;
        case 'S':
        case 'h':
        case 'p':
        case 'r':
        case 'w':
            *text_option(o, c) = optarg;
            break;
        default:
            rc = command_usage_error("tls", "'%s' is unknown or lacks its value", argv[optind - 1]);
        }
    return rc;
}

static json_t *request_for(const struct options *o, const char *verb, size_t limit)
{
    json_t *request = json_pack("{s:s, s:I, s:I}", "verb", verb, "since", (json_int_t)o->since_ms,
                                "limit", (json_int_t)limit);
    const char *const more[][2] = {
        {"domain", o->domain}, {"type", o->type},     {"day", o->day},    {"host", o->host},
        {"policy", o->policy}, {"result", o->result}, {"words", o->words}};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i][1])
            json_object_set_new(request, more[i][0], json_text(more[i][1]));
    return request;
}

// A refused question is told and dropped. (An `error` in a good answer is about a policy.)
static json_t *command_tls_complain(json_t *answer, int status)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (!error || status == EXIT_YES)
        return answer;
    fprintf(stderr, "waxwing: %s\n", error);
    json_decref(answer);
    return NULL;
}

static const char *state_file(const struct options *o)
{
    return o->state ? o->state : o->config->state;
}

static json_t *from_file(const struct options *o, const json_t *request, enum state_view view,
                         int *status)
{
    struct state_query query;
    struct ledger_rows rows = {0};
    struct why why;
    *status = tls_query_read(request, view, &query, &why) < 0 ? EXIT_USAGE : EXIT_TEMP;
    if (*status == EXIT_USAGE || state_ask_file(state_file(o), &query, &rows, &why) < 0) {
        fprintf(stderr, "waxwing: %s\n", why.text);
        return NULL;
    }
    *status = EXIT_YES;
    json_t *answer = view == STATE_REPORT ? tls_reports_json(&rows, query.day, o->config)
                                          : tls_rows_json(&rows, view);
    ledger_rows_free(&rows);
    return answer;
}

static json_t *from_fleet(const struct options *o, const json_t *request, enum state_view view,
                          int *status)
{
    struct state_query query;
    struct ledger_rows rows = {0};
    struct why why;
    json_t *answer = NULL;
    *status = EXIT_USAGE;
    int rc = tls_query_read(request, view, &query, &why);
    if (rc == 0 && view == STATE_REPORT)
        answer = ledger_look_reports(o->config, &query, status, &why);
    else if (rc == 0 && ledger_look(o->config, &query, &rows, status, &why) == 0)
        answer = tls_rows_json(&rows, view);
    if (!answer)
        fprintf(stderr, "waxwing: %s\n", why.text);
    ledger_rows_free(&rows);
    return answer;
}

// The relay's answer, else the file's. Takes the request over. NULL: said on stderr, *status is set.
static json_t *command_tls_ask(const struct options *o, json_t *request, enum state_view view,
                               int *status)
{
    json_t *answer = NULL;
    if (o->fleet) {
        answer = from_fleet(o, request, view, status);
        json_decref(request);
        return answer;
    }
    if (!o->state)
        answer = control_ask_quietly(o->config->control, json_incref(request), status);
    answer = answer ? command_tls_complain(answer, *status) : from_file(o, request, view, status);
    json_decref(request);
    return answer;
}

static void dump(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
}

static void print_failures(const struct options *o, const json_t *rows, bool oldest_first)
{
    size_t n = json_array_size(rows);
    if (o->json && !oldest_first) {
        dump(rows);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(rows, oldest_first ? n - 1 - i : i);
        if (o->json) { // one object a line while following
            json_dumpf(row, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
            putchar('\n');
        } else {
            tls_print_failure(row);
        }
    }
}

// Ends with a signal, or when nothing can be read any more.
static int tls_follow(const struct options *o)
{
    progress_end(); // waiting is what it is for
    int status;
    int64_t after = 0;
    size_t limit = o->since_ms ? STATE_ROWS : FOLLOW_FIRST;
    for (;;) {
        json_t *request = request_for(o, "tls-failures", limit);
        json_object_set_new(request, "after", json_integer((json_int_t)after));
        json_t *answer = command_tls_ask(o, request, STATE_FAILURES, &status);
        if (!answer)
            return status;
        const json_t *rows = json_object_get(answer, "rows");
        print_failures(o, rows, true);
        if (json_array_size(rows))
            after = json_integer_value(json_object_get(json_array_get(rows, 0), "number"));
        json_decref(answer);
        if (fflush(stdout) != 0)
            return EXIT_TEMP;
        limit = STATE_ROWS;
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
}

static int command_tls_run_failures(const struct options *o)
{
    if (o->follow)
        return tls_follow(o);
    int status;
    size_t limit = o->since_ms ? STATE_ROWS : FAILURES_SHOWN;
    json_t *answer =
        command_tls_ask(o, request_for(o, "tls-failures", limit), STATE_FAILURES, &status);
    if (!answer)
        return status;
    const json_t *rows = json_object_get(answer, "rows");
    print_failures(o, rows, false);
    if (!o->json && json_array_size(rows) == 0)
        puts("no failure is recorded");
    if (!o->json && !o->since_ms && json_array_size(rows) == FAILURES_SHOWN)
        printf("these are the newest %d; --since shows more\n", FAILURES_SHOWN);
    json_decref(answer);
    return EXIT_YES;
}

static int command_tls_run_summary(const struct options *o)
{
    int status;
    json_t *answer =
        command_tls_ask(o, request_for(o, "tls-sums", STATE_ROWS), STATE_SUMS, &status);
    if (!answer)
        return status;
    json_t *sums = tls_summary_json(json_object_get(answer, "rows"));
    if (o->json)
        dump(sums);
    else
        tls_print_summary(sums);
    json_decref(sums);
    json_decref(answer);
    return EXIT_YES;
}

static struct tls_reports_asked reports_asked(const struct options *o)
{
    return (struct tls_reports_asked){.config = o->config,
                                      .state = o->state,
                                      .domain = o->domain,
                                      .day = o->day,
                                      .since_ms = o->since_ms,
                                      .fleet = o->fleet,
                                      .json = o->json};
}

static int command_tls_run_reports(const struct options *o)
{
    const struct tls_reports_asked asked = reports_asked(o);
    return tls_reports_list(&asked);
}

static int command_tls_run_report(const struct options *o)
{
    int status;
    if (!o->day)
        return command_usage_error("tls", "report needs --day");
    if (o->send && o->state)
        return command_usage_error("tls", "--send asks the running relay, and --state none");
    if (o->send) {
        const struct tls_reports_asked asked = reports_asked(o);
        return tls_reports_send(&asked);
    }
    json_t *answer =
        command_tls_ask(o, request_for(o, "tls-report", STATE_ROWS), STATE_REPORT, &status);
    if (!answer)
        return status;
    const json_t *reports = json_object_get(answer, "reports"), *one;
    size_t i;
    json_array_foreach (reports, i, one)
        puts(json_string_value(json_object_get(one, "text")));
    if (json_array_size(reports) == 0)
        fprintf(stderr, "waxwing: no session is recorded for %s on %s\n",
                o->domain ? o->domain : "any domain", o->day);
    status = json_array_size(reports) ? EXIT_YES : EXIT_NO;
    json_decref(answer);
    return status;
}

static int command_tls_run_policies(const struct options *o)
{
    int status = EXIT_TEMP;
    struct why why;
    json_t *answer = NULL;
    if (!o->state)
        answer =
            control_ask_quietly(o->config->control, request_for(o, "tls-policies", 0), &status);
    if (answer) {
        answer = command_tls_complain(answer, status);
    } else {
        answer = tls_policies_json(state_file(o), &why);
        if (!answer)
            fprintf(stderr, "waxwing: %s\n", why.text);
    }
    if (!answer)
        return EXIT_TEMP;
    json_object_del(answer, "exit");
    if (o->json)
        dump(answer);
    else
        tls_print_policies(answer);
    json_decref(answer);
    return EXIT_YES;
}

static int command_tls_run_exceptions(const struct options *o)
{
    int status;
    struct options last_days = *o;
    last_days.since_ms = clock_ms() - EXCEPTION_DAYS * LEDGER_DAY_MS;
    json_t *answer = command_tls_ask(&last_days, request_for(&last_days, "tls-sums", STATE_ROWS),
                                     STATE_SUMS, &status);
    if (!answer)
        return status;
    json_t *list = tls_exceptions_json(o->config, json_object_get(answer, "rows"));
    if (o->json)
        dump(list);
    else
        tls_print_exceptions(list);
    json_decref(list);
    json_decref(answer);
    return EXIT_YES;
}

static json_t *shadow_from_file(const struct options *o, int64_t day)
{
    struct shadow_rows rows = {0};
    struct why why;
    if (state_shadow_file(state_file(o), day, &rows, &why) < 0) {
        fprintf(stderr, "waxwing: %s\n", why.text);
        shadow_rows_free(&rows);
        return NULL;
    }
    json_t *answer = shadow_json(&rows);
    shadow_rows_free(&rows);
    return answer;
}

// The relay's answer, else the file's.
static int command_tls_run_shadow(const struct options *o)
{
    int status = EXIT_YES;
    int64_t days = o->days ? o->days : SHADOW_DAYS, day = ledger_day(clock_ms()) - days + 1;
    json_t *request = json_pack("{s:s, s:I}", "verb", "tls-shadow", "day", (json_int_t)day);
    json_t *answer =
        o->state ? NULL : control_ask_quietly(o->config->control, json_incref(request), &status);
    answer = answer ? command_tls_complain(answer, status) : shadow_from_file(o, day);
    json_decref(request);
    if (!answer)
        return EXIT_TEMP;
    json_t *shadow = tls_shadow_json(o->config, json_object_get(answer, "rows"), days);
    if (o->json)
        dump(shadow);
    else
        tls_print_shadow(shadow);
    json_decref(shadow);
    json_decref(answer);
    return EXIT_YES;
}

// What will break within days: the relay knows its policies' troubles, the file what hosts showed.
static int command_tls_run_coming(const struct options *o)
{
    int status = EXIT_YES;
    int64_t days = o->days ? o->days : COMING_DAYS;
    json_t *answer = NULL, *coming;
    if (!o->state)
        answer = control_ask_quietly(
            o->config->control,
            json_pack("{s:s, s:I}", "verb", "tls-coming", "days", (json_int_t)days), &status);
    struct why why;
    coming = answer ? command_tls_complain(answer, status)
                    : coming_file(state_file(o), o->config, days, &why);
    if (!coming && !answer)
        fprintf(stderr, "waxwing: %s\n", why.text);
    if (!coming)
        return EXIT_TEMP;
    if (o->json)
        dump(json_object_get(coming, "findings"));
    else
        tls_print_coming(coming, days);
    bool any = json_array_size(json_object_get(coming, "findings")) > 0;
    json_decref(coming);
    return any ? EXIT_NO : EXIT_YES;
}

// Only the running relay can do these: it holds what is to change in memory.
static json_t *command_tls_act(const struct options *o, const char *verb, int *status)
{
    json_t *answer = control_ask_quietly(o->config->control, request_for(o, verb, 0), status);
    return command_tls_complain(answer, *status);
}

static int command_tls_run_refresh(const struct options *o)
{
    int status;
    json_t *policy = command_tls_act(o, "tls-refresh", &status);
    if (!policy)
        return status;
    json_object_del(policy, "exit");
    bool failed = json_string_length(json_object_get(policy, "error")) > 0;
    if (o->json)
        dump(policy);
    else
        tls_print_policy(policy);
    json_decref(policy);
    return failed ? EXIT_NO : EXIT_YES;
}

static int command_tls_run_forget(const struct options *o)
{
    int status;
    json_t *answer = command_tls_act(o, "tls-forget", &status);
    if (!answer)
        return status;
    long long n = json_integer_value(json_object_get(answer, "forgotten"));
    json_object_del(answer, "exit");
    if (o->json)
        dump(answer);
    else
        printf("forgot what %lld host%s of %s proved\n", n, n == 1 ? "" : "s", o->domain);
    json_decref(answer);
    return n ? EXIT_YES : EXIT_NO;
}

static const struct verb {
    const char *name;
    int (*run)(const struct options *o);
    bool domain, config,
        relay, // takes DOMAIN; needs the configuration even with --state; the relay
        fleet; // knows --fleet
} verbs[] = {
    {"failures", command_tls_run_failures, false, false, false, true},
    {"summary", command_tls_run_summary, false, false, false, true},
    {"report", command_tls_run_report, false, true, false, true},
    {"reports", command_tls_run_reports, false, false, false, true},
    {"policies", command_tls_run_policies, false, false, false, false},
    {"refresh", command_tls_run_refresh, true, true, true, false},
    {"forget", command_tls_run_forget, true, true, true, false},
    {"exceptions", command_tls_run_exceptions, false, true, false, false},
    {"shadow", command_tls_run_shadow, false, true, false, false},
    {"coming", command_tls_run_coming, false, true, false, false},
};

// All nodes are asked in their database, which has neither what only one of them knows nor an end to wait for.
static int check_fleet_asked(const struct verb *verb, const struct options *o)
{
    if (!o->fleet)
        return 0;
    if (!verb->fleet)
        return command_usage_error("tls", "%s knows no --fleet", verb->name);
    if (o->state || o->follow || o->send)
        return command_usage_error("tls", "--fleet goes with none of --state, --follow and --send");
    return 0;
}

static int command_tls_run(const struct verb *verb, struct options *o)
{
    int status = EXIT_YES;
    if (verb->config || !o->state) {
        o->config = command_load_config(&status);
        if (!o->config)
            return status;
    }
    status = verb->run(o);
    if (verb->relay && status == EXIT_TEMP)
        fprintf(stderr, "waxwing: %s asks the running relay on %s\n", verb->name,
                o->config->control);
    config_unref(o->config);
    return status;
}

int command_tls(int argc, char **argv)
{
    const struct verb *verb = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            verb = &verbs[i];
    if (!verb)
        return command_usage_error("tls", "one of failures, summary, report, reports, policies, %s",
                                   "refresh, forget, exceptions, shadow and coming is needed");
    struct options o = {0};
    int rc = command_tls_read_options(&o, argc - 1, argv + 1);
    int left = argc - 1 - optind;
    if (rc == 0 && left != (verb->domain ? 1 : 0))
        rc = command_usage_error(
            "tls", verb->domain ? "%s needs one domain" : "%s takes options alone", verb->name);
    if (rc == 0)
        rc = check_fleet_asked(verb, &o);
    if (rc == 0 && verb->domain)
        rc = take_domain(&o, argv[1 + optind]);
    return rc ? rc : command_tls_run(verb, &o);
}
