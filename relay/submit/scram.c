// SPDX-License-Identifier: ISC
// SCRAM-SHA-256 and -PLUS over AUTH (RFC 5802, 7677, 9266): the server's last message goes out in a 334, and the
// client's empty answer to it is what 235 follows (RFC 4954 section 4).
//
// A dialogue keeps the verifier that it began with. A reload in the middle is looked for at its end: whoever lost the
// login meanwhile, or has another password, is asked to try again.
#include "relay/submit/auth_inside.h"

#include <string.h>
#include "relay/base/mem.h"
#include "relay/sasl/server.h"
#include "tls/session.h"

static void scram_find(void *arg, const char *name, struct verifier *out)
{
    struct submit *s = arg;
    const struct users *users = s->host->worker->setup->users; // the present ones
    const unsigned char *secret = s->host->worker->relay->login_secret;
    const char *kept = users ? users_find(users, name) : NULL;
    s->login.words.user = mem_dup(name);
    s->login.verifier = mem_dup(kept && verifier_is(kept) ? kept : NULL);
    if (users)
        users_verifier(users, name, secret, LOGIN_SECRET, out);
    else
        verifier_decoy(secret, LOGIN_SECRET, name, VERIFIER_ITERATIONS, out);
}

int submit_scram_begin(struct submit *s, struct why *why)
{
    unsigned char binding[TLS_BINDING];
    bool bound = submit_mechanisms(s) & 1u << SASL_SCRAM_SHA_256_PLUS &&
                 tls_session_binding(stream_tls(s->stream), binding);
    s->login.scram = sasl_server(s->login.mechanism, bound ? binding : NULL, scram_find, s, why);
    return s->login.scram ? 0 : -1;
}

static bool still_stands(const struct submit *s)
{
    const struct users *users = s->host->worker->setup->users;
    const char *kept = users ? users_find(users, s->login.words.user) : NULL;
    return kept && s->login.verifier && strcmp(kept, s->login.verifier) == 0;
}

static enum submit_state scram_failed(struct submit *s, struct why *why)
{
    const char *name = sasl_server_name(s->login.scram);
    const struct users *users = s->host->worker->setup->users;
    if (strcmp(why->status, "5.7.8") != 0)
        return submit_auth_refuse(s, why->status[0] == '4' ? 454 : 501, why->status, why->text);
    if (!s->login.words.user)
        s->login.words.user = mem_dup(*name ? name : NULL); // refused before it was looked up
    if (!s->login.verifier && users && users_find(users, name))
        why_say(why, LOGIN_NO_VERIFIER);
    return submit_auth_failed(s, why);
}

static enum submit_state scram_concluded(struct submit *s)
{
    struct why why;
    if (still_stands(s))
        return submit_auth_done(s, NULL);
    why_say(&why, LOGIN_CHANGED);
    return submit_auth_later(s, &why);
}

enum submit_state submit_scram(struct submit *s, struct span answer)
{
    struct why why;
    if (submit_is_relayed(s, answer))
        return submit_relayed(s, answer);
    if (s->login.shown)
        return answer.n ? submit_auth_refuse(s, 501, "5.5.2", "Nothing is left to be said")
                        : scram_concluded(s);
    struct buf out;
    buf_init(&out, SASL_MESSAGE);
    enum sasl_answer said = sasl_step(s->login.scram, answer, &out, &why);
    enum submit_state next;
    if (said == SASL_FAILED)
        next = scram_failed(s, &why);
    else if (said == SASL_DONE && submit_auth_banned(s))
        next = submit_auth_ban(s);
    else
        next = submit_challenge(s, buf_span(&out));
    if (next == SUBMIT_CREDENTIALS)
        s->login.shown = said == SASL_DONE;
    buf_free(&out);
    return next;
}
