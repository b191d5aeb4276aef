// SPDX-License-Identifier: ISC
// Borrowed bytes and ASCII.
#include "relay/base/span.h"

#include <string.h>
#include "relay/base/mem.h"

struct span span_of(const void *bytes, size_t n)
{
    return (struct span){bytes, n};
}

struct span span_text(const char *text)
{
    return span_of(text ? text : "", text ? strlen(text) : 0);
}

int ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool ascii_is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

bool ascii_is_alnum(int c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool ascii_is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool span_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_equal_nocase(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool span_is(struct span s, const char *text)
{
    return span_equal(s, span_text(text));
}

bool span_is_nocase(struct span s, const char *text)
{
    return span_equal_nocase(s, span_text(text));
}

bool span_starts_nocase(struct span s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && span_is_nocase(span_of(s.p, n), prefix);
}

bool span_ends_nocase(struct span s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && span_is_nocase(span_of(s.p + (s.n - n), n), suffix);
}

struct span span_from(struct span s, size_t start)
{
    return start >= s.n ? span_of(s.p ? s.p + s.n : s.p, 0) : span_of(s.p + start, s.n - start);
}

struct span span_slice(struct span s, size_t start, size_t end)
{
    return span_from(span_of(s.p, end < s.n ? end : s.n), start);
}

struct span span_trim(struct span s)
{
    while (s.n && ascii_is_space(s.p[0]))
        s = span_from(s, 1);
    while (s.n && ascii_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

ptrdiff_t span_find(struct span s, char c)
{
    const unsigned char *hit = s.n ? memchr(s.p, (unsigned char)c, s.n) : NULL;
    return hit ? hit - s.p : -1;
}

bool span_cut(struct span s, char at, struct span *head, struct span *tail)
{
    ptrdiff_t i = span_find(s, at);
    if (i < 0)
        return false;
    *head = span_of(s.p, (size_t)i);
    *tail = span_from(s, (size_t)i + 1);
    return true;
}

bool span_number(struct span s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i]))
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (max - (digit > max ? max : digit)) / 10)
            return false;
        v = v * 10 + digit;
        if (v > max)
            return false;
    }
    *value = v;
    return true;
}

char *span_dup(struct span s)
{
    char *text = mem_new(s.n + 1);
    if (s.n)
        memcpy(text, s.p, s.n);
    return text;
}

char *span_dup_lower(struct span s)
{
    char *text = span_dup(s);
    for (size_t i = 0; i < s.n; i++)
        text[i] = (char)ascii_lower((unsigned char)text[i]);
    return text;
}
