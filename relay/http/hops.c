// SPDX-License-Identifier: ISC
// What metrics and the health pages say of next hops and of the tokens to log in there.
#include "relay/http/metrics.h"

#include <stdio.h>
#include "relay/http/series.h"
#include "relay/log/json.h"
#include "relay/oauth/tokens.h"
#include "relay/route/health.h"

void metrics_print_hops(const struct metrics *m, struct buf *out)
{
    size_t up = 0, down = 0, good = 0, failing = 0;
    if (m->health)
        health_count(m->health, &up, &down);
    if (m->tokens)
        tokens_count(m->tokens, &good, &failing);
    series_describe(out, "waxwing_next_hops", "gauge",
                    "Configured next hops that mail has met, by how they do.");
    series_value(out, "waxwing_next_hops", "state", "up", NULL, NULL, up);
    series_value(out, "waxwing_next_hops", "state", "down", NULL, NULL, down);
    series_describe(out, "waxwing_tokens", "gauge",
                    "Logins at next hops that fetch tokens: with one, and in vain.");
    series_value(out, "waxwing_tokens", "state", "good", NULL, NULL, good);
    series_value(out, "waxwing_tokens", "state", "failing", NULL, NULL, failing);
}

void metrics_hops_away(const struct metrics *m,
                       void (*each)(const char *what, const char *reason, void *arg), void *arg)
{
    json_t *hops = m->health ? health_describe(m->health) : NULL;
    json_t *tokens = m->tokens ? tokens_describe(m->tokens) : NULL;
    const json_t *j;
    size_t i;
    char what[600];
    json_array_foreach (hops, i, j) {
        snprintf(what, sizeof what, "the next hop %s is passed over", json_word(j, "hop"));
        if (json_word(j, "reason")[0])
            each(what, json_word(j, "reason"), arg);
    }
    json_array_foreach (tokens, i, j) {
        snprintf(what, sizeof what, "no token can be fetched for %s", json_word(j, "user"));
        if (json_word(j, "reason")[0])
            each(what, json_word(j, "reason"), arg);
    }
    json_decref(hops);
    json_decref(tokens);
}
