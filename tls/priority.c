// SPDX-License-Identifier: ISC
// The operator's string, or ours, as GnuTLS reads it. Twice: with less care for a host that proves nothing.
#include "tls/priority.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "tls/priority_internal.h"

struct priority {
    atomic_uint refs;
    gnutls_priority_t strict, lax;
};

// X25519 first: it costs a third of P-256 in nettle and is as strong (RFC 7748 section 7). A server of ours goes by its
// client's order.
#define GROUPS ":-GROUP-ALL:+GROUP-X25519:+GROUP-ALL"

// What a server may do wrong and still encrypt: key usage, old signatures. DHE goes, since a prime that we
// cannot bear is chosen by the server alone.
#define LAX                                                                                        \
    ":%COMPAT:-DHE-RSA:-DHE-DSS:+RSA:+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1" \
    ":%PROFILE_VERY_WEAK"

static int priority_parse(const char *tls_min, const char *text, bool lax, gnutls_priority_t *out,
                          struct why *why)
{
    static const char *const versions[] = {"1.0", "1.1", "1.2", "1.3"};
    const char *at = NULL;
    char own[320] = "NORMAL:-VERS-ALL";
    int least = 2;
    for (int i = 0; tls_min && i < 4; i++)
        if (strcmp(tls_min, versions[i]) == 0)
            least = i;
    for (int i = 3; i >= least; i--) {
        strcat(own, ":+VERS-TLS");
        strcat(own, versions[i]);
    }
    strcat(own, lax ? LAX : GROUPS);
    bool given = text && *text;
    int rc = gnutls_priority_init(out, given ? text : own, &at);
    if (rc < 0)
        return why_set(why, WHY_OURS, "4.3.5", "TLS priority string \"%s\" is not accepted%s%s",
                       given ? text : own, at && *at ? " from " : "", at ? at : "");
    return 0;
}

struct priority *priority_new(const char *tls_min, const char *text, struct why *why)
{
    struct priority *p = mem_new(sizeof *p);
    atomic_init(&p->refs, 1);
    if (priority_parse(tls_min, text, false, &p->strict, why) == 0 &&
        priority_parse(tls_min, text, true, &p->lax, why) == 0)
        return p;
    priority_unref(p);
    return NULL;
}

struct priority *priority_ref(struct priority *p)
{
    if (p)
        atomic_fetch_add(&p->refs, 1);
    return p;
}

void priority_unref(struct priority *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    if (p->strict)
        gnutls_priority_deinit(p->strict);
    if (p->lax)
        gnutls_priority_deinit(p->lax);
    free(p);
}

gnutls_priority_t priority_for(const struct priority *p, bool lax)
{
    return lax ? p->lax : p->strict;
}
