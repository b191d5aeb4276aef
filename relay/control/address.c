// SPDX-License-Identifier: ISC
// Rules that are about one address or about who writes to it. Reads the configuration and the lists; decides nothing:
// each sentence says what the part of the relay does that decides it.
#include "relay/control/address.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/span.h"
#include "relay/log/json.h"
#include "relay/login/habits.h"
#include "relay/setup/principal.h"
#include "relay/suppress/suppress.h"
#include "tls/policy.h"

#define ADDRESS_SAID 1024 // bytes of one sentence

static void address_say(json_t *list, const char *what, const char *effect, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void address_say(json_t *list, const char *what, const char *effect, const char *format, ...)
{
    char text[ADDRESS_SAID];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "what", what, "effect", effect, "text",
                                          json_text(text)));
}

static void add_postmaster(const struct address_question *q, json_t *list)
{
    const char *at = strrchr(q->address, '@');
    struct span local = span_of(q->address, at ? (size_t)(at - q->address) : 0);
    bool ours = strcmp(q->domain, q->config->hostname) == 0;
    bool named = span_is_nocase(local, "postmaster") || span_is_nocase(local, "abuse") ||
                 span_is_nocase(local, "MAILER-DAEMON");
    if (!ours || !named)
        return;
    if (q->config->postmaster[0])
        address_say(list, "postmaster", "redirected", "it is this relay's own: its mail goes to %s",
                    q->config->postmaster);
    else
        address_say(list, "postmaster", "refused",
                    "it is this relay's own, and no `postmaster' is configured");
}

// ---- the suppression list

static const char *effect_of(const struct cfg_sender *row)
{
    static const char *const words[] = {"refused", "dropped", "none"};
    return words[row->suppressed];
}

// A row's mail is looked up by the domain of its envelope senders, of which the first stands for all.
static void add_suppressed(const struct address_question *q, const struct cfg_sender *row,
                           json_t *list)
{
    char reason[SUPPRESS_REASON], origin[PRINCIPAL_NAME], from[PRINCIPAL_NAME + 2],
        name[PRINCIPAL_NAME];
    principal_origin(row, origin);
    principal_row_name(row, name);
    snprintf(from, sizeof from, "%s%s", strchr(origin, '@') ? "" : "a@", origin);
    if (suppress_find(q->suppress, from, q->address, q->domain, reason))
        address_say(list, "suppression", effect_of(row), "mail of %s to it is %s%s: %s", name,
                    row->suppressed == SUPPRESSED_SEND
                        ? "sent although it is on the suppression list"
                        : effect_of(row),
                    row->suppressed == SUPPRESSED_SEND ? " (suppressed: send)" : "", reason);
}

static void add_suppression(const struct address_question *q, const struct cfg_sender *only,
                            json_t *list)
{
    size_t before = json_array_size(list);
    if (!q->suppress)
        return;
    for (size_t i = 0; i < q->config->nsenders; i++)
        if (!only || only == &q->config->senders[i])
            add_suppressed(q, &q->config->senders[i], list);
    if (json_array_size(list) == before)
        address_say(list, "suppression", "none", "it is not on the suppression list");
}

// ---- the row of the sender

static void add_returns(const struct address_question *q, json_t *list)
{
    for (size_t i = 0; i < q->config->nsenders; i++) {
        const struct cfg_sender *row = &q->config->senders[i];
        bool srs = row->srs.domain && row->srs.domain[0] && strcmp(row->srs.domain, q->domain) == 0;
        bool verp =
            row->verp.domain && row->verp.domain[0] && strcmp(row->verp.domain, q->domain) == 0;
        if (!srs && !verp)
            continue;
        address_say(
            list, "returns", "changed",
            "%s is a domain of return addresses of ours (%s): such an address goes back to what it "
            "stands for, in mail of rows with `returns: true'",
            q->domain, srs ? "SRS" : "VERP");
        return;
    }
}

static void add_rate(json_t *list, const char *name, const char *what, const struct rate *rate)
{
    if (rate->per_ms)
        address_say(list, "sender", "limited", "%s may send %llu %s in %llu s", name,
                    (unsigned long long)rate->count, what, (unsigned long long)rate->per_ms / 1000);
}

static void add_way(const struct cfg_sender *row, const char *name, json_t *list)
{
    if (row->nnext_hops)
        address_say(list, "sender", "changed",
                    "mail of %s goes to next hops of its own (%zu); see --sender %s", name,
                    row->nnext_hops, name);
    if (row->nsources)
        address_say(list, "sender", "changed", "mail of %s leaves from %zu address%s of its own",
                    name, row->nsources, row->nsources == 1 ? "" : "es");
}

// What the row does to each of its messages.
static void add_changes(const struct cfg_sender *row, const char *name, json_t *list)
{
    if (row->require_tls)
        address_say(list, "sender", "changed", "all mail of %s is sent with REQUIRETLS", name);
    if (row->force_from && row->force_from[0])
        address_say(list, "sender", "changed", "mail of %s is sent as %s", name, row->force_from);
    if (row->archive && row->archive[0])
        address_say(list, "sender", "changed", "a copy of mail of %s goes to %s", name,
                    row->archive);
    if (row->srs.domain && row->srs.domain[0])
        address_say(list, "sender", "changed",
                    "foreign envelope senders of %s become SRS addresses at %s", name,
                    row->srs.domain);
    if (row->verp.domain && row->verp.domain[0])
        address_say(list, "sender", "changed",
                    "envelope senders of %s become return addresses at %s", name, row->verp.domain);
    if (row->forward)
        address_say(list, "sender", "changed",
                    "%s may forward mail of others, which is sealed (forward)", name);
    if (row->high)
        address_say(list, "sender", "changed",
                    "mail of %s goes before that of others (priority: high)", name);
}

static void add_login(const struct address_question *q, const char *name, json_t *list)
{
    char why[HABITS_WHY];
    if (q->habits && q->config->jumps.hold && habits_held(q->habits, name, why))
        address_say(list, "login", "held", "%s; its mail waits until 'waxwing logins release %s'",
                    why, name);
}

static void add_sender(const struct address_question *q, const struct cfg_sender *row, json_t *list)
{
    char name[PRINCIPAL_NAME];
    principal_row_name(row, name);
    add_login(q, name, list);
    if (q->sender) {
        add_rate(list, name, "messages", &row->messages);
        add_rate(list, name, "recipients", &row->recipients);
        add_changes(row, name, list);
    }
    add_way(row, name, list);
}

// ---- the rule for the destination

static void add_destination(const struct address_question *q, json_t *list)
{
    const struct cfg_destination *rule = config_destination(q->config, q->domain);
    if (!rule)
        return;
    if (rule->connections)
        address_say(list, "destination", "limited",
                    "the rule for %s allows %llu connections at once", rule->domain,
                    (unsigned long long)rule->connections);
    if (rule->rate.per_ms)
        address_say(list, "destination", "limited",
                    "the rule for %s allows %llu messages in %llu s", rule->domain,
                    (unsigned long long)rule->rate.count,
                    (unsigned long long)rule->rate.per_ms / 1000);
    if (rule->nnext_hops)
        address_say(list, "destination", "changed", "the rule for %s names its next hops",
                    rule->domain);
    if (rule->has_tls)
        address_say(list, "destination", "changed", "the rule for %s %s tls: %s", rule->domain,
                    rule->until ? "is an exception," : "demands at least",
                    tls_level_word(rule->tls));
}

json_t *address_rules(const struct address_question *q)
{
    json_t *list = json_array();
    const struct cfg_sender *only = NULL;
    if (q->sender) {
        char client[PRINCIPAL_NAME + 2]; // an address may stand for its row
        snprintf(client, sizeof client, "[%s]", q->sender);
        only = principal_row(q->config, q->sender, client);
    }
    add_postmaster(q, list);
    add_suppression(q, only, list);
    add_returns(q, list);
    add_destination(q, list);
    for (size_t i = 0; i < q->config->nsenders; i++)
        if (!q->sender || only == &q->config->senders[i])
            add_sender(q, &q->config->senders[i], list);
    return list;
}
