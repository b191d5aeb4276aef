// SPDX-License-Identifier: ISC
// The words of a delivery report: what happened to whom, in the peer's and our words, and what can be done.
#include "relay/queue/dsn_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/smtp/reply_class.h"

#define LINE 76

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

static const struct {
    const char *status; // what follows the class, or its beginning
    const char *advice;
} advices[] = {
    {".1.1", "Please check the address for typing mistakes."},
    {".1.2", "Please check the part of the address behind the @: there is no such mail domain."},
    {".1.10", "This domain accepts no mail at all."},
    {".1.", "Please check the address."},
    {".2.2", "The mailbox is full. Please reach the recipient in another way, or try again later."},
    {".2.", "The mailbox cannot take mail at present. Please reach the recipient in another way."},
    {".3.4", "The message is too large for its destination. A link or smaller attachments may do."},
    {".6.7",
     "The receiving system cannot handle international addresses or headers. Another address\n"
     "of the recipient may work."},
    {".6.",
     "The receiving system cannot handle the form of this message. Sending it as plain text\n"
     "or with other attachments may work."},
    {".7.10",
     "The message may only travel over protected connections, and the receiving system offers\n"
     "none. Its postmaster can mend that."},
    {".7.30",
     "The message may only travel over protected connections, and the receiving system does\n"
     "not promise that. Its postmaster can mend that."},
    {".7.",
     "The receiving system turned the message down as a matter of its policy. Its postmaster\n"
     "can tell more."},
};

// What stood in the way when TLS failed, and whose postmaster can mend it.
static const struct {
    const char *asker; // struct why
    const char *advice;
} tls_advices[] = {
    {"mta-sts",
     "as the receiving\ndomain asks (MTA-STS). Its postmaster can mend that; please tell him in "
     "another way."},
    {"dane",
     "as the receiving\ndomain asks (DANE). Its postmaster can mend that; please tell him in "
     "another way."},
    {"dane-unusable",
     "as the receiving\ndomain asks (DANE). Its postmaster can mend that; please tell him "
     "in another way."},
    {"memory",
     "as it was for earlier\nmail to this domain. The receiving postmaster knows whether that is "
     "meant; yours, at %s,\ncan let the message go."},
    {"rule", "as a rule of this\nrelay demands for this domain. Your postmaster, at %s,\ncan tell "
             "more."},
    {"exception",
     "as a rule of this\nrelay demands for this domain. Your postmaster, at %s,\ncan tell "
     "more."},
    {"requiretls",
     "as the message\nitself asks (REQUIRETLS). The receiving postmaster can mend that."},
    {"default",
     "as this relay\ndemands for all mail; the receiving domain itself asks for nothing. Your "
     "postmaster, at\n%s, can make an exception for it."},
};

static void lines(struct buf *out, const char *text);

static void tls_advice(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const char *asker = row->why->asker ? row->why->asker : "", *more = NULL;
    for (size_t i = 0; i < sizeof tls_advices / sizeof *tls_advices; i++)
        if (strcmp(tls_advices[i].asker, asker) == 0)
            more = tls_advices[i].advice;
    if (!more && row->why->tls == WHY_DNSSEC_INVALID)
        more = "since the\nDNS records of the receiving domain are not valid (DNSSEC). Its "
               "postmaster can mend "
               "that.";
    if (!more)
        more = "as is\ndemanded. Your postmaster, at %s, can tell by whom.";
    char own[320], text[800];
    const struct config *config = dsn->config;
    if (config->postmaster && config->postmaster[0])
        snprintf(own, sizeof own, "%s", config->postmaster);
    else
        snprintf(own, sizeof own, "postmaster@%s", config->hostname);
    const char *hole = strstr(more, "%s");
    snprintf(text, sizeof text,
             "The message was not sent%s, because the connection could not be protected %.*s%s%s",
             dsn->kind == DSN_DELAYED ? " so far" : "",
             hole ? (int)(hole - more) : (int)strlen(more), more, hole ? own : "",
             hole ? hole + 2 : "");
    lines(out, text);
}

static const char *dsn_text_advice(const struct dsn_row *row)
{
    if (row->returned)
        return "It was the operator of this relay who took the message out of the queue and "
               "returned "
               "it:\n"
               "no receiving system refused it. The postmaster of this relay can tell why.";
    if (row->expired)
        return "The receiving system could not be reached, or did not take the message, for too "
               "long.\n"
               "Please send it again, or reach the recipient in another way.";
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (strncmp(row->why->status + 1, advices[i].status, strlen(advices[i].status)) == 0)
            return advices[i].advice;
    return "If the reason does not say what to do, please forward this report to your postmaster.";
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
    if (row->why->reason != REASON_NONE)
        buf_addf(out, "    Reason: %s. Who can mend it: %s.\r\n",
                 reason_row(row->why->reason)->name, act_text(row->why->act));
    buf_addf(out, "    (kind of failure: %s)\r\n",
             reply_class_word(reply_meaning_of(row->why).class));
    buf_adds(out, "\r\n");
    bool tls = row->why->tls != WHY_TLS_NONE;
    if (dsn->postmaster || (dsn->kind != DSN_FAILED && !tls))
        return;
    if (tls)
        tls_advice(dsn, row, out);
    else
        lines(out, dsn_text_advice(row));
    buf_adds(out, "\r\n");
}

// A policy stands in the way, or a fault on this side: waiting alone may not help.
static bool is_stopped(const struct dsn *dsn)
{
    for (size_t i = 0; i < dsn->nrows; i++) {
        const struct why *why = dsn->rows[i].why;
        if (why && (why->tls != WHY_TLS_NONE || why->act == ACT_US || why->act == ACT_NETWORK ||
                    why->act == ACT_SENDER))
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
