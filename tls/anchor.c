// SPDX-License-Identifier: ISC
// Looks for a way from the leaf to the anchor, issuer by issuer, and has GnuTLS judge each way that is found
// (RFC 5280 section 6). GnuTLS alone looks for anchors behind the last certificate only.
#include "tls/anchor.h"

#include "relay/base/maxima.h"
#include "tls/certificate.h"

struct search {
    gnutls_x509_crt_t anchor;
    gnutls_x509_trust_list_t anchors; // that one alone
    gnutls_x509_crt_t *list;
    size_t n;
    gnutls_x509_crt_t path[MAX_CHAIN];
    bool used[MAX_CHAIN];
    struct anchor_budget *budget;
    struct why *why;
};

static bool path_holds(struct search *s, size_t length)
{
    if (!s->budget->paths)
        return false;
    s->budget->paths--;
    return certificate_check_path(s->anchors, s->path, length, GNUTLS_KP_TLS_WWW_SERVER, s->why) ==
           0;
}

static bool climb(struct search *s, size_t length)
{
    gnutls_x509_crt_t last = s->path[length - 1];
    if (gnutls_x509_crt_check_issuer(last, s->anchor) && path_holds(s, length))
        return true;
    for (size_t i = 1; i < s->n; i++) {
        if (s->used[i] || !s->budget->steps)
            continue;
        s->budget->steps--;
        if (!gnutls_x509_crt_check_issuer(last, s->list[i]))
            continue;
        s->used[i] = true;
        s->path[length] = s->list[i];
        if (climb(s, length + 1))
            return true;
        s->used[i] = false;
    }
    return false;
}

static bool anchor_begin(struct search *s)
{
    for (size_t i = 1; i < s->n; i++) // a way through the anchor itself is no further way
        s->used[i] = gnutls_x509_crt_equals(s->list[i], s->anchor);
    s->path[0] = s->list[0];
    if (s->list[0] == s->anchor)
        return certificate_check_dates(s->anchor, s->why) == 0 && path_holds(s, 1);
    return climb(s, 1);
}

int anchor_reached(gnutls_x509_crt_t anchor, gnutls_x509_crt_t *list, size_t n,
                   struct anchor_budget *budget, struct why *why)
{
    struct search s = {.anchor = anchor, .list = list, .n = n, .budget = budget, .why = why};
    why_say(why, TLSA_ANCHOR_UNREACHED);
    gnutls_x509_trust_list_init(&s.anchors, 0);
    bool yes = gnutls_x509_trust_list_add_cas(s.anchors, &anchor, 1, 0) == 1 && anchor_begin(&s);
    gnutls_x509_trust_list_deinit(s.anchors, 0);
    return yes ? 0 : -1;
}
