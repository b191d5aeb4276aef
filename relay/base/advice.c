// SPDX-License-Identifier: ISC
// An advice with its words filled in.
#include "relay/base/advice.h"

#include <ctype.h>
#include <string.h>

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

// The known name that stands for the word at `at`, of n bytes; NULL: none.
static const char *advice_name(const char *at, size_t n, const struct advice_names *names)
{
    const struct {
        const char *word, *name;
    } known[] = {
        {"DOMAIN", names->domain},       {"HOST", names->host},
        {"SITE", names->site},           {"SENDER-DOMAIN", names->sender_domain},
        {"OPERATOR", names->postmaster},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].word) == n && memcmp(known[i].word, at, n) == 0)
            return known[i].name && known[i].name[0] ? known[i].name : NULL;
    return NULL;
}

void advice_fill(const char *advice, const struct advice_names *names, struct buf *out)
{
    while (*advice) {
        size_t n = 0;
        while (is_word(advice[n]))
            n++;
        const char *name = n ? advice_name(advice, n, names) : NULL;
        if (name)
            buf_adds(out, name);
        else
            buf_add(out, advice, n ? n : 1);
        advice += n ? n : 1;
    }
}
