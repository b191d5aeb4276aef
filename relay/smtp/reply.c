// SPDX-License-Identifier: ISC
// Parsing of SMTP replies and EHLO keywords. Never does I/O, never decides what a reply means.
// RFC 5321 section 4.2, RFC 2034, RFC 3463, RFC 9422.
#include "relay/smtp/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void smtp_reply_init(struct smtp_reply *reply)
{
    *reply = (struct smtp_reply){0};
    buf_init(&reply->text, MAX_REPLY);
    buf_init(&reply->line, MAX_REPLY_LINE);
}

void smtp_reply_free(struct smtp_reply *reply)
{
    buf_free(&reply->text);
    buf_free(&reply->line);
}

void smtp_reply_reset(struct smtp_reply *reply)
{
    buf_reset(&reply->text);
    buf_reset(&reply->line);
    reply->code = 0;
    reply->lines = 0;
    reply->status[0] = 0;
    reply->bytes = 0;
    reply->cut = reply->done = false;
}

// One number of a status code: 1 to 3 digits, no superfluous zero.
static size_t status_number(struct span s)
{
    size_t n = 0;
    while (n < s.n && n < 3 && ascii_is_digit(s.p[n]))
        n++;
    return n > 1 && s.p[0] == '0' ? 0 : n;
}

int smtp_status_parse(struct span text, char out[static 12])
{
    if (text.n < 5 || !strchr("245", text.p[0]) || text.p[1] != '.')
        return -1;
    size_t subject = status_number(span_from(text, 2));
    size_t dot = 2 + subject;
    if (!subject || dot >= text.n || text.p[dot] != '.')
        return -1;
    size_t detail = status_number(span_from(text, dot + 1));
    size_t end = dot + 1 + detail;
    if (!detail || (end < text.n && text.p[end] != ' ' && text.p[end] != '\t'))
        return -1;
    memcpy(out, text.p, end); // at most 1 + 1 + 3 + 1 + 3 bytes
    out[end] = 0;
    return 0;
}

static int reply_bad(struct why *why, const char *what)
{
    return why_say(why, REPLY_NOT_SMTP, what);
}

// The text of a line joins the others, as much of it as there is room for. The code counts whatever becomes
// of the text.
static void keep_text(struct smtp_reply *reply, struct span text)
{
    if (reply->lines == MAX_REPLY_LINES) {
        reply->cut = true;
        return;
    }
    reply->lines++;
    size_t room = MAX_REPLY - (MAX_REPLY_LINES - reply->lines) - 1 - reply->text.len;
    if (text.n > room) {
        reply->cut = true;
        text.n = room;
    }
    buf_addspan(&reply->text, text);
    buf_addc(&reply->text, '\n');
}

// A whole line without its line end: "250-text", "250 text" or "250". A refusal is heard without a separator
// as well ("550denied"); a success said so is none.
static int reply_take_line(struct smtp_reply *reply, struct span line, struct why *why)
{
    if (line.n && memchr(line.p, 0, line.n))
        return reply_bad(why, "it has a NUL");
    bool digits = line.n >= 3 && line.p[0] >= '2' && line.p[0] <= '5' &&
                  ascii_is_digit(line.p[1]) && ascii_is_digit(line.p[2]);
    bool separated = line.n == 3 || (line.n > 3 && (line.p[3] == '-' || line.p[3] == ' '));
    if (!digits || (!separated && (line.p[0] < '4' || ascii_is_digit(line.p[3]))))
        return reply_bad(why, "a line without reply code");
    int code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
    if (reply->code && reply->code != code)
        return reply_bad(why, "its code changes between lines");
    reply->code = code;
    reply->done = line.n == 3 || line.p[3] != '-';
    struct span text = span_from(line, separated ? 4 : 3);
    char status[12];
    if (smtp_status_parse(text, status) == 0)
        memcpy(reply->status, status, sizeof status);
    keep_text(reply, text);
    return 0;
}

// Bytes of the line at hand; what passes the longest line is thrown away.
static void keep_line(struct smtp_reply *reply, struct span bytes)
{
    size_t room = MAX_REPLY_LINE - reply->line.len;
    if (bytes.n > room) {
        reply->cut = true;
        bytes.n = room;
    }
    buf_addspan(&reply->line, bytes);
}

static int end_line(struct smtp_reply *reply, struct why *why)
{
    struct span line = buf_span(&reply->line);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    int rc = reply_take_line(reply, line, why);
    buf_reset(&reply->line);
    return rc;
}

enum smtp_reply_state smtp_reply_feed(struct smtp_reply *reply, struct span in, size_t *used,
                                      struct why *why)
{
    assert(!reply->done);
    *used = 0;
    while (!reply->done) {
        struct span rest = span_from(in, *used);
        ptrdiff_t lf = span_find(rest, '\n');
        size_t n = lf < 0 ? rest.n : (size_t)lf + 1;
        reply->bytes += n;
        *used += n;
        if (reply->bytes > MAX_REPLY_BYTES) {
            reply_bad(why, "it has no end");
            return SMTP_REPLY_BAD;
        }
        keep_line(reply, span_of(rest.p, lf < 0 ? n : n - 1));
        if (lf < 0)
            return SMTP_REPLY_MORE;
        if (end_line(reply, why) < 0)
            return SMTP_REPLY_BAD;
    }
    return SMTP_REPLY_DONE;
}

bool smtp_reply_end(struct smtp_reply *reply)
{
    struct why why;
    if (reply->done || (reply->line.len && end_line(reply, &why) < 0))
        return reply->done;
    reply->done = reply->code >= 400;
    return reply->done;
}

struct span smtp_reply_line(const struct smtp_reply *reply, unsigned i)
{
    struct span head = {0}, tail = buf_span(&reply->text);
    for (unsigned line = 0; line <= i; line++)
        if (!span_cut(tail, '\n', &head, &tail))
            return span_of(NULL, 0);
    return head;
}

#define CUT " [...]" // what stands where text was left out

const char *smtp_reply_text(const struct smtp_reply *reply, char *out, size_t n)
{
    assert(n > sizeof CUT);
    int length = (int)reply->text.len;
    int whole = snprintf(out, n, "%d %.*s", reply->code, length,
                         reply->text.len ? (const char *)reply->text.data : "");
    for (char *c = out; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    size_t end = strlen(out);
    while (end && out[end - 1] == ' ')
        end--;
    out[end] = 0;
    if (reply->cut || (size_t)whole >= n)
        memcpy(out + (end + sizeof CUT > n ? n - sizeof CUT : end), CUT, sizeof CUT);
    return out;
}

const char *smtp_reply_status(const struct smtp_reply *reply, char out[static 12])
{
    int class = reply->code / 100;
    if (reply->status[0] && reply->status[0] - '0' == class)
        snprintf(out, 12, "%s", reply->status);
    else
        snprintf(out, 12, "%d.0.0", class == 3 ? 2 : class);
    return out;
}

static bool reply_next_word(struct span *rest, struct span *word)
{
    *rest = span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && !ascii_is_space(rest->p[n]))
        n++;
    *word = span_of(rest->p, n);
    *rest = span_from(*rest, n);
    return n > 0;
}

static void read_auth(struct smtp_extensions *out, struct span rest)
{
    for (struct span word; reply_next_word(&rest, &word);) {
        out->auth_plain |= span_is_nocase(word, "PLAIN");
        out->auth_login |= span_is_nocase(word, "LOGIN");
        out->auth_scram |= span_is_nocase(word, "SCRAM-SHA-256");
        out->auth_scram_plus |= span_is_nocase(word, "SCRAM-SHA-256-PLUS");
        out->auth_xoauth2 |= span_is_nocase(word, "XOAUTH2");
        out->auth_oauthbearer |= span_is_nocase(word, "OAUTHBEARER");
    }
}

static void read_limits(struct smtp_extensions *out, struct span rest)
{
    for (struct span word; reply_next_word(&rest, &word);) {
        struct span name, value;
        uint64_t number;
        if (!span_cut(word, '=', &name, &value) || !span_number(value, 999999, &number))
            continue;
        if (span_is_nocase(name, "MAILMAX"))
            out->limit_mail = number;
        else if (span_is_nocase(name, "RCPTMAX"))
            out->limit_rcpt = number;
        else if (span_is_nocase(name, "RCPTDOMAINMAX"))
            out->limit_rcpt_domain = number;
    }
}

static void read_size(struct smtp_extensions *out, struct span rest)
{
    uint64_t number;
    out->size = true;
    if (span_number(span_trim(rest), UINT64_MAX / 2, &number))
        out->size_max = number;
}

void smtp_extensions_read(const struct smtp_reply *reply, struct smtp_extensions *out)
{
    *out = (struct smtp_extensions){0};
    struct span word, rest = smtp_reply_line(reply, 0);
    if (reply_next_word(&rest, &word))
        snprintf(out->name, sizeof out->name, "%.*s", (int)word.n, (const char *)word.p);
    struct {
        const char *keyword;
        bool *offered;
    } plain[] = {
        {"STARTTLS", &out->starttls},
        {"PIPELINING", &out->pipelining},
        {"8BITMIME", &out->eightbitmime},
        {"BINARYMIME", &out->binarymime},
        {"SMTPUTF8", &out->smtputf8},
        {"DSN", &out->dsn},
        {"CHUNKING", &out->chunking},
        {"REQUIRETLS", &out->requiretls},
        {"ENHANCEDSTATUSCODES", &out->enhanced},
    };
    for (unsigned i = 1; i < reply->lines; i++) {
        rest = smtp_reply_line(reply, i);
        if (!reply_next_word(&rest, &word))
            continue;
        for (size_t k = 0; k < sizeof plain / sizeof *plain; k++)
            *plain[k].offered |= span_is_nocase(word, plain[k].keyword);
        if (span_is_nocase(word, "SIZE"))
            read_size(out, rest);
        else if (span_is_nocase(word, "LIMITS"))
            read_limits(out, rest);
        else if (span_is_nocase(word, "AUTH"))
            read_auth(out, rest);
        else if (span_starts_nocase(word, "AUTH=")) // an old way to say it, still in use
            read_auth(out, span_from(smtp_reply_line(reply, i), 5));
    }
}
