// SPDX-License-Identifier: ISC
// The words of a delivery report: what happened to whom, in the peer's and our words, and which message it is about.
#include "relay/queue/dsn_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/maxima.h"
#include "relay/base/reasons.h"
#include "relay/smtp/reply_class.h"
#include "sign/header.h"

#define TEXT_MOST    240   // bytes of a field of the message that are shown
#define TEXT_SOON_MS 60000 // a next attempt that is no time of day

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

static void text_line(struct buf *out, const char *label, const char *text)
{
    buf_addf(out, "    %s", label);
    dsn_fold(out, text, 4 + strlen(label), "    ");
    buf_adds(out, "\r\n");
}

// What happened: the sentence, the host, its words.
static void row_event(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const struct why *why = row->why;
    char sentence[2 * sizeof why->text];
    dsn_sentence(why->text, sentence, sizeof sentence);
    text_line(out, "", sentence);
    if (why->host[0])
        buf_addf(out, "    (host %s)\r\n", why->host);
    if (!why->reply[0])
        return;
    text_line(out, row->unmet ? "It said then: " : "It said: ", dsn_reply(row));
    if (dsn->kind == DSN_DELAYED && why->reply[0] == '5')
        text_line(out, "",
                  "(The host goes on refusing until this is fixed. Your message itself was not "
                  "refused: it waits here and is tried again.)");
}

// What it is called, here and in TLS reports, for whoever looks it up.
static void row_name(const struct why *why, struct buf *out)
{
    const char *class = reply_class_word(reply_meaning_of(why).class);
    const char *behind = reason_row(why->behind)->name, *tls = why_tls_word(why->tls);
    char name[300];
    if (why->reason == REASON_NONE)
        return;
    snprintf(name, sizeof name, "%s%s%s (kind: %s%s%s)", reason_row(why->reason)->name,
             behind[0] ? ", caused by " : "", behind, class, tls[0] ? "; in TLS reports: " : "",
             tls);
    text_line(out, "Its name in the log: ", name);
}

static void row_text(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    buf_addf(out, "<%s>\r\n", row->recipient->address);
    if (!row->why) {
        relayed_text(row, out);
        return;
    }
    row_event(dsn, row, out);
    dsn_who_text(dsn, row, out);
    row_name(row->why, out);
    buf_adds(out, "\r\n");
    if (!dsn->postmaster)
        dsn_advice(dsn, row, out);
}

// A policy stands in the way, or a fault on this side: waiting alone may not help.
static bool is_stopped(const struct dsn *dsn)
{
    for (size_t i = 0; i < dsn->nrows; i++)
        if (dsn->rows[i].why && dsn_waiting_is_not_enough(dsn->rows[i].why))
            return true;
    return false;
}

// Somebody wants it so.
static bool is_paused(const struct dsn *dsn)
{
    for (size_t i = 0; i < dsn->nrows; i++)
        if (!dsn->rows[i].why || dsn->rows[i].why->reason != REASON_SITE_PAUSED)
            return false;
    return dsn->nrows > 0;
}

static const char *opening_of_delay(const struct dsn *dsn)
{
    if (is_paused(dsn))
        return "your message has not been delivered yet. It waits in this relay, because\n"
               "those who run it have paused such deliveries.";
    if (is_stopped(dsn))
        return "your message has not been delivered yet. It waits in this relay and is tried\n"
               "again by itself, but somebody has to fix something first: see below.";
    return "your message has not been delivered yet. You need not do anything: it\n"
           "waits in this relay and is tried again by itself.";
}

static const char *opening(const struct dsn *dsn)
{
    if (dsn->postmaster)
        return "a report of this relay could not be delivered, and was dropped. This is a copy "
               "for\n"
               "you, its postmaster. The report was meant for:";
    switch (dsn->kind) {
    case DSN_FAILED:
        return dsn->nrows == 1
                   ? "your message could not be delivered to the address below. This relay has\n"
                     "given it up and does not try again."
                   : "your message could not be delivered to the addresses below. This relay has\n"
                     "given it up for them and does not try again.";
    case DSN_DELAYED:
        return opening_of_delay(dsn);
    case DSN_RELAYED:
        return "your message has left this relay for:";
    }
    return "";
}

// The soonest of all rows.
static int64_t next_of(const struct dsn *dsn)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < dsn->nrows; i++)
        if (dsn->rows[i].next_ms > 0 && dsn->rows[i].next_ms < next)
            next = dsn->rows[i].next_ms;
    return next;
}

static void text_times(const struct dsn *dsn, struct buf *out)
{
    char date[40];
    int64_t next = next_of(dsn);
    clock_rfc5322(next, date);
    if (next != INT64_MAX && next < dsn->now_ms + TEXT_SOON_MS)
        buf_adds(out, "The next attempt follows within a minute.\r\n");
    else if (next != INT64_MAX)
        buf_addf(out, "The next attempt is at %s.\r\n", date);
    clock_rfc5322(dsn->rows[0].until_ms, date);
    buf_addf(out,
             "If it cannot be delivered by %s,\r\n"
             "it comes back to you.\r\n\r\n",
             date);
}

// A field of the message as its sender wrote it: one line, bounded, and nothing but printable ASCII.
static void text_field(const struct header *header, const char *name, struct buf *out)
{
    const struct field *field = header_find(header, name, 0);
    char value[TEXT_MOST + 4], label[40];
    size_t n = 0;
    if (!field)
        return;
    struct span text = span_trim(field->value);
    for (size_t i = 0; i < text.n && n < TEXT_MOST; i++)
        if (text.p[i] != '\r' && text.p[i] != '\n')
            value[n++] = text.p[i] ? (char)text.p[i] : ' ';
    snprintf(value + n, sizeof value - n, "%s", n == TEXT_MOST ? "..." : "");
    snprintf(label, sizeof label, "%s: ", name);
    text_line(out, label, value);
}

// Which message it is: for its sender by his own words, for whoever runs the relay by its id.
static void text_message(const struct dsn *dsn, struct buf *out)
{
    const struct envelope *env = &dsn->about->env;
    struct buf bytes;
    struct header header;
    struct why bad;
    char id[ID_TEXT], date[40];
    size_t used;
    id_text(env->id, id);
    clock_rfc5322(env->created_ms, date);
    buf_addf(out, "This is about the message that this relay accepted at\r\n%s%s\r\n", date,
             dsn->content ? ", and in which is written:" : ".");
    buf_init(&bytes, MAX_MEMORY_BODY);
    if (dsn->content)
        (void)content_header(dsn->content, &bytes);
    if (dsn->content && header_parse(&header, buf_span(&bytes), &used, &bad) == 0) {
        text_field(&header, "Subject", out);
        text_field(&header, "Date", out);
        text_field(&header, "Message-ID", out);
        header_free(&header);
    }
    if (!dsn->content && env->message_id[0])
        buf_addf(out, "    Message-ID: <%s>\r\n", env->message_id);
    buf_addf(out, "    Id in the log of this relay: %s\r\n", id);
    buf_free(&bytes);
}

void dsn_text(const struct dsn *dsn, struct buf *out)
{
    buf_addf(out, "This is the mail relay %s:\r\n", dsn->config->hostname);
    lines(out, opening(dsn));
    if (dsn->kind == DSN_DELAYED && dsn->nrows)
        text_times(dsn, out);
    else
        buf_adds(out, "\r\n");
    for (size_t i = 0; i < dsn->nrows; i++)
        row_text(dsn, &dsn->rows[i], out);
    text_message(dsn, out);
}
