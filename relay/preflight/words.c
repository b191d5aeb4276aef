// SPDX-License-Identifier: ISC
// Encoded words, =?charset?B or Q?text?= (RFC 2047), in fields that show text.
#include <string.h>
#include "relay/preflight/inside.h"

#define WORD_MOST 75 // RFC 2047 section 2

static bool words_is_token(unsigned char c)
{
    return c > ' ' && c < 127 && !strchr("()<>@,;:\"/[]?.=", c);
}

static bool is_hex(unsigned char c)
{
    return c && strchr("0123456789ABCDEFabcdef", c);
}

static bool q_text(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '=' &&
            (i + 2 >= text.n || !is_hex(text.p[i + 1]) || !is_hex(text.p[i + 2])))
            return false;
    return true;
}

static bool b_text(struct span text)
{
    size_t n = text.n, pad = 0;
    while (n && text.p[n - 1] == '=' && pad < 2) {
        n--;
        pad++;
    }
    for (size_t i = 0; i < n; i++)
        if (!ascii_is_alnum(text.p[i]) && text.p[i] != '+' && text.p[i] != '/')
            return false;
    return text.n % 4 == 0;
}

// The word at the start of s, "=?" and all; n 0: it is none, but text with these characters.
struct word {
    size_t n;
    bool good;
};
static struct word read_word(struct span s)
{
    struct word w = {0};
    size_t at = 2, text;
    while (at < s.n && (words_is_token(s.p[at]) || s.p[at] == '.'))
        at++;
    if (at == 2 || at + 2 >= s.n || s.p[at] != '?' || !ascii_is_alpha(s.p[at + 1]) ||
        s.p[at + 2] != '?')
        return w;
    int how = ascii_lower(s.p[at + 1]);
    text = at + 3;
    for (at = text; at < s.n && s.p[at] > ' ' && s.p[at] < 127 && s.p[at] != '?'; at++)
        ;
    bool closed = at + 1 < s.n && s.p[at] == '?' && s.p[at + 1] == '=';
    struct span inner = span_of(s.p + text, at - text);
    w.n = closed ? at + 2 : at;
    w.good = closed && (how == 'q' ? q_text(inner) : how == 'b' && b_text(inner));
    return w;
}

static void look_at_word(struct look *l, const char *field, struct span s, struct word w)
{
    char quoted[PREFLIGHT_QUOTE];
    if (!w.good)
        look_find(l, WORD_BROKEN, field, preflight_quote(span_slice(s, 0, w.n), quoted));
    else if (w.n > WORD_MOST)
        look_find(l, WORD_LONG, field);
}

void look_at_field_words(struct look *l, const struct field *f, bool addresses)
{
    char field[PREFLIGHT_QUOTE];
    bool inside = false; // a quoted string
    preflight_quote(f->name, field);
    for (size_t i = 0; i + 1 < f->value.n; i++) {
        struct span s = span_from(f->value, i);
        if (addresses && s.p[0] == '"')
            inside = !inside;
        if (inside && s.p[0] == '\\')
            i++;
        if (s.p[0] != '=' || s.p[1] != '?')
            continue;
        struct word w = read_word(s);
        if (!w.n)
            continue;
        if (inside && w.good)
            look_find(l, WORD_QUOTED, field);
        else if (!inside)
            look_at_word(l, field, s, w);
        i += w.n - 1;
    }
}
