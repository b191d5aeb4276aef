// SPDX-License-Identifier: ISC
#include "relay/submit/trace.h"

#include <stdlib.h>
#include "relay/trace/trace.h"

static const char *way_of_login(const struct submit *s)
{
    if (!s->user)
        return submit_local(s) ? "unix" : "network";
    return s->source == SOURCE_CERTIFICATE ? "certificate" : sasl_word(s->mechanism);
}

static void add_client(const struct submit *s, struct buf *out)
{
    text_string(out, "client", s->client_text);
    text_string(out, "helo", s->helo);
    text_string(out, "user", s->user ? s->user : s->principal.name);
    text_string(out, "login", way_of_login(s));
    text_string(out, "tls", s->tls);
    if (s->forward.given || s->original.given) {
        text_string(out, "original", s->forward.given ? s->forward.helo : s->original.helo);
    }
}

// Whom it is from and for. A rewritten sender is the one that is told.
static void add_envelope(struct trace_record *r, const struct envelope *env)
{
    text_address(&r->out, "from", env->from);
    trace_key(r, TRACE_KEY_ADDRESS, env->from);
    text_open(&r->out, "to", '[');
    for (size_t i = 0; i < env->nrcpts && i < SUBMIT_TRACE_TO; i++)
        text_address(&r->out, NULL, env->rcpts[i].address);
    text_close(&r->out, ']');
    if (env->nrcpts > SUBMIT_TRACE_TO)
        text_number(&r->out, "more", (int64_t)(env->nrcpts - SUBMIT_TRACE_TO));
    for (size_t i = 0; i < env->nrcpts; i++)
        trace_key(r, TRACE_KEY_ADDRESS, env->rcpts[i].address);
    text_true(&r->out, "requiretls", env->requiretls);
    text_true(&r->out, "tls_optional", env->tls_optional);
}

static void submit_trace_name(const struct submit *s, struct trace_record *r)
{
    if (!s->message->header.len) // given up with what was refused
        return;
    char *id = ingest_message_id(s->ingest);
    text_string(&r->out, "message_id", id);
    trace_key(r, TRACE_KEY_MESSAGE_ID, id);
    free(id);
}

void submit_trace_accepted(const struct submit *s)
{
    struct trace_record r;
    const struct message *m = s->message;
    if (!trace_begin(&r, s->host->worker->relay->trace, m->env.id, "received"))
        return;
    add_client(s, &r.out);
    add_envelope(&r, &m->env);
    submit_trace_name(s, &r);
    text_number(&r.out, "size", (int64_t)message_size(m));
    text_string(&r.out, "sign", ingest_sign(s->ingest));
    text_string(&r.out, "results", ingest_results(s->ingest));
    text_string(&r.out, "held", m->env.held_for);
    text_string(&r.out, "warning", ingest_warning(s->ingest));
    trace_end(&r);
}

void submit_trace_refused(const struct submit *s, const struct why *why)
{
    struct trace_record r;
    if (!s->message || !s->ingest ||
        !trace_begin(&r, s->host->worker->relay->trace, s->message->env.id, "refused"))
        return;
    add_client(s, &r.out);
    add_envelope(&r, &s->message->env);
    submit_trace_name(s, &r);
    text_string(&r.out, "results", ingest_results(s->ingest));
    text_why(&r.out, "why", why);
    trace_end(&r);
}
