// SPDX-License-Identifier: ISC
// `waxwing bans`: who may not log in for a while, and letting somebody try again. Asks the running relay, which alone
// knows.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "config/load.h"
#include "relay/base/clock.h"
#include "relay/base/span.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/control/control.h"
#include "relay/log/json.h"
#include "relay/log/log.h"

static void print_ban(const json_t *ban)
{
    struct buf name;
    char until[40];
    long long left = json_number_of(ban, "until") - clock_s();
    buf_init(&name, 4096);
    log_quote(span_text(json_string_value(json_object_get(ban, "name"))), &name);
    clock_rfc3339(json_number_of(ban, "until") * 1000, until);
    printf("%-6s %-40s %3lld failed  until %s (%lld more minutes)\n",
           json_string_value(json_object_get(ban, "kind")), buf_text(&name),
           json_number_of(ban, "failures"), until, (left + 59) / 60);
    buf_free(&name);
}

static void print_bans(const json_t *answer)
{
    const json_t *all = json_object_get(answer, "bans"), *ban;
    size_t i;
    if (!json_array_size(all))
        puts("nobody is banned");
    json_array_foreach (all, i, ban)
        print_ban(ban);
}

static void print_lifted(const json_t *answer, const char *name)
{
    long long n = json_number_of(answer, "lifted");
    if (n == 0)
        printf("%s is not banned\n", name ? name : "nobody");
    else
        printf("%lld ban%s lifted\n", n, n == 1 ? "" : "s");
}

static int bans_ask(json_t *request, bool as_json, const char *name)
{
    int status;
    bool list = strcmp(json_string_value(json_object_get(request, "verb")), "bans-list") == 0;
    struct config *config = command_load_config(&status);
    if (!config) {
        json_decref(request);
        return status;
    }
    json_t *answer = control_ask(config->control, request, &status);
    config_unref(config);
    if (answer && as_json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (answer && list)
        print_bans(answer);
    else if (answer && (status == EXIT_YES || status == EXIT_NO))
        print_lifted(answer, name);
    json_decref(answer);
    return status;
}

static int bans_lift_all_or(int n, char **names, bool all, bool as_json)
{
    if (all == (n > 0))
        return command_usage_error("bans", "lift takes addresses and users, or --all");
    if (all)
        return bans_ask(json_pack("{s:s, s:b}", "verb", "bans-lift", "all", 1), as_json, NULL);
    int worst = EXIT_YES;
    for (int i = 0; i < n; i++) {
        json_t *request = json_pack("{s:s, s:o}", "verb", "bans-lift", "name", json_text(names[i]));
        int status = bans_ask(request, as_json, names[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}

int command_bans(int argc, char **argv)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'}, {"json", no_argument, NULL, 'j'}, {0}};
    bool all = false, as_json = false;
    optind = 0; // GNU: start anew
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'a')
            all = true;
        else if (c == 'j')
            as_json = true;
        else
            return command_usage_error("bans", "unknown option");
    }
    const char *verb = optind < argc ? argv[optind] : "";
    int n = argc - optind - 1;
    if (strcmp(verb, "lift") == 0)
        return bans_lift_all_or(n, argv + optind + 1, all, as_json);
    if (strcmp(verb, "list") != 0)
        return command_usage_error("bans", "list or lift?");
    if (n > 0 || all)
        return command_usage_error("bans", "list takes no name");
    return bans_ask(json_pack("{s:s}", "verb", "bans-list"), as_json, NULL);
}
