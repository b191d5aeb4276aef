// SPDX-License-Identifier: ISC
// `waxwing health`: whether the relay takes mail and can keep and deliver it, as one exit status and one sentence.
// Exit: 0 ready, 1 not, 75 no relay answers.
#include <stdio.h>
#include <string.h>
#include "config/load.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/control/control.h"
#include "relay/log/json.h"

// A relay that hangs is not ready, and whoever asks for its health must hear so.
#define HEALTH_PATIENCE_S 10

static bool is_true(const json_t *answer, const char *part, const char *key)
{
    return json_is_true(json_object_get(json_object_get(answer, part), key));
}

// What is in the way, the gravest first; NULL: nothing.
static const char *find_trouble(const json_t *answer)
{
    const char *stage = json_word(answer, "stage");
    if (strcmp(stage, "starting") == 0)
        return "the relay is starting";
    if (strcmp(stage, "draining") == 0)
        return "the relay is draining: it accepts no more";
    if (strcmp(stage, "running") != 0)
        return "the relay is stopping";
    if (!is_true(answer, "spool", "healthy"))
        return "the spool cannot be written: no mail is accepted";
    if (!is_true(answer, "spool", "room"))
        return "the spool's disk is full: no mail is accepted";
    if (!is_true(answer, "state", "writable"))
        return "the state database cannot be written: policies and memory are not kept";
    return NULL;
}

static void command_health_tell(bool ready, const char *text, bool as_json)
{
    if (!as_json) {
        printf("%s\n", text);
        return;
    }
    json_t *out = json_pack("{s:b, s:s}", "ready", ready, "text", text);
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
}

// A resolver in trouble is told and is no reason to take the relay away: mail is taken and waits.
static int command_health_judge(const json_t *answer, bool as_json)
{
    const char *trouble = find_trouble(answer);
    const json_t *dns = json_object_get(answer, "dns");
    if (trouble)
        command_health_tell(false, trouble, as_json);
    else if (strcmp(json_word(dns, "validation"), "broken") == 0)
        command_health_tell(true, "ready, but DNSSEC validation does not work: waxwing status",
                            as_json);
    else
        command_health_tell(true, "ready", as_json);
    return trouble ? EXIT_NO : EXIT_YES;
}

int command_health(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json)
        return command_usage_error("health", "unexpected argument '%s'", argv[1]);
    int status;
    struct config *config = command_load_config(&status);
    if (!config)
        return status;
    json_t *answer = control_ask_soon(config->control, json_pack("{s:s}", "verb", "status"),
                                      HEALTH_PATIENCE_S, &status);
    if (answer && status == EXIT_YES)
        status = command_health_judge(answer, json);
    json_decref(answer);
    config_unref(config);
    return status;
}
