// SPDX-License-Identifier: ISC
// Well-formed UTF-8: neither overlong, nor surrogates, nor beyond U+10FFFF (RFC 3629 section 4).
#include "relay/base/utf8.h"

size_t utf8_length(struct span s)
{
    if (s.n == 0)
        return 0;
    unsigned char c = s.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 0;
    if (c >= 0xf0 && c < 0xf5)
        n = 4;
    if (n == 0 || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && s.p[1] < 0xa0) || (c == 0xed && s.p[1] > 0x9f) ||
        (c == 0xf0 && s.p[1] < 0x90) || (c == 0xf4 && s.p[1] > 0x8f))
        return 0;
    return n;
}

bool utf8_valid(struct span s)
{
    while (s.n) {
        size_t n = utf8_length(s);
        if (!n)
            return false;
        s = span_from(s, n);
    }
    return true;
}

uint32_t utf8_point(struct span s)
{
    uint32_t point = s.n == 1 ? s.p[0] : s.p[0] & (0x7fu >> s.n);
    for (size_t i = 1; i < s.n; i++)
        point = point << 6 | (s.p[i] & 63u);
    return point;
}

bool utf8_deceives(uint32_t point)
{
    return (point >= 0x80 && point < 0xa0) || point == 0x61c || point == 0x200e ||
           point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}
