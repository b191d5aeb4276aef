// SPDX-License-Identifier: ISC
// The beginning of a connection: PROXY header, limits and bans, silence before the banner, EHLO,
// STARTTLS (RFC 5321 section 4.1.1.1, RFC 3207).
#include "relay/submit/auth_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/net/proxy.h"
#include "tls/session.h"

enum submit_state submit_read_proxy(struct submit *s)
{
    struct proxy proxy;
    struct why why;
    switch (proxy_parse(submit_input(s), &proxy, &why)) {
    case PROXY_MORE:
        return SUBMIT_WAIT;
    case PROXY_BAD:
        submit_log_refuse(s, NULL, &why);
        return SUBMIT_GONE;
    case PROXY_DONE:
        break;
    }
    s->used += proxy.used;
    if (proxy.has_client)
        submit_set_client(s, (struct sockaddr *)&proxy.client);
    return submit_begin(s);
}

static enum submit_state turn_away(struct submit *s, const struct why *why)
{
    submit_log_refuse(s, NULL, why);
    if (!s->listen->implicit_tls)
        submit_reply(s, 421, why->status, "%s", why->text);
    return SUBMIT_GONE;
}

static void log_connect(struct submit *s)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "connect", 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "listen", s->listen->text);
    log_end(&line);
}

// Whether there is room for this client at all.
static int may_begin(struct submit *s, struct why *why)
{
    const struct config *config = s->setup->config;
    const struct sockaddr *client = (struct sockaddr *)&s->client;
    struct counters *c = &s->host->worker->relay->counters;
    if (s->host->draining)
        return why_say(why, GOING_DOWN);
    uint64_t now = (uint64_t)atomic_load(&c->connections_now);
    if (now > config->limits.connections || now > s->host->room)
        return why_say(why, TOO_MANY_CONNECTIONS);
    s->counted = limits_enter(s->host->limits, client, config->limits.per_client);
    if (!s->counted)
        return why_say(why, TOO_MANY_FROM_ADDRESS);
    if (s->bannable && bans_client(s->host->worker->relay->bans, client))
        return why_say(why, BANNED);
    return 0;
}

// The client's address is final from here on.
enum submit_state submit_begin(struct submit *s)
{
    const struct config *config = s->setup->config;
    const struct sockaddr *client = (struct sockaddr *)&s->client;
    struct why why;
    s->bannable = !principal_trusts(config, client) &&
                  !network_contains(&s->listen->proxy, client) &&
                  !network_contains(&config->auth.exempt, client);
    log_connect(s);
    if (may_begin(s, &why) < 0)
        return turn_away(s, &why);
    if (submit_local(s)) // no stranger: what a program writes into a pipe comes early
        return submit_banner(s);
    return s->listen->implicit_tls ? SUBMIT_HANDSHAKE : SUBMIT_GREETING;
}

enum submit_state submit_read_early(struct submit *s)
{
    if (!submit_input(s).n)
        return SUBMIT_WAIT;
    struct why why;
    why_say(&why, CLIENT_TOO_EARLY);
    submit_log_refuse(s, NULL, &why);
    return submit_leave(s, 554, why.status, why.text);
}

enum submit_state submit_banner(struct submit *s)
{
    submit_reply(s, 220, "", "%s ESMTP Waxwing", s->setup->config->hostname);
    return SUBMIT_CONNECTED;
}

static void forget_session(struct submit *s)
{
    s->esmtp = false;
    s->helo[0] = 0;
    free(s->user);
    s->user = NULL;
    s->forward = s->original = (struct smtp_forward){0};
}

enum submit_state submit_starttls(struct submit *s, struct span args)
{
    if (args.n) {
        s->bad++;
        submit_reply(s, 501, "5.5.4", "STARTTLS takes no argument");
        return s->state;
    }
    if (submit_secure(s) || submit_local(s) || !s->setup->creds) {
        s->bad++;
        submit_reply(s, 503, "5.5.1",
                     submit_secure(s) ? "TLS is on already" : "TLS is not offered");
        return s->state;
    }
    submit_reply(s, 220, "2.0.0", "Go ahead");
    return SUBMIT_HANDSHAKE;
}

// Behind a PROXY header the first bytes of the handshake may be there already: they are not the
// clear text that RFC 3207 wants dropped.
static int feed_leftover(struct submit *s, struct tls_session *tls_session)
{
    struct buf in, out;
    struct why why;
    buf_init(&in, TLS_SESSION_BUFFER);
    buf_init(&out, TLS_SESSION_BUFFER);
    int rc = buf_addspan(&in, submit_input(s));
    if (rc == 0 && tls_session_step(tls_session, &in, NULL, &out, &why) == TLS_SESSION_FAILED)
        rc = -1;
    stream_write(s->stream, out.data, out.len);
    buf_free(&in);
    buf_free(&out);
    return rc;
}

void submit_start_tls(struct submit *s)
{
    size_t dropped = 0, n = submit_input(s).n;
    struct creds *creds = s->setup->creds;
    struct tls_session *tls_session = !creds ? NULL
                                      : s->listen->client_certificates
                                          ? tls_session_server_asking(creds)
                                          : tls_session_server(creds);
    bool first = s->listen->implicit_tls;
    if (!tls_session || (first && n && feed_leftover(s, tls_session) < 0)) {
        tls_session_free(tls_session);
        submit_go(s, SUBMIT_GONE);
        return;
    }
    buf_drop(stream_input(s->stream), first ? stream_input(s->stream)->len : s->used);
    s->used = 0;
    stream_secure(s->stream, tls_session, &dropped);
    forget_session(s);
    if (!dropped)
        return;
    struct logline line;
    log_begin(&line, LOG_WARNING, "session", 0);
    log_text(&line, "client", s->client_text);
    log_number(&line, "dropped", (int64_t)dropped);
    log_text(&line, "reason", "bytes sent in clear behind STARTTLS were dropped");
    log_end(&line);
}

enum submit_state submit_secured(struct submit *s)
{
    const struct tls_session_info *info = tls_session_info(stream_tls(s->stream));
    snprintf(s->tls, sizeof s->tls, "%s %s", info->protocol, info->cipher);
    struct logline line;
    log_begin(&line, LOG_DEBUG, "session", 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "tls", info->protocol);
    log_text(&line, "cipher", info->cipher);
    log_end(&line);
    return s->listen->implicit_tls ? SUBMIT_GREETING : SUBMIT_CONNECTED;
}

// Offered to all where anybody may: before AUTH nobody knows who this is.
static void write_forwarding(const struct config *config, struct buf *out)
{
    bool forward = false, client = false;
    for (size_t i = 0; i < config->nsenders; i++) {
        forward |= config->senders[i].xforward;
        client |= config->senders[i].xclient;
    }
    if (forward)
        buf_adds(out, "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n");
    if (client)
        buf_adds(out, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n");
}

// What sendmail completes `root' with.
static void write_origin(struct submit *s, struct buf *out)
{
    struct principal principal;
    char origin[PRINCIPAL_NAME];
    principal_find(s->setup->config, NULL, (struct sockaddr *)&s->client, &principal);
    principal_origin(principal.row, origin);
    if (origin[0])
        buf_addf(out, "250-XORIGIN %s\r\n", origin);
}

static void write_extensions(struct submit *s)
{
    const struct setup *setup = s->setup;
    const struct cfg_limits *limits = &setup->config->limits;
    struct buf out;
    buf_init(&out, MAX_REPLY);
    buf_addf(&out, "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n", setup->config->hostname,
             (unsigned long long)limits->message_size);
    if (!submit_secure(s) && !submit_local(s) && setup->creds)
        buf_adds(&out, "250-STARTTLS\r\n");
    submit_write_mechanisms(s, &out);
    if (submit_secure(s))
        buf_adds(&out, "250-REQUIRETLS\r\n");
    write_forwarding(setup->config, &out);
    if (submit_local(s))
        write_origin(s, &out);
    buf_addf(&out, "250-LIMITS RCPTMAX=%llu\r\n", (unsigned long long)limits->recipients);
    buf_adds(&out, "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"
                   "250 CHUNKING\r\n");
    stream_write(s->stream, out.data, out.len);
    buf_free(&out);
}

static enum submit_state hello(struct submit *s, struct span args, bool esmtp)
{
    char helo[MAX_DOMAIN + 1];
    struct why why;
    if (smtp_helo_parse(args, helo, &why) < 0) {
        s->bad++;
        submit_reply_why(s, &why);
        return s->state;
    }
    submit_end_transaction(s);
    memcpy(s->helo, helo, sizeof helo);
    s->esmtp = esmtp;
    if (esmtp)
        write_extensions(s);
    else
        submit_reply(s, 250, "", "%s", s->setup->config->hostname);
    return SUBMIT_READY;
}

enum submit_state submit_ehlo(struct submit *s, struct span args)
{
    return hello(s, args, true);
}

enum submit_state submit_helo(struct submit *s, struct span args)
{
    return hello(s, args, false);
}
