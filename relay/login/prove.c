// SPDX-License-Identifier: ISC
// Proofs of passwords: cache, turns, thread pool, backends. Never sees SMTP and never keeps a password longer than its
// job.
#include "relay/login/prove.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/login/program.h"
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
    struct config *config; // reference: the backend's
    struct dovecot *dovecot;
    unsigned char secret[MAC_BYTES]; // random, of this process
    struct proven cache[AUTH_CACHE]; // a place by key; a newcomer takes it over
};

enum way { BY_HASH, BY_DOVECOT, BY_PROGRAM };

struct auth_job {
    struct limits_turn turn; // first
    uv_work_t work;
    struct auth *auth;
    enum way way;
    struct sasl_words words;
    char *client;
    struct users *users;          // BY_HASH
    struct dovecot_call *dovecot; // BY_DOVECOT
    struct program *program;      // BY_PROGRAM; NULL: in line
    struct config *config;        // BY_PROGRAM: reference, whose program it is
    struct digest key;
    bool proven;
    bool dropped; // cancelled while its turn was on its way
    auth_fn *fn;
    void *arg;
};

static void auth_job_free(struct auth_job *job)
{
    sasl_words_free(&job->words);
    free(job->client);
    users_unref(job->users);
    config_unref(job->config);
    free(job);
}

// ---- the backend

static bool same_backend(const struct cfg_auth *a, const struct cfg_auth *b)
{
    return strcmp(a->dovecot, b->dovecot) == 0 && a->timeout == b->timeout;
}

static void open_backend(struct auth *a, struct config *config)
{
    a->config = config_ref(config);
    limits_turns_set(a->limits, TURN_PROGRAM, (unsigned)config->auth.concurrent);
    if (config->auth.dovecot[0])
        a->dovecot = dovecot_open(a->loop, a->limits, config->auth.dovecot, config->auth.timeout);
}

struct auth *auth_new(struct limits *limits, uv_loop_t *loop, struct inbox *mail,
                      struct config *config)
{
    struct auth *a = mem_new(sizeof *a);
    a->limits = limits;
    a->loop = loop;
    a->mail = mail;
    random_bytes(a->secret, sizeof a->secret);
    open_backend(a, config);
    return a;
}

void auth_reload(struct auth *a, struct config *config)
{
    struct config *old = a->config;
    struct dovecot *dovecot = a->dovecot;
    bool same = same_backend(&old->auth, &config->auth);
    a->dovecot = NULL;
    if (same) {
        a->config = config_ref(config);
        limits_turns_set(a->limits, TURN_PROGRAM, (unsigned)config->auth.concurrent);
        a->dovecot = dovecot;
    } else {
        open_backend(a, config);
        dovecot_close(dovecot);
    }
    config_unref(old);
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    dovecot_close(a->dovecot);
    config_unref(a->config);
    explicit_bzero(a, sizeof *a);
    free(a);
}

struct dovecot *auth_dovecot(const struct auth *a)
{
    return a->dovecot;
}

// ---- the cache

// `stored`: what the proof rests on.
static struct digest key_of(const struct auth *a, const char *stored,
                            const struct sasl_words *words)
{
    struct buf text; // each part with its NUL, so that no two triples look alike
    buf_init(&text, 8192);
    const char *parts[] = {words->user, stored, words->password};
    for (size_t i = 0; i < 3; i++)
        if (buf_add(&text, parts[i], strlen(parts[i]) + 1) < 0)
            random_bytes(text.data, text.len); // never equal to anything
    struct digest key;
    mac_of(a->secret, sizeof a->secret, text.data, text.len, key.bytes);
    explicit_bzero(text.data, text.len);
    buf_free(&text);
    return key;
}

static struct proven *prove_place(struct auth *a, const struct digest *key)
{
    return &a->cache[(key->bytes[0] | (unsigned)key->bytes[1] << 8) % AUTH_CACHE];
}

static bool remembers(struct auth *a, const struct digest *key)
{
    const struct proven *p = prove_place(a, key);
    return memcmp(&p->key, key, sizeof *key) == 0 && p->until_ms > clock_mono_ms();
}

static void prove_remember(struct auth *a, const struct digest *key)
{
    *prove_place(a, key) = (struct proven){*key, clock_mono_ms() + AUTH_CACHE_MS};
}

// ---- the three ways

static void job_end(struct auth_job *job, const struct auth_verdict *verdict)
{
    auth_fn *fn = job->fn;
    void *arg = job->arg;
    fn(verdict, arg);
    auth_job_free(job);
}

static void prove_hash(uv_work_t *work)
{
    struct auth_job *job = work->data;
    job->proven = job->users && users_check(job->users, job->words.user, job->words.password);
}

static void prove_hashed(uv_work_t *work, int status)
{
    struct auth_job *job = work->data;
    limits_turn_end(job->auth->limits, TURN_HASH);
    bool proven = status == 0 && job->proven;
    if (proven)
        prove_remember(job->auth, &job->key);
    job_end(job, &(struct auth_verdict){.result = proven ? LOGIN_OK : LOGIN_FAILED});
}

static void prove_program_ended(enum login_result result, const char *reason, void *arg)
{
    struct auth_job *job = arg;
    limits_turn_end(job->auth->limits, TURN_PROGRAM);
    job_end(job, &(struct auth_verdict){.result = result, .reason = reason});
}

static void job_start(struct auth_job *job)
{
    const struct cfg_auth *rules = job->config ? &job->config->auth : NULL;
    if (job->way == BY_PROGRAM) {
        job->program = program_run(job->auth->loop, &rules->command, &job->words, job->client,
                                   rules->timeout, prove_program_ended, job);
        return;
    }
    job->work.data = job;
    int rc = uv_queue_work(job->auth->loop, &job->work, prove_hash, prove_hashed);
    assert(rc == 0);
    (void)rc;
}

static void prove_turn(struct item *item)
{
    struct auth_job *job = (struct auth_job *)(void *)item; // turn.item is its first member
    if (!job->dropped) {
        job_start(job);
        return;
    }
    limits_turn_end(job->auth->limits, job->turn.kind);
    job_end(job, &(struct auth_verdict){.result = LOGIN_DEFERRED});
}

static void prove_dovecot_said(const struct dovecot_said *said, void *arg)
{
    struct auth_job *job = arg;
    // PLAIN has one message: a service that wants more is none that we know.
    if (said->answer == DOVECOT_MORE)
        dovecot_cancel(job->dovecot);
    const struct auth_verdict verdict = {.result = said->answer == DOVECOT_PROVED  ? LOGIN_OK
                                                   : said->answer == DOVECOT_WRONG ? LOGIN_FAILED
                                                                                   : LOGIN_DEFERRED,
                                         .user = said->user,
                                         .reason = said->answer == DOVECOT_MORE
                                                       ? "Dovecot wants more than PLAIN has"
                                                       : said->reason};
    job_end(job, &verdict);
}

static enum auth_answer ask_dovecot(struct auth_job *job, const struct auth_question *q)
{
    struct buf message;
    buf_init(&message, SASL_MESSAGE);
    buf_addc(&message, 0);
    buf_adds(&message, job->words.user);
    buf_addc(&message, 0);
    buf_adds(&message, job->words.password);
    const struct dovecot_request request = {SASL_PLAIN, q->client, q->local, buf_span(&message)};
    job->dovecot = dovecot_begin(job->auth->dovecot, &request, prove_dovecot_said, job);
    explicit_bzero(message.data, message.cap);
    buf_free(&message);
    return job->dovecot ? AUTH_ASKED : AUTH_BUSY;
}

// ---- from outside

static struct auth_job *job_new(struct auth *a, const struct auth_question *q, enum way way)
{
    struct auth_job *job = mem_new(sizeof *job);
    job->turn.item.run = prove_turn;
    job->turn.mail = a->mail;
    job->turn.kind = way == BY_PROGRAM ? TURN_PROGRAM : TURN_HASH;
    job->auth = a;
    job->way = way;
    job->words.user = mem_dup(q->words->user);
    job->words.password = mem_dup(q->words->password);
    job->client = mem_dup(q->client);
    if (way == BY_HASH)
        job->users = users_ref(q->users);
    if (way == BY_PROGRAM)
        job->config = config_ref(a->config);
    return job;
}

static enum way way_of(const struct auth *a, const char *stored)
{
    if (stored || (!a->dovecot && !a->config->auth.command.n))
        return BY_HASH;
    return a->dovecot ? BY_DOVECOT : BY_PROGRAM;
}

static enum auth_answer prove_ask(struct auth_job *job, const struct auth_question *q)
{
    if (job->way == BY_DOVECOT)
        return ask_dovecot(job, q);
    enum limits_answer turn = limits_turn_take(job->auth->limits, &job->turn);
    if (turn == LIMITS_FULL)
        return AUTH_BUSY;
    if (turn == LIMITS_GO)
        job_start(job);
    return AUTH_ASKED; // where it waits, its turn comes on this thread
}

enum auth_answer auth_prove(struct auth *a, const struct auth_question *q, auth_fn *fn, void *arg,
                            struct auth_job **out)
{
    const char *stored = q->users ? users_find(q->users, q->words->user) : NULL;
    enum way way = way_of(a, stored);
    struct digest key = {0};
    if (stored) {
        key = key_of(a, stored, q->words);
        if (remembers(a, &key))
            return AUTH_PROVEN;
    }
    struct auth_job *job = job_new(a, q, way);
    job->key = key;
    job->fn = fn;
    job->arg = arg;
    enum auth_answer answer = prove_ask(job, q);
    if (answer == AUTH_BUSY)
        auth_job_free(job);
    else
        *out = job;
    return answer;
}

bool auth_cancel(struct auth_job *job)
{
    switch (job->way) {
    case BY_HASH:
        return false;
    case BY_DOVECOT:
        dovecot_cancel(job->dovecot);
        break;
    case BY_PROGRAM:
        if (job->program) {
            limits_turn_end(job->auth->limits, TURN_PROGRAM);
            program_cancel(job->program);
            break;
        }
        job->dropped = !limits_turn_cancel(job->auth->limits, &job->turn);
        if (job->dropped)
            return false;
        break;
    }
    auth_job_free(job);
    return true;
}
