// SPDX-License-Identifier: ISC
// The command grammar. Never decides what is allowed, only what was said.
#include "relay/smtp/command.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/utf8.h"

static const char *const verbs[SMTP_VERBS] = {
    [SMTP_UNKNOWN] = "?",         [SMTP_EHLO] = "EHLO",       [SMTP_HELO] = "HELO",
    [SMTP_STARTTLS] = "STARTTLS", [SMTP_AUTH] = "AUTH",       [SMTP_XFORWARD] = "XFORWARD",
    [SMTP_MAIL] = "MAIL",         [SMTP_RCPT] = "RCPT",       [SMTP_DATA] = "DATA",
    [SMTP_BDAT] = "BDAT",         [SMTP_RSET] = "RSET",       [SMTP_NOOP] = "NOOP",
    [SMTP_VRFY] = "VRFY",         [SMTP_EXPN] = "EXPN",       [SMTP_HELP] = "HELP",
    [SMTP_QUIT] = "QUIT",         [SMTP_XCLIENT] = "XCLIENT",
};

const char *smtp_verb_word(enum smtp_verb verb)
{
    return verbs[verb];
}

void smtp_command_parse(struct span line, struct smtp_command *out)
{
    size_t n = 0;
    while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
        n++;
    struct span word = span_of(line.p, n);
    *out = (struct smtp_command){SMTP_UNKNOWN, span_trim(span_from(line, n))};
    for (enum smtp_verb v = SMTP_UNKNOWN + 1; v < SMTP_VERBS; v++)
        if (span_is_nocase(word, verbs[v]))
            out->verb = v;
}

int smtp_code(const char *status)
{
    static const struct {
        const char *status;
        int code;
    } table[] = {
        {"5.1.3", 501}, {"5.1.7", 501}, {"5.5.1", 503}, {"5.5.2", 501}, {"5.5.4", 501},
        {"5.6.7", 553}, {"5.3.4", 552}, {"5.4.6", 554}, {"5.7.0", 530}, {"4.3.1", 452},
        {"4.3.2", 421}, {"4.5.3", 452}, {"4.7.0", 454}, {"4.7.1", 450},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].status, status) == 0)
            return table[i].code;
    return status[0] == '4' ? 451 : 550;
}

static int smtp_command_bad(struct why *why, const char *what)
{
    return why_say(why, COMMAND_SYNTAX, what);
}

static bool is_utf8(struct span text)
{
    for (size_t n; text.n; text = span_from(text, n))
        if (!(n = utf8_length(text)))
            return false;
    return true;
}

int smtp_xtext(struct span text, struct buf *out)
{
    size_t before = out->len;
    for (size_t i = 0; i < text.n; i++) {
        int c = text.p[i];
        if (c == '+') {
            static const char hex[] = "0123456789ABCDEF";
            const char *high = i + 2 < text.n && text.p[i + 1] ? strchr(hex, text.p[i + 1]) : NULL;
            const char *low = high && text.p[i + 2] ? strchr(hex, text.p[i + 2]) : NULL;
            if (!low)
                return -1;
            c = (int)((high - hex) * 16 + (low - hex));
            i += 2;
        } else if (c == '=' || c == ' ') {
            return -1;
        }
        if (c < 32 || c == 127 || (c > 126 && text.p[i] == (unsigned char)c) ||
            buf_addc(out, (char)c) < 0)
            return -1;
    }
    return is_utf8(span_from(buf_span(out), before)) ? 0 : -1;
}

// The next " NAME=value" or " NAME" of *rest; false at the end.
static bool next_parameter(struct span *rest, struct span *name, struct span *value)
{
    struct span word;
    *rest = span_trim(*rest);
    if (!rest->n)
        return false;
    if (!span_cut(*rest, ' ', &word, rest)) {
        word = *rest;
        *rest = span_of(NULL, 0);
    }
    if (!span_cut(word, '=', name, value)) {
        *name = word;
        *value = span_of(NULL, 0);
    }
    return true;
}

static int decode(struct span value, size_t max, char **out)
{
    struct buf text;
    buf_init(&text, max);
    if (*out || !value.n || value.n > max || smtp_xtext(value, &text) < 0) {
        buf_free(&text);
        return -1;
    }
    *out = buf_take(&text);
    return 0;
}

static int read_ret(struct span value, enum dsn_ret *ret)
{
    if (*ret != RET_UNSET)
        return -1;
    *ret = span_is_nocase(value, "FULL")   ? RET_FULL
           : span_is_nocase(value, "HDRS") ? RET_HDRS
                                           : RET_UNSET;
    return *ret == RET_UNSET ? -1 : 0;
}

static int read_body(struct span value, enum body_kind *body)
{
    if (span_is_nocase(value, "7BIT"))
        *body = BODY_7BIT;
    else if (span_is_nocase(value, "8BITMIME"))
        *body = BODY_8BITMIME;
    else
        return -1; // BINARYMIME is not offered
    return 0;
}

// RFC 4954 section 5: the value is xtext or "<>"; nobody here believes it.
static int read_auth(struct span value)
{
    struct buf sink;
    buf_init(&sink, MAX_PLAIN_COMMAND);
    int rc = value.n ? smtp_xtext(value, &sink) : -1;
    buf_free(&sink);
    return rc;
}

static bool command_is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 127)
        text++;
    return !*text;
}

// 0, -1: a bad value, 1: nobody knows the name.
static int mail_parameter(struct smtp_mail *out, struct span name, struct span value)
{
    if (span_is_nocase(name, "SIZE")) {
        bool again = out->has_size;
        out->has_size = true;
        return !again && value.n <= 20 && span_number(value, UINT64_MAX / 2, &out->size) ? 0 : -1;
    }
    if (span_is_nocase(name, "BODY"))
        return read_body(value, &out->body);
    if (span_is_nocase(name, "RET"))
        return read_ret(value, &out->ret);
    if (span_is_nocase(name, "ENVID"))
        return decode(value, MAX_DSN_ENVID, &out->envid) < 0 || !command_is_ascii(out->envid) ? -1
                                                                                              : 0;
    if (span_is_nocase(name, "AUTH"))
        return read_auth(value);
    if (span_is_nocase(name, "SMTPUTF8")) {
        out->smtputf8 = true;
        return value.p ? -1 : 0;
    }
    if (span_is_nocase(name, "REQUIRETLS")) {
        out->requiretls = true;
        return value.p ? -1 : 0;
    }
    return 1;
}

// "FROM:" or "TO:", then blanks that some clients put there, then the path.
static int read_path(struct span *args, const char *keyword, struct smtp_path *path,
                     struct why *why)
{
    if (!span_starts_nocase(*args, keyword))
        return why_say(why, COMMAND_PATH, keyword);
    *args = span_trim(span_from(*args, strlen(keyword)));
    if (smtp_path_parse(args, path, why) < 0)
        return -1;
    if (args->n && args->p[0] != ' ')
        return why_say(why, ADDRESS_SYNTAX, "text behind '>'");
    return 0;
}

static int parameter_trouble(int rc, struct span name, bool *unknown, struct why *why)
{
    *unknown = rc > 0;
    int n = name.n > 32 ? 32 : (int)name.n;
    const char *word = (const char *)name.p;
    return rc > 0 ? why_say(why, PARAMETER_UNKNOWN, n, word) : why_say(why, PARAMETER_BAD, n, word);
}

static int mail_parse(struct span args, struct smtp_mail *out, struct why *why)
{
    if (read_path(&args, "FROM:", &out->from, why) < 0) {
        if (strcmp(why->status, "5.1.3") == 0)
            memcpy(why->status, "5.1.7", 6);
        return -1;
    }
    if (out->from.address[0] && !out->from.domain[0])
        return why_say(why, SENDER_SYNTAX, "no domain");
    for (struct span name, value; next_parameter(&args, &name, &value);) {
        int rc = mail_parameter(out, name, value);
        if (rc)
            return parameter_trouble(rc, name, &out->unknown, why);
    }
    if (out->from.utf8 && !out->smtputf8)
        return why_say(why, SMTPUTF8_NEEDED);
    return 0;
}

int smtp_mail_parse(struct span args, struct smtp_mail *out, struct why *why)
{
    *out = (struct smtp_mail){0};
    if (mail_parse(args, out, why) == 0)
        return 0;
    bool unknown = out->unknown;
    smtp_mail_free(out);
    out->unknown = unknown;
    return -1;
}

void smtp_mail_free(struct smtp_mail *mail)
{
    smtp_path_free(&mail->from);
    free(mail->envid);
    *mail = (struct smtp_mail){0};
}

static int read_notify(struct span value, unsigned *notify)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"NEVER", NOTIFY_NEVER},
                 {"SUCCESS", NOTIFY_SUCCESS},
                 {"FAILURE", NOTIFY_FAILURE},
                 {"DELAY", NOTIFY_DELAY}};
    if (*notify)
        return -1;
    for (bool more = true; more;) {
        struct span word, rest = {0};
        more = span_cut(value, ',', &word, &rest);
        if (!more)
            word = value;
        unsigned bit = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (span_is_nocase(word, words[i].word))
                bit = words[i].bit;
        if (!bit)
            return -1;
        *notify |= bit;
        value = rest;
    }
    return *notify & NOTIFY_NEVER && *notify != NOTIFY_NEVER ? -1 : 0; // NEVER stands alone
}

// "type;xtext" (RFC 3461 section 4.2).
static int read_orcpt(struct span value, char **orcpt)
{
    struct span type, address;
    if (!span_cut(value, ';', &type, &address) || !type.n || !address.n)
        return -1;
    for (size_t i = 0; i < type.n; i++)
        if (!ascii_is_alnum(type.p[i]) && type.p[i] != '-')
            return -1;
    bool wide = span_is_nocase(type, "utf-8");
    int rc = decode(value, MAX_DSN_ORCPT, orcpt);
    // RFC 6533: what has no ASCII form is not kept; a DSN then names the final recipient alone.
    if (rc == 0 && wide && !command_is_ascii(*orcpt)) {
        free(*orcpt);
        *orcpt = NULL;
    }
    return rc < 0 && !*orcpt && value.n <= MAX_DSN_ORCPT && wide ? 0 : rc;
}

static int rcpt_parse(struct span args, struct smtp_rcpt *out, struct why *why)
{
    if (read_path(&args, "TO:", &out->to, why) < 0)
        return -1;
    if (!out->to.address[0])
        return why_say(why, ADDRESS_SYNTAX, "<> cannot receive");
    for (struct span name, value; next_parameter(&args, &name, &value);) {
        int rc = 1;
        if (span_is_nocase(name, "NOTIFY"))
            rc = read_notify(value, &out->notify);
        else if (span_is_nocase(name, "ORCPT"))
            rc = read_orcpt(value, &out->orcpt);
        if (rc)
            return parameter_trouble(rc, name, &out->unknown, why);
    }
    return 0;
}

int smtp_rcpt_parse(struct span args, struct smtp_rcpt *out, struct why *why)
{
    *out = (struct smtp_rcpt){0};
    if (rcpt_parse(args, out, why) == 0)
        return 0;
    bool unknown = out->unknown;
    smtp_rcpt_free(out);
    out->unknown = unknown;
    return -1;
}

void smtp_rcpt_free(struct smtp_rcpt *rcpt)
{
    smtp_path_free(&rcpt->to);
    free(rcpt->orcpt);
    *rcpt = (struct smtp_rcpt){0};
}

int smtp_bdat_parse(struct span args, uint64_t *bytes, bool *last, struct why *why)
{
    struct span number = args, word = {0};
    *last = span_cut(args, ' ', &number, &word);
    if (*last && !span_is_nocase(span_trim(word), "LAST"))
        return smtp_command_bad(why, "syntax: BDAT size [LAST]");
    if (number.n > 20 || !span_number(number, UINT64_MAX / 2, bytes))
        return smtp_command_bad(why, "syntax: BDAT size [LAST]");
    return 0;
}

int smtp_helo_parse(struct span args, char out[static MAX_DOMAIN + 1], struct why *why)
{
    out[0] = 0;
    if (!args.n || args.n > MAX_DOMAIN)
        return smtp_command_bad(why, "syntax: EHLO hostname");
    for (size_t i = 0; i < args.n; i++)
        if (args.p[i] < 33 || args.p[i] > 126)
            return smtp_command_bad(why, "a host name or address literal is expected behind EHLO");
    memcpy(out, args.p, args.n);
    out[args.n] = 0;
    return 0;
}
