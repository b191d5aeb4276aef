// SPDX-License-Identifier: ISC
// The endpoint's JSON.
#include "relay/oauth/answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

#define LIVES_S      3600     // RFC 6749 section 5.1: expires_in is only recommended
#define LIVES_MOST_S 31536000 // a year

// What RFC 6750 section 2.1 lets a token consist of, and a little more: nothing that could end a line of SMTP.
static char *answer_token(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    size_t n = text ? strlen(text) : 0;
    if (!n || n > ANSWER_TOKEN || n != json_string_length(json_object_get(j, key)))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return NULL;
    return mem_dup(text);
}

// A number, or (Azure's older endpoints) a number in quotes.
static uint64_t answer_lives(const json_t *j)
{
    const json_t *value = json_object_get(j, "expires_in");
    uint64_t s = LIVES_S;
    if (json_is_number(value) && json_number_value(value) >= 1)
        s = json_number_value(value) > LIVES_MOST_S ? LIVES_MOST_S
                                                    : (uint64_t)json_number_value(value);
    else if (json_is_string(value) &&
             (!span_number(span_text(json_string_value(value)), LIVES_MOST_S, &s) || !s))
        s = LIVES_S;
    return s * 1000;
}

// RFC 6749 section 5.2, and what Microsoft adds. All else may be better in a minute.
static bool answer_revokes(const char *error)
{
    static const char *const words[] = {
        "invalid_grant", "invalid_client",       "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "interaction_required", "consent_required",    "access_denied"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(error, words[i]) == 0)
            return true;
    return false;
}

// One line for people, of what is safe to show.
static void answer_words(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text && n + 1 < size; text++)
        out[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
    out[n] = 0;
}

static int answer_refused(long status, const json_t *j, bool *revoked, struct why *why)
{
    const char *error = json_string_value(json_object_get(j, "error"));
    const char *more = json_string_value(json_object_get(j, "error_description"));
    char name[64], words[240];
    answer_words(error ? error : "", name, sizeof name);
    answer_words(more ? more : "", words, sizeof words);
    *revoked = status >= 400 && status < 500 && answer_revokes(name);
    if (*revoked)
        return why_say(why, TOKEN_GRANT_REFUSED, name, words[0] ? ": " : "", words);
    return why_say(why, TOKEN_ENDPOINT_REFUSED, status, name[0] ? " " : "", name);
}

int oauth_answer_read(long status, struct span body, struct oauth_answer *out, bool *revoked,
                      struct why *why)
{
    *out = (struct oauth_answer){0};
    *revoked = false;
    json_t *j = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    int rc = 0;
    if (status != 200) {
        rc = answer_refused(status, j, revoked, why);
    } else {
        out->token = answer_token(j, "access_token");
        out->refresh = answer_token(j, "refresh_token");
        out->lives_ms = answer_lives(j);
        if (!out->token)
            rc = why_say(why, TOKEN_ANSWER);
    }
    if (rc < 0)
        oauth_answer_free(out);
    json_decref(j);
    return rc;
}

static void answer_wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void oauth_answer_free(struct oauth_answer *answer)
{
    answer_wipe(&answer->token);
    answer_wipe(&answer->refresh);
}
