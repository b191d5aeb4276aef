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

#define TEXT_MOST 240 // bytes of a field of the message that are shown

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
        text_line(out, "", "(That is for good, but not about the message: it waits all the same.)");
}

// What it is called, here and in TLS reports, for whoever looks it up.
static void row_name(const struct why *why, struct buf *out)
{
    const char *class = reply_class_word(reply_meaning_of(why).class);
    char name[300] = "";
    if (why->reason != REASON_NONE)
        snprintf(name, sizeof name, "Reason: %s. ", reason_row(why->reason)->name);
    if (why->behind != REASON_NONE)
        snprintf(name + strlen(name), sizeof name - strlen(name), "Its cause: %s. ",
                 reason_row(why->behind)->name);
    if (why->tls != WHY_TLS_NONE)
        snprintf(name + strlen(name), sizeof name - strlen(name), "(In TLS reports: %s.) ",
                 why_tls_word(why->tls));
    snprintf(name + strlen(name), sizeof name - strlen(name), "(kind of failure: %s)", class);
    text_line(out, "", name);
}

static void row_text(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    buf_addf(out, "<%s>\r\n", row->recipient->address);
    if (!row->why) {
        relayed_text(row, out);
        return;
    }
    row_event(dsn, row, out);
    dsn_mender(dsn, row, out);
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
        return "your message has not been delivered yet. Nothing is broken: whoever runs this\n"
               "relay keeps it back for a while. It waits for:";
    if (is_stopped(dsn))
        return "your message has not been delivered yet. Delivery will be tried again and again\n"
               "until the date below, but something stands in the way that somebody may have to\n"
               "mend:";
    return "your message has not been delivered yet. You need not do anything: delivery will\n"
           "be tried again and again until the date below. It waits for:";
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
    if (next != INT64_MAX) {
        clock_rfc5322(next, date);
        buf_addf(out, "The next attempt is at %s.\r\n", date);
    }
    clock_rfc5322(dsn->rows[0].until_ms, date);
    buf_addf(out, "Delivery is given up at %s.\r\n\r\n", date);
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
    buf_addf(out, "The message was accepted at %s.\r\n", date);
    buf_init(&bytes, MAX_MEMORY_BODY);
    if (dsn->content)
        (void)content_header(dsn->content, &bytes);
    if (dsn->content && header_parse(&header, buf_span(&bytes), &used, &bad) == 0) {
        text_field(&header, "Subject", out);
        text_field(&header, "Date", out);
        text_field(&header, "Message-ID", out);
        header_free(&header);
    }
    buf_addf(out, "    Id in the log of this relay: %s\r\n", id);
    buf_free(&bytes);
}

void dsn_text(const struct dsn *dsn, struct buf *out)
{
    buf_addf(out, "This is the mail relay %s:\r\n", dsn->config->hostname);
    lines(out, opening(dsn));
    buf_adds(out, "\r\n");
    for (size_t i = 0; i < dsn->nrows; i++)
        row_text(dsn, &dsn->rows[i], out);
    if (dsn->kind == DSN_DELAYED && dsn->nrows)
        text_times(dsn, out);
    text_message(dsn, out);
}
