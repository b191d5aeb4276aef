// SPDX-License-Identifier: ISC
// The first lines: what would become of mail now, whether all of it is concerned, what waits and until when.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/command/explain.h"
#include "relay/command/paragraph.h"
#include "relay/command/terminal.h"
#include "relay/log/json.h"
#include "relay/recent/trouble.h"
#include "relay/route/waits.h"

static bool stands_in_its_way(const json_t *e)
{
    return act_is_ours(act_named(json_word(e, "act")));
}

static bool is_paused(const json_t *row)
{
    return strcmp(json_word(row, "why"), "site-paused") == 0;
}

static const char *of_waiting(const json_t *e)
{
    return is_paused(e) ? "mail would WAIT, since its deliveries are paused: nothing has failed"
           : stands_in_its_way(e) ? "mail would WAIT: THIS RELAY stands in its own way"
                                  : "mail would WAIT";
}

// That the host did not believe.
static const char *sender_domain(const json_t *e)
{
    const json_t *row = trouble_row(e);
    const char *replied = json_word(row, "sender_domain");
    return replied[0] ? replied : json_word(row, "sender");
}

// Never "would be delivered" while the last attempts say otherwise.
static char *headline(const json_t *e)
{
    const char *verdict = json_word(e, "verdict");
    long long n = json_number_of(trouble_row(e), "failures");
    if (json_object_get(e, "running") && !json_says(e, "known_before"))
        return mem_dup("is being looked up");
    if (strcmp(verdict, "bounce") == 0)
        return mem_dup("mail would BOUNCE");
    if (strcmp(verdict, "defer") == 0)
        return mem_dup(of_waiting(e));
    enum trouble trouble = trouble_of(e);
    if (trouble == TROUBLE_SITE && json_object_get(e, "connect"))
        return mem_dup("the hosts do what is asked now, but the last attempts FAILED");
    if (trouble == TROUBLE_SENDER && sender_domain(e)[0])
        return mem_printf("mail would be tried, but mail of %s was REFUSED", sender_domain(e));
    if (trouble == TROUBLE_MESSAGE && n > 1)
        return mem_printf("mail would be tried, but the last %lld messages were REFUSED", n);
    return mem_dup(trouble_sentence(trouble));
}

// What has not been tried at all has not failed.
static const char *after_what(const json_t *e)
{
    if (strncmp(json_word(json_object_get(e, "waiting"), "why"), "site-pa", 7) == 0)
        return ""; // paused, paced
    enum trouble trouble = trouble_of(e);
    return trouble == TROUBLE_GREYLIST || trouble == TROUBLE_PUT_OFF ? " after being put off"
                                                                     : " after failing";
}

// The delay notice and the end: two messages to the sender, hours and days away.
static void print_notice(const json_t *waiting, const char *whose, FILE *out)
{
    char when[TERMINAL_AGE], day[40];
    const json_t *notice = json_object_get(waiting, "notice");
    if (!json_is_integer(notice)) {
        if (json_number_of(waiting, "noticed"))
            paragraph(out, 2, "%s has had a delay notice.", whose);
        return;
    }
    long long at = json_integer_value(notice), now = clock_s();
    clock_rfc3339(at * 1000, day);
    if (at > now)
        paragraph(out, 2, "%s gets a delay notice %s, at %.16sZ.", whose,
                  terminal_until(at - now, when), day);
    else
        paragraph(out, 2, "%s is about to get a delay notice%s.", whose,
                  json_is_integer(json_object_get(waiting, "next"))
                      ? ", with the next try if that fails"
                      : "");
}

static void print_end(const json_t *e, const json_t *waiting, long long n, FILE *out)
{
    char when[TERMINAL_AGE], day[40];
    const json_t *expires = json_object_get(waiting, "expires");
    if (!json_is_integer(expires))
        return;
    long long at = json_integer_value(expires);
    const json_t *owed = json_object_get(waiting, "owed");
    bool told = !owed || json_integer_value(owed) > 0;
    clock_rfc3339(at * 1000, day);
    print_notice(waiting, n == 1 ? "Its sender" : "The first sender", out);
    paragraph(out, 2, "%s %s given up %s, at %.16sZ, and %s then.",
              trouble_of(e) == TROUBLE_GREYLIST ? "Only if it is never taken,"
                                                : "If nothing changes,",
              n == 1 ? "it is" : "the first is", terminal_until(at - clock_s(), when), day,
              told ? "its sender gets a report" : "nobody is to be told");
}

static void print_waiting(const json_t *e, FILE *out)
{
    char since[TERMINAL_AGE], when[TERMINAL_AGE];
    const json_t *waiting = json_object_get(e, "waiting"), *next = json_object_get(waiting, "next");
    long long n = json_number_of(waiting, "messages");
    if (!json_is_object(waiting))
        return;
    const char *reason = json_word(waiting, "reason"), *why = json_word(waiting, "why");
    if (strcmp(why, json_word(e, "why")) == 0)
        reason = why = ""; // told just above
    paragraph(out, 2, "%lld message%s wait%s%s, the oldest accepted %s%s%s%s%s%s%s%s", n,
              n == 1 ? "" : "s", n == 1 ? "s" : "", after_what(e),
              terminal_since((long long)(clock_s() - json_number_of(waiting, "since")), since),
              json_is_integer(next) ? ", to be tried again " : "",
              json_is_integer(next) ? terminal_until(json_integer_value(next) - clock_s(), when)
                                    : "",
              reason[0] ? ": " : "", reason, why[0] ? " (why " : "", why,
              why[0]      ? ")"
              : reason[0] ? ""
                          : ".");
    print_end(e, waiting, n, out);
}

static void print_running(const json_t *running, FILE *out)
{
    size_t i;
    const json_t *wait;
    char text[WAITS_TEXT];
    json_array_foreach (running, i, wait) {
        waits_text(wait, text);
        paragraph(out, 2, "still running: %s", text);
    }
}

static void print_extent(enum trouble trouble, FILE *out)
{
    if (trouble_extent(trouble)[0])
        paragraph(out, 2, "%s", trouble_extent(trouble));
}

// What the verdict means for one message, and what failed for others. Of mail that waits the times are told below.
static void print_fate(const json_t *e, FILE *out)
{
    const char *verdict = json_word(e, "verdict");
    const char *later = json_object_get(e, "waiting")
                            ? ""
                            : " Its sender gets a delay notice (delivery.warn_after), and a report "
                              "if it is given up (delivery.expire).";
    if (strcmp(verdict, "bounce") == 0)
        paragraph(out, 2, "It is given up at once, and its sender is told.");
    else if (is_paused(e))
        paragraph(out, 2, "It waits until the pause ends.%s", later);
    else if (strcmp(verdict, "deliver") == 0)
        print_extent(trouble_of(e), out);
    else
        paragraph(out, 2, "It is tried again.%s", later);
}

void explain_print_headline(const json_t *e, FILE *out)
{
    bool delivers = strcmp(json_word(e, "verdict"), "deliver") == 0;
    const json_t *running = json_object_get(e, "running");
    char *text = headline(e);
    fprintf(out, "%s: %s%s%s\n", json_word(e, "domain"), text,
            running && json_says(e, "known_before") ? ", by what was known before" : "",
            json_says(e, "shadow") ? " (shadow mode: policies only watch)" : "");
    free(text);
    if (!delivers && json_word(e, "status")[0])
        paragraph(out, 2, "%s %s%s%s%s", json_word(e, "status"), json_word(e, "reason"),
                  json_word(e, "why")[0] ? " (why " : "", json_word(e, "why"),
                  json_word(e, "why")[0] ? ")" : "");
    print_running(running, out);
    if (!running)
        print_fate(e, out);
    print_waiting(e, out);
}
