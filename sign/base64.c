// SPDX-License-Identifier: ISC
// Base64 both ways (RFC 4648 section 4).
#include "sign/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(const void *bytes, size_t n, struct buf *out)
{
    const unsigned char *p = bytes;
    while (n) {
        size_t part = n < 3 ? n : 3;
        unsigned v = (unsigned)p[0] << 16;
        v |= part > 1 ? (unsigned)p[1] << 8 : 0;
        v |= part > 2 ? p[2] : 0;
        char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                        part > 1 ? alphabet[v >> 6 & 63] : '=', part > 2 ? alphabet[v & 63] : '='};
        buf_add(out, four, 4);
        p += part;
        n -= part;
    }
    return out->full ? -1 : 0;
}

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct span text, struct buf *out)
{
    unsigned bits = 0;
    unsigned digits = 0; // of the group in hand, padding included
    unsigned padding = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = text.p[i];
        if (ascii_is_space(c))
            continue;
        int value = value_of(c);
        if (c == '=' && digits >= 2)
            padding++;
        else if (value < 0 || padding)
            return false;
        bits = bits << 6 | (value > 0 ? (unsigned)value : 0);
        if (++digits < 4)
            continue;
        for (unsigned k = 0; k < 3 - padding; k++)
            buf_addc(out, (char)(bits >> (16 - 8 * k) & 255));
        bits = digits = 0;
    }
    return digits == 0 && !out->full;
}
