// SPDX-License-Identifier: ISC
// What sendmail does to a header: recipients out of it, Bcc left out, a From that others can answer. Date and
// Message-ID are the relay's affair.
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/command/sendmail.h"
#include "sign/base64.h"
#include "sign/header.h"

#define WORD_BYTES 45 // of a name in one encoded-word: 60 characters of base64 (RFC 2047 section 2)

static bool is_bcc(const struct field *field)
{
    return span_is_nocase(field->name, "Bcc") || span_is_nocase(field->name, "Resent-Bcc");
}

static int read_fields(const struct header *h, const char *const names[3], struct strings *out,
                       struct why *why)
{
    for (size_t i = 0; i < h->n; i++)
        for (int n = 0; n < 3; n++)
            if (span_is_nocase(h->fields[i].name, names[n]) &&
                sendmail_addresses(h->fields[i].value, out, why) < 0)
                return -1;
    return 0;
}

// RFC 5322 section 3.6.6: who sends a message again names his recipients in fields of their own.
int sendmail_recipients(struct span header, struct strings *out, struct why *why)
{
    static const char *const plain[] = {"To", "Cc", "Bcc"};
    static const char *const again[] = {"Resent-To", "Resent-Cc", "Resent-Bcc"};
    struct header h = {0};
    size_t used;
    if (header_parse(&h, header, &used, why) < 0)
        return -1;
    bool resent = false;
    for (int n = 0; n < 3; n++)
        resent |= header_count(&h, again[n]) > 0;
    int rc = read_fields(&h, resent ? again : plain, out, why);
    header_free(&h);
    return rc;
}

static bool is_plain(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < 32 || name.p[i] > 126)
            return false;
    return true;
}

static void add_encoded(struct span name, struct buf *out)
{
    for (size_t i = 0, n; i < name.n; i += n) {
        n = name.n - i < WORD_BYTES ? name.n - i : WORD_BYTES;
        while (n > 1 && i + n < name.n && (name.p[i + n] & 0xC0) == 0x80)
            n--; // a character stays in one word
        buf_adds(out, i ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        base64_encode(name.p + i, n, out);
        buf_adds(out, "?=");
    }
}

static void add_name(struct span name, struct buf *out)
{
    if (!name.n)
        return;
    if (is_plain(name)) {
        buf_addc(out, '"');
        for (size_t i = 0; i < name.n; i++) {
            if (strchr("\"\\", name.p[i]))
                buf_addc(out, '\\');
            buf_addc(out, (char)name.p[i]);
        }
        buf_addc(out, '"');
    } else {
        add_encoded(name, out);
    }
    buf_addc(out, ' ');
}

static void add_from(struct span name, const char *address, struct buf *out)
{
    buf_adds(out, "From: ");
    add_name(name, out);
    buf_addf(out, "<%s>\r\n", address);
}

// The name in `root (Cron Daemon)' and in `"Cron Daemon" <root>'.
static struct span name_in(struct span value)
{
    ptrdiff_t open = span_find(value, '('), angle = span_find(value, '<');
    if (angle >= 0) {
        struct span name = span_trim(span_slice(value, 0, (size_t)angle));
        bool quoted = name.n > 1 && name.p[0] == '"' && name.p[name.n - 1] == '"';
        return quoted ? span_slice(name, 1, name.n - 1) : name;
    }
    if (open < 0)
        return span_of("", 0);
    struct span name = span_from(value, (size_t)open + 1);
    ptrdiff_t close = span_find(name, ')');
    return close < 0 ? name : span_slice(name, 0, (size_t)close);
}

// True: the field was written anew, since its one address has no domain (as cron's).
static bool complete_from(const struct sendmail *mail, const struct field *field,
                          const struct sendmail_origin *origin, struct buf *out)
{
    struct strings found = {0};
    struct why why;
    bool bare = sendmail_addresses(field->value, &found, &why) == 0 && found.n == 1 &&
                !strchr(found.at[0], '@');
    if (bare) {
        char *address = sendmail_complete(found.at[0], origin);
        struct span name = name_in(span_trim(field->value));
        add_from(name.n || !mail->name ? name : span_text(mail->name), address, out);
        free(address);
    }
    sendmail_forget(&found);
    return bare;
}

static void add_missing_from(const struct sendmail *mail, const struct sendmail_origin *origin,
                             struct buf *out)
{
    const char *sender = mail->from && strchr(mail->from, '@') ? mail->from : origin->user;
    char *address = sendmail_complete(sender, origin);
    add_from(span_text(mail->name), address, out);
    free(address);
}

int sendmail_header(const struct sendmail *mail, struct span header,
                    const struct sendmail_origin *origin, struct buf *out, struct why *why)
{
    struct header h = {0};
    size_t used;
    if (header_parse(&h, header, &used, why) < 0)
        return -1;
    if (!header_count(&h, "From"))
        add_missing_from(mail, origin, out);
    for (size_t i = 0; i < h.n; i++) {
        const struct field *field = &h.fields[i];
        if (mail->from_header && is_bcc(field))
            continue;
        if (!span_is_nocase(field->name, "From") || !complete_from(mail, field, origin, out))
            buf_addspan(out, field->whole);
    }
    header_free(&h);
    if (!out->full)
        return 0;
    return why_set(why, WHY_MESSAGE, "5.3.4", "the header is larger than %zu bytes",
                   SENDMAIL_HEADER);
}
