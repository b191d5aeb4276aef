// SPDX-License-Identifier: ISC
// PLAIN and LOGIN taken apart.
#include "relay/sasl/words.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

void sasl_words_free(struct sasl_words *words)
{
    free(words->user);
    if (words->password)
        explicit_bzero(words->password, strlen(words->password));
    free(words->password);
    *words = (struct sasl_words){0};
}

static int words_bad(struct why *why, const char *what)
{
    return why_say(why, SASL_MESSAGE, what);
}

int sasl_login(struct span answer, size_t max, char **out, struct why *why)
{
    if (!answer.n || answer.n > max)
        return words_bad(why, "an empty or overlong name or password");
    for (size_t i = 0; i < answer.n; i++)
        if (answer.p[i] < 32 || answer.p[i] == 127)
            return words_bad(why, "a control character in name or password");
    *out = span_dup(answer);
    return 0;
}

int sasl_plain(struct span message, struct sasl_words *out, struct why *why)
{
    struct span authzid, authcid, password, rest;
    *out = (struct sasl_words){0};
    if (!span_cut(message, 0, &authzid, &rest) || !span_cut(rest, 0, &authcid, &password))
        return words_bad(why, "PLAIN takes [authorization] NUL name NUL password");
    if (authzid.n && !span_equal(authzid, authcid))
        return words_bad(why, "nobody may act as another user here");
    if (sasl_login(authcid, SASL_NAME, &out->user, why) < 0 ||
        sasl_login(password, SASL_PASSWORD, &out->password, why) < 0) {
        sasl_words_free(out);
        return -1;
    }
    return 0;
}
