// SPDX-License-Identifier: ISC
// The inside of relay/oauth/: the thread and its grants, shared by tokens.c (who asks, and life), fetch.c (one fetch)
// and told.c (what others hear). The thread owns all of it; what told.c reads from other threads is changed under the
// mutex alone.
#ifndef RELAY_OAUTH_INSIDE_H
#define RELAY_OAUTH_INSIDE_H

#include <time.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/oauth/token.h"
#include "relay/oauth/tokens.h"
#include "tls/https.h"

#define TOKENS_LOGINS  1000  // logins known at once
#define TOKENS_SAVE_MS 60000 // a refresh token that could not be written is tried again

// One login.
struct grant {
    struct list list;
    struct tokens *tokens;
    struct setup *setup; // whose login is
    const struct cfg_login *login;
    struct buf identity;
    struct token token;
    struct https_request *post;
    int64_t fetching_ms; // tokens_now() when the last fetch began
    char
        *unsaved; // a new refresh token that is not on disk yet: no grant is asked for before it is
    int64_t save_ms;         // when that is tried again
    struct timespec changed; // of its files, when the last fetch began
    struct list waiters;
};

struct tokens {
    uv_loop_t loop;
    uv_thread_t thread;
    bool runs;
    struct inbox *mail; // NULL until the thread begins
    struct dns *dns;
    struct https *https;
    uv_timer_t timer;
    uv_mutex_t mutex;
    struct list grants;
    size_t ngrants;
    struct setup *setup;
};

static inline int64_t tokens_now(void)
{
    return (int64_t)clock_mono_ms();
}
void tokens_answer_waiters(struct grant *g); // those who wait hear what there is to hear
void tokens_look(struct tokens *tokens);     // what is due begins; arms the timer

// relay/oauth/fetch.c
void fetch_begin(struct grant *g);
void fetch_save(struct grant *g); // a refresh token that is not on disk yet
struct timespec fetch_changed(const struct cfg_login *login); // when a file of it was written last

#endif
