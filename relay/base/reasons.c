// SPDX-License-Identifier: ISC
// The catalogue of reasons.
#include "relay/base/reasons.h"

#include <ctype.h>
#include <string.h>
#include "relay/base/buf.h"

#define REASON(id, word, about, code, type, who, words, text, meaning, remedy)                     \
    [REASON_##id] = {.name = (word),                                                               \
                     .scope = WHY_##about,                                                         \
                     .status = (code),                                                             \
                     .tls = WHY_##type,                                                            \
                     .act = ACT_##who,                                                             \
                     .holes = (words),                                                             \
                     .sentence = (text),                                                           \
                     .means = (meaning),                                                           \
                     .advice = (remedy)},
#define WHY_NONE WHY_TLS_NONE
static const struct reason_row rows[] = {
    [REASON_NONE] =
        {.name = "", .status = "", .holes = "", .sentence = "", .means = "", .advice = ""},
#include "relay/base/reasons.def"
};
#undef WHY_NONE
#undef REASON
#define ROWS (sizeof rows / sizeof *rows)

#define ACTOR(word, text)                                                                          \
    {                                                                                              \
        word, text, "for " text                                                                    \
    }
static const struct {
    const char *word, *text, *phrase;
} acts[] = {
    [ACT_NONE] = {"", "", ""},
    [ACT_US] = ACTOR("us", "whoever runs this relay"),
    [ACT_NETWORK] = ACTOR("network", "whoever runs the network of this relay"),
    [ACT_SENDER] = ACTOR("sender", "whoever sends it"),
    [ACT_RECEIVER] = ACTOR("receiver", "the receiving domain"),
    [ACT_RECEIVER_HOST] = ACTOR("receiver-host", "the postmaster of the receiving host"),
    [ACT_RECEIVER_DNS] = ACTOR("receiver-dns", "whoever runs the DNS of the receiving domain"),
    [ACT_HEALS] = {"heals", "nobody: it heals", "it heals by itself"},
};

const struct reason_row *reason_row(enum reason reason)
{
    return &rows[(size_t)reason < ROWS ? reason : REASON_NONE];
}

enum reason reason_named(const char *name)
{
    for (size_t i = 1; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (enum reason)i;
    return REASON_NONE;
}

size_t reason_count(void)
{
    return ROWS;
}

// Behind the conversion that begins at `at`.
static const char *past_conversion(const char *at)
{
    at++;
    while (*at && !isalpha((unsigned char)*at))
        at++;
    while (*at == 'l' || *at == 'z')
        at++;
    return *at ? at + 1 : at;
}

void reason_sentence(const struct reason_row *row, char *out, size_t n)
{
    const char *hole = row->holes;
    struct buf text;
    buf_init(&text, 4096);
    for (const char *at = row->sentence; *at;) {
        if (*at != '%') {
            buf_addc(&text, *at++);
            continue;
        }
        size_t word = strcspn(hole, "|");
        buf_add(&text, hole, word);
        hole += word + (hole[word] == '|');
        at = past_conversion(at);
    }
    buf_addc(&text, 0);
    if (n)
        memccpy(out, buf_text(&text), 0, n), out[n - 1] = 0;
    buf_free(&text);
}

const char *act_word(enum act act)
{
    return acts[act].word;
}

enum act act_named(const char *word)
{
    for (size_t i = ACT_NONE; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].word, word) == 0)
            return (enum act)i;
    return ACT_NONE;
}

const char *act_text(enum act act)
{
    return acts[act].text;
}

const char *act_phrase(enum act act)
{
    return acts[act].phrase;
}

bool act_is_ours(enum act act)
{
    return act == ACT_US || act == ACT_NETWORK;
}

const char *scope_word(enum why_scope scope)
{
    static const char *const words[] = {
        [WHY_NOTHING] = "",  [WHY_RECIPIENT] = "recipient", [WHY_MESSAGE] = "message",
        [WHY_HOST] = "host", [WHY_DOMAIN] = "domain",       [WHY_OURS] = "this relay",
    };
    return words[scope];
}
