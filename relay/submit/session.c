// SPDX-License-Identifier: ISC
// The inbound session as a table: a row a state, in the order a session lives them: what happens on entering
// it, on input, at its timeout. Handlers return the next state; submit_go() (mover.c) alone changes it. Owns
// the beginning, the events and the end; what commands mean is in the files of their names.
#include "relay/submit/message_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"

#define SILENCE_MS   20 // before the banner: enough for bytes that were sent at once
#define PROXY_MS     10000
#define HANDSHAKE_MS 60000
#define IDLE_MS      300000 // RFC 5321 section 4.5.3.2.7: five minutes
#define FACTS_MS     15000

static const struct submit_row table[] = {
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
    [SUBMIT_FILTERING] = {"filtering", submit_filter, NULL, NULL, 0},
    [SUBMIT_COMMITTING] = {"committing", submit_commit, NULL, NULL, 0},
    [SUBMIT_TELLING] = {"telling", submit_keep_told, NULL, NULL, 0},
    [SUBMIT_OVERLONG] = {"overlong", NULL, submit_skip_line, NULL, IDLE_MS},
    [SUBMIT_GONE] = {"gone", NULL, NULL, NULL, 0},
};

static enum submit_state session_on_timeout(struct submit *s)
{
    if (table[s->state].timeout)
        return table[s->state].timeout(s);
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

static void session_on_event(struct stream *stream, enum stream_event event, void *arg)
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
        submit_go(s, session_on_timeout(s));
        break;
    case STREAM_CONNECTED:
        break;
    }
    submit_turn(s);
}

// The kernel names the user who connected, whoever may hold the socket by now.
static bool local_user(int fd, struct sockaddr_storage *out)
{
    int family = 0;
    socklen_t n = sizeof family;
    struct ucred peer;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n) < 0 || family != AF_UNIX)
        return false;
    n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
        peer.uid = (uid_t)-1; // nobody has that number, so no row is for it
    address_set_uid(out, peer.uid);
    return true;
}

void submit_accept(struct submit_host *host, const struct cfg_listen *listen, int fd)
{
    struct submit *s = mem_new(sizeof *s);
    struct sockaddr_storage user;
    bool local = local_user(fd, &user);
    s->stream = stream_accept(&host->worker->loop, fd, session_on_event, s);
    if (!s->stream) {
        free(s);
        return;
    }
    s->rows = table;
    s->began_ms = clock_mono_ms();
    s->host = host;
    s->listen = listen;
    s->setup = setup_ref(host->worker->setup);
    list_init(&s->list);
    list_append(&host->sessions, &s->list);
    host->nsessions++;
    struct counters *c = &host->worker->relay->counters;
    atomic_fetch_add_explicit(&c->connections, 1, memory_order_relaxed);
    tally_add(&c->listeners, listen->text, 0, 1);
    atomic_fetch_add_explicit(&c->connections_now, 1, memory_order_relaxed);
    submit_set_client(s, local ? (struct sockaddr *)&user : stream_peer(s->stream));
    bool proxied = network_contains(&listen->proxy, (struct sockaddr *)&s->client);
    submit_go(s, SUBMIT_PROXY);
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
    submit_release(s);
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
