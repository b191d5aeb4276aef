// SPDX-License-Identifier: ISC
// Who can mend it, why it is so, and what to do, in this order and with one answer: the sender reads it, and forwards it
// to whoever can.
#include "relay/queue/dsn_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/advice.h"
#include "relay/base/reasons.h"
#include "relay/smtp/reply_remedy.h"

#define ADVICE_OWN  320 // bytes of an address
#define ADVICE_TEXT 1600

// Whoever runs this relay, as his users reach him.
static void own_postmaster(const struct dsn *dsn, char out[static ADVICE_OWN])
{
    const struct config *config = dsn->config;
    if (config->postmaster && config->postmaster[0])
        snprintf(out, ADVICE_OWN, "%s", config->postmaster);
    else
        snprintf(out, ADVICE_OWN, "postmaster@%s", config->hostname);
}

static void paragraph_of(struct buf *out, const char *text)
{
    dsn_fold(out, text, 0, "");
    buf_adds(out, "\r\n\r\n");
}

// Of a site that is left alone what counts is what shut it.
static const char *remedy(const struct why *why)
{
    enum reason reason = why->behind != REASON_NONE ? why->behind : why->reason;
    return reply_advice(reason, reply_meaning_of(why).class);
}

// The same with the names that are known here.
static const char *remedy_here(const struct dsn *dsn, const struct dsn_row *row,
                               char out[static ADVICE_TEXT])
{
    struct advice_names names = {.domain = row->recipient->domain,
                                 .host = row->why->host,
                                 .site = row->site,
                                 .sender_domain = message_sender_domain(dsn->about)};
    struct buf text;
    buf_init(&text, ADVICE_TEXT - 1);
    advice_fill(remedy(row->why), &names, &text);
    snprintf(out, ADVICE_TEXT, "%.*s", (int)text.len, (const char *)text.data);
    buf_free(&text);
    return out;
}

// Who demanded what TLS failed to prove: whose demand it is, hence who can drop it.
enum demander { DEMAND_RECEIVER, DEMAND_US, DEMAND_SENDER };
static const struct {
    const char *asker; // struct why
    enum demander who;
    const char *as;   // behind "the connection could not be protected"
    const char *next; // what the one who demands it can do
} demands[] = {
    {"mta-sts", DEMAND_RECEIVER, "as the receiving domain asks (MTA-STS)", ""},
    {"dane", DEMAND_RECEIVER, "as the receiving domain asks (DANE)", ""},
    {"dane-unusable", DEMAND_RECEIVER, "as the receiving domain asks (DANE)", ""},
    {"memory", DEMAND_US, "as it was for earlier mail to this domain",
     "he can find out whether that is meant, and let the message go"},
    {"rule", DEMAND_US, "as a rule of this relay demands for this domain",
     "he can tell the receiving postmaster what failed, or change the rule"},
    {"exception", DEMAND_US, "as a rule of this relay demands for this domain",
     "he can tell the receiving postmaster what failed, or change the rule"},
    {"requiretls", DEMAND_SENDER, "as the message itself asks (REQUIRETLS)", ""},
    {"default", DEMAND_US,
     "as this relay demands for all mail; the receiving domain itself asks for nothing",
     "he can make an exception for this domain, or tell the receiving postmaster what failed"},
    {NULL, DEMAND_US, "as is demanded", "he can tell by whom"},
};

static size_t demand_of(const struct why *why)
{
    size_t i = 0;
    while (demands[i].asker && (!why->asker || strcmp(demands[i].asker, why->asker) != 0))
        i++;
    return i;
}

// The records themselves are broken: nobody's demand is to be dropped.
static bool is_broken_dns(const struct why *why)
{
    return why->tls == WHY_DNSSEC_INVALID && !demands[demand_of(why)].asker;
}

bool dsn_waiting_is_not_enough(const struct why *why)
{
    return why->tls != WHY_TLS_NONE || act_is_ours(why->act) || why->act == ACT_SENDER;
}

// As the catalogue says it; where it is us, with our address.
static void mender_named(const struct why *why, const char *own, char *out, size_t n)
{
    bool ours = act_is_ours(why->act);
    snprintf(out, n, "%s%s%s", act_text(why->act), ours ? ", at " : "", ours ? own : "");
}

static void mender_of_tls(const struct why *why, const char *own, char *out, size_t n)
{
    enum demander who = demands[demand_of(why)].who;
    if (who == DEMAND_SENDER)
        snprintf(out, n,
                 "whoever sends it, by sending it without REQUIRETLS; or %s, by offering it",
                 why->act == ACT_SENDER ? "the receiving domain" : act_text(why->act));
    else if (who == DEMAND_US && !act_is_ours(why->act))
        snprintf(out, n, "whoever runs this relay, at %s, whose demand it is; or %s, by meeting it",
                 own, act_text(why->act));
    else
        mender_named(why, own, out, n);
}

static void labelled(struct buf *out, const char *label, const char *text)
{
    buf_addf(out, "    %s", label);
    dsn_fold(out, text, 4 + strlen(label), "    ");
    buf_adds(out, "\r\n");
}

void dsn_mender(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const struct why *why = row->why;
    const struct reason_row *reason = reason_row(why->reason);
    char own[ADVICE_OWN], who[ADVICE_TEXT], text[ADVICE_TEXT + 2];
    own_postmaster(dsn, own);
    if (why->tls != WHY_TLS_NONE && !is_broken_dns(why))
        mender_of_tls(why, own, who, sizeof who);
    else
        mender_named(why, own, who, sizeof who);
    bool waits = dsn->kind == DSN_DELAYED && !dsn_waiting_is_not_enough(why);
    snprintf(text, sizeof text, "%s.", who);
    if (why->act != ACT_NONE)
        labelled(out,
                 waits && why->act != ACT_HEALS ? "Who can mend it, if it lasts: "
                                                : "Who can mend it: ",
                 text);
    if (reason->means[0] && (why->behind != REASON_NONE || remedy(why) == reason->advice))
        labelled(out, "That means: ", reason->means);
}

// What becomes of the message when it is mended.
static const char *afterwards(const struct dsn *dsn)
{
    return dsn->kind == DSN_FAILED ? " When that is done, please send the message again."
                                   : " The message waits, and goes by itself when that is done.";
}

static void advice_of_tls(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const struct why *why = row->why;
    size_t i = demand_of(why);
    char own[ADVICE_OWN], text[3 * ADVICE_TEXT], next[2 * ADVICE_TEXT], done[ADVICE_TEXT];
    own_postmaster(dsn, own);
    if (is_broken_dns(why))
        snprintf(next, sizeof next,
                 "since the DNS records of the receiving domain are not valid (DNSSEC). Its "
                 "postmaster can mend that: please tell him in another way.");
    else if (demands[i].who == DEMAND_RECEIVER)
        snprintf(next, sizeof next,
                 "%s. Its postmaster can mend that: please tell him in another way.%s",
                 demands[i].as, afterwards(dsn));
    else if (demands[i].who == DEMAND_SENDER)
        snprintf(
            next, sizeof next,
            "%s. If its content allows, send it once more without REQUIRETLS, which the program "
            "that you write with, or its administrator, asked for. Otherwise the receiving "
            "side has to change: please ask its postmaster.",
            demands[i].as);
    else
        snprintf(next, sizeof next,
                 "%s. Please forward this report to your postmaster, at %s: %s.%s For him: %s",
                 demands[i].as, own, demands[i].next, afterwards(dsn), remedy_here(dsn, row, done));
    snprintf(text, sizeof text,
             "The message was not sent%s, because the connection could not be protected %s",
             dsn->kind == DSN_DELAYED ? " so far" : "", next);
    paragraph_of(out, text);
}

// The relay has not got it any more.
static bool is_lost(const struct why *why)
{
    return why->reason == REASON_STORED_BODY_GONE || why->reason == REASON_STORED_BODY_DAMAGED ||
           why->reason == REASON_STORED_MESSAGE_DAMAGED;
}

static void advice_of_ours(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    char own[ADVICE_OWN], text[2 * ADVICE_TEXT], done[ADVICE_TEXT];
    own_postmaster(dsn, own);
    if (is_lost(row->why))
        snprintf(text, sizeof text,
                 "This relay has lost the message: please send it again now. And please forward "
                 "this report to your postmaster, at %s, so that it happens to no other message. "
                 "For him: the log has an alarm with the id below and the file. %s",
                 own, remedy_here(dsn, row, done));
    else if (row->why->reason == REASON_SITE_PAUSED)
        snprintf(
            text, sizeof text,
            "If it is urgent, please ask your postmaster, at %s, and show him this report. For "
            "him: %s",
            own, remedy_here(dsn, row, done));
    else
        snprintf(text, sizeof text,
                 "Your postmaster, at %s, can mend that: please forward this report to him.%s For "
                 "him: %s",
                 own, afterwards(dsn), remedy_here(dsn, row, done));
    paragraph_of(out, text);
}

// What the sender can do; those whose fault it is read the same report.
static const char *advice_of_failure(const struct dsn *dsn, const struct dsn_row *row,
                                     char done[static ADVICE_TEXT])
{
    const struct why *why = row->why;
    if (row->returned)
        return "It was the operator of this relay who took the message out of the queue and "
               "returned it: no receiving system refused it. The postmaster of this relay can "
               "tell why.";
    if (row->expired)
        return "The receiving system could not be reached, or did not take the message, for too "
               "long. Please send it again, or reach the recipient in another way.";
    if (why->act == ACT_SENDER || reply_meaning_of(why).class == REPLY_MAILBOX_FULL)
        return remedy_here(dsn, row, done);
    if (why->act == ACT_NONE)
        return "If the reason does not say what to do, please forward this report to your "
               "postmaster.";
    return why->act == ACT_HEALS
               ? "Please send it again later."
               : "It is most likely the receiving side that can mend that: please reach the "
                 "recipient in another way, and show him this report.";
}

// For those who look after mail: what there is to find out, and that the blame may lie elsewhere.
static void advice_for_postmasters(const struct dsn *dsn, const struct dsn_row *row,
                                   struct buf *out)
{
    const struct why *why = row->why;
    char text[2 * ADVICE_TEXT], done[ADVICE_TEXT];
    bool others =
        why->act == ACT_RECEIVER || why->act == ACT_RECEIVER_HOST || why->act == ACT_RECEIVER_DNS;
    if (!others || row->returned || !remedy(why)[0] || strncmp(remedy(why), "Nothing: ", 9) == 0)
        return;
    snprintf(text, sizeof text, "For a postmaster: %s", remedy_here(dsn, row, done));
    paragraph_of(out, text);
}

void dsn_advice(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const struct why *why = row->why;
    char done[ADVICE_TEXT];
    if (why->tls != WHY_TLS_NONE) {
        advice_of_tls(dsn, row, out);
        return;
    }
    if (act_is_ours(why->act) && !row->returned) {
        advice_of_ours(dsn, row, out);
        return;
    }
    if (dsn->kind == DSN_FAILED)
        paragraph_of(out, advice_of_failure(dsn, row, done));
    advice_for_postmasters(dsn, row, out);
}
