// SPDX-License-Identifier: ISC
// AUTH EXTERNAL (RFC 4422 appendix A): the client is whom the certificate of its TLS session says, as a row of
// `senders` has it. Where several rows name the certificate the client may choose, and the first one counts where it
// does not.
#include "relay/submit/auth_inside.h"

#include <string.h>
#include "relay/base/mem.h"
#include "relay/sasl/words.h"
#include "tls/session.h"
#include "tls/verify.h"

// The row's words are about this certificate. `trusted`: -1 until somebody needs to know.
static bool external_names(const struct submit *s, const struct cfg_sender *row, int *trusted)
{
    const struct tls_session_info *info = tls_session_info(stream_tls(s->stream));
    struct trust *trust = setup_client_trust(s->setup, s->listen->text);
    struct why why;
    for (size_t i = 0; i < row->certificate.n; i++) {
        const char *word = row->certificate.at[i];
        if (verify_fingerprint(info->chain, info->nchain, word))
            return true;
        if (!trust || !verify_alternative_name(info->chain[0], word))
            continue;
        if (*trusted < 0)
            *trusted = verify_client(info->chain, info->nchain, trust, &why) == 0;
        if (*trusted)
            return true;
    }
    return false;
}

const char *submit_external_user(const struct submit *s, struct span wanted)
{
    const struct config *config = s->setup->config;
    int trusted = -1;
    if (!submit_secure(s) || !tls_session_info(stream_tls(s->stream))->nchain)
        return NULL;
    for (size_t i = 0; i < config->nsenders; i++) {
        const struct cfg_sender *row = &config->senders[i];
        if (row->certificate.n && (!wanted.n || span_is(wanted, row->user)) &&
            external_names(s, row, &trusted))
            return row->user;
    }
    return NULL;
}

enum submit_state submit_external(struct submit *s, struct span wanted)
{
    const char *user = submit_external_user(s, wanted);
    struct why why;
    char *name = NULL;
    if (wanted.n && sasl_login(wanted, SASL_NAME, &name, &why) < 0)
        return submit_auth_refuse(s, 501, why.status, why.text);
    s->login.words.user = name ? name : mem_dup(user);
    if (!user) {
        why_say(&why, LOGIN_CERTIFICATE);
        return submit_auth_failed(s, &why);
    }
    return submit_auth_banned(s) ? submit_auth_ban(s) : submit_auth_done(s, NULL);
}
