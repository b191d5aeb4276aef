// SPDX-License-Identifier: ISC
// Base64 both ways (RFC 4648 section 4).
#include "sign/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(const void *bytes, size_t n, struct buf *out)
{
    const unsigned char *p = bytes;
    unsigned char *to;
    if (buf_reserve(out, (n + 2) / 3 * 4, &to) < 0)
        return -1;
    for (out->len += (n + 2) / 3 * 4; n; to += 4) {
        size_t part = n < 3 ? n : 3;
        unsigned v = (unsigned)p[0] << 16;
        v |= part > 1 ? (unsigned)p[1] << 8 : 0;
        v |= part > 2 ? p[2] : 0;
        to[0] = (unsigned char)alphabet[v >> 18];
        to[1] = (unsigned char)alphabet[v >> 12 & 63];
        to[2] = (unsigned char)(part > 1 ? alphabet[v >> 6 & 63] : '=');
        to[3] = (unsigned char)(part > 2 ? alphabet[v & 63] : '=');
        p += part;
        n -= part;
    }
    return 0;
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
