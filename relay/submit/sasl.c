// SPDX-License-Identifier: ISC
// The words of SASL PLAIN (RFC 4616) and LOGIN, and the base64 around them. Pure.
#include "relay/submit/password.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

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

int auth_base64(struct span text, struct buf *out)
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

void auth_words_free(struct auth_words *words)
{
    free(words->user);
    if (words->password)
        explicit_bzero(words->password, strlen(words->password));
    free(words->password);
    *words = (struct auth_words){0};
}

static int sasl_bad(struct why *why, const char *what)
{
    return why_set(why, WHY_MESSAGE, "5.5.2", "%s", what);
}

int auth_login(struct span answer, size_t max, char **out, struct why *why)
{
    if (!answer.n || answer.n > max)
        return sasl_bad(why, "an empty or overlong name or password");
    for (size_t i = 0; i < answer.n; i++)
        if (answer.p[i] < 32 || answer.p[i] == 127)
            return sasl_bad(why, "a control character in name or password");
    *out = span_dup(answer);
    return 0;
}

int auth_plain(struct span message, struct auth_words *out, struct why *why)
{
    struct span authzid, authcid, password, rest;
    *out = (struct auth_words){0};
    if (!span_cut(message, 0, &authzid, &rest) || !span_cut(rest, 0, &authcid, &password))
        return sasl_bad(why, "PLAIN takes [authorization] NUL name NUL password");
    if (authzid.n && !span_equal(authzid, authcid))
        return sasl_bad(why, "nobody may act as another user here");
    if (auth_login(authcid, USERS_NAME, &out->user, why) < 0 ||
        auth_login(password, USERS_PASSWORD, &out->password, why) < 0) {
        auth_words_free(out);
        return -1;
    }
    return 0;
}
