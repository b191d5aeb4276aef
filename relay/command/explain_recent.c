// SPDX-License-Identifier: ISC
// What happened, in words: the headline, the last deliveries, what changed since they went well, and what rules do to an
// address.
#include <string.h>
#include "relay/base/clock.h"
#include "relay/command/explain.h"
#include "relay/command/paragraph.h"
#include "relay/command/terminal.h"
#include "relay/log/json.h"
#include "relay/route/waits.h"

#define SHORT_DIGEST 16 // digits of a TLSA record or fingerprint that are shown
#define SHORT_TEXT   600

static const char *ago(const json_t *j, const char *key, char text[static TERMINAL_AGE])
{
    return terminal_since((long long)(clock_s() - json_number_of(j, key)), text);
}

static bool is_failing(const json_t *e)
{
    return strcmp(json_word(json_object_get(e, "recent"), "state"), "failing") == 0;
}

// Never "would be delivered" while the last attempts say otherwise.
static const char *headline(const json_t *e)
{
    const char *verdict = json_word(e, "verdict");
    if (json_object_get(e, "running") && !json_says(e, "known_before"))
        return "is being looked up";
    if (strcmp(verdict, "bounce") == 0)
        return "mail would BOUNCE";
    if (strcmp(verdict, "defer") == 0)
        return "mail would WAIT";
    if (!is_failing(e))
        return "mail would be delivered";
    return json_object_get(e, "connect")
               ? "the hosts do what is asked now, but the last attempts FAILED"
               : "mail would be tried, but the last attempts FAILED";
}

static void print_waiting(const json_t *waiting, FILE *out)
{
    char since[TERMINAL_AGE], when[TERMINAL_AGE];
    long long n = json_number_of(waiting, "messages");
    const json_t *next = json_object_get(waiting, "next");
    if (!json_is_object(waiting))
        return;
    const char *reason = json_word(waiting, "reason"), *why = json_word(waiting, "why");
    paragraph(out, 2, "%lld message%s wait%s after failing, the oldest accepted %s%s%s%s%s%s%s%s",
              n, n == 1 ? "" : "s", n == 1 ? "s" : "", ago(waiting, "since", since),
              json_is_integer(next) ? ", to be tried again " : "",
              json_is_integer(next) ? terminal_until(json_integer_value(next) - clock_s(), when)
                                    : "",
              reason[0] ? ": " : "", reason, why[0] ? " (why " : "", why, why[0] ? ")" : "");
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

void explain_print_headline(const json_t *e, FILE *out)
{
    const char *verdict = json_word(e, "verdict");
    bool delivers = strcmp(verdict, "deliver") == 0;
    const json_t *running = json_object_get(e, "running");
    fprintf(out, "%s: %s%s%s\n", json_word(e, "domain"), headline(e),
            running && json_says(e, "known_before") ? ", by what was known before" : "",
            json_says(e, "shadow") ? " (shadow mode: policies only watch)" : "");
    if (!delivers && json_word(e, "status")[0])
        paragraph(out, 2, "%s %s%s%s%s", json_word(e, "status"), json_word(e, "reason"),
                  json_word(e, "why")[0] ? " (why " : "", json_word(e, "why"),
                  json_word(e, "why")[0] ? ")" : "");
    print_running(running, out);
    if (strcmp(verdict, "defer") == 0 && !running)
        paragraph(out, 2, "It is tried again until it expires; the sender is told after a while.");
    print_waiting(json_object_get(e, "waiting"), out);
}

// ---- the last deliveries

static void print_good(const json_t *host, FILE *out)
{
    char when[TERMINAL_AGE];
    if (!json_is_integer(json_object_get(host, "delivered")))
        return;
    const char *proof = json_word(host, "proof");
    paragraph(out, 6, "took mail %s (%s%s%s%s)", ago(host, "delivered", when),
              json_word(host, "tls"), json_says(host, "resumed") ? ", resumed" : "",
              proof[0] ? ", proof " : "", proof);
}

// A resumed session shows none: it is of the one that was resumed.
static void print_certificate(const json_t *host, FILE *out)
{
    const char *certificate = json_word(host, "certificate");
    if (certificate[0])
        paragraph(out, 6, "certificate last shown: %s", certificate);
}

static void print_told(const json_t *told, FILE *out)
{
    char when[TERMINAL_AGE];
    const char *reply = json_word(told, "reply"), *why = json_word(told, "why");
    if (!json_is_object(told))
        return;
    paragraph(out, 6, "refused one recipient %s: %s %s%s%s (why %s), which says nothing of others",
              ago(told, "at", when), json_word(told, "status"), json_word(told, "reason"),
              reply[0] ? ": " : "", reply, why);
}

static void print_bad(const json_t *host, FILE *out)
{
    char when[TERMINAL_AGE];
    const char *reply = json_word(host, "reply"), *why = json_word(host, "why");
    if (!json_is_integer(json_object_get(host, "failed")))
        return;
    long long n = json_number_of(host, "failures");
    bool over = !json_says(host, "failing");
    paragraph(out, 6, "%s %s: %s %s%s%s%s%s%s", over ? "failed last" : "FAILED",
              ago(host, "failed", when), json_word(host, "status"), json_word(host, "reason"),
              reply[0] ? ": " : "", reply, why[0] ? " (why " : "", why, why[0] ? ")" : "");
    if (!over && n > 1)
        paragraph(out, 6, "%lld attempts in a row", n);
}

static void print_hosts(const json_t *hosts, FILE *out)
{
    size_t i;
    const json_t *host;
    json_array_foreach (hosts, i, host) {
        const char *name = json_word(host, "host");
        fprintf(out, "    %s\n", name[0] ? name : "before a host was chosen");
        print_good(host, out);
        print_bad(host, out);
        print_told(json_object_get(host, "recipient"), out);
        print_certificate(host, out);
    }
}

// One line, digests cut.
static const char *shortened(const char *text, char out[static SHORT_TEXT])
{
    size_t n = 0, digits = 0;
    if (!text[0])
        return "none";
    for (const char *c = text; *c && n + 5 < SHORT_TEXT; c++) {
        bool hex = strchr("0123456789abcdef", *c);
        digits = hex ? digits + 1 : 0;
        if (digits > SHORT_DIGEST)
            continue;
        if (*c == '\n')
            out[n++] = ',';
        out[n++] = *c == '\n' ? ' ' : *c;
    }
    out[n] = 0;
    return out;
}

static void print_changes(const json_t *recent, FILE *out)
{
    size_t i;
    const json_t *change;
    char before[SHORT_TEXT], now[SHORT_TEXT], when[TERMINAL_AGE];
    json_array_foreach (json_object_get(recent, "changed"), i, change) {
        const char *host = json_word(change, "host"), *what = json_word(change, "what");
        bool seen = json_is_integer(json_object_get(change, "seen"));
        paragraph(out, 4, "CHANGED since mail was taken last: %s%s%s", what, host[0] ? " of " : "",
                  host);
        paragraph(out, 6, "was %s", shortened(json_word(change, "before"), before));
        paragraph(out, 6, "is  %s", shortened(json_word(change, "now"), now));
        if (seen)
            paragraph(out, 6, "met first %s", ago(change, "seen", when));
        else
            paragraph(out, 6, "no delivery has met it yet");
    }
}

void explain_print_recent(const json_t *e, FILE *out)
{
    const json_t *recent = json_object_get(e, "recent");
    if (!recent)
        return;
    fputs("\n  Last deliveries\n", out);
    const json_t *hosts = json_object_get(recent, "hosts");
    if (json_array_size(hosts))
        print_hosts(hosts, out);
    else
        fputs("    none that is remembered\n", out);
    print_changes(recent, out);
}

// ---- an address

static void print_site(const json_t *site, FILE *out)
{
    char when[TERMINAL_AGE];
    const json_t *lesson = json_object_get(site, "lesson");
    paragraph(out, 4, "the site is %s: %lld connections in use of %lld allowed now",
              json_word(site, "state"), json_number_of(site, "active"),
              json_number_of(site, "connections"));
    if (json_is_real(json_object_get(site, "per_minute")))
        paragraph(out, 4, "it gets %.1f messages a minute",
                  json_real_value(json_object_get(site, "per_minute")));
    const char *reply = json_word(lesson, "reply");
    if (json_is_object(lesson))
        paragraph(out, 4, "learned %s (%s) from %s: %s%s%s", ago(lesson, "time", when),
                  json_word(lesson, "sign"), json_word(lesson, "host"), json_word(lesson, "text"),
                  reply[0] ? ": " : "", reply);
}

void explain_print_address(const json_t *e, FILE *out)
{
    size_t i;
    const json_t *rules = json_object_get(e, "address"), *rule;
    const json_t *site = json_object_get(e, "shaping");
    bool held_back = site && strcmp(json_word(site, "state"), "open") != 0;
    if (!rules && !held_back)
        return;
    fputs(rules ? "\n  What rules do to this address\n" : "\n  Shaping\n", out);
    json_array_foreach (rules, i, rule)
        paragraph(out, 4, "%s: %s%s%s", json_word(rule, "what"),
                  strcmp(json_word(rule, "effect"), "none") == 0 ? "" : json_word(rule, "effect"),
                  strcmp(json_word(rule, "effect"), "none") == 0 ? "" : ": ",
                  json_word(rule, "text"));
    if (site)
        print_site(site, out);
}
