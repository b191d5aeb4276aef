// SPDX-License-Identifier: ISC
// What is known besides the plan. A relay that does not answer adds nothing.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/explain.h"
#include "relay/base/span.h"
#include "relay/control/control.h"
#include "relay/log/json.h"
#include "relay/recent/trouble.h"

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
            mem_printf("deliveries to %s are paused by %s%s%s%s", site, json_word(pause, "by"),
                       json_word(pause, "reason")[0] ? ", with these words: \"" : "",
                       json_word(pause, "reason"), json_word(pause, "reason")[0] ? "\"" : "");
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
    json_object_set_new(recent, "trouble", json_string(trouble_word(trouble_of(explanation))));
}

// ---- the domain that a host did not believe

// "example.org" of a word like "<example.org>." that is no link, no address of a machine and no name of theirs.
static bool is_domain(struct span word, const char *theirs, char out[static 256])
{
    size_t n = 0, dots = 0;
    for (size_t i = 0; i < word.n && n < 255; i++) {
        char c = (char)ascii_lower(word.p[i]);
        bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!part && n)
            break;
        if (part)
            out[n++] = c;
    }
    while (n && out[n - 1] == '.')
        n--;
    out[n] = 0;
    for (size_t i = 0; i < n; i++)
        dots += out[i] == '.';
    const char *last = strrchr(out, '.');
    return dots && last[1] >= 'a' && last[1] <= 'z' && span_find(word, '/') < 0 &&
           !strstr(theirs, out) && !strstr(out, theirs);
}

static void name_sender(json_t *row, const char *theirs, const struct config *config)
{
    struct span rest = span_text(json_word(row, "reply")), word;
    char found[256] = "", one[256];
    if (strcmp(json_word(row, "class"), "auth") != 0)
        return;
    while (!found[0] && span_cut(rest, ' ', &word, &rest))
        if (is_domain(word, theirs, one))
            memcpy(found, one, sizeof found);
    const char *domain = found[0] ? found : json_word(row, "sender");
    if (!domain[0])
        return;
    json_object_set_new(row, "sender_domain", json_text(domain));
    json_object_set_new(row, "sender_signed", json_boolean(config_dkim_for(config, domain)));
}

void explain_add_sender(json_t *explanation, const struct config *config)
{
    size_t i;
    json_t *host;
    const char *theirs = json_word(explanation, "domain");
    json_object_set_new(explanation, "own", json_boolean(config_dkim_for(config, theirs)));
    json_array_foreach (json_object_get(json_object_get(explanation, "recent"), "hosts"), i, host) {
        name_sender(host, theirs, config);
        name_sender(json_object_get(host, "recipient"), theirs, config);
    }
}
