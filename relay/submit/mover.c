// SPDX-License-Identifier: ISC
// The one mover of the inbound session and what every handler needs of it: its turns, its replies, the end of
// a transaction and of the session. Knows the table by its rows alone, so that the states stand above it.
#include "relay/submit/suppressed_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/reasons.h"

#define SUBMIT_ASK_BELOW 200 // bytes of a sentence behind which there is room for whom to ask

#define LOGIN_MS 600000 // for a stranger to log in
#define REARM_MS 1000   // a deadline is moved at most so often

static bool in_transaction(const struct submit *s)
{
    return s->message != NULL || s->state == SUBMIT_CHUNK;
}

static uint64_t at_most(uint64_t ms, uint64_t end, uint64_t now)
{
    uint64_t left = end > now ? end - now : 1;
    return ms < left ? ms : left;
}

// The state's time, or what is left of the transaction's where that is less (a slow sender); who has not
// logged in and comes from nowhere that is trusted has so long for all it says.
static void mover_arm(struct submit *s)
{
    uint64_t ms = s->rows[s->state].ms, now = clock_mono_ms();
    bool reads = ms && s->rows[s->state].input;
    if (reads && in_transaction(s))
        ms = at_most(ms, s->ends_ms, now);
    if (reads && s->bannable && !s->user)
        ms = at_most(ms, s->began_ms + LOGIN_MS, now);
    s->armed_ms = now;
    stream_deadline(s->stream, ms);
}

static void log_move(const struct submit *s, enum submit_state to)
{
    struct logline line;
    log_begin(&line, LOG_DEBUG, "session", s->message ? s->message->env.id : 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "from", s->rows[s->state].name);
    log_text(&line, "to", s->rows[to].name);
    log_end(&line);
}

void submit_go(struct submit *s, enum submit_state state)
{
    if (state == SUBMIT_WAIT || s->state == SUBMIT_GONE)
        return;
    enum submit_state before = s->state;
    if (before != state)
        log_move(s, state);
    s->state = state;
    if (state == SUBMIT_GONE) {
        s->pending -= submit_login_abandon(&s->login);
        stream_close(s->stream, false);
        s->stream = NULL;
        return;
    }
    if (s->rows[before].input && !s->rows[state].input && state != SUBMIT_HANDSHAKE)
        stream_pause(s->stream);
    if (!s->rows[before].input && s->rows[state].input)
        stream_resume(s->stream);
    mover_arm(s);
    if (before != state && s->rows[state].enter)
        s->rows[state].enter(s);
}

// ---- life

// A file nobody wants is gone.
static void mover_discarded(void *session)
{
    submit_answered(session);
}

static void forget_message(struct submit *s, bool stored)
{
    milter_free(s->filters);
    s->filters = NULL;
    ingest_free(s->ingest);
    s->ingest = NULL;
    if (receive_free(s->receive, stored, &s->host->worker->loop, mover_discarded, s))
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
    submit_forget_dropped(s);
    s->forward = (struct smtp_forward){0};
    s->expected = 0;
}

enum submit_state submit_idle(const struct submit *s)
{
    return s->helo[0] ? SUBMIT_READY : SUBMIT_CONNECTED;
}

void submit_release(struct submit *s)
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
    submit_login_forget(&s->login);
    submit_failed_free(&s->failed);
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
    submit_release(s);
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

// Whom to ask: by address only those who have logged in.
void submit_ask_whom(const struct submit *s, char *out, size_t n)
{
    const struct config *config = s->setup->config;
    if (s->user && config->postmaster && config->postmaster[0])
        snprintf(out, n, "%s", config->postmaster);
    else
        snprintf(out, n, "the postmaster of %s", config->hostname);
}

void submit_reply_why(struct submit *s, const struct why *why)
{
    char whom[300] = "";
    bool tells = act_is_ours(why->act) && strlen(why->text) < SUBMIT_ASK_BELOW;
    if (tells)
        submit_ask_whom(s, whom, sizeof whom);
    if (!tells) {
        submit_reply(s, smtp_code(why->status), why->status, "%s", why->text);
        return;
    }
    submit_reply(s, smtp_code(why->status), why->status,
                 "%s. %s was not accepted%s. Please tell %s", why->text,
                 why->scope == WHY_RECIPIENT ? "This recipient" : "The message",
                 why_permanent(why) ? ", and sending it again as it is does not help"
                                    : ": keep it, and send it again later",
                 whom);
}

enum submit_state submit_leave(struct submit *s, int code, const char *status, const char *text)
{
    submit_reply(s, code, status, "%s", text);
    return SUBMIT_GONE;
}

void submit_count_login(struct submit *s, enum login_count what, uint64_t n)
{
    const char *name = s->user ? s->user : s->principal.name;
    if (s->setup->config->metrics_logins && name && name[0])
        tally_add(&s->host->worker->relay->counters.logins, name, what, n);
}

// For the operator alone: which disk, and what it has. A file system that is full but for what only root may write has
// 0 bytes free here.
static void log_disk(struct logline *line, const struct submit *s)
{
    const struct config *config = s->setup->config;
    log_text(line, "path", config->spool);
    log_number(line, "free", (int64_t)spool_free_bytes(s->host->worker->relay->spool));
    log_number(line, "reserve", (int64_t)config->limits.disk_reserve);
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
    if (why->reason == REASON_DISK_FULL)
        log_disk(&line, s);
    log_end(&line);
    struct counters *c = &s->host->worker->relay->counters;
    enum status_class class = why->status[0] == '4' ? STATUS_LATER : STATUS_NEVER;
    atomic_fetch_add_explicit(&c->refused, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->refused_by[class], 1, memory_order_relaxed);
    submit_count_login(s, LOGIN_REFUSED, 1);
}

// ---- turns and events

struct span submit_input(struct submit *s)
{
    return span_from(buf_span(stream_input(s->stream)), s->used);
}

bool submit_local(const struct submit *s)
{
    return s->client.ss_family == AF_UNIX;
}

bool submit_secure(const struct submit *s)
{
    return stream_is_secure(s->stream);
}

// Works while the state reads, the peer takes our answers, and there are bytes that make a step.
void submit_turn(struct submit *s)
{
    while (s->rows[s->state].input && stream_ready(s->stream)) {
        size_t used = s->used;
        enum submit_state next = s->rows[s->state].input(s);
        if (next == SUBMIT_WAIT) {
            if (s->used > used && clock_mono_ms() - s->armed_ms > REARM_MS)
                mover_arm(s); // message bytes came
            break;
        }
        submit_go(s, next);
    }
    if (s->state == SUBMIT_GONE) {
        submit_release(s);
        return;
    }
    buf_drop(stream_input(s->stream), s->used);
    s->used = 0;
    if (s->ended && s->rows[s->state].input && stream_ready(s->stream)) {
        submit_go(s, SUBMIT_GONE); // what it sent has been worked off
        submit_release(s);
    }
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
        memcpy(&s->client, address, address_size(address));
    }
    char text[ADDRESS_TEXT];
    struct sockaddr *a = (struct sockaddr *)&s->client;
    address_text(a, text);
    snprintf(s->client_text, sizeof s->client_text, "[%s%s]",
             a->sa_family == AF_INET6 ? "IPv6:" : "", text);
}
