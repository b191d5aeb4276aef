// SPDX-License-Identifier: ISC
// A token in time, pure.
#include "relay/oauth/token.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

static void token_wipe(struct token *t)
{
    if (t->text)
        explicit_bzero(t->text, strlen(t->text));
    free(t->text);
    t->text = NULL;
}

void token_clear(struct token *t)
{
    token_wipe(t);
    *t = (struct token){0};
}

bool token_good(const struct token *t, int64_t now_ms)
{
    return t->text && now_ms < t->ends_ms;
}

enum token_answer token_ask(const struct token *t, int64_t now_ms)
{
    if (token_good(t, now_ms))
        return TOKEN_GIVEN;
    return t->fetching || now_ms >= t->next_ms ? TOKEN_WAITS : TOKEN_REFUSED;
}

bool token_due(const struct token *t, bool wanted, int64_t now_ms)
{
    if (t->fetching || now_ms < t->next_ms)
        return false;
    return t->text ? now_ms >= t->renew_ms : wanted;
}

int64_t token_wakes(const struct token *t, bool wanted)
{
    if (t->fetching || (!t->text && !wanted))
        return INT64_MAX;
    return t->text && t->renew_ms > t->next_ms ? t->renew_ms : t->next_ms;
}

enum token_news token_fetched(struct token *t, const char *text, uint64_t lives_ms, int64_t now_ms,
                              uint64_t luck)
{
    bool told = t->told_ms != 0;
    int64_t lives = lives_ms > INT32_MAX ? INT32_MAX : (int64_t)lives_ms;
    token_clear(t);
    t->text = mem_dup(text);
    t->fetched_ms = now_ms;
    t->ends_ms = now_ms + (lives > 4 * TOKEN_MARGIN_MS ? lives - TOKEN_MARGIN_MS : lives / 4 * 3);
    // One that lives shorter than that is renewed in the middle of its life.
    int64_t early = TOKEN_EARLY_MS + (int64_t)(luck % TOKEN_JITTER_MS);
    t->renew_ms = now_ms + (lives > 2 * early ? lives - early : lives / 2);
    return told ? TOKEN_MENDED : TOKEN_NO_NEWS;
}

// Twice as long each time, and a quarter more or less, so that many relays do not come together.
static int64_t token_pause(const struct token *t, uint64_t luck)
{
    int64_t pause = TOKEN_AGAIN_MS;
    for (unsigned i = 1; i < t->failures && pause < TOKEN_MOST_MS; i++)
        pause *= 2;
    if (pause > TOKEN_MOST_MS)
        pause = TOKEN_MOST_MS;
    if (t->revoked)
        pause = TOKEN_REVOKED_MS;
    return pause - pause / 4 + (int64_t)(luck % (uint64_t)(pause / 2));
}

enum token_news token_failed(struct token *t, const struct why *why, bool revoked, int64_t now_ms,
                             uint64_t luck)
{
    t->fetching = false;
    t->revoked = revoked;
    t->why = *why;
    t->failures++;
    t->next_ms = now_ms + token_pause(t, luck);
    // While the token lasts an outage holds no mail; a grant that is gone will hold it soon.
    bool holds = revoked || !token_good(t, now_ms);
    if (!holds || (t->told_ms && now_ms - t->told_ms < TOKEN_REMIND_MS))
        return TOKEN_NO_NEWS;
    t->told_ms = now_ms ? now_ms : 1;
    return TOKEN_ALARM;
}

void token_refused(struct token *t, const char *text, int64_t now_ms)
{
    if (!t->text || strcmp(t->text, text) != 0)
        return; // another one is there by now
    int64_t soonest = t->fetched_ms + TOKEN_DOUBT_MS;
    token_wipe(t);
    if (now_ms >= soonest || soonest <= t->next_ms)
        return;
    why_say(&t->why, TOKEN_NOT_TAKEN);
    t->next_ms = soonest;
}

void token_renewed_grant(struct token *t)
{
    if (!t->revoked)
        return;
    t->revoked = false;
    t->failures = 0;
    t->next_ms = 0;
}
