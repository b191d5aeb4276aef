// SPDX-License-Identifier: ISC
// Base64, strictly.
#include "relay/sasl/base64.h"

static int sextet(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int sasl_base64(struct span text, struct buf *out)
{
    if (text.n % 4)
        return -1;
    for (size_t i = 0; i < text.n; i += 4) {
        int pad = 0;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            int c = text.p[i + k], v = sextet(c);
            if (c == '=' && k > 1 && i + 4 == text.n) {
                pad++;
                v = 0;
            } else if (pad) {
                return -1;
            }
            if (v < 0)
                return -1;
            bits = bits << 6 | (uint32_t)v;
        }
        unsigned char bytes[3] = {(unsigned char)(bits >> 16), (unsigned char)(bits >> 8),
                                  (unsigned char)bits};
        if ((pad == 1 && bytes[2]) || (pad == 2 && (bytes[1] || bytes[2])))
            return -1;
        if (buf_add(out, bytes, (size_t)(3 - pad)) < 0)
            return -1;
    }
    return 0;
}
