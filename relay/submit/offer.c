// SPDX-License-Identifier: ISC
// What AUTH offers on this connection.
#include "relay/submit/auth_inside.h"

#include "tls/session.h"

#define BIT(mechanism) (1u << (mechanism))

static bool has_binding(const struct submit *s)
{
    unsigned char binding[TLS_BINDING];
    return tls_session_binding(stream_tls(s->stream), binding);
}

// What the operator leaves of them.
static unsigned allowed(const struct strings *words)
{
    unsigned mask = 0;
    for (size_t i = 0; i < words->n; i++)
        mask |= BIT(sasl_mechanism(span_text(words->at[i])));
    return mask;
}

// SCRAM works for who has a verifier. A binding would work for these alone, and with a backend the others cannot know
// that they are not meant.
static unsigned with_verifiers(const struct submit *s, bool backend)
{
    const struct users *users = s->setup->users;
    if (!users || !users_verifiers(users))
        return 0;
    return BIT(SASL_SCRAM_SHA_256) |
           (!backend && has_binding(s) ? BIT(SASL_SCRAM_SHA_256_PLUS) : 0);
}

unsigned submit_mechanisms(const struct submit *s)
{
    const struct cfg_auth *rules = &s->setup->config->auth;
    const struct dovecot *dovecot = auth_dovecot(s->host->auth);
    bool backend = rules->dovecot[0] || rules->command.n;
    unsigned mask = 0;
    if (!submit_secure(s) || s->user)
        return 0;
    if (s->setup->users || backend)
        mask |= BIT(SASL_PLAIN) | BIT(SASL_LOGIN);
    mask |= with_verifiers(s, backend);
    if (dovecot && dovecot_offers(dovecot, SASL_SCRAM_SHA_256))
        mask |= BIT(SASL_SCRAM_SHA_256);
    if (submit_external_user(s, (struct span){0}))
        mask |= BIT(SASL_EXTERNAL);
    return mask & allowed(&rules->mechanisms);
}

void submit_write_mechanisms(const struct submit *s, struct buf *out)
{
    unsigned offered = submit_mechanisms(s);
    if (!offered)
        return;
    buf_adds(out, "250-AUTH");
    for (enum sasl_mechanism m = 0; m < SASL_MECHANISMS; m++)
        if (offered & BIT(m))
            buf_addf(out, " %s", sasl_word(m));
    buf_adds(out, "\r\n");
}
