// SPDX-License-Identifier: ISC
// Macro expansion, RFC 7208 section 7. The grammar was checked before (sign/spf_record.c).
#include <arpa/inet.h>
#include <string.h>
#include "sign/spf_inside.h"

// %{i}: dotted quad, or 32 nibbles with dots between.
static void dotted_address(const struct spf_eval *e, struct buf *out)
{
    if (e->family == AF_INET) {
        buf_addf(out, "%u.%u.%u.%u", e->address[0], e->address[1], e->address[2], e->address[3]);
        return;
    }
    for (int i = 0; i < 16; i++)
        buf_addf(out, "%s%x.%x", i ? "." : "", e->address[i] >> 4, e->address[i] & 15);
}

static enum spf_match raw_value(struct spf_eval *e, const char *domain, int letter, struct buf *out)
{
    char text[256];
    enum spf_match match = SPF_YES;
    switch (letter) {
    case 's':
        buf_adds(out, e->sender);
        break;
    case 'l':
        buf_add(out, e->sender, e->nlocal);
        break;
    case 'o':
        buf_adds(out, e->sender_domain);
        break;
    case 'd':
        buf_adds(out, domain);
        break;
    case 'i':
        dotted_address(e, out);
        break;
    case 'p': // however often it stands there, it is one question
        if (!e->name_counted && spf_count_lookup(e) != SPF_YES)
            return SPF_PERMERROR;
        e->name_counted = true;
        match = spf_client_name(e, domain, true, text);
        if (match == SPF_WAIT)
            return match;
        buf_adds(out, match == SPF_YES ? text : "unknown");
        break;
    case 'v':
        buf_adds(out, e->family == AF_INET ? "in-addr" : "ip6");
        break;
    case 'h':
        buf_adds(out, e->helo);
        break;
    case 'c':
        buf_adds(out, inet_ntop(e->family, e->address, text, sizeof text));
        break;
    case 'r':
        buf_adds(out, e->in->receiver && *e->in->receiver ? e->in->receiver : "unknown");
        break;
    case 't':
        buf_addf(out, "%lld", (long long)e->in->now_s);
        break;
    }
    return SPF_YES;
}

static bool separates(const struct spf_macro *m, int c)
{
    return m->delimiters.n ? memchr(m->delimiters.p, c, m->delimiters.n) != NULL : c == '.';
}

static void add_part(const struct spf_macro *m, struct span part, struct buf *out)
{
    bool escape = m->letter >= 'A' && m->letter <= 'Z';
    for (size_t i = 0; i < part.n; i++) {
        int c = part.p[i];
        if (escape && !ascii_is_alnum(c) && !strchr("-._~", c ? c : ' '))
            buf_addf(out, "%%%02X", (unsigned)c);
        else
            buf_addc(out, (char)c);
    }
}

// Takes one part off, from the left or from the right; false: there is no more.
static bool take_part(const struct spf_macro *m, bool right, bool *more, struct span *rest,
                      struct span *part)
{
    if (!*more)
        return false;
    size_t n = 0;
    while (n < rest->n && !separates(m, rest->p[right ? rest->n - 1 - n : n]))
        n++;
    *more = n < rest->n;
    if (right) {
        *part = span_from(*rest, rest->n - n);
        rest->n -= n + *more;
    } else {
        *part = span_slice(*rest, 0, n);
        *rest = span_from(*rest, n + 1);
    }
    return true;
}

// Splits at the delimiters, keeps the rightmost parts, joins with dots. The order "reverse, then keep the
// rightmost" of section 7.3 means that a reversed value keeps its leftmost parts.
static void transform(const struct spf_macro *m, struct span value, struct buf *out)
{
    size_t parts = 1;
    for (size_t i = 0; i < value.n; i++)
        parts += separates(m, value.p[i]);
    size_t skip = m->keep && m->keep < parts ? parts - m->keep : 0;
    bool more = true, first = true;
    struct span part;
    while (take_part(m, m->reverse, &more, &value, &part)) {
        if (skip > 0) {
            skip--;
            continue;
        }
        if (!first)
            buf_addc(out, '.');
        first = false;
        add_part(m, part, out);
    }
}

enum spf_match spf_expand(struct spf_eval *e, const char *domain, struct span text,
                          bool explanation, struct buf *out)
{
    struct spf_macro piece;
    int rc;
    while ((rc = spf_macro_next(&text, explanation, &piece)) > 0) {
        if (!piece.letter) {
            buf_addspan(out, piece.literal);
            continue;
        }
        struct buf value;
        buf_init(&value, SPF_MAX_EXPANDED);
        enum spf_match match = raw_value(e, domain, ascii_lower(piece.letter), &value);
        if (match == SPF_YES)
            transform(&piece, buf_span(&value), out);
        buf_free(&value);
        if (match != SPF_YES)
            return match;
    }
    return rc == 0 ? SPF_YES : SPF_PERMERROR;
}

// RFC 8616 section 4: a local part beyond ASCII makes a name with %{s} or %{l} that matches nothing.
static bool matches_nothing(const struct spf_eval *e, struct span spec)
{
    struct spf_macro piece;
    bool beyond_ascii = false;
    for (size_t i = 0; i < e->nlocal; i++)
        beyond_ascii |= (unsigned char)e->sender[i] > 127;
    while (beyond_ascii && spf_macro_next(&spec, false, &piece) > 0)
        if (piece.letter && strchr("sSlL", piece.letter))
            return true;
    return false;
}

enum spf_match spf_expand_domain(struct spf_eval *e, const char *domain, struct span spec,
                                 char out[static 256])
{
    struct buf name;
    if (matches_nothing(e, spec)) {
        out[0] = '\0';
        return SPF_NO;
    }
    buf_init(&name, SPF_MAX_EXPANDED);
    enum spf_match match = spf_expand(e, domain, spec, false, &name);
    if (name.full) // the right end is what counts, and it is not there
        match =
            match == SPF_WAIT ? SPF_WAIT : spf_perm(e, "a domain name of %d octets", (int)name.max);
    struct span text = buf_span(&name);
    if (text.n && text.p[text.n - 1] == '.')
        text.n--;
    while (text.n > SPF_MAX_NAME) { // section 7.3: labels go from the left
        struct span label;
        if (!span_cut(text, '.', &label, &text))
            break;
    }
    size_t n = text.n < 255 ? text.n : 255;
    if (n > 0)
        memcpy(out, text.p, n);
    out[n] = '\0';
    buf_free(&name);
    return match;
}
