// SPDX-License-Identifier: ISC
// The grammar of SPF records (RFC 7208 section 12). It is strict where the RFC is: one wrong character is a
// permanent error of the whole record (section 4.6), before anything is looked up.
#include "sign/spf_record.h"

#include <arpa/inet.h>
#include <string.h>

bool spf_record_is(struct span txt, struct span *terms)
{
    if (!span_starts_nocase(txt, "v=spf1") || (txt.n > 6 && txt.p[6] != ' '))
        return false;
    *terms = span_from(txt, 6);
    return true;
}

static bool is_delimiter(int c)
{
    return c && strchr(".-+,/_=", c);
}

// What stands between "%{" and "}".
static bool macro_body(struct span body, bool explanation, struct spf_macro *out)
{
    const char *letters = explanation ? "slodiphvcrt" : "slodiphv";
    if (!body.n || !ascii_is_alpha(body.p[0]) || !strchr(letters, ascii_lower(body.p[0])))
        return false;
    *out = (struct spf_macro){.letter = (char)body.p[0]};
    size_t i = 1, digits = 1;
    for (; i < body.n && ascii_is_digit(body.p[i]); i++) // more parts than a name has: all of them
        out->keep = out->keep < 1000 ? out->keep * 10 + (body.p[i] - '0') : out->keep;
    if (i > digits && out->keep == 0)
        return false;
    if (i < body.n && ascii_lower(body.p[i]) == 'r') {
        out->reverse = true;
        i++;
    }
    out->delimiters = span_from(body, i);
    for (; i < body.n; i++)
        if (!is_delimiter(body.p[i]))
            return false;
    return true;
}

static bool literal_char(int c, bool explanation)
{
    return (c > 0x20 && c < 0x7f && c != '%') || (explanation && c == ' ');
}

// "%%", "%_", "%-" and "%{...}".
static int macro_expand(struct span *text, bool explanation, struct spf_macro *out)
{
    *out = (struct spf_macro){0};
    if (text->n < 2)
        return -1;
    switch (text->p[1]) {
    case '%':
        out->literal = span_text("%");
        break;
    case '_':
        out->literal = span_text(" ");
        break;
    case '-':
        out->literal = span_text("%20");
        break;
    case '{': {
        struct span body, rest;
        if (!span_cut(span_from(*text, 2), '}', &body, &rest) ||
            !macro_body(body, explanation, out))
            return -1;
        *text = rest;
        return 1;
    }
    default:
        return -1;
    }
    *text = span_from(*text, 2);
    return 1;
}

int spf_macro_next(struct span *text, bool explanation, struct spf_macro *out)
{
    if (!text->n)
        return 0;
    if (text->p[0] == '%')
        return macro_expand(text, explanation, out);
    size_t n = 0;
    while (n < text->n && literal_char(text->p[n], explanation))
        n++;
    *out = (struct spf_macro){.literal = span_slice(*text, 0, n)};
    *text = span_from(*text, n);
    return n ? 1 : -1;
}

static bool macro_string(struct span text)
{
    struct spf_macro piece;
    int rc;
    while ((rc = spf_macro_next(&text, false, &piece)) > 0)
        ;
    return rc == 0;
}

// toplabel: letters, digits and inner hyphens, at least one of them no digit.
static bool toplabel(struct span label)
{
    bool other = false;
    for (size_t i = 0; i < label.n; i++) {
        if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-')
            return false;
        other |= !ascii_is_digit(label.p[i]);
    }
    return label.n && other && label.p[0] != '-' && label.p[label.n - 1] != '-';
}

// domain-spec: a macro string that ends in a macro, or in a dot and a top label.
static bool domain_spec(struct span text)
{
    struct spf_macro piece = {0};
    bool macro = false;
    int rc = -1;
    while (text.n) {
        macro = text.p[0] == '%';
        rc = spf_macro_next(&text, false, &piece);
        if (rc < 0)
            return false;
    }
    struct span tail = piece.literal;
    if (rc < 0 || macro)
        return rc > 0;
    if (tail.p[tail.n - 1] == '.')
        tail.n--;
    for (size_t i = tail.n; i-- > 0;)
        if (tail.p[i] == '.')
            return toplabel(span_from(tail, i + 1));
    return false;
}

// A prefix length: no leading zero, no sign.
static bool prefix_length(struct span digits, unsigned max, unsigned *out)
{
    uint64_t value;
    if (!span_number(digits, max, &value) || (digits.n > 1 && digits.p[0] == '0'))
        return false;
    *out = (unsigned)value;
    return true;
}

// The last "/" followed by digits alone starts a prefix length; the domain-spec before it may hold slashes.
static bool cut_prefix(struct span *text, const char *mark, unsigned max, unsigned *out)
{
    size_t n = text->n, m = strlen(mark);
    while (n && ascii_is_digit(text->p[n - 1]))
        n--;
    if (n < m || memcmp(text->p + n - m, mark, m) != 0)
        return true;
    struct span digits = span_from(*text, n);
    if (!digits.n || !prefix_length(digits, max, out))
        return false;
    text->n = n - m;
    return true;
}

// dual-cidr-length: [ "/" ip4 ] [ "//" ip6 ]
static bool dual_prefix(struct span *rest, struct spf_term *term)
{
    return cut_prefix(rest, "//", 128, &term->prefix6) && cut_prefix(rest, "/", 32, &term->prefix4);
}

// a, mx: [ ":" domain-spec ] [ dual-cidr-length ];  ptr: [ ":" domain-spec ]
static bool optional_domain(struct span rest, bool dual, struct spf_term *term)
{
    if (dual && !dual_prefix(&rest, term))
        return false;
    if (!rest.n)
        return true;
    term->domain = span_from(rest, 1);
    return rest.p[0] == ':' && domain_spec(term->domain);
}

static bool network(struct span rest, int family, struct spf_term *term)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned *prefix = family == AF_INET ? &term->prefix4 : &term->prefix6;
    if (!rest.n || rest.p[0] != ':')
        return false;
    struct span address = span_from(rest, 1), digits;
    if (span_cut(address, '/', &address, &digits) &&
        !prefix_length(digits, family == AF_INET ? 32 : 128, prefix))
        return false;
    if (address.n >= sizeof text || memchr(address.p, 0, address.n))
        return false;
    memcpy(text, address.p, address.n);
    text[address.n] = '\0';
    return inet_pton(family, text, term->address) == 1;
}

static bool required_domain(struct span rest, char mark, struct spf_term *term)
{
    if (!rest.n || rest.p[0] != mark)
        return false;
    term->domain = span_from(rest, 1);
    return domain_spec(term->domain);
}

static bool arguments(struct spf_term *term, struct span rest)
{
    switch (term->kind) {
    case SPF_ALL:
        return rest.n == 0;
    case SPF_INCLUDE:
    case SPF_EXISTS:
        return required_domain(rest, ':', term);
    case SPF_A:
    case SPF_MX:
        return optional_domain(rest, true, term);
    case SPF_PTR:
        return optional_domain(rest, false, term);
    case SPF_IP4:
        return network(rest, AF_INET, term);
    case SPF_IP6:
        return network(rest, AF_INET6, term);
    case SPF_REDIRECT:
    case SPF_EXP:
        return required_domain(rest, '=', term);
    case SPF_UNKNOWN:
        return macro_string(span_from(rest, 1));
    }
    return false;
}

static bool known(struct span name, bool modifier, enum spf_kind *kind)
{
    static const char *const words[] = {
        [SPF_ALL] = "all", [SPF_INCLUDE] = "include", [SPF_A] = "a",
        [SPF_MX] = "mx",   [SPF_PTR] = "ptr",         [SPF_IP4] = "ip4",
        [SPF_IP6] = "ip6", [SPF_EXISTS] = "exists",   [SPF_REDIRECT] = "redirect",
        [SPF_EXP] = "exp",
    };
    for (int k = modifier ? SPF_REDIRECT : SPF_ALL; k < (modifier ? SPF_UNKNOWN : SPF_REDIRECT);
         k++)
        if (span_is_nocase(name, words[k])) {
            *kind = (enum spf_kind)k;
            return true;
        }
    *kind = SPF_UNKNOWN;
    return modifier && name.n && ascii_is_alpha(name.p[0]);
}

// A term: [ qualifier ] name arguments, or name "=" argument.
static bool parse_term(struct span text, struct spf_term *term)
{
    *term = (struct spf_term){.qualifier = '+', .text = text, .prefix4 = 32, .prefix6 = 128};
    bool qualified = strchr("+-~?", text.p[0]) != NULL && text.p[0];
    if (qualified) {
        term->qualifier = (char)text.p[0];
        text = span_from(text, 1);
    }
    size_t n = 0;
    while (n < text.n && (ascii_is_alnum(text.p[n]) || strchr("-_.", text.p[n] ? text.p[n] : 'x')))
        n++;
    struct span name = span_slice(text, 0, n), rest = span_from(text, n);
    bool modifier = rest.n && rest.p[0] == '=';
    return !(modifier && qualified) && known(name, modifier, &term->kind) && arguments(term, rest);
}

int spf_term_next(struct span *terms, struct spf_term *term)
{
    while (terms->n && terms->p[0] == ' ')
        *terms = span_from(*terms, 1);
    if (!terms->n)
        return 0;
    struct span text = *terms, rest = span_from(*terms, terms->n);
    span_cut(*terms, ' ', &text, &rest);
    *terms = rest;
    return parse_term(text, term) ? 1 : -1;
}

bool spf_record_valid(struct span terms, struct span *wrong)
{
    struct spf_term term;
    unsigned redirects = 0, exps = 0;
    int rc;
    while ((rc = spf_term_next(&terms, &term)) > 0) {
        redirects += term.kind == SPF_REDIRECT;
        exps += term.kind == SPF_EXP;
        if (redirects > 1 || exps > 1) // section 6: once each
            break;
    }
    *wrong = term.text;
    return rc == 0;
}
