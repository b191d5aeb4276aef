// SPDX-License-Identifier: ISC
// A look at the hosts of a route: connect, EHLO, STARTTLS, handshake, proof; then QUIT, without MAIL.
#include "relay/command/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/reasons.h"
#include "relay/log/json.h"
#include "relay/recent/traits.h"
#include "relay/setup/setup.h"
#include "relay/smtp/reply.h"
#include "relay/net/stream.h"
#include "tls/proof.h"

enum probe_state { CONNECTING, GREETING, EHLO, STARTTLS, HANDSHAKE, FINISHED };

struct probe {
    const struct route *route;
    const struct route_host *host;
    size_t address; // which of the host's
    enum probe_state state;
    bool shook; // TLS failed in the handshake
    bool lax;   // with less care, as a delivery tries where nothing is to be proved
    struct stream *stream;
    struct smtp_reply reply;
    json_t *result;
};

static void probe_put(struct probe *p, const char *key, const char *value)
{
    json_object_set_new(p->result, key, json_text(value));
}

static void probe_finish(struct probe *p, const char *result, const struct why *why)
{
    probe_put(p, "result", result);
    if (why) {
        probe_put(p, "type", why_tls_word(why->tls));
        probe_put(p, "reason", why->text);
        probe_put(p, "why", reason_row(why->reason)->name);
        probe_put(p, "act", act_word(why->act));
    }
    p->state = FINISHED;
    stream_close(p->stream, strcmp(result, "unreachable") == 0);
    p->stream = NULL;
}

// As a delivery has it: nothing is demanded of the host.
static bool clear_allowed(const struct probe *p)
{
    const struct demand *d = &p->host->demand;
    return d->level == TLS_OPPORTUNISTIC && !d->refuse && !d->npins && !p->host->implicit_tls;
}

// TLS failed: a delivery goes on in clear, or not at all.
static void tls_failed(struct probe *p, struct why *why)
{
    if (why->tls == WHY_TLS_NONE)
        why->tls = WHY_VALIDATION_FAILURE;
    probe_finish(p, clear_allowed(p) ? "clear" : "failed", why);
}

static void start_tls(struct probe *p)
{
    struct why why;
    const struct cfg_delivery *d = &p->route->setup->config->delivery;
    const struct demand *demand = &p->host->demand;
    bool any = demand->level <= TLS_ENCRYPT && !demand->npins;
    struct tls_session_client how = {.sni = demand->sni,
                                     .tls_min = d->tls_min,
                                     .priority = d->tls_priority,
                                     .care = !any     ? TLS_SESSION_PROOF
                                             : p->lax ? TLS_SESSION_LAX
                                                      : TLS_SESSION_ANY,
                                     .identity = p->host->identity};
    struct tls_session *tls_session = tls_session_client(&how, &why);
    size_t dropped;
    if (!tls_session) {
        probe_finish(p, "failed", &why);
        return;
    }
    p->state = HANDSHAKE;
    stream_secure(p->stream, tls_session, &dropped);
}

static void no_starttls(struct probe *p)
{
    struct why why;
    why_say(&why, STARTTLS_NOT_OFFERED, "");
    json_object_set_new(p->result, "starttls", json_false());
    probe_finish(p, clear_allowed(p) ? "clear" : "failed", &why);
}

static void send_line(struct probe *p, const char *line)
{
    stream_write(p->stream, line, strlen(line));
}

static void on_reply(struct probe *p)
{
    struct smtp_extensions ext;
    char line[300];
    switch (p->state) {
    case GREETING:
        if (p->reply.code != 220) {
            struct why why;
            why_set(&why, WHY_HOST, "4.4.2", "the host greets with %d", p->reply.code);
            probe_finish(p, "failed", &why);
            return;
        }
        snprintf(line, sizeof line, "EHLO %s\r\n", p->route->setup->config->hostname);
        p->state = EHLO;
        send_line(p, line);
        return;
    case EHLO:
        smtp_extensions_read(&p->reply, &ext);
        if (p->reply.code != 250 || !ext.starttls) {
            no_starttls(p);
            return;
        }
        json_object_set_new(p->result, "starttls", json_true());
        p->state = STARTTLS;
        send_line(p, "STARTTLS\r\n");
        return;
    case STARTTLS:
        if (p->reply.code == 220)
            start_tls(p);
        else
            no_starttls(p);
        return;
    default:
        return;
    }
}

static void read_reply(struct probe *p)
{
    while (p->state == GREETING || p->state == EHLO || p->state == STARTTLS) {
        size_t used;
        struct why why;
        struct buf *in = stream_input(p->stream);
        enum smtp_reply_state s = smtp_reply_feed(&p->reply, buf_span(in), &used, &why);
        buf_drop(in, used);
        if (s == SMTP_REPLY_MORE)
            return;
        if (s == SMTP_REPLY_BAD)
            probe_finish(p, "failed", &why);
        else
            on_reply(p);
        smtp_reply_reset(&p->reply);
    }
}

static void describe_chain(struct probe *p, const struct tls_session_info *info)
{
    json_t *chain = json_array();
    for (size_t i = 0; i < info->nchain; i++) {
        char line[512];
        verify_describe(info->chain[i], line, sizeof line);
        json_array_append_new(chain, json_text(line));
    }
    json_object_set_new(p->result, "certificate", chain);
}

// In the words by which the last good delivery is remembered, so that what changed since can be told.
static void describe_traits(struct probe *p, const struct tls_session_info *info)
{
    struct shown *shown = shown_of(info);
    struct buf text;
    buf_init(&text, 65536);
    trait_cipher(shown, &text);
    probe_put(p, "session", buf_text(&text));
    buf_reset(&text);
    if (shown->nchain) {
        struct shown_certificate leaf;
        shown_certificate(shown, 0, &leaf);
        trait_certificate(&leaf, &text);
        probe_put(p, "leaf", buf_text(&text));
    }
    buf_free(&text);
    shown_unref(shown);
}

// MTA-STS testing and shadow mode: what a delivery records and does not refuse.
static void probe_watch(struct probe *p, const struct tls_session_info *info)
{
    const struct demand *d = &p->host->demand;
    enum tls_proof proof = PROOF_NONE;
    struct why why = d->why;
    if (!why_is_set(&why) &&
        (d->observe <= d->level || proof_of_level(d, d->observe, info, &proof, &why) == 0))
        return;
    json_t *j = json_pack("{s:s, s:s}", "type", why_tls_word(why.tls), "reason", why.text);
    json_object_set_new(p->result, "watched", j ? j : json_null());
}

static void on_secured(struct probe *p)
{
    const struct tls_session_info *info = tls_session_info(stream_tls(p->stream));
    enum tls_proof proof = PROOF_NONE;
    struct why why;
    probe_put(p, "protocol", info->protocol);
    probe_put(p, "cipher", info->cipher);
    describe_chain(p, info);
    describe_traits(p, info);
    int rc = proof_of_demand(&p->host->demand, info, &proof, &why);
    probe_put(p, "proof", tls_proof_word(proof));
    send_line(p, p->host->implicit_tls ? "" : "QUIT\r\n");
    if (p->host->demand.refuse) { // whatever it proves, policy sends nothing there
        why = p->host->demand.why;
        probe_finish(p, "failed", &why);
    } else if (rc < 0) {
        tls_failed(p, &why);
    } else {
        probe_watch(p, info);
        probe_finish(p, "proved", NULL);
    }
}

static void probe_on_event(struct stream *s, enum stream_event event, void *arg)
{
    struct probe *p = arg;
    switch (event) {
    case STREAM_CONNECTED:
        p->state = GREETING;
        if (p->host->implicit_tls)
            start_tls(p);
        return;
    case STREAM_DATA:
        read_reply(p);
        return;
    case STREAM_SECURED:
        on_secured(p);
        return;
    case STREAM_DRAINED:
        return;
    default: {
        struct why why;
        if (event == STREAM_FAILED)
            why = *stream_why(s);
        else
            why_set(&why, WHY_HOST, "4.4.2", "%s",
                    event == STREAM_EOF ? "the host closed the connection" : "no answer in time");
        p->shook = p->state == HANDSHAKE;
        if (p->state == STARTTLS || p->state == HANDSHAKE)
            tls_failed(p, &why);
        else
            probe_finish(p, p->state == CONNECTING ? "unreachable" : "failed", &why);
    }
    }
}

static void run_probe(struct probe *p, uv_loop_t *loop)
{
    char text[ADDRESS_TEXT];
    const struct sockaddr_storage *to = &p->host->addresses[p->address];
    p->result = json_object();
    p->state = CONNECTING;
    smtp_reply_init(&p->reply);
    probe_put(p, "host", p->host->host);
    probe_put(p, "address", address_text((const struct sockaddr *)to, text));
    p->stream = stream_connect(loop, (const struct sockaddr *)to, NULL, probe_on_event, p);
    stream_deadline(p->stream, PROBE_TIMEOUT_MS);
    while (p->state != FINISHED)
        uv_run(loop, UV_RUN_ONCE);
    smtp_reply_free(&p->reply);
}

static json_t *probe_address(uv_loop_t *loop, const struct route *route,
                             const struct route_host *host, size_t i)
{
    struct probe p = {.route = route, .host = host, .address = i};
    run_probe(&p, loop);
    bool any = host->demand.level <= TLS_ENCRYPT && !host->demand.npins;
    if (p.shook && any) {
        json_decref(p.result);
        p.lax = true;
        run_probe(&p, loop);
    }
    return p.result;
}

json_t *probe_route(uv_loop_t *loop, const struct route *route)
{
    json_t *all = json_array();
    for (size_t i = 0; i < route->nhosts; i++)
        for (size_t a = 0; a < route->hosts[i].naddresses; a++)
            json_array_append_new(all, probe_address(loop, route, &route->hosts[i], a));
    return all;
}
