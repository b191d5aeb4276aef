// SPDX-License-Identifier: ISC
// `waxwing sites`, `pause` and `resume`: how much each site gets and what taught it, and deliveries to a site stopped
// by hand. Asks the running relay.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/load.h"
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/options.h"
#include "relay/control/control.h"
#include "relay/log/json.h"

struct sites_call {
    const char *site, *reason, *for_text;
    bool json, all, learned;
};

static json_t *sites_ask(json_t *request, int *status)
{
    struct config *config = command_load_config(status);
    if (!config) {
        json_decref(request);
        return NULL;
    }
    json_t *answer = control_ask(config->control, request, status);
    config_unref(config);
    return answer;
}

static void sites_when(const char *label, const json_t *j, const char *key)
{
    long long at = json_number_of(j, key);
    char text[40];
    if (!at)
        return;
    clock_rfc3339(at * 1000, text);
    printf("%s%s", label, text);
}

static void print_lesson(const json_t *lesson)
{
    if (!json_is_object(lesson))
        return;
    const char *reply = json_word(lesson, "reply");
    printf("    %s", json_word(lesson, "sign"));
    sites_when(", ", lesson, "time");
    printf(", %s: %s\n", json_word(lesson, "host"), reply[0] ? reply : json_word(lesson, "text"));
}

static void print_pause(const json_t *paused)
{
    if (!json_is_object(paused))
        return;
    printf("    paused by %s", json_word(paused, "by"));
    sites_when(" since ", paused, "since");
    sites_when(" until ", paused, "until");
    printf("%s%s\n", json_word(paused, "reason")[0] ? ": " : "", json_word(paused, "reason"));
}

static void print_site(const json_t *site)
{
    char pace[24] = "-", connections[32];
    double per_minute = json_number_value(json_object_get(site, "per_minute"));
    if (per_minute > 0)
        snprintf(pace, sizeof pace, "%.0f", per_minute);
    snprintf(connections, sizeof connections, "%d/%d/%d", (int)json_number_of(site, "active"),
             (int)json_number_of(site, "connections"), (int)json_number_of(site, "ceiling"));
    printf("%-6s %9s %6s %6d %6d %7d %s", json_word(site, "state"), connections, pace,
           (int)json_number_of(site, "last_minute"), (int)json_number_of(site, "ready"),
           (int)json_number_of(site, "refused"), json_word(site, "site"));
    sites_when(", asked again at ", site, "next");
    putchar('\n');
    print_lesson(json_object_get(site, "lesson"));
    print_pause(json_object_get(site, "paused"));
}

// First those that something holds back, then by name.
static int sites_order(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    bool open_x = strcmp(json_word(x, "state"), "open") == 0;
    bool open_y = strcmp(json_word(y, "state"), "open") == 0;
    return open_x != open_y ? open_x - open_y : strcmp(json_word(x, "site"), json_word(y, "site"));
}

static bool sites_wanted(const struct sites_call *call, const json_t *site)
{
    if (call->learned && json_is_null(json_object_get(site, "lesson")) &&
        json_is_null(json_object_get(site, "paused")))
        return false;
    return !call->site || strstr(json_word(site, "site"), call->site);
}

static void sites_print(const struct sites_call *call, const json_t *rows)
{
    size_t n = 0, i;
    json_t **list = calloc(json_array_size(rows) + 1, sizeof *list), *row, *out = json_array();
    if (!list)
        abort();
    json_array_foreach (rows, i, row)
        if (sites_wanted(call, row))
            list[n++] = row;
    qsort(list, n, sizeof *list, sites_order);
    if (!call->json && n)
        puts("state  in/now/max   pace minute  ready refused site");
    for (i = 0; i < n; i++) {
        json_array_append(out, list[i]);
        if (!call->json)
            print_site(list[i]);
    }
    if (call->json)
        json_dumpf(out, stdout, JSON_INDENT(2)), putchar('\n');
    json_decref(out);
    free(list);
}

static const struct option_row sites_rows[] = {
    {"json", OPTION_FLAG, offsetof(struct sites_call, json), NULL},
    {"learned", OPTION_FLAG, offsetof(struct sites_call, learned), NULL},
    {NULL, OPTION_TEXT, 0, NULL},
};
static const struct option_row pause_rows[] = {
    {"json", OPTION_FLAG, offsetof(struct sites_call, json), NULL},
    {"for", OPTION_TEXT, offsetof(struct sites_call, for_text), NULL},
    {"reason", OPTION_TEXT, offsetof(struct sites_call, reason), NULL},
    {NULL, OPTION_TEXT, 0, NULL},
};
static const struct option_row resume_rows[] = {
    {"json", OPTION_FLAG, offsetof(struct sites_call, json), NULL},
    {"all", OPTION_FLAG, offsetof(struct sites_call, all), NULL},
    {NULL, OPTION_TEXT, 0, NULL},
};

static int sites_read(const char *command, int argc, char **argv, const struct option_row *rows,
                      struct sites_call *call)
{
    int rc = command_table(command, argc, argv, rows, call);
    if (rc != EXIT_YES)
        return rc;
    if (argc - optind > 1)
        return command_usage_error(command, "unexpected argument '%s'", argv[optind + 1]);
    call->site = argv[optind];
    return EXIT_YES;
}

int command_sites(int argc, char **argv)
{
    struct sites_call call = {0};
    int status = sites_read("sites", argc, argv, sites_rows, &call);
    if (status != EXIT_YES)
        return status;
    json_t *answer = sites_ask(json_pack("{s:s}", "verb", "sites"), &status);
    if (answer && status == EXIT_YES)
        sites_print(&call, json_object_get(answer, "sites"));
    json_decref(answer);
    return status;
}

static int sites_change(const struct sites_call *call, json_t *request, const char *done,
                        const char *none)
{
    int status;
    size_t i;
    json_t *answer = sites_ask(request, &status), *site;
    if (answer && call->json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (answer && status == EXIT_YES)
        json_array_foreach (json_object_get(answer, "sites"), i, site)
            printf("%s: %s\n", done, json_string_value(site));
    if (answer && status == EXIT_NO && !json_object_get(answer, "error"))
        fprintf(stderr, "waxwing: %s\n", none);
    json_decref(answer);
    return status;
}

int command_pause(int argc, char **argv)
{
    struct sites_call call = {0};
    uint64_t for_ms = 0;
    int status = sites_read("pause", argc, argv, pause_rows, &call);
    if (status != EXIT_YES)
        return status;
    if (!call.site)
        return command_usage_error("pause", "which site?");
    struct why why;
    if (call.for_text && (value_duration(span_text(call.for_text), &for_ms, &why) < 0 || !for_ms))
        return command_usage_error("pause", "--for: '%s' is no time, as in 30m or 4h",
                                   call.for_text);
    json_t *request = json_pack(
        "{s:s, s:o, s:o, s:I}", "verb", "site-pause", "site", json_text(call.site), "reason",
        json_text(call.reason ? call.reason : ""), "for_ms", (json_int_t)for_ms);
    return sites_change(&call, request, "paused", "no such site");
}

int command_resume(int argc, char **argv)
{
    struct sites_call call = {0};
    int status = sites_read("resume", argc, argv, resume_rows, &call);
    if (status != EXIT_YES)
        return status;
    if (!call.site == !call.all)
        return command_usage_error("resume", "which site? Or --all");
    json_t *request = json_pack("{s:s, s:o, s:b}", "verb", "site-resume", "site",
                                json_text(call.site), "all", (int)call.all);
    return sites_change(&call, request, "resumed", "no such site is paused");
}
