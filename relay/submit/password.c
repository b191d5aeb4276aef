// SPDX-License-Identifier: ISC
// Proofs of passwords: cache, turns, thread pool. Never sees SMTP and never keeps a password longer
// than its job.
#include "relay/submit/password.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "sign/mac.h"

struct digest {
    unsigned char bytes[MAC_BYTES];
};

struct proven {
    struct digest key;
    uint64_t until_ms; // 0: empty
};

struct auth {
    struct limits *limits;
    uv_loop_t *loop;
    struct inbox *mail;
    unsigned char secret[MAC_BYTES]; // random, of this process
    struct proven cache[AUTH_CACHE]; // a place by key; a newcomer takes it over
};

struct auth_job {
    struct limits_turn turn;
    uv_work_t work;
    struct auth *auth;
    struct sasl_words words;
    struct users *users;
    struct digest key;
    bool proven;
    auth_fn *fn;
    void *arg;
};

struct auth *auth_new(struct limits *limits, uv_loop_t *loop, struct inbox *mail)
{
    struct auth *a = mem_new(sizeof *a);
    a->limits = limits;
    a->loop = loop;
    a->mail = mail;
    random_bytes(a->secret, sizeof a->secret);
    return a;
}

void auth_free(struct auth *a)
{
    if (a)
        explicit_bzero(a, sizeof *a);
    free(a);
}

static struct digest key_of(const struct auth *a, const char *hash, const struct sasl_words *words)
{
    struct buf text; // each part with its NUL, so that no two triples look alike
    buf_init(&text, 4096);
    const char *parts[] = {words->user, hash, words->password};
    for (size_t i = 0; i < 3; i++)
        if (buf_add(&text, parts[i], strlen(parts[i]) + 1) < 0)
            random_bytes(text.data, text.len); // never equal to anything
    struct digest key;
    mac_of(a->secret, sizeof a->secret, text.data, text.len, key.bytes);
    explicit_bzero(text.data, text.len);
    buf_free(&text);
    return key;
}

static struct proven *password_place(struct auth *a, const struct digest *key)
{
    return &a->cache[(key->bytes[0] | (unsigned)key->bytes[1] << 8) % AUTH_CACHE];
}

static void password_job_work(uv_work_t *work)
{
    struct auth_job *job = work->data;
    job->proven = users_check(job->users, job->words.user, job->words.password);
}

static void password_job_done(uv_work_t *work, int status)
{
    struct auth_job *job = work->data;
    limits_turn_end(job->auth->limits);
    bool proven = status == 0 && job->proven;
    if (proven)
        *password_place(job->auth, &job->key) =
            (struct proven){job->key, clock_mono_ms() + AUTH_CACHE_MS};
    job->fn(proven, job->arg);
    sasl_words_free(&job->words);
    users_unref(job->users);
    free(job);
}

static void job_start(struct auth_job *job)
{
    job->work.data = job;
    int rc = uv_queue_work(job->auth->loop, &job->work, password_job_work, password_job_done);
    assert(rc == 0);
    (void)rc;
}

static void password_job_turn(struct item *item)
{
    job_start((struct auth_job *)(void *)item); // turn.item is its first member
}

enum auth_answer auth_prove(struct auth *a, struct users *users, const struct sasl_words *words,
                            auth_fn *fn, void *arg)
{
    const char *hash = users_find(users, words->user);
    struct digest key = {0};
    if (hash) {
        key = key_of(a, hash, words);
        const struct proven *p = password_place(a, &key);
        if (memcmp(&p->key, &key, sizeof key) == 0 && p->until_ms > clock_mono_ms())
            return AUTH_PROVEN;
    }
    struct auth_job *job = mem_new(sizeof *job);
    job->turn.item.run = password_job_turn;
    job->turn.mail = a->mail;
    enum limits_answer turn = limits_turn_take(a->limits, &job->turn);
    if (turn == LIMITS_FULL) {
        free(job);
        return AUTH_BUSY;
    }
    // From here on the job may be posted by another thread, but is run on this one: filling it is
    // safe.
    job->auth = a;
    job->words.user = mem_dup(words->user);
    job->words.password = mem_dup(words->password);
    job->users = users_ref(users);
    job->key = key;
    job->fn = fn;
    job->arg = arg;
    if (turn == LIMITS_GO)
        job_start(job);
    return AUTH_ASKED;
}
