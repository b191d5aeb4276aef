// SPDX-License-Identifier: ISC
// The thread of tokens: who asks, what others tell, and its life.
#include "relay/oauth/tokens.h"

#include <stdlib.h>
#include <string.h>
#include "config/login.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/oauth/inside.h"
#include "relay/oauth/secret_file.h"

struct token_request {
    struct item item;
    struct list list;
    struct tokens *tokens;
    struct inbox *reply;
    struct setup *setup;
    const struct cfg_login *login;
    token_fn *fn;
    void *arg;
    char *token;
    struct why why;
    bool cancelled; // on the asking thread
};

// Answers

// On the asking thread again.
static void tokens_run_answer(struct item *item)
{
    struct token_request *r = list_of(item, struct token_request, item);
    if (!r->cancelled)
        r->fn(r->token, r->token ? NULL : &r->why, r->arg);
    secret_wipe(r->token);
    setup_unref(r->setup);
    free(r);
}

static void tokens_answer(struct token_request *r, const char *token, const struct why *why)
{
    list_remove(&r->list);
    r->token = token ? mem_dup(token) : NULL;
    if (why)
        r->why = *why;
    r->item.run = tokens_run_answer;
    inbox_post(r->reply, &r->item);
}

// Those who wait hear what there is to hear.
void tokens_answer_waiters(struct grant *g)
{
    list_each_safe (it, &g->waiters) {
        struct token_request *r = list_of(it, struct token_request, list);
        switch (token_ask(&g->token, tokens_now())) {
        case TOKEN_GIVEN:
            tokens_answer(r, g->token.text, NULL);
            break;
        case TOKEN_REFUSED:
            tokens_answer(r, NULL, &g->token.why);
            break;
        case TOKEN_WAITS:
            break;
        }
    }
}

// Turns

static void tokens_on_timer(uv_timer_t *timer)
{
    tokens_look(timer->data);
}

// What a grant has to do now; when to look again.
static int64_t look_at(struct grant *g)
{
    int64_t now = tokens_now();
    bool wanted = !list_empty(&g->waiters);
    if (g->unsaved && now >= g->save_ms)
        fetch_save(g);
    if (g->unsaved)
        return g->save_ms;
    if (token_due(&g->token, wanted, now)) {
        fetch_begin(g);
        return g->token.fetching ? INT64_MAX : token_wakes(&g->token, false);
    }
    return token_wakes(&g->token, wanted);
}

void tokens_look(struct tokens *tokens)
{
    int64_t next = INT64_MAX, now = tokens_now();
    list_each_safe (it, &tokens->grants) {
        int64_t at = look_at(list_of(it, struct grant, list));
        next = at < next ? at : next;
    }
    if (next == INT64_MAX)
        uv_timer_stop(&tokens->timer);
    else
        uv_timer_start(&tokens->timer, tokens_on_timer, next > now ? (uint64_t)(next - now) : 1, 0);
}

// Grants

static struct grant *find_grant(struct tokens *tokens, const struct cfg_login *login)
{
    struct buf identity;
    struct grant *found = NULL;
    buf_init(&identity, SECRET_MAX);
    login_identity(login, &identity);
    list_each (it, &tokens->grants) {
        struct grant *g = list_of(it, struct grant, list);
        if (!found && span_equal(buf_span(&g->identity), buf_span(&identity)))
            found = g;
    }
    buf_free(&identity);
    return found;
}

static void drop_grant(struct grant *g)
{
    uv_mutex_lock(&g->tokens->mutex);
    list_remove(&g->list);
    g->tokens->ngrants--;
    uv_mutex_unlock(&g->tokens->mutex);
    https_cancel(g->post);
    token_clear(&g->token);
    secret_wipe(g->unsaved);
    buf_free(&g->identity);
    setup_unref(g->setup);
    free(g);
}

static struct grant *make_grant(struct tokens *tokens, struct setup *setup,
                                const struct cfg_login *login)
{
    struct grant *g = mem_new(sizeof *g);
    g->tokens = tokens;
    g->setup = setup_ref(setup);
    g->login = login;
    list_init(&g->list);
    list_init(&g->waiters);
    buf_init(&g->identity, SECRET_MAX);
    login_identity(login, &g->identity);
    uv_mutex_lock(&tokens->mutex);
    list_append(&tokens->grants, &g->list);
    tokens->ngrants++;
    uv_mutex_unlock(&tokens->mutex);
    return g;
}

// An operator who has put another secret into its file need not wait for the hour.
static void look_at_files(struct grant *g)
{
    if (!g->token.revoked)
        return;
    struct timespec now = fetch_changed(g->login);
    if (now.tv_sec == g->changed.tv_sec && now.tv_nsec == g->changed.tv_nsec)
        return;
    uv_mutex_lock(&g->tokens->mutex);
    token_renewed_grant(&g->token);
    uv_mutex_unlock(&g->tokens->mutex);
}

static void tokens_run_ask(struct item *item)
{
    struct token_request *r = list_of(item, struct token_request, item);
    struct tokens *tokens = r->tokens;
    struct grant *g = find_grant(tokens, r->login);
    if (!g && tokens->ngrants >= TOKENS_LOGINS) {
        struct why why;
        why_say(&why, TOKEN_ENDPOINT_SILENT, "too many logins");
        tokens_answer(r, NULL, &why);
        return;
    }
    if (!g)
        g = make_grant(tokens, r->setup, r->login);
    look_at_files(g);
    list_append(&g->waiters, &r->list);
    tokens_answer_waiters(g);
    tokens_look(tokens);
}

struct token_request *tokens_ask(struct tokens *tokens, struct inbox *loop_inbox,
                                 struct setup *setup, const struct cfg_login *login, token_fn *fn,
                                 void *arg)
{
    struct token_request *r = mem_new(sizeof *r);
    r->tokens = tokens;
    r->reply = loop_inbox;
    r->setup = setup_ref(setup);
    r->login = login;
    r->fn = fn;
    r->arg = arg;
    list_init(&r->list);
    r->item.run = tokens_run_ask;
    inbox_post(tokens->mail, &r->item);
    return r;
}

void tokens_cancel(struct token_request *request)
{
    if (request)
        request->cancelled = true;
}

// What others tell

struct token_order {
    struct item item;
    struct tokens *tokens;
    struct setup *setup;
    struct buf identity;
    char *token;
};

static struct token_order *new_order(struct tokens *tokens, void (*run)(struct item *item))
{
    struct token_order *o = mem_new(sizeof *o);
    o->tokens = tokens;
    o->item.run = run;
    buf_init(&o->identity, SECRET_MAX);
    return o;
}

static void free_order(struct token_order *o)
{
    secret_wipe(o->token);
    buf_free(&o->identity);
    setup_unref(o->setup);
    free(o);
}

static void tokens_run_refused(struct item *item)
{
    struct token_order *o = list_of(item, struct token_order, item);
    struct tokens *tokens = o->tokens;
    list_each (it, &tokens->grants) {
        struct grant *g = list_of(it, struct grant, list);
        if (!span_equal(buf_span(&g->identity), buf_span(&o->identity)))
            continue;
        uv_mutex_lock(&tokens->mutex);
        token_refused(&g->token, o->token, tokens_now());
        uv_mutex_unlock(&tokens->mutex);
    }
    free_order(o);
    tokens_look(tokens);
}

void tokens_refused(struct tokens *tokens, const struct cfg_login *login, const char *token)
{
    struct token_order *o = new_order(tokens, tokens_run_refused);
    login_identity(login, &o->identity);
    o->token = mem_dup(token);
    inbox_post(tokens->mail, &o->item);
}

// The same login of another setup; NULL: it is in none of its rows.
static const struct cfg_login *login_in(const struct config *config, const struct grant *g)
{
    const struct cfg_login *found = NULL;
    size_t n = config->delivery.ndestinations;
    for (size_t i = 0; i < n + config->nsenders && !found; i++) {
        const struct cfg_login *login =
            i < n ? &config->delivery.destinations[i].login : &config->senders[i - n].login;
        struct buf identity;
        buf_init(&identity, SECRET_MAX);
        login_identity(login, &identity);
        if (identity.len && span_equal(buf_span(&identity), buf_span(&g->identity)))
            found = login;
        buf_free(&identity);
    }
    return found;
}

static void tokens_run_reload(struct item *item)
{
    struct token_order *o = list_of(item, struct token_order, item);
    struct tokens *tokens = o->tokens;
    struct https_rules rules = {.trust = o->setup->trust};
    https_reload(tokens->https, &rules);
    list_each_safe (it, &tokens->grants) {
        struct grant *g = list_of(it, struct grant, list);
        const struct cfg_login *login = login_in(o->setup->config, g);
        if (login) {
            uv_mutex_lock(&tokens->mutex); // tokens_describe reads it
            setup_unref(g->setup);
            g->setup = setup_ref(o->setup);
            g->login = login;
            uv_mutex_unlock(&tokens->mutex);
            look_at_files(g);
        } else if (list_empty(&g->waiters)) {
            drop_grant(g);
        }
    }
    free_order(o);
    tokens_look(tokens);
}

// Life

static bool fetches(const struct config *config)
{
    bool any = false;
    for (size_t i = 0; i < config->delivery.ndestinations; i++)
        any |= login_fetches(&config->delivery.destinations[i].login);
    for (size_t i = 0; i < config->nsenders; i++)
        any |= login_fetches(&config->senders[i].login);
    return any;
}

static void tokens_run_loop(void *arg)
{
    naming_thread("tokens");
    struct tokens *tokens = arg;
    uv_run(&tokens->loop, UV_RUN_DEFAULT);
}

static void tokens_stop_loop(struct tokens *tokens)
{
    uv_close((uv_handle_t *)&tokens->timer, NULL);
    if (tokens->https)
        https_close(tokens->https);
    inbox_close(tokens->mail);
    tokens->mail = NULL;
}

static int begin(struct tokens *tokens, struct setup *setup, struct why *why)
{
    int rc = uv_loop_init(&tokens->loop);
    if (rc < 0)
        return why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: %s", uv_strerror(rc));
    uv_timer_init(&tokens->loop, &tokens->timer);
    tokens->timer.data = tokens;
    tokens->mail = inbox_open(&tokens->loop);
    struct https_options options = {
        .mail = tokens->mail, .dns = tokens->dns, .rules = {.trust = setup->trust}};
    tokens->https = tokens->mail ? https_open(&options, why) : NULL;
    if (!tokens->mail)
        why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: no descriptor is left");
    rc = tokens->https ? uv_thread_create(&tokens->thread, tokens_run_loop, tokens) : 0;
    if (tokens->https && rc < 0)
        why_set(why, WHY_OURS, "4.3.0", "cannot start a thread: %s", uv_strerror(rc));
    tokens->runs = tokens->https && rc == 0;
    if (tokens->runs)
        return 0;
    tokens_stop_loop(tokens);
    tokens->https = NULL;
    uv_run(&tokens->loop, UV_RUN_DEFAULT);
    uv_loop_close(&tokens->loop);
    return -1;
}

struct tokens *tokens_open(struct dns *dns, struct setup *setup, struct why *why)
{
    struct tokens *tokens = mem_new(sizeof *tokens);
    tokens->dns = dns;
    list_init(&tokens->grants);
    uv_mutex_init(&tokens->mutex);
    if (fetches(setup->config) && begin(tokens, setup, why) < 0) {
        uv_mutex_destroy(&tokens->mutex);
        free(tokens);
        return NULL;
    }
    return tokens;
}

int tokens_reload(struct tokens *tokens, struct setup *setup, struct why *why)
{
    if (!tokens->runs)
        return fetches(setup->config) ? begin(tokens, setup, why) : 0;
    struct token_order *o = new_order(tokens, tokens_run_reload);
    o->setup = setup_ref(setup);
    inbox_post(tokens->mail, &o->item);
    return 0;
}

static void tokens_run_close(struct item *item)
{
    struct token_order *o = list_of(item, struct token_order, item);
    struct tokens *tokens = o->tokens;
    list_each_safe (it, &tokens->grants) {
        struct grant *g = list_of(it, struct grant, list);
        list_each_safe (w, &g->waiters) // cancelled ones: freed where they were asked
            tokens_answer(list_of(w, struct token_request, list), NULL, NULL);
        fetch_save(g);
        drop_grant(g);
    }
    tokens_stop_loop(tokens);
    free_order(o);
}

void tokens_close(struct tokens *tokens)
{
    if (!tokens)
        return;
    if (tokens->runs) {
        inbox_post(tokens->mail, &new_order(tokens, tokens_run_close)->item);
        uv_thread_join(&tokens->thread);
        uv_loop_close(&tokens->loop);
    }
    uv_mutex_destroy(&tokens->mutex);
    free(tokens);
}
