// SPDX-License-Identifier: ISC
// Who can mend what an explanation tells of, and what to do: each cause once, whichever of its parts name it, with what
// is known here filled into the words of the catalogue.
#include <stdio.h>
#include <string.h>
#include "relay/base/advice.h"
#include "relay/base/reasons.h"
#include "relay/command/advice.h"
#include "relay/command/command.h"
#include "relay/command/explain.h"
#include "relay/command/paragraph.h"
#include "relay/log/json.h"
#include "relay/recent/trouble.h"

#define ADVICE_MOST  8 // causes that are told
#define ADVICE_BYTES 8192

struct told {
    FILE *out;
    const json_t *explanation;
    bool settings; // one of them names a key of the configuration
    size_t n;
    const json_t *at[ADVICE_MOST];
};

static bool is_same(const json_t *a, const json_t *b)
{
    return strcmp(json_word(a, "why"), json_word(b, "why")) == 0 &&
           strcmp(json_word(a, "act"), json_word(b, "act")) == 0 &&
           strcmp(advice_text(a), advice_text(b)) == 0;
}

static void advice_say(struct told *told, const struct advice_names *names, const char *text)
{
    struct buf filled;
    buf_init(&filled, ADVICE_BYTES);
    advice_fill(text, names, &filled);
    if (filled.len)
        paragraph(told->out, 6, "%s", buf_text(&filled));
    told->settings = told->settings || strstr(text, "delivery.") || strstr(text, "dns.") ||
                     strstr(text, "row of senders") || strstr(text, "senders row") ||
                     strstr(text, "hostname");
    buf_free(&filled);
}

static const json_t *planned_host(const json_t *e, const char *name)
{
    size_t i;
    const json_t *host;
    json_array_foreach (json_object_get(e, "mx"), i, host)
        if (strcmp(json_word(host, "host"), name) == 0)
            return host;
    return NULL;
}

// What lets mail go before it is mended: no TLS at all, or TLS to whoever answers.
static bool needs_clear(enum reason reason)
{
    return reason_row(reason)->tls == WHY_STARTTLS_NOT_SUPPORTED;
}

static const char *weaker(enum reason reason)
{
    return needs_clear(reason) ? "opportunistic" : "encrypt";
}

static const char *weakness(enum reason reason)
{
    return needs_clear(reason) ? "in clear text (where the host has no TLS)"
                               : "encrypted to whoever answers there";
}

// Whose demand it is that a TLS failure does not meet; what to know before there is an exception to it; NULL: none is
// needed.
static const struct {
    const char *source, *text, *before;
} demands[] = {
    {"default",
     "TLS is demanded by this relay, of all mail (delivery.tls); the receiving domain asks for "
     "nothing.",
     "Until it is mended, whoever runs this relay can let mail go"},
    {"memory",
     "It is demanded by this relay, since the domain had TLS before (delivery.memory); the domain "
     "itself asks for nothing. Where that is over on purpose: waxwing tls forget DOMAIN.",
     NULL},
    {"mta-sts", "It is demanded by the receiving domain itself, by its MTA-STS policy.",
     "Only if its owner says that the host is theirs, an exception lets mail go before it is "
     "mended,"},
    {"dane", "It is demanded by the receiving domain itself, by its TLSA records.",
     "Only if its owner says that the host is theirs, an exception lets mail go before it is "
     "mended,"},
};

static void say_asked(struct told *told, const struct advice_names *names, const char *source,
                      enum reason reason)
{
    char text[600];
    for (size_t i = 0; i < sizeof demands / sizeof *demands; i++) {
        if (strcmp(demands[i].source, source) != 0)
            continue;
        advice_say(told, names, demands[i].text);
        if (!demands[i].before)
            return;
        snprintf(text, sizeof text,
                 "%s %s: a row {domain: DOMAIN, tls: %s, until: DATE, reason: WORDS} in "
                 "delivery.destinations.",
                 demands[i].before, weakness(reason), weaker(reason));
        advice_say(told, names, text);
    }
}

// A rule of ours for the domain: which row it is, and which value of it would let mail go.
static void say_rule(struct told *told, const struct advice_names *names, const json_t *host,
                     enum reason reason)
{
    char text[600];
    const json_t *rule = json_object_get(told->explanation, "rule");
    snprintf(text, sizeof text,
             "It is demanded by this relay's own rule: tls: %.20s in the row of %.253s in "
             "delivery.destinations. The receiving domain asks for nothing.",
             json_word(rule, "tls"), json_word(rule, "domain"));
    advice_say(told, names, text);
    if (json_is_object(json_object_get(host, "login")) || reason == REASON_DANE_MISSING)
        return; // a login needs its proof; the advice names another value
    snprintf(
        text, sizeof text,
        "Until it is mended, whoever runs this relay can let mail go %s: tls: %s in that row%s.",
        weakness(reason), weaker(reason),
        needs_clear(reason) ? ", with until and reason beside it" : "");
    advice_say(told, names, text);
}

// A TLS failure stops mail only because somebody demands TLS: who that is, and what he can do.
static void say_demand(struct told *told, const struct advice_names *names, const json_t *row)
{
    const json_t *host = planned_host(told->explanation, names->host);
    enum reason reason = reason_named(json_word(row, "why"));
    if (reason_row(reason)->tls == WHY_TLS_NONE || reason == REASON_REQUIRETLS_NO_NAME)
        return;
    if (reason == REASON_DANE_MISSING && strcmp(json_word(host, "dnssec"), "insecure") == 0)
        advice_say(told, names, "Here the zone of HOST is not signed (DNSSEC: insecure).");
    if (strcmp(json_word(host, "source"), "rule") == 0)
        say_rule(told, names, host, reason);
    else
        say_asked(told, names, json_word(host, "source"), reason);
}

// A host that never showed TLS, or did a moment ago.
static void say_tls_seen(struct told *told, const struct advice_names *names, const json_t *row)
{
    const json_t *memory = json_object_get(told->explanation, "memory"), *seen;
    bool ever = false;
    size_t i;
    if (strcmp(json_word(row, "type"), "starttls-not-supported") != 0)
        return;
    json_array_foreach (memory, i, seen)
        ever = ever || strcmp(json_word(seen, "host"), names->host) == 0;
    advice_say(told, names,
               ever ? "HOST had TLS before (see TLS memory below): it is lost, or taken away."
                    : "This relay has never seen TLS at HOST, as far as it remembers.");
}

// A sender's domain that was not believed, and that no key of ours signs for.
static bool is_foreign(const json_t *row)
{
    return strcmp(json_word(row, "class"), "auth") == 0 &&
           json_is_false(json_object_get(row, "sender_signed"));
}

// Which address was refused, and whether the domain that was not believed is one of ours.
static void say_sender(struct told *told, const struct advice_names *names, const json_t *row)
{
    const char *class = json_word(row, "class"), *local = json_word(row, "local");
    if (strcmp(class, "reputation") == 0 && local[0])
        paragraph(told->out, 6, "The connection came from %s.", local);
    if (strcmp(class, "auth") != 0 || !names->sender_domain[0])
        return;
    advice_say(told, names,
               is_foreign(row)
                   ? "No key of this relay signs mail of SENDER-DOMAIN (dkim): where it is "
                     "none of its domains, nobody may send in its name from here."
                   : "This relay has a key that signs mail of SENDER-DOMAIN (dkim).");
    if (!is_foreign(row) && json_word(row, "to")[0])
        paragraph(told->out, 6, "Whether it signed this message: waxwing trace %s.",
                  json_word(row, "to"));
}

// Where the mail would run in a circle: whether the domain is one of those that it signs for.
static void say_own(struct told *told, const struct advice_names *names, const json_t *row)
{
    enum reason reason = reason_named(json_word(row, "why"));
    const json_t *own = json_object_get(told->explanation, "own");
    if ((reason == REASON_MX_IS_US || reason == REASON_HOST_IS_US) && json_is_boolean(own))
        advice_say(told, names,
                   json_is_true(own)
                       ? "This relay has a key that signs mail of DOMAIN: it looks like yours."
                       : "No key of this relay signs mail of DOMAIN: it does not look like "
                         "yours.");
}

// Whom the relay asked in vain.
static void say_server(struct told *told, const json_t *row)
{
    size_t i;
    const json_t *record;
    if (!strstr(json_word(row, "why"), "lookup-failed"))
        return;
    json_array_foreach (json_object_get(told->explanation, "records"), i, record)
        if (json_word(record, "server")[0])
            paragraph(told->out, 6, "Asked was %s: %s.", json_word(record, "server"),
                      json_word(record, "reason"));
}

static const char *advice_sender(const json_t *row)
{
    const char *replied = json_word(row, "sender_domain");
    return replied[0] ? replied : json_word(row, "sender");
}

static void tell_advice(struct told *told, const json_t *row)
{
    const json_t *e = told->explanation;
    const char *why = json_word(row, "why"), *actor = advice_actor(row);
    for (size_t i = 0; i < told->n; i++)
        if (is_same(told->at[i], row))
            return;
    if (!why[0] || !advice_text(row)[0] || told->n == ADVICE_MOST)
        return;
    if (!told->n)
        fputs("\n  Who can mend it, and what to do\n", told->out);
    told->at[told->n++] = row;
    const char *host = json_word(row, "host");
    const struct advice_names names = {.domain = json_word(e, "domain"),
                                       .host = host,
                                       .site = json_word(e, "site"),
                                       .sender_domain = advice_sender(row)};
    paragraph(told->out, 4, "%s: %s", why,
              is_foreign(row) ? act_text(ACT_SENDER)
              : actor[0]      ? actor
                              : "not known");
    told->settings = told->settings || strstr(json_word(row, "reason"), "delivery.");
    advice_say(told, &names, advice_means(row));
    say_server(told, row);
    say_own(told, &names, row);
    advice_say(told, &names, advice_text(row));
    say_tls_seen(told, &names, row);
    say_sender(told, &names, row);
    say_demand(told, &names, row);
}

// The hosts say more than the verdict that came of them.
static void tell_plan(struct told *told, const json_t *e)
{
    size_t i;
    const json_t *host;
    json_array_foreach (json_object_get(e, "mx"), i, host)
        if (strcmp(json_word(host, "demand"), "refuse") == 0)
            tell_advice(told, host);
    json_array_foreach (json_object_get(e, "connect"), i, host)
        tell_advice(told, host);
    if (strcmp(json_word(e, "verdict"), "deliver") != 0)
        tell_advice(told, e);
}

static void tell_hosts(struct told *told, const json_t *e)
{
    size_t i;
    const json_t *one;
    json_array_foreach (json_object_get(json_object_get(e, "recent"), "hosts"), i, one) {
        if (json_says(one, "failing"))
            tell_advice(told, one);
        tell_advice(told, json_object_get(one, "recipient"));
    }
}

// What need not be waited for any more.
static void tell_retry(const struct told *told)
{
    const json_t *e = told->explanation, *waiting = json_object_get(e, "waiting");
    enum trouble trouble = trouble_of(e);
    bool by_itself = strcmp(json_word(e, "why"), "site-paused") == 0 ||
                     trouble == TROUBLE_GREYLIST || trouble == TROUBLE_HEALS;
    if (told->settings)
        paragraph(told->out, 4, "The configuration is %s; after a change: waxwing reload.",
                  command_config_file);
    if (told->n && !by_itself && json_number_of(waiting, "recipients") > 0)
        paragraph(told->out, 4,
                  "What waits is tried again by itself; once it is mended, at once: "
                  "waxwing queue retry --domain %s",
                  json_word(e, "domain"));
}

void explain_print_advice(const json_t *e, FILE *out)
{
    struct told told = {.out = out, .explanation = e};
    tell_plan(&told, e);
    tell_hosts(&told, e);
    tell_advice(&told, json_object_get(e, "waiting"));
    tell_retry(&told);
}
