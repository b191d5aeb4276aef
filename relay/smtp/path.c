// SPDX-License-Identifier: ISC
// Envelope addresses (RFC 5321 sections 4.1.2 and 4.1.3, RFC 6531 section 3.3). Pure; never looks a
// name up.
//
// A local part over 64 octets is taken: RFC 5321 section 4.5.3.1 asks for no limits where that is
// possible, and rewritten bounce addresses (SRS, VERP) are longer.
#include "relay/smtp/command.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/mem.h"
#include "relay/base/utf8.h"

void smtp_path_free(struct smtp_path *path)
{
    free(path->address);
    free(path->domain);
    *path = (struct smtp_path){0};
}

static int path_bad(struct why *why, const char *what)
{
    return why_say(why, ADDRESS_SYNTAX, what);
}

static bool is_atext(int c)
{
    return ascii_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

// The length of the UTF-8 character (of two bytes at least) at the front, 0: none.
static size_t utf8_character(struct span s)
{
    size_t n = utf8_length(s);
    return n > 1 ? n : 0;
}

// The length of the quoted string at the front, quotes included; 0: none or not closed.
static size_t quoted_string(struct span s)
{
    size_t i = 1;
    while (i < s.n && s.p[i] != '"') {
        if (s.p[i] == '\\')
            i++;
        if (i >= s.n || s.p[i] < 32 || s.p[i] == 127)
            return 0;
        size_t wide = s.p[i] > 127 ? utf8_character(span_from(s, i)) : 1;
        if (!wide)
            return 0;
        i += wide;
    }
    return i < s.n ? i + 1 : 0;
}

// The length of the dot-string at the front, 0: none.
static size_t dot_string(struct span s)
{
    size_t i = 0;
    bool atom = false;
    for (;;) {
        size_t wide = 0;
        if (i < s.n)
            wide = is_atext(s.p[i]) ? 1 : utf8_character(span_from(s, i));
        if (wide) {
            atom = true;
            i += wide;
        } else if (i < s.n && s.p[i] == '.' && atom) {
            atom = false;
            i++;
        } else {
            return atom ? i : 0;
        }
    }
}

// "[192.0.2.1]" or "[IPv6:2001:db8::1]"; anything else in brackets has no use here.
static int literal(struct span text, char **domain)
{
    char inner[64];
    if (text.n < 3 || text.n > sizeof inner || text.p[text.n - 1] != ']')
        return -1;
    struct span s = span_slice(text, 1, text.n - 1);
    unsigned char bytes[16];
    bool six = span_starts_nocase(s, "IPv6:");
    if (six)
        s = span_from(s, 5);
    if (memchr(s.p, 0, s.n))
        return -1;
    memcpy(inner, s.p, s.n);
    inner[s.n] = 0;
    if (inet_pton(six ? AF_INET6 : AF_INET, inner, bytes) != 1)
        return -1;
    *domain = span_dup_lower(text);
    return 0;
}

static int read_domain(struct span text, char **domain)
{
    if (!text.n || text.n > MAX_DOMAIN)
        return -1;
    if (text.p[0] == '[')
        return literal(text, domain);
    char name[IDN_NAME], *in = span_dup(text);
    int rc = memchr(text.p, 0, text.n) ? -1 : idn_to_ascii(in, name);
    free(in);
    if (rc == 0)
        *domain = mem_dup(name);
    return rc;
}

int smtp_mailbox_parse(struct span text, struct smtp_path *out, struct why *why)
{
    *out = (struct smtp_path){0};
    if (text.n > MAX_PATH)
        return path_bad(why, "too long");
    size_t local = text.n && text.p[0] == '"' ? quoted_string(text) : dot_string(text);
    if (!local)
        return path_bad(why, "the local part");
    if (local >= text.n || text.p[local] != '@')
        return path_bad(why, "no domain");
    if (read_domain(span_from(text, local + 1), &out->domain) < 0)
        return path_bad(why, "the domain");
    out->address = span_dup(text);
    for (size_t i = 0; i < text.n; i++)
        out->utf8 |= text.p[i] > 127;
    return 0;
}

// The index of the '>' that ends the path: one inside a quoted local part does not count.
static ptrdiff_t path_end(struct span text)
{
    bool quoted = false;
    for (size_t i = 1; i < text.n; i++) {
        if (quoted && text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            quoted = !quoted;
        else if (text.p[i] == '>' && !quoted)
            return (ptrdiff_t)i;
    }
    return -1;
}

// "@a,@b:" in front of the mailbox: accepted and dropped (RFC 5321 appendix C).
static int drop_route(struct span *inner)
{
    if (!inner->n || inner->p[0] != '@')
        return 0;
    ptrdiff_t colon = 0;
    bool bracket = false;
    for (size_t i = 0; i < inner->n && !colon; i++) {
        bracket = inner->p[i] == '[' || (bracket && inner->p[i] != ']');
        if (inner->p[i] == ':' && !bracket)
            colon = (ptrdiff_t)i;
    }
    if (!colon)
        return -1;
    struct span route = span_slice(*inner, 0, (size_t)colon), hop;
    *inner = span_from(*inner, (size_t)colon + 1);
    for (bool more = true; more;) {
        struct span rest;
        more = span_cut(route, ',', &hop, &rest);
        if (!more)
            hop = route;
        char *domain = NULL;
        if (!hop.n || hop.p[0] != '@' || read_domain(span_from(hop, 1), &domain) < 0)
            return -1;
        free(domain);
        route = rest;
    }
    return 0;
}

int smtp_path_parse(struct span *text, struct smtp_path *out, struct why *why)
{
    *out = (struct smtp_path){0};
    if (!text->n || text->p[0] != '<')
        return path_bad(why, "no '<'");
    ptrdiff_t end = path_end(*text);
    if (end < 0)
        return path_bad(why, "no '>'");
    struct span inner = span_slice(*text, 1, (size_t)end);
    *text = span_from(*text, (size_t)end + 1);
    if (!inner.n || span_is_nocase(inner, "postmaster")) {
        out->address = span_dup_lower(inner);
        out->domain = mem_dup("");
        return 0;
    }
    if (drop_route(&inner) < 0)
        return path_bad(why, "the source route");
    return smtp_mailbox_parse(inner, out, why);
}
