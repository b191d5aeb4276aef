// SPDX-License-Identifier: ISC
// What is known besides the plan. A relay that does not answer adds nothing.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/explain.h"
#include "relay/control/control.h"
#include "relay/log/json.h"

#define LATELY_MS   3600000 // failures younger than this are told
#define LATELY_ROWS 5

void explain_add_lately(json_t *explanation, const char *control, const char *domain)
{
    int status;
    json_t *waiting = control_ask_quietly(
        control, json_pack("{s:s, s:s}", "verb", "waiting", "domain", domain), &status);
    if (status == EXIT_YES && json_number_of(waiting, "recipients"))
        json_object_set(explanation, "waiting", waiting);
    json_decref(waiting);
    json_t *failures = control_ask_quietly(
        control,
        json_pack("{s:s, s:s, s:I, s:i}", "verb", "tls-failures", "domain", domain, "since",
                  (json_int_t)(clock_ms() - LATELY_MS), "limit", LATELY_ROWS),
        &status);
    json_t *lately = status == EXIT_YES ? json_object_get(failures, "rows") : NULL;
    if (json_array_size(lately))
        json_object_set(explanation, "failures", lately);
    json_decref(failures);
}

static void set_verdict(json_t *explanation, const char *verdict, const char *status,
                        const char *reason, const char *why, const char *act)
{
    json_object_set_new(explanation, "verdict", json_string(verdict));
    json_object_set_new(explanation, "status", json_string(status));
    json_object_set_new(explanation, "reason", json_text(reason));
    json_object_set_new(explanation, "why", json_text(why));
    json_object_set_new(explanation, "act", json_text(act));
}

void explain_add_site(json_t *explanation, const char *control)
{
    int status;
    const char *site = json_word(explanation, "site");
    if (!site[0])
        return;
    json_t *answer = control_ask_quietly(
        control, json_pack("{s:s, s:s}", "verb", "sites", "site", site), &status);
    json_t *row = json_array_get(json_object_get(answer, "sites"), 0);
    if (status == EXIT_YES && row)
        json_object_set(explanation, "shaping", row);
    const json_t *pause = json_object_get(row, "paused");
    if (status == EXIT_YES && json_is_object(pause) &&
        strcmp(json_word(explanation, "verdict"), "deliver") == 0) {
        char *text =
            mem_printf("deliveries to this site are paused by %s%s%s", json_word(pause, "by"),
                       json_word(pause, "reason")[0] ? ": " : "", json_word(pause, "reason"));
        set_verdict(explanation, "defer", "4.3.2", text, "site-paused", "us");
        free(text);
    }
    json_decref(answer);
}

static bool passes(const json_t *c)
{
    const char *result = json_word(c, "result");
    return strcmp(result, "proved") == 0 || strcmp(result, "clear") == 0;
}

// The plan says what may happen, the hosts what does: the first that lets mail pass decides, as in a delivery;
// where none does, the first that does not.
void explain_add_connections(json_t *explanation, json_t *connect)
{
    size_t i;
    json_t *c, *first = NULL;
    bool some = false;
    json_object_set_new(explanation, "connect", connect);
    json_array_foreach (connect, i, c) {
        some = some || passes(c);
        if (!first || (strcmp(json_word(c, "result"), "failed") == 0 &&
                       strcmp(json_word(first, "result"), "failed") != 0))
            first = c; // a host that answers says more than one that does not
    }
    if (strcmp(json_word(explanation, "verdict"), "deliver") != 0 || some || !first)
        return;
    const char *reason = json_word(first, "reason");
    char *text =
        mem_printf("%s: %s", json_word(first, "host"), reason[0] ? reason : "no connection");
    set_verdict(explanation, "defer", json_word(first, "type")[0] ? "4.7.5" : "4.4.1", text,
                json_word(first, "why"), json_word(first, "act"));
    free(text);
}

void explain_agree(json_t *explanation)
{
    json_t *recent = json_object_get(explanation, "recent");
    json_t *waiting = json_object_get(explanation, "waiting");
    if (!recent)
        return;
    json_object_set(recent, "waiting", waiting ? waiting : json_null());
    if (json_number_of(waiting, "recipients"))
        json_object_set_new(recent, "state", json_string("failing"));
}
