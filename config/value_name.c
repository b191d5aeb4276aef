// SPDX-License-Identifier: ISC
// Host names, domains, mailboxes, selectors, pins and sender patterns, from text.
#include "config/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

static int value_name_bad(struct why *why, struct span text, const char *what)
{
    char quoted[VALUE_QUOTE];
    return why_set(why, WHY_OURS, "5.3.5", "%s is not %s", value_quote(text, quoted), what);
}

int value_text(struct span text, char **out, struct why *why)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 0x20 || text.p[i] == 0x7F)
            return value_name_bad(why, text, "one line of text without control characters");
    *out = span_dup(text);
    return 0;
}

// A name whose last label is a number is read as an address by much software.
static bool looks_like_address(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *last = dot ? dot + 1 : name;
    return strspn(last, "0123456789") == strlen(last);
}

static bool to_domain(struct span text, char out[IDN_NAME])
{
    char *in = span_dup(text);
    bool ok = strlen(in) == text.n && idn_to_ascii(in, out) == 0 && !looks_like_address(out);
    free(in);
    return ok;
}

int value_domain(struct span text, char **out, struct why *why)
{
    char name[IDN_NAME];
    if (!to_domain(text, name))
        return value_name_bad(why, text, "a domain name");
    *out = mem_dup(name);
    return 0;
}

int value_host(struct span text, char **out, struct why *why)
{
    char name[IDN_NAME];
    if (!to_domain(text, name) || strchr(name, '_'))
        return value_name_bad(why, text, "a host name");
    *out = mem_dup(name);
    return 0;
}

int value_rule(struct span text, char **out, struct why *why)
{
    char name[IDN_NAME];
    bool below = span_starts_nocase(text, "*.");
    if (span_is(text, "*")) {
        *out = mem_dup("*");
        return 0;
    }
    if (!to_domain(below ? span_from(text, 2) : text, name))
        return value_name_bad(why, text, "a domain, '*.domain' or '*'");
    *out = mem_printf("%s%s", below ? "*." : "", name);
    return 0;
}

static bool local_ok(struct span local)
{
    static const char atext[] = "!#$%&'*+-/=?^_`{|}~.";
    if (local.n == 0 || local.n > MAX_LOCAL_PART)
        return false;
    bool quoted = local.n >= 2 && local.p[0] == '"' && local.p[local.n - 1] == '"';
    if (quoted) { // RFC 5321 Quoted-string: a backslash takes the next character with it
        for (size_t i = 1; i + 1 < local.n; i++) {
            if (local.p[i] == '\\' && ++i + 1 >= local.n)
                return false;
            if (local.p[i] < 0x20 || local.p[i] == 0x7F ||
                (local.p[i] == '"' && local.p[i - 1] != '\\'))
                return false;
        }
        return true;
    }
    for (size_t i = 0; i < local.n; i++) {
        unsigned char c = local.p[i];
        if (!ascii_is_alnum(c) && c < 0x80 && !memchr(atext, c, sizeof atext - 1))
            return false;
        bool edge = i == 0 || i + 1 == local.n || local.p[i - 1] == '.';
        if (c == '.' && edge)
            return false;
    }
    return true;
}

// The last @ parts them: a quoted local part may hold others.
static bool to_mailbox(struct span text, char **out)
{
    char name[IDN_NAME];
    size_t at = text.n;
    while (at && text.p[at - 1] != '@')
        at--;
    if (at == 0)
        return false;
    struct span local = span_slice(text, 0, at - 1);
    if (!local_ok(local) || !to_domain(span_from(text, at), name))
        return false;
    *out = mem_printf("%.*s@%s", (int)local.n, (const char *)local.p, name);
    return true;
}

int value_mailbox(struct span text, char **out, struct why *why)
{
    return to_mailbox(text, out)
               ? 0
               : value_name_bad(why, text, "a mail address such as admin@example.org");
}

int value_selector(struct span text, char **out, struct why *why)
{
    char *in = span_dup(text), name[IDN_NAME];
    bool ok = strlen(in) == text.n && text.n <= 63 && idn_to_ascii(in, name) == 0;
    free(in);
    if (!ok)
        return value_name_bad(why, text, "a selector such as r2026");
    *out = mem_dup(name);
    return 0;
}

static bool is_hex(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789abcdefABCDEF", s.p[i]) || !s.p[i])
            return false;
    return true;
}

// 32 bytes are 43 base64 characters and one '='.
static bool is_base64_of_32(struct span s)
{
    if (s.n != 44 || s.p[43] != '=')
        return false;
    for (size_t i = 0; i < 43; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '+' && s.p[i] != '/')
            return false;
    return true;
}

int value_pin(struct span text, char **out, struct why *why)
{
    struct span digest = span_from(text, 7);
    if (!span_starts_nocase(text, "sha256:") ||
        !((digest.n == 64 && is_hex(digest)) || is_base64_of_32(digest)))
        return value_name_bad(why, text,
                              "a pin: sha256: and the SHA-256 of the public key, hex or base64");
    *out = mem_printf("sha256:%.*s", (int)digest.n, (const char *)digest.p);
    return 0;
}

int value_sender(struct span text, struct sender_pattern *out, struct why *why)
{
    struct sender_pattern pattern = {SENDER_ANY, NULL};
    char name[IDN_NAME];
    if (span_is(text, "*")) {
        pattern.text = mem_dup("");
    } else if (span_find(text, '@') >= 0) {
        // `*@example.org` would be the one mailbox of that name, which nobody means.
        pattern.kind = SENDER_ADDRESS;
        if (text.p[0] == '*' || !to_mailbox(text, &pattern.text))
            return value_name_bad(why, text, "a mail address");
    } else {
        bool below = span_starts_nocase(text, "*.");
        pattern.kind = below ? SENDER_BELOW : SENDER_DOMAIN;
        if (!to_domain(below ? span_from(text, 2) : text, name))
            return value_name_bad(why, text, "a domain, '*.domain', an address or '*'");
        pattern.text = mem_dup(name);
    }
    *out = pattern;
    return 0;
}

void value_sender_text(const struct sender_pattern *pattern, struct buf *out)
{
    switch (pattern->kind) {
    case SENDER_ANY:
        buf_adds(out, "*");
        break;
    case SENDER_BELOW:
        buf_adds(out, "*.");
        buf_adds(out, pattern->text);
        break;
    case SENDER_DOMAIN:
    case SENDER_ADDRESS:
        buf_adds(out, pattern->text);
        break;
    }
}
