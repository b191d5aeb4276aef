// SPDX-License-Identifier: ISC
// Comments, quoted strings and white space (RFC 5322 sections 3.2.2 and 3.2.4). No NUL is let through: what
// is read here ends up in C strings.
#include "sign/comment.h"

// How many bytes stand for the character at i: two where it is quoted; 0: a NUL, or nothing is quoted.
static size_t character(struct span s, size_t i)
{
    size_t n = s.p[i] == '\\' ? 2 : 1;
    return i + n > s.n || s.p[i + n - 1] == 0 ? 0 : n;
}

size_t comment_length(struct span s)
{
    unsigned depth = 0;
    for (size_t i = 0, n; i < s.n && (n = character(s, i)) > 0; i += n) {
        if (s.p[i] == '(' && ++depth > MAX_COMMENT_DEPTH)
            return 0;
        if (s.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

size_t comment_enclosed(struct span s, unsigned char close)
{
    for (size_t i = 1, n; i < s.n && (n = character(s, i)) > 0; i += n)
        if (s.p[i] == close)
            return i + 1;
    return 0;
}

bool comment_skip(struct span *rest)
{
    for (;;) {
        while (rest->n && ascii_is_space(rest->p[0]))
            *rest = span_from(*rest, 1);
        if (!rest->n || rest->p[0] != '(')
            return true;
        size_t n = comment_length(*rest);
        if (!n)
            return false;
        *rest = span_from(*rest, n);
    }
}
