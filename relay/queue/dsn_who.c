// SPDX-License-Identifier: ISC
// Who can fix what failed, in one order for all parts of a report: the one who must act, then who else can.
#include "relay/queue/dsn_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/advice.h"
#include "relay/base/reasons.h"
#include "relay/smtp/reply_remedy.h"

#define WHO_HOST 300 // bytes of the name of a host

// Who demanded what TLS failed to prove, hence who can drop that demand.
static const struct {
    const char *asker; // struct why
    enum act who;      // ACT_RECEIVER: nobody but the domain itself
    const char *as, *by;
} demands[] = {
    {"mta-sts", ACT_RECEIVER, "the owner of DOMAIN (MTA-STS)", ""},
    {"dane", ACT_RECEIVER, "the owner of DOMAIN (DANE)", ""},
    {"dane-unusable", ACT_RECEIVER, "the owner of DOMAIN (DANE)", ""},
    {"memory", ACT_US, "this relay, since earlier mail to DOMAIN had it",
     "by letting the message go, if HOST has changed on purpose"},
    {"rule", ACT_US, "the rule of this relay for DOMAIN; DOMAIN itself does not demand it",
     "by changing their rule for DOMAIN"},
    {"exception", ACT_US, "the rule of this relay for DOMAIN", "by changing their rule for DOMAIN"},
    {"requiretls", ACT_SENDER, "the message itself (REQUIRETLS)",
     "by sending the message again without REQUIRETLS"},
    {"default", ACT_US, "this relay for all mail; DOMAIN itself does not demand it",
     "by an exception for DOMAIN"},
};
#define DEMANDS (sizeof demands / sizeof *demands)

// DEMANDS: it is not known who.
static size_t demand_of(const struct why *why)
{
    size_t i = 0;
    while (i < DEMANDS && (!why->asker || strcmp(demands[i].asker, why->asker) != 0))
        i++;
    return i;
}

const char *dsn_demand(const struct why *why)
{
    size_t i = demand_of(why);
    return why->tls != WHY_TLS_NONE && i < DEMANDS ? demands[i].as : NULL;
}

const char *dsn_own_postmaster(const struct dsn *dsn, char out[static DSN_OWN])
{
    const struct config *config = dsn->config;
    if (config->postmaster && config->postmaster[0])
        snprintf(out, DSN_OWN, "%s", config->postmaster);
    else
        snprintf(out, DSN_OWN, "postmaster@%s", config->hostname);
    return out;
}

void dsn_fill(const struct dsn *dsn, const struct dsn_row *row, const char *text, struct buf *out)
{
    char own[DSN_OWN], us[DSN_OWN + 40], host[WHO_HOST];
    const char *domain = row->recipient->domain;
    snprintf(us, sizeof us, "those who run this relay (%s)", dsn_own_postmaster(dsn, own));
    snprintf(host, sizeof host, "%s%.255s", row->why->host[0] ? "" : "the mail host of ",
             row->why->host[0] ? row->why->host : domain);
    const struct advice_names names = {.domain = domain,
                                       .host = host,
                                       .site = row->site,
                                       .sender_domain = message_sender_domain(dsn->about),
                                       .postmaster = us};
    advice_fill(text, &names, out);
}

// Of a site that is left alone what counts is what shut it.
static enum reason root(const struct why *why)
{
    return why->behind != REASON_NONE ? why->behind : why->reason;
}

// It is this relay that waited too short a time.
static bool is_impatient(const struct why *why)
{
    return root(why) == REASON_HOST_SILENT && why->act == ACT_US;
}

static const struct told *dsn_told(const struct why *why)
{
    static const struct told impatient = {"by raising the setting that is named above", ACT_NONE,
                                          "", ""};
    if (is_impatient(why))
        return &impatient;
    return reply_told(root(why), reply_meaning_of(why).class);
}

// Whom the words of the sender and of the ways to fix it have in mind.
static bool is_as_told(const struct why *why)
{
    struct reply_meaning meaning = reply_meaning_of(why);
    enum act act = why->reply[0] ? reply_act(root(why), &meaning) : ACT_NONE;
    return is_impatient(why) || why->act == (act != ACT_NONE ? act : reason_row(root(why))->act);
}

struct dsn_who dsn_who_of(const struct why *why)
{
    const struct told *told = dsn_told(why);
    size_t i = why->tls != WHY_TLS_NONE ? demand_of(why) : DEMANDS;
    struct dsn_who who = {.first = why->act, .by = "", .other_by = "", .sender = ""};
    if (is_as_told(why))
        who = (struct dsn_who){why->act, told->by, told->other, told->other_by, told->sender};
    if (who.other != ACT_NONE || i >= DEMANDS || demands[i].who == who.first)
        return who;
    if (who.first == ACT_NONE)
        return (struct dsn_who){demands[i].who, demands[i].by, ACT_NONE, "", ""};
    if (demands[i].who != ACT_RECEIVER) {
        who.other = demands[i].who;
        who.other_by = demands[i].by;
    }
    return who;
}

const char *dsn_actor(enum act act)
{
    static const char *const words[] = {
        [ACT_NONE] = "",
        [ACT_US] = "OPERATOR",
        [ACT_NETWORK] = "OPERATOR",
        [ACT_SENDER] = "you",
        [ACT_RECEIVER] = "whoever looks after mail for DOMAIN",
        [ACT_RECEIVER_HOST] = "the postmaster of HOST",
        [ACT_RECEIVER_DNS] = "whoever runs the DNS of DOMAIN",
        [ACT_HEALS] = "nobody has to, it passes by itself",
    };
    return words[act];
}

static void labelled(const struct dsn *dsn, const struct dsn_row *row, const char *label,
                     const char *text, struct buf *out)
{
    struct buf filled;
    buf_init(&filled, DSN_ADVICE);
    dsn_fill(dsn, row, text, &filled);
    buf_addf(out, "    %s", label);
    dsn_fold(out, buf_text(&filled), 4 + strlen(label), "    ");
    buf_adds(out, "\r\n");
    buf_free(&filled);
}

void dsn_who_text(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const struct why *why = row->why;
    struct dsn_who who = dsn_who_of(why);
    char text[1024];
    const char *means = reply_means(root(why), reply_meaning_of(why).class);
    bool later = dsn->kind == DSN_DELAYED && !dsn_waiting_is_not_enough(why);
    if (means[0])
        labelled(dsn, row, "That means: ", means, out);
    int n =
        snprintf(text, sizeof text, "%s%s%s", dsn_actor(who.first), who.by[0] ? ", " : "", who.by);
    if (who.other != ACT_NONE)
        snprintf(text + n, sizeof text - (size_t)n, "; or %s%s%s", dsn_actor(who.other),
                 who.other_by[0] ? ", " : "", who.other_by);
    strncat(text, ".", sizeof text - strlen(text) - 1);
    if (who.first != ACT_NONE)
        labelled(dsn, row,
                 later && who.first != ACT_HEALS ? "Who can fix it, if it lasts: "
                                                 : "Who can fix it: ",
                 text, out);
}

const char *dsn_operator_advice(const struct why *why)
{
    return reply_advice(root(why), reply_meaning_of(why).class);
}

bool dsn_waiting_is_not_enough(const struct why *why)
{
    return why->tls != WHY_TLS_NONE || act_is_ours(why->act) || why->act == ACT_SENDER;
}
