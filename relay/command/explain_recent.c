// SPDX-License-Identifier: ISC
// What happened, in words: the last deliveries, what changed since they went well, and what rules do to an address.
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/command/explain.h"
#include "relay/command/paragraph.h"
#include "relay/command/terminal.h"
#include "relay/log/json.h"

#define SHORT_DIGEST 16 // digits of a TLSA record or fingerprint that are shown
#define SHORT_TEXT   600

static const char *ago(const json_t *j, const char *key, char text[static TERMINAL_AGE])
{
    return terminal_since((long long)(clock_s() - json_number_of(j, key)), text);
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
static void print_certificate(const json_t *host, bool tlsa, FILE *out)
{
    const char *certificate = json_word(host, "certificate"), *key = json_word(host, "key");
    const char *print = strstr(certificate, "sha256 ");
    if (certificate[0])
        paragraph(out, 6, "certificate last shown: %s", certificate);
    if (!tlsa || !key[0] || !print)
        return;
    paragraph(out, 6, "its key, as TLSA 3 1 1: %s", key);
    paragraph(out, 6, "its certificate, as TLSA 3 0 1: %s", print + strlen("sha256 "));
}

// Of a host, a status for good says nothing of the message: it counts as one for a while (relay/deliver/outcome.h).
static bool recent_is_kept(const json_t *row)
{
    const char *outcome = json_word(row, "outcome");
    return json_word(row, "status")[0] == '5' &&
           (strcmp(outcome, "waits") == 0 ||
            (!outcome[0] && reason_row(reason_named(json_word(row, "why")))->scope == WHY_HOST));
}

// Whose mail it was, and what became of it.
static void print_outcome(const json_t *row, FILE *out)
{
    static const char *const outcomes[][2] = {
        {"bounced", "given up, and its sender was told"},
        {"ended", "given up; nobody was to be told"},
        {"expired", "given up, since its time was over; its sender was told"},
        {"ended-late", "given up, since its time was over; nobody was to be told"},
        {"waits", "it waits, and is tried again"},
    };
    const char *outcome = json_word(row, "outcome"), *text = "";
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (strcmp(outcomes[i][0], outcome) == 0)
            text = outcomes[i][1];
    const char *to = json_word(row, "to"), *sender = json_word(row, "sender");
    const char *local = json_word(row, "local");
    if (text[0] || to[0] || local[0])
        paragraph(out, 6, "that was mail%s%s%s%s%s%s%s%s", to[0] ? " to " : "", to,
                  sender[0] ? " of a sender at " : "", sender,
                  local[0] ? ", over a connection from our address " : "", local,
                  text[0] ? ": " : "", text);
}

static void print_told(const json_t *told, FILE *out)
{
    char when[TERMINAL_AGE];
    const char *reply = json_word(told, "reply"), *why = json_word(told, "why");
    if (!json_is_object(told))
        return;
    paragraph(out, 6,
              "refused one recipient %s: %s %s%s%s (why %s); that is about this recipient alone",
              ago(told, "at", when), json_word(told, "status"), json_word(told, "reason"),
              reply[0] ? ": " : "", reply, why);
    print_outcome(told, out);
}

static void print_kept(const json_t *host, FILE *out)
{
    bool login = strcmp(json_word(host, "class"), "login") == 0;
    paragraph(out, 6,
              "the host says this for good (5), but %s and not about the message: mail is kept and "
              "tried again, and log and queue show it as 4%s meanwhile",
              login ? "about this relay's login" : "about the connection",
              json_word(host, "status") + 1);
}

static void print_bad(const json_t *host, FILE *out)
{
    char when[TERMINAL_AGE];
    const char *reply = json_word(host, "reply"), *why = json_word(host, "why");
    if (!json_is_integer(json_object_get(host, "failed")))
        return;
    long long n = json_number_of(host, "failures");
    bool over = !json_says(host, "failing"), heals = strcmp(json_word(host, "act"), "heals") == 0;
    paragraph(out, 6, "%s %s: %s %s%s%s%s%s%s",
              over    ? "failed last"
              : heals ? "was put off"
                      : "FAILED",
              ago(host, "failed", when), json_word(host, "status"), json_word(host, "reason"),
              reply[0] ? ": " : "", reply, why[0] ? " (why " : "", why, why[0] ? ")" : "");
    if (!over)
        print_outcome(host, out);
    if (!over && n > 1)
        paragraph(out, 6, "%lld attempts in a row", n);
    if (!over && recent_is_kept(host))
        print_kept(host, out);
}

static bool has_tlsa(const json_t *e, const char *name)
{
    size_t i;
    const json_t *host;
    json_array_foreach (json_object_get(e, "mx"), i, host)
        if (strcmp(json_word(host, "host"), name) == 0)
            return json_array_size(json_object_get(host, "tlsa")) > 0;
    return false;
}

static void print_hosts(const json_t *e, const json_t *hosts, FILE *out)
{
    size_t i;
    const json_t *host;
    json_array_foreach (hosts, i, host) {
        const char *name = json_word(host, "host");
        fprintf(out, "    %s\n", name[0] ? name : "before a host was chosen");
        print_good(host, out);
        print_bad(host, out);
        print_told(json_object_get(host, "recipient"), out);
        print_certificate(host, has_tlsa(e, name), out);
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
        print_hosts(e, hosts, out);
    else
        fputs("    none that is remembered\n", out);
    print_changes(recent, out);
}

// ---- an address

static void print_pause(const json_t *site, FILE *out)
{
    char since[TERMINAL_AGE], until[TERMINAL_AGE];
    const json_t *pause = json_object_get(site, "paused");
    if (!json_is_object(pause))
        return;
    bool ends = json_is_integer(json_object_get(pause, "until"));
    const char *reason = json_word(pause, "reason");
    paragraph(out, 4, "paused by %s %s%s%s%s", json_word(pause, "by"), ago(pause, "since", since),
              reason[0] ? ", with these words: \"" : "", reason, reason[0] ? "\"" : "");
    if (ends)
        paragraph(out, 4, "it goes on by itself %s",
                  terminal_until(json_number_of(pause, "until") - clock_s(), until));
    else
        paragraph(out, 4, "it does not end by itself: waxwing resume %s", json_word(site, "site"));
}

// What it is left alone for may have been before a restart.
static void print_shut(const json_t *site, FILE *out)
{
    char when[TERMINAL_AGE];
    const json_t *next = json_object_get(site, "next");
    if (strcmp(json_word(site, "state"), "shut") != 0)
        return;
    if (json_is_integer(next) && json_integer_value(next) > clock_s())
        paragraph(out, 4, "it gets its next message %s",
                  terminal_until(json_integer_value(next) - clock_s(), when));
    if (!json_is_object(json_object_get(site, "lesson")))
        paragraph(out, 4, "why it is left alone is not remembered: that was before a restart");
}

static void print_site(const json_t *site, FILE *out)
{
    char when[TERMINAL_AGE];
    const json_t *lesson = json_object_get(site, "lesson");
    bool paused = json_is_object(json_object_get(site, "paused"));
    if (paused)
        paragraph(out, 4, "the site is paused: nothing is sent there");
    else
        paragraph(out, 4, "the site is %s: %lld connections in use of %lld allowed now",
                  json_word(site, "state"), json_number_of(site, "active"),
                  json_number_of(site, "connections"));
    print_pause(site, out);
    print_shut(site, out);
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
