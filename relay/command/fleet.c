// SPDX-License-Identifier: ISC
// `waxwing fleet`: the tables of a fleet made or brought up to date, and how its nodes are. status asks the running
// relay, and the database where none runs.
#include "relay/fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/fleet_evacuate.h"
#include "relay/command/options.h"
#include "relay/command/terminal.h"
#include "relay/control/control.h"
#include "relay/fleet/init.h"
#include "relay/fleet/leave.h"
#include "relay/log/json.h"

struct fleet_call {
    const char *database, *password_file, *to;
    bool json;
};

static void fleet_print_json(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
}

static int fleet_wrong(int status, const char *text)
{
    fprintf(stderr, "waxwing fleet: %s\n", text);
    return status;
}

// ---- status

static void print_differences(const json_t *node)
{
    const json_t *keys = json_object_get(node, "differs"), *key;
    size_t i;
    if (json_array_size(keys))
        printf("    its configuration differs from this node's in: ");
    json_array_foreach (keys, i, key)
        printf("%s%s", i ? ", " : "", json_string_value(key));
    if (json_array_size(keys))
        putchar('\n');
}

static void print_evacuation(const json_t *evacuation)
{
    char age[TERMINAL_AGE];
    if (json_says(evacuation, "done"))
        printf("    was evacuated %s: its %lld messages went to %s\n",
               terminal_since(clock_s() - json_number_of(evacuation, "at"), age),
               json_number_of(evacuation, "messages"), json_word(evacuation, "to"));
    else if (json_is_object(evacuation))
        printf("    is evacuated: it stops, and its mail goes to %s\n",
               json_word(evacuation, "to"));
}

// What a node is, in a word: one that was evacuated is not missed.
static const char *node_word(const json_t *node, enum terminal_tint *tint)
{
    bool gone = json_says(json_object_get(node, "evacuation"), "done"),
         live = json_says(node, "live");
    *tint = gone ? TERMINAL_WAIT : live ? TERMINAL_GOOD : TERMINAL_BAD;
    return gone ? "left" : live ? "lives" : "silent";
}

static void fleet_print_node(const json_t *node)
{
    char silent[TERMINAL_AGE], since[40];
    enum terminal_tint tint;
    const char *word = node_word(node, &tint);
    bool live = json_says(node, "live");
    terminal_age(json_number_of(node, "silent"), silent);
    clock_rfc3339(json_number_of(node, "started") * 1000, since);
    terminal_tint(tint);
    printf("%-7s", word);
    terminal_tint(TERMINAL_PLAIN);
    printf("%4lld  %s%s, %s, since %s", json_number_of(node, "number"), json_word(node, "name"),
           json_says(node, "self") ? " (this one)" : "", json_word(node, "program"), since);
    if (!live)
        printf(", silent for %s", silent);
    putchar('\n');
    print_evacuation(json_object_get(node, "evacuation"));
    if (json_number_of(node, "behind") || json_number_of(node, "waiting"))
        printf("    %lld changes of others to take, %lld of its own to share\n",
               json_number_of(node, "behind"), json_number_of(node, "waiting"));
    if (json_number_of(node, "reports"))
        printf("    sends %lld of the TLS reports of %s\n", json_number_of(node, "reports"),
               json_word(node, "counted"));
    print_differences(node);
}

static void print_database(const json_t *fleet)
{
    const json_t *standbys = json_object_get(fleet, "standbys");
    const char *trouble = json_word(fleet, "trouble");
    if (!json_says(fleet, "connected")) {
        terminal_tint(TERMINAL_BAD);
        printf("the fleet cannot be asked");
        terminal_tint(TERMINAL_PLAIN);
        printf(": %s\n", trouble[0] ? trouble : "there is no connection yet");
        return;
    }
    printf("the database on %s answers", json_word(fleet, "database"));
    if (json_is_integer(standbys))
        printf("; %lld servers follow it, %lld of them are waited for",
               json_integer_value(standbys), json_number_of(fleet, "synchronous"));
    else
        printf("; who follows it is not to be seen (the role lacks pg_monitor)");
    putchar('\n');
}

// What 250 means here; nothing where it means this disk.
static void print_journal(const json_t *journal)
{
    if (!json_is_object(journal))
        return;
    if (!json_says(journal, "ready"))
        puts("the journal of the spool cannot be written: no mail is taken");
    else if (json_number_of(journal, "batches"))
        printf("each 250 means this disk and the database%s\n",
               json_says(journal, "standby") ? ", which waits for a standby"
                                             : ", which waits for no standby");
    else
        puts("each 250 means this disk and the database");
}

// What only this disk has; nothing where that cannot be.
static void print_one_disk(const json_t *disk)
{
    if (!json_is_object(disk))
        return;
    if (json_says(disk, "alone"))
        printf("the database is away: each 250 means this disk alone, which %lld messages stand "
               "on;\n%lld messages of the journal are frozen until it is back\n",
               json_number_of(disk, "messages"), json_number_of(disk, "frozen"));
    else if (json_number_of(disk, "messages"))
        printf("%lld messages stand on this disk alone, and go into the journal now\n",
               json_number_of(disk, "messages"));
    else
        puts("no message stands on this disk alone");
}

static void fleet_print_slices(const json_t *slices)
{
    const json_t *slice;
    size_t i;
    if (json_array_size(slices))
        puts("what this node holds of the limits of all:");
    json_array_foreach (slices, i, slice)
        printf("    %-12s%lld of %lld  %s\n", json_word(slice, "kind"),
               json_number_of(slice, "held"), json_number_of(slice, "of"),
               json_word(slice, "name"));
}

static void fleet_print(const json_t *fleet)
{
    const json_t *nodes = json_object_get(fleet, "nodes"), *node;
    size_t i;
    print_database(fleet);
    print_journal(json_object_get(fleet, "journal"));
    print_one_disk(json_object_get(fleet, "one_disk"));
    if (json_array_size(nodes) && !json_says(fleet, "connected"))
        puts("as last seen:");
    json_array_foreach (nodes, i, node)
        fleet_print_node(node);
    if (json_number_of(fleet, "counts"))
        printf("what was counted of TLS sessions is yet to be shared: %lld days of domains\n",
               json_number_of(fleet, "counts"));
    fleet_print_slices(json_object_get(fleet, "slices"));
    if (!json_array_size(nodes))
        puts("no node has joined yet");
}

static int fleet_status(const struct config *config, const struct fleet_call *call)
{
    int status;
    struct why why;
    json_t *answer =
        control_ask_quietly(config->control, json_pack("{s:s}", "verb", "fleet"), &status);
    if (!answer) {
        answer = fleet_ask(config, &status, &why);
        if (!answer)
            return fleet_wrong(status, why.text);
    }
    const char *error = json_word(answer, "error");
    if (error[0])
        fleet_wrong(status, error);
    else if (call->json)
        fleet_print_json(answer);
    else
        fleet_print(answer);
    if (!error[0] && !json_says(answer, "connected"))
        status = EXIT_TEMP;
    json_decref(answer);
    return status;
}

// ---- init

static void print_made(const struct fleet_made *made)
{
    if (made->before == made->version)
        printf("the tables on %s are there (version %lld)\n", made->database, made->version);
    else if (made->before)
        printf("the tables on %s went from version %lld to %lld\n", made->database, made->before,
               made->version);
    else
        printf("the tables on %s are made (version %lld)\n", made->database, made->version);
    printf("the role %s may use them\n", made->role);
    if (!made->monitor)
        printf("it cannot see who follows the database; a superuser lets it: GRANT pg_monitor TO "
               "\"%s\"\n",
               made->role);
}

static int fleet_init(const struct config *config, const struct fleet_call *call)
{
    int status;
    struct why why;
    struct fleet_made made;
    if (fleet_make(config, call->database, call->password_file, &made, &status, &why) < 0)
        return fleet_wrong(status, why.text);
    if (!call->json) {
        print_made(&made);
        return EXIT_YES;
    }
    json_t *j = json_pack("{s:o, s:I, s:I, s:o, s:b}", "database", json_text(made.database),
                          "before", (json_int_t)made.before, "version", (json_int_t)made.version,
                          "role", json_text(made.role), "monitor", (int)made.monitor);
    fleet_print_json(j);
    json_decref(j);
    return EXIT_YES;
}

// ---- leave

static int fleet_go(const struct config *config)
{
    int status;
    struct why why;
    bool was;
    if (fleet_leave(config, &was, &status, &why) < 0)
        return fleet_wrong(status, why.text);
    printf(was ? "the mail of %s is on this disk alone\n" : "%s has no journal\n", config->spool);
    return EXIT_YES;
}

// ---- adopt

static int fleet_take_over(const struct config *config, const char *node)
{
    int status;
    json_decref(control_ask(config->control,
                            json_pack("{s:s, s:s}", "verb", "fleet-adopt", "node", node), &status));
    if (status == EXIT_YES)
        printf("the mail of %s comes here; the log says when it is there\n", node);
    return status;
}

static const struct option_row fleet_rows[] = {
    {"database", OPTION_TEXT, offsetof(struct fleet_call, database), NULL},
    {"password-file", OPTION_TEXT, offsetof(struct fleet_call, password_file), NULL},
    {"to", OPTION_TEXT, offsetof(struct fleet_call, to), NULL},
    {"json", OPTION_FLAG, offsetof(struct fleet_call, json), NULL},
    {NULL, OPTION_TEXT, 0, NULL},
};

// What the words behind the verb are; EXIT_YES or EXIT_USAGE, which was said.
static int fleet_words(const struct fleet_call *call, int argc, char **argv)
{
    static const char *const verbs[] = {"init", "status", "adopt", "evacuate", "leave", NULL};
    const char *verb = optind < argc ? argv[optind] : "";
    int which = 0;
    while (verbs[which] && strcmp(verb, verbs[which]) != 0)
        which++;
    bool names = strcmp(verb, "adopt") == 0 || strcmp(verb, "evacuate") == 0;
    if (!verbs[which])
        return command_usage_error("fleet", "init, status, adopt, evacuate or leave?");
    if (names && argc - optind < 2)
        return command_usage_error("fleet", "%s whom?", verb);
    if (argc - optind > 1 + names)
        return command_usage_error("fleet", "unexpected argument '%s'", argv[optind + 1 + names]);
    if (strcmp(verb, "init") != 0 && (call->database || call->password_file))
        return command_usage_error("fleet", "--database and --password-file are for init");
    if (strcmp(verb, "evacuate") != 0 && call->to)
        return command_usage_error("fleet", "--to is for evacuate");
    return EXIT_YES;
}

static int fleet_do(const struct config *config, const struct fleet_call *call, char **words)
{
    if (!config->fleet.database[0])
        return fleet_wrong(EXIT_CONFIG, "the configuration has no fleet.database");
    if (strcmp(words[0], "leave") == 0)
        return fleet_go(config);
    if (strcmp(words[0], "adopt") == 0)
        return fleet_take_over(config, words[1]);
    if (strcmp(words[0], "evacuate") == 0)
        return fleet_evacuate(config, words[1], call->to, call->json);
    return strcmp(words[0], "init") == 0 ? fleet_init(config, call) : fleet_status(config, call);
}

int command_fleet(int argc, char **argv)
{
    struct fleet_call call = {0};
    int status = command_table("fleet", argc, argv, fleet_rows, &call);
    if (status == EXIT_YES)
        status = fleet_words(&call, argc, argv);
    if (status != EXIT_YES)
        return status;
    struct config *config = command_load_config(&status);
    if (!config)
        return status;
    status = fleet_do(config, &call, argv + optind);
    config_unref(config);
    return status;
}
