// SPDX-License-Identifier: ISC
// One access token in time: when it is fetched, renewed and asked for again, and what those who want it are told.
// Knows no endpoint and no clock: `now_ms` is any clock that runs evenly, `luck` a random number from whoever calls.
//
// - While a token is good, nobody waits: it is renewed TOKEN_EARLY_MS before its end, and a renewal that fails is
//   tried again while the token lasts.
// - Without one, those who ask wait for the fetch under way, or hear why the last one failed until the pause is over.
#ifndef RELAY_OAUTH_TOKEN_H
#define RELAY_OAUTH_TOKEN_H

#include <stdbool.h>
#include <stdint.h>
#include "relay/base/why.h"

#define TOKEN_EARLY_MS  300000 // renewed so long before its end,
#define TOKEN_JITTER_MS 60000  // and at most so much earlier
#define TOKEN_MARGIN_MS 5000   // not given out so shortly before its end
#define TOKEN_AGAIN_MS                                                                             \
    10000 // the first pause after a fetch that failed; each further one is twice as long
#define TOKEN_MOST_MS    600000   // the longest
#define TOKEN_REVOKED_MS 3600000  // the pause where the endpoint said no
#define TOKEN_REMIND_MS  86400000 // how often an alarm is repeated
#define TOKEN_DOUBT_MS   60000    // a token that a host refuses is not replaced by another before

enum token_answer { TOKEN_GIVEN, TOKEN_WAITS, TOKEN_REFUSED };
enum token_news { TOKEN_NO_NEWS, TOKEN_ALARM, TOKEN_MENDED };

struct token {
    char *text; // NULL: none
    int64_t fetched_ms, renew_ms, ends_ms;
    bool fetching;
    bool revoked;      // the endpoint refused the grant itself
    unsigned failures; // in a row
    int64_t next_ms;   // no fetch before
    int64_t told_ms;   // when the alarm was raised last; 0: there is none
    struct why why;    // of the last failure
};

void token_clear(struct token *token); // wipes the text
bool token_good(const struct token *token, int64_t now_ms);
// What somebody who wants it gets.
enum token_answer token_ask(const struct token *token, int64_t now_ms);
// A fetch is to begin now; `wanted`: somebody waits. One that was there once is renewed without being asked for.
bool token_due(const struct token *token, bool wanted, int64_t now_ms);
// When to look again whether one is; INT64_MAX: not by itself.
int64_t token_wakes(const struct token *token, bool wanted);

// A fetch has ended. `text` is copied. What is worth telling the operator is returned.
enum token_news token_fetched(struct token *token, const char *text, uint64_t lives_ms,
                              int64_t now_ms, uint64_t luck);
enum token_news token_failed(struct token *token, const struct why *why, bool revoked,
                             int64_t now_ms, uint64_t luck);
// A host did not take this text: it is given to nobody any more.
void token_refused(struct token *token, const char *text, int64_t now_ms);
// What the login is made of has changed: what was refused may serve now.
void token_renewed_grant(struct token *token);

#endif
