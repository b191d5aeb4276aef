// SPDX-License-Identifier: ISC
// `waxwing logins`: what is usual for each login, which are held because they jumped, and letting one go.
#include <stdio.h>
#include <string.h>
#include "config/load.h"
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/options.h"
#include "relay/control/control.h"
#include "relay/log/json.h"

struct logins_call {
    bool json, held;
};

static const struct option_row logins_rows[] = {
    {"json", OPTION_FLAG, offsetof(struct logins_call, json), NULL},
    {"held", OPTION_FLAG, offsetof(struct logins_call, held), NULL},
    {NULL, OPTION_TEXT, 0, NULL},
};

static void print_login(const json_t *login)
{
    bool held = json_says(login, "held");
    printf("%-5s %6lld %8lld %7lld %9lld %7lld  %s\n", held ? "held" : "",
           (long long)json_number_of(login, "hour"),
           (long long)json_number_of(login, "busiest_hour"),
           (long long)json_number_of(login, "new_domains"),
           (long long)json_number_of(login, "delivered"),
           (long long)json_number_of(login, "failed"), json_word(login, "login"));
    if (!held)
        return;
    char since[40];
    clock_rfc3339(json_number_of(login, "held_since") * 1000, since);
    printf("      since %s: %s\n", since, json_word(login, "reason"));
}

static void logins_print(const struct logins_call *call, const json_t *all)
{
    size_t i;
    json_t *login, *wanted = json_array();
    json_array_foreach (all, i, login)
        if (!call->held || json_says(login, "held"))
            json_array_append(wanted, login);
    if (call->json) {
        json_dumpf(wanted, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        if (json_array_size(wanted))
            puts("state   hour  busiest domains delivered  failed  login");
        json_array_foreach (wanted, i, login)
            print_login(login);
    }
    json_decref(wanted);
}

static bool logins_on_nothing(const json_t *line, void *arg)
{
    (void)line;
    (void)arg;
    return true;
}

static int logins_ask(const struct logins_call *call, json_t *request)
{
    int status;
    struct config *config = command_load_config(&status);
    if (!config) {
        json_decref(request);
        return status;
    }
    json_t *answer = control_ask_lines(config->control, request, logins_on_nothing, NULL, &status);
    config_unref(config);
    const json_t *all = json_object_get(answer, "logins");
    if (answer && all)
        logins_print(call, all);
    else if (answer && call->json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (answer && status == EXIT_YES)
        printf("it may send again; recipients let go: %lld\n",
               (long long)json_number_of(answer, "recipients"));
    json_decref(answer);
    return status;
}

int command_logins(int argc, char **argv)
{
    struct logins_call call = {0};
    int rc = command_table("logins", argc, argv, logins_rows, &call);
    if (rc != EXIT_YES)
        return rc;
    const char *verb = optind < argc ? argv[optind] : "list";
    int left = argc - optind;
    if (strcmp(verb, "list") == 0 && left <= 1)
        return logins_ask(&call, json_pack("{s:s}", "verb", "logins-list"));
    if (strcmp(verb, "release") == 0 && left == 2)
        return logins_ask(&call, json_pack("{s:s, s:o}", "verb", "logins-release", "login",
                                           json_text(argv[optind + 1])));
    return command_usage_error("logins", "list, or release and one login");
}
