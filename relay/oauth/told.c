// SPDX-License-Identifier: ISC
// What other threads hear of the tokens.
#include "config/login.h"
#include "relay/log/json.h"
#include "relay/oauth/inside.h"

static const char *state_of(const struct grant *g, int64_t now)
{
    return token_good(&g->token, now) ? g->token.failures ? "failing" : "good"
           : g->token.revoked         ? "revoked"
           : g->token.failures        ? "failing"
                                      : "none";
}

static json_t *describe_grant(const struct grant *g)
{
    int64_t now = tokens_now();
    bool good = token_good(&g->token, now);
    json_t *j = json_object();
    json_object_set_new(j, "user", json_text(g->login->user));
    json_object_set_new(j, "grant", json_text(login_kind_word(login_kind(g->login))));
    json_object_set_new(j, "endpoint", json_text(g->login->oauth.token_endpoint));
    json_object_set_new(j, "state", json_text(state_of(g, now)));
    json_object_set_new(j, "left", json_integer(good ? (g->token.ends_ms - now) / 1000 : 0));
    json_object_set_new(j, "fetching",
                        g->token.fetching ? json_integer((now - g->fetching_ms) / 1000)
                                          : json_null());
    json_object_set_new(j, "reason", json_text(g->token.failures ? g->token.why.text : ""));
    return j;
}

json_t *tokens_describe(struct tokens *tokens)
{
    json_t *list = NULL;
    uv_mutex_lock(&tokens->mutex);
    list_each (it, &tokens->grants) {
        if (!list)
            list = json_array();
        json_array_append_new(list, describe_grant(list_of(it, struct grant, list)));
    }
    uv_mutex_unlock(&tokens->mutex);
    return list;
}

void tokens_count(struct tokens *tokens, size_t *good, size_t *failing)
{
    int64_t now = tokens_now();
    *good = *failing = 0;
    uv_mutex_lock(&tokens->mutex);
    list_each (it, &tokens->grants) {
        const struct grant *g = list_of(it, struct grant, list);
        *good += token_good(&g->token, now);
        *failing += !token_good(&g->token, now) && g->token.failures;
    }
    uv_mutex_unlock(&tokens->mutex);
}
