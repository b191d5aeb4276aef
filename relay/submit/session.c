// SPDX-License-Identifier: ISC
// The inbound session as a table: a row a moment, in the order a session lives them. Handlers
// return the next state, submit_go() alone changes it. Owns life, events and replies; what commands
// mean is in submit_*.c.
#include "relay/submit/inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

#define SILENCE_MS   20 // before the banner: enough for bytes that were sent at once
#define PROXY_MS     10000
#define HANDSHAKE_MS 60000
#define IDLE_MS      300000 // RFC 5321 section 4.5.3.2.7: five minutes
#define FACTS_MS     15000
#define REARM_MS     1000 // a deadline is moved at most so often

typedef enum submit_state step_fn(struct submit *s);

static const struct row {
    const char *name;
    void (*enter)(struct submit *s);
    step_fn *input;   // NULL: the session is not read
    step_fn *expired; // NULL: 421
    uint64_t ms;      // 0: no deadline of its own
} table[] = {
    [SUBMIT_PROXY] = {"proxy", NULL, submit_read_proxy, NULL, PROXY_MS},
    [SUBMIT_HANDSHAKE] = {"handshake", submit_start_tls, NULL, NULL, HANDSHAKE_MS},
    [SUBMIT_GREETING] = {"greeting", NULL, submit_read_early, submit_banner, SILENCE_MS},
    [SUBMIT_CONNECTED] = {"connected", NULL, submit_read_command, NULL, IDLE_MS},
    [SUBMIT_READY] = {"ready", NULL, submit_read_command, NULL, IDLE_MS},
    [SUBMIT_CREDENTIALS] = {"credentials", NULL, submit_read_credentials, NULL, IDLE_MS},
    [SUBMIT_PROVING] = {"proving", NULL, NULL, NULL, 0},
    [SUBMIT_ENVELOPE] = {"envelope", NULL, submit_read_command, NULL, IDLE_MS},
    [SUBMIT_ADDRESSED] = {"addressed", NULL, submit_read_command, NULL, IDLE_MS},
    [SUBMIT_DATA] = {"data", NULL, submit_read_data, NULL, IDLE_MS},
    [SUBMIT_CHUNK] = {"chunk", NULL, submit_read_chunk, NULL, IDLE_MS},
    [SUBMIT_CHUNKED] = {"chunked", NULL, submit_read_command, NULL, IDLE_MS},
    [SUBMIT_WRITING] = {"writing", submit_write_body, NULL, NULL, 0},
    [SUBMIT_JUDGING] = {"judging", NULL, NULL, submit_give_up, FACTS_MS},
    [SUBMIT_FILING] = {"filing", submit_finish_file, NULL, NULL, 0},
    [SUBMIT_COMMITTING] = {"committing", submit_commit, NULL, NULL, 0},
    [SUBMIT_OVERLONG] = {"overlong", NULL, submit_skip_line, NULL, IDLE_MS},
    [SUBMIT_GONE] = {"gone", NULL, NULL, NULL, 0},
};

// ---- the mover

static bool in_transaction(const struct submit *s)
{
    return s->message != NULL || s->state == SUBMIT_CHUNK;
}

// The state's time, or what is left of the transaction's where that is less (a slow sender).
static void arm(struct submit *s)
{
    uint64_t ms = table[s->state].ms, now = clock_mono_ms();
    if (ms && in_transaction(s) && table[s->state].input) {
        uint64_t left = s->ends_ms > now ? s->ends_ms - now : 1;
        ms = ms < left ? ms : left;
    }
    s->armed_ms = now;
    stream_deadline(s->stream, ms);
}

static void log_move(const struct submit *s, enum submit_state to)
{
    struct logline line;
    log_begin(&line, LOG_DEBUG, "session", s->message ? s->message->env.id : 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "from", table[s->state].name);
    log_text(&line, "to", table[to].name);
    log_end(&line);
}

static void submit_session_release(struct submit *s);

void submit_go(struct submit *s, enum submit_state state)
{
    if (state == SUBMIT_WAIT || s->state == SUBMIT_GONE)
        return;
    enum submit_state before = s->state;
    if (before != state)
        log_move(s, state);
    s->state = state;
    if (state == SUBMIT_GONE) {
        stream_close(s->stream, false);
        s->stream = NULL;
        return;
    }
    if (table[before].input && !table[state].input && state != SUBMIT_HANDSHAKE)
        stream_pause(s->stream);
    if (!table[before].input && table[state].input)
        stream_resume(s->stream);
    arm(s);
    if (before != state && table[state].enter)
        table[state].enter(s);
}

// ---- life

static void forget_message(struct submit *s, bool stored)
{
    ingest_free(s->ingest);
    s->ingest = NULL;
    if (receive_free(s->receive, stored, &s->host->worker->loop, submit_discarded, s))
        s->pending++;
    s->receive = NULL;
    message_unref(s->message);
    s->message = NULL;
}

void submit_end_transaction(struct submit *s)
{
    // After a stored message the queue holds its own reference.
    forget_message(s, s->write.message != NULL && !s->write.failed);
    s->write = (struct spool_write){0};
    s->forward = (struct smtp_forward){0};
    s->expected = 0;
}

enum submit_state submit_idle(const struct submit *s)
{
    return s->helo[0] ? SUBMIT_READY : SUBMIT_CONNECTED;
}

static void submit_session_release(struct submit *s)
{
    if (s->state != SUBMIT_GONE || s->pending)
        return;
    submit_end_transaction(s);
    if (s->pending) // a file is still to be removed
        return;
    struct submit_host *host = s->host;
    struct counters *c = &host->worker->relay->counters;
    if (s->counted)
        limits_leave(host->limits, (struct sockaddr *)&s->client);
    atomic_fetch_sub_explicit(&c->connections_now, 1, memory_order_relaxed);
    auth_words_free(&s->words);
    free(s->user);
    setup_unref(s->setup);
    list_remove(&s->list);
    host->nsessions--;
    free(s);
    host->freed(host);
}

bool submit_answered(struct submit *s)
{
    assert(s->pending);
    s->pending--;
    if (s->state != SUBMIT_GONE)
        return true;
    submit_session_release(s);
    return false;
}

// ---- replies

void submit_reply(struct submit *s, int code, const char *status, const char *format, ...)
{
    char text[MAX_REPLY_LINE], line[MAX_REPLY_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text - 32, format, args);
    va_end(args);
    for (char *c = text; *c; c++) // parts of it may be a peer's words
        if ((unsigned char)*c < 32 || (unsigned char)*c > 126)
            *c = '?';
    int n = snprintf(line, sizeof line, "%d %s%s%s\r\n", code, status, *status ? " " : "", text);
    stream_write(s->stream, line, (size_t)n);
}

void submit_reply_why(struct submit *s, const struct why *why)
{
    submit_reply(s, smtp_code(why->status), why->status, "%s", why->text);
}

enum submit_state submit_leave(struct submit *s, int code, const char *status, const char *text)
{
    submit_reply(s, code, status, "%s", text);
    return SUBMIT_GONE;
}

void submit_log_refuse(struct submit *s, const char *to, const struct why *why)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "refuse", s->message ? s->message->env.id : 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "user", s->user);
    if (s->message)
        log_address(&line, "from", s->message->env.from);
    if (to)
        log_address(&line, "to", to);
    log_why(&line, why);
    log_end(&line);
    atomic_fetch_add_explicit(&s->host->worker->relay->counters.refused, 1, memory_order_relaxed);
}

// ---- turns and events

struct span submit_input(struct submit *s)
{
    return span_from(buf_span(stream_input(s->stream)), s->used);
}

bool submit_secure(const struct submit *s)
{
    return stream_is_secure(s->stream);
}

// Works while the state reads, the peer takes our answers, and there are bytes that make a step.
void submit_turn(struct submit *s)
{
    while (table[s->state].input && stream_ready(s->stream)) {
        size_t used = s->used;
        enum submit_state next = table[s->state].input(s);
        if (next == SUBMIT_WAIT) {
            if (s->used > used && clock_mono_ms() - s->armed_ms > REARM_MS)
                arm(s); // message bytes came
            break;
        }
        submit_go(s, next);
    }
    if (s->state == SUBMIT_GONE) {
        submit_session_release(s);
        return;
    }
    buf_drop(stream_input(s->stream), s->used);
    s->used = 0;
    if (s->ended && table[s->state].input && stream_ready(s->stream)) {
        submit_go(s, SUBMIT_GONE); // what it sent has been worked off
        submit_session_release(s);
    }
}

static enum submit_state expire(struct submit *s)
{
    if (table[s->state].expired)
        return table[s->state].expired(s);
    if (s->state == SUBMIT_HANDSHAKE)
        return SUBMIT_GONE;
    return submit_leave(s, 421, "4.4.2", "timeout, closing the connection");
}

static void log_lost(struct submit *s)
{
    const struct why *why = stream_why(s->stream);
    if (s->state != SUBMIT_HANDSHAKE && !s->message)
        return;
    struct logline line;
    log_begin(&line, LOG_INFO, "session", s->message ? s->message->env.id : 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "state", table[s->state].name);
    log_why(&line, why);
    log_end(&line);
}

static void submit_session_on_event(struct stream *stream, enum stream_event event, void *arg)
{
    struct submit *s = arg;
    (void)stream;
    switch (event) {
    case STREAM_DATA:
    case STREAM_DRAINED:
        break;
    case STREAM_SECURED:
        submit_go(s, submit_secured(s));
        break;
    case STREAM_EOF:
        s->ended = true;
        if (s->state == SUBMIT_HANDSHAKE || s->state == SUBMIT_GREETING)
            submit_go(s, SUBMIT_GONE);
        break;
    case STREAM_FAILED:
        log_lost(s);
        submit_go(s, SUBMIT_GONE);
        break;
    case STREAM_TIMEOUT:
        submit_go(s, expire(s));
        break;
    case STREAM_CONNECTED:
        break;
    }
    submit_turn(s);
}

// IPv4 that came through an IPv6 socket is IPv4: networks are written that way.
void submit_set_client(struct submit *s, const struct sockaddr *address)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
    struct sockaddr_in *four = (struct sockaddr_in *)&s->client;
    memset(&s->client, 0, sizeof s->client);
    if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        four->sin_family = AF_INET;
        four->sin_port = six->sin6_port;
        memcpy(&four->sin_addr, six->sin6_addr.s6_addr + 12, 4);
    } else {
        memcpy(&s->client, address, address->sa_family == AF_INET6 ? sizeof *six : sizeof *four);
    }
    char text[64] = "";
    struct sockaddr *a = (struct sockaddr *)&s->client;
    uv_ip_name(a, text, sizeof text);
    snprintf(s->client_text, sizeof s->client_text, "[%s%s]",
             a->sa_family == AF_INET6 ? "IPv6:" : "", text);
}

void submit_accept(struct submit_host *host, const struct cfg_listen *listen, int fd)
{
    struct submit *s = mem_new(sizeof *s);
    s->stream = stream_accept(&host->worker->loop, fd, submit_session_on_event, s);
    if (!s->stream) {
        free(s);
        return;
    }
    s->host = host;
    s->listen = listen;
    s->setup = setup_ref(host->setup);
    list_init(&s->list);
    list_append(&host->sessions, &s->list);
    host->nsessions++;
    struct counters *c = &host->worker->relay->counters;
    atomic_fetch_add_explicit(&c->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->connections_now, 1, memory_order_relaxed);
    submit_set_client(s, stream_peer(s->stream));
    bool proxied = network_contains(&listen->proxy, (struct sockaddr *)&s->client);
    s->state = SUBMIT_PROXY;
    arm(s);
    if (!proxied)
        submit_go(s, submit_begin(s));
    submit_turn(s);
}

// ---- the end

static bool is_busy(const struct submit *s)
{
    return s->message || s->state == SUBMIT_PROVING || s->state == SUBMIT_CHUNK;
}

static void end_one(struct submit *s)
{
    if (s->state == SUBMIT_GONE)
        return;
    if (s->state != SUBMIT_HANDSHAKE && s->state != SUBMIT_PROXY)
        submit_reply(s, 421, "4.3.2", "%s is going down", s->setup->config->hostname);
    submit_go(s, SUBMIT_GONE);
    submit_session_release(s);
}

void submit_drain(struct submit_host *host)
{
    list_each_safe (it, &host->sessions) {
        struct submit *s = list_of(it, struct submit, list);
        if (!is_busy(s))
            end_one(s);
    }
}

void submit_stop(struct submit_host *host)
{
    list_each_safe (it, &host->sessions)
        end_one(list_of(it, struct submit, list));
}
