// SPDX-License-Identifier: ISC
// The words of a delivery report: what happened to whom, in the peer's and our words, and what can be done.
#include "relay/queue/dsn_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/smtp/reply_remedy.h"

#define LINE     76
#define OWN_NAME 320 // bytes of an address

void dsn_fold(struct buf *out, const char *text, size_t column, const char *indent)
{
    size_t in = strlen(indent);
    bool first = true;
    for (; *text; first = false) {
        size_t word = strcspn(text, " ");
        if (first) {
            // stands where the caller left off
        } else if (column > in && column + 1 + word > LINE) {
            buf_addf(out, "\r\n%s", indent);
            column = in;
        } else if (column > in) {
            buf_addc(out, ' ');
            column++;
        }
        for (size_t i = 0; i < word; i++) {
            if (column >= 4 * LINE) { // a word without end
                buf_addf(out, "\r\n%s", indent);
                column = in;
            }
            unsigned char c = (unsigned char)text[i];
            buf_addc(out, c > 32 && c < 127 ? (char)c : '?');
            column++;
        }
        text += word;
        text += strspn(text, " ");
    }
}

// What stood in the way when TLS failed, and whose postmaster can mend it.
static const struct {
    const char *asker; // struct why
    const char *advice;
} tls_advices[] = {
    {"mta-sts", "as the receiving domain asks (MTA-STS). Its postmaster can mend that; please tell "
                "him in another way."},
    {"dane", "as the receiving domain asks (DANE). Its postmaster can mend that; please tell him "
             "in another way."},
    {"dane-unusable", "as the receiving domain asks (DANE). Its postmaster can mend that; please "
                      "tell him in another way."},
    {"memory", "as it was for earlier mail to this domain. The receiving postmaster knows whether "
               "that is meant; yours, at %s, can let the message go."},
    {"rule", "as a rule of this relay demands for this domain. The receiving postmaster can mend "
             "what failed; yours, at %s, can change the rule."},
    {"exception", "as a rule of this relay demands for this domain. The receiving postmaster can "
                  "mend what failed; yours, at %s, can change the rule."},
    {"requiretls", "as the message itself asks (REQUIRETLS). The receiving postmaster can mend "
                   "that; or send it once more without REQUIRETLS."},
    {"default",
     "as this relay demands for all mail; the receiving domain itself asks for nothing. The "
     "receiving postmaster can mend what failed; yours, at %s, can make an exception for it."},
};

// Whoever runs this relay, as his users reach him.
static void own_postmaster(const struct dsn *dsn, char out[static OWN_NAME])
{
    const struct config *config = dsn->config;
    if (config->postmaster && config->postmaster[0])
        snprintf(out, OWN_NAME, "%s", config->postmaster);
    else
        snprintf(out, OWN_NAME, "postmaster@%s", config->hostname);
}

static void paragraph_of(struct buf *out, const char *text)
{
    dsn_fold(out, text, 0, "");
    buf_adds(out, "\r\n");
}

static const char *remedy(const struct why *why)
{
    return reply_advice(why->reason, reply_meaning_of(why).class);
}

static void tls_advice(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const char *asker = row->why->asker ? row->why->asker : "", *more = NULL;
    for (size_t i = 0; i < sizeof tls_advices / sizeof *tls_advices; i++)
        if (strcmp(tls_advices[i].asker, asker) == 0)
            more = tls_advices[i].advice;
    if (!more && row->why->tls == WHY_DNSSEC_INVALID)
        more = "since the DNS records of the receiving domain are not valid (DNSSEC). Its "
               "postmaster can mend that.";
    if (!more)
        more = "as is demanded. Your postmaster, at %s, can tell by whom.";
    char own[OWN_NAME], text[800];
    own_postmaster(dsn, own);
    const char *hole = strstr(more, "%s");
    snprintf(text, sizeof text,
             "The message was not sent%s, because the connection could not be protected %.*s%s%s",
             dsn->kind == DSN_DELAYED ? " so far" : "",
             hole ? (int)(hole - more) : (int)strlen(more), more, hole ? own : "",
             hole ? hole + 2 : "");
    paragraph_of(out, text);
}

static void own_advice(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    char own[OWN_NAME], text[1000];
    own_postmaster(dsn, own);
    snprintf(text, sizeof text,
             "Your postmaster, at %s, can mend that: please forward this report to him. For him: "
             "%s",
             own, remedy(row->why));
    paragraph_of(out, text);
}

// What the sender can do; those whose fault it is read the same report.
static const char *dsn_text_advice(const struct dsn_row *row)
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
        return remedy(why);
    if (why->act == ACT_NONE)
        return "If the reason does not say what to do, please forward this report to your "
               "postmaster.";
    return why->act == ACT_HEALS ? "Please send it again later."
                                 : "Only the receiving side can mend that: please reach the "
                                   "recipient in another way, and show him this report.";
}

static void lines(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == '\n')
            buf_adds(out, "\r\n");
        else
            buf_addc(out, *p);
    buf_adds(out, "\r\n");
}

// Where it went, and what was said there: with that its trail can be followed.
static void relayed_text(const struct dsn_row *row, struct buf *out)
{
    if (row->host && row->host[0])
        buf_addf(out, "    was handed on to the host %s,\r\n", row->host);
    else
        buf_adds(out, "    was handed on to a system\r\n");
    buf_adds(out, "    which does not report successful delivery.\r\n");
    if (row->reply && row->reply[0]) {
        buf_adds(out, "    It said: ");
        dsn_fold(out, row->reply, 13, "    ");
        buf_adds(out, "\r\n");
    }
    buf_adds(out, "\r\n");
}

// What it is called, what that means where the kind of a reply does not say it, and who can mend it.
static void row_reason(const struct dsn *dsn, const struct why *why, struct buf *out)
{
    const struct reason_row *reason = reason_row(why->reason);
    bool ours = act_is_ours(why->act);
    char own[OWN_NAME];
    own_postmaster(dsn, own);
    if (reason->means[0] && remedy(why) == reason->advice) {
        buf_adds(out, "    That means: ");
        dsn_fold(out, reason->means, 16, "    ");
        buf_adds(out, "\r\n");
    }
    if (why->reason != REASON_NONE)
        buf_addf(out, "    Reason: %s. Who can mend it: %s%s%s.\r\n", reason->name,
                 act_text(why->act), ours ? ", at " : "", ours ? own : "");
    buf_addf(out, "    (kind of failure: %s)\r\n\r\n",
             reply_class_word(reply_meaning_of(why).class));
}

static void row_text(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    buf_addf(out, "<%s>\r\n", row->recipient->address);
    if (!row->why) {
        relayed_text(row, out);
        return;
    }
    buf_adds(out, "    ");
    dsn_fold(out, row->why->text, 4, "    ");
    if (row->why->host[0])
        buf_addf(out, "\r\n    (host %s)", row->why->host);
    buf_adds(out, "\r\n");
    if (row->why->reply[0]) {
        buf_adds(out, "    It said: ");
        dsn_fold(out, dsn_reply(row), 13, "    ");
        buf_adds(out, "\r\n");
    }
    row_reason(dsn, row->why, out);
    bool tls = row->why->tls != WHY_TLS_NONE, ours = act_is_ours(row->why->act);
    if (dsn->postmaster || (dsn->kind != DSN_FAILED && !tls && !ours))
        return;
    if (tls)
        tls_advice(dsn, row, out);
    else if (ours && !row->returned)
        own_advice(dsn, row, out);
    else
        paragraph_of(out, dsn_text_advice(row));
    buf_adds(out, "\r\n");
}

// A policy stands in the way, or a fault on this side: waiting alone may not help.
static bool is_stopped(const struct dsn *dsn)
{
    for (size_t i = 0; i < dsn->nrows; i++) {
        const struct why *why = dsn->rows[i].why;
        if (why && (why->tls != WHY_TLS_NONE || act_is_ours(why->act) || why->act == ACT_SENDER))
            return true;
    }
    return false;
}

static const char *opening(const struct dsn *dsn)
{
    if (dsn->postmaster)
        return "a report of this relay could not be delivered, and was dropped. This is a copy "
               "for\n"
               "you, its postmaster. The report was meant for:";
    switch (dsn->kind) {
    case DSN_FAILED:
        return "your message could not be delivered to:";
    case DSN_DELAYED:
        if (is_stopped(dsn))
            return "your message has not been delivered yet. Delivery will be tried again and "
                   "again "
                   "until the\n"
                   "date below, but something stands in the way that somebody may have to mend:";
        return "your message has not been delivered yet. You need not do anything: delivery will "
               "be\n"
               "tried again and again until the date below. It waits for:";
    case DSN_RELAYED:
        return "your message has left this relay for:";
    }
    return "";
}

void dsn_text(const struct dsn *dsn, struct buf *out)
{
    char date[40];
    buf_addf(out, "This is the mail relay %s:\r\n", dsn->config->hostname);
    lines(out, opening(dsn));
    buf_adds(out, "\r\n");
    for (size_t i = 0; i < dsn->nrows; i++)
        row_text(dsn, &dsn->rows[i], out);
    if (dsn->kind == DSN_DELAYED && dsn->nrows) {
        clock_rfc5322(dsn->rows[0].until_ms, date);
        buf_addf(out, "Delivery is given up at %s.\r\n\r\n", date);
    }
    clock_rfc5322(dsn->about->env.created_ms, date);
    buf_addf(out, "The message was accepted at %s.\r\n", date);
}
