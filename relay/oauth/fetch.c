// SPDX-License-Identifier: ISC
// One fetch of a token, from the form to the token or the reason; and the file of a refresh token.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "config/login.h"
#include "config/value.h"
#include "relay/base/id.h"
#include "relay/log/log.h"
#include "relay/oauth/answer.h"
#include "relay/oauth/grant.h"
#include "relay/oauth/inside.h"
#include "relay/oauth/secret_file.h"
#include "tls/https_post.h"

// News

static void fetch_tell(const struct grant *g, enum token_news news)
{
    const char *user = g->login->user;
    if (news == TOKEN_MENDED)
        log_event("token", "a token for %s could be fetched again", user);
    else if (news == TOKEN_ALARM)
        log_alarm("token", g->token.why.reason, "no token for %s: %s", user, g->token.why.text);
}

// What an endpoint says may hold what it was told: no secret of the login passes.
static void blot(struct span form, struct why *why)
{
    struct span rest = form, field, value;
    while (rest.n) {
        if (!span_cut(rest, '&', &field, &rest)) {
            field = rest;
            rest = span_of("", 0);
        }
        span_cut(field, '=', &field, &value);
        bool secret = span_is(field, "client_secret") || span_is(field, "refresh_token") ||
                      span_is(field, "assertion");
        char *text = secret ? span_dup(value) : NULL;
        if (text && text[0] && strstr(why->text, text))
            snprintf(why->text, sizeof why->text, "the token endpoint refused the login");
        secret_wipe(text);
    }
}

// A fetch

static void fetch_fail(struct grant *g, const struct why *why, bool revoked)
{
    uv_mutex_lock(&g->tokens->mutex);
    enum token_news news =
        token_failed(&g->token, why, revoked, tokens_now(), random_below(UINT64_MAX));
    uv_mutex_unlock(&g->tokens->mutex);
    fetch_tell(g, news);
}

// The file first: who uses a refresh token that is nowhere else loses it with the next crash.
void fetch_save(struct grant *g)
{
    struct why why;
    if (!g->unsaved)
        return;
    if (secret_replace(g->login->oauth.refresh_token_file, g->unsaved, &why) < 0) {
        g->save_ms = tokens_now() + TOKENS_SAVE_MS;
        log_alarm_once("token", why.reason, g->login->user, TOKEN_REMIND_MS, "%s", why.text);
        return;
    }
    secret_wipe(g->unsaved);
    g->unsaved = NULL;
}

static void fetch_take(struct grant *g, struct oauth_answer *answer)
{
    if (answer->refresh && login_kind(g->login) == LOGIN_BY_REFRESH) {
        secret_wipe(g->unsaved);
        g->unsaved = answer->refresh;
        answer->refresh = NULL;
        fetch_save(g);
    }
    uv_mutex_lock(&g->tokens->mutex);
    enum token_news news = token_fetched(&g->token, answer->token, answer->lives_ms, tokens_now(),
                                         random_below(UINT64_MAX));
    uv_mutex_unlock(&g->tokens->mutex);
    fetch_tell(g, news);
}

static void fetch_posted(const struct https_post_answer *said, void *arg)
{
    struct grant *g = arg;
    struct oauth_answer answer = {0};
    struct why why;
    bool revoked = false;
    g->post = NULL;
    if (!said->status) {
        why_say(&why, TOKEN_ENDPOINT_SILENT, said->error);
        fetch_fail(g, &why, false);
    } else if (oauth_answer_read(said->status, said->words, &answer, &revoked, &why) < 0) {
        blot(said->sent, &why);
        fetch_fail(g, &why, revoked);
    } else {
        fetch_take(g, &answer);
    }
    oauth_answer_free(&answer);
    tokens_answer_waiters(g);
    tokens_look(g->tokens);
}

static void newest(const char *file, struct timespec *at)
{
    struct stat st;
    if (file[0] && stat(file, &st) == 0 &&
        (st.st_mtim.tv_sec > at->tv_sec ||
         (st.st_mtim.tv_sec == at->tv_sec && st.st_mtim.tv_nsec > at->tv_nsec)))
        *at = st.st_mtim;
}

struct timespec fetch_changed(const struct cfg_login *login)
{
    struct timespec at = {0};
    newest(login->oauth.client_secret_file, &at);
    newest(login->oauth.refresh_token_file, &at);
    newest(login->oauth.service_account_file, &at);
    return at;
}

void fetch_begin(struct grant *g)
{
    struct why why;
    struct value_url url = {0};
    struct buf form;
    unsigned char *room;
    uv_mutex_lock(&g->tokens->mutex); // tokens_describe reads it
    g->token.fetching = true;
    g->fetching_ms = tokens_now();
    uv_mutex_unlock(&g->tokens->mutex);
    g->changed = fetch_changed(g->login);
    buf_init(&form, GRANT_MAX);
    buf_reserve(&form, GRANT_MAX / 4, &room); // once, so that no copy of a secret stays behind
    bool ready = value_url(span_text(g->login->oauth.token_endpoint), &url, &why) == 0 &&
                 grant_form(g->login, clock_s(), &form, &why) == 0;
    if (ready) {
        struct https_post_order order = {.host = url.host,
                                         .port = url.port,
                                         .path = url.path,
                                         .type = "application/x-www-form-urlencoded",
                                         .body = buf_span(&form),
                                         .most = ANSWER_MAX,
                                         .secret = true};
        g->post = https_post(g->tokens->https, &order, fetch_posted, g);
    } else {
        fetch_fail(g, &why, false);
        tokens_answer_waiters(g);
    }
    explicit_bzero(form.data, form.cap);
    buf_free(&form);
    value_url_free(&url);
}
