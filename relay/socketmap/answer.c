// SPDX-License-Identifier: ISC
#include "relay/socketmap/answer.h"

#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "tls/sts.h"

char *socketmap_domain(struct span key)
{
    char *domain = NULL;
    struct why why;
    if (!key.n || key.p[0] == '.' || key.p[0] == '[' || span_find(key, ':') >= 0)
        return NULL;
    return value_domain(key, &domain, &why) < 0 ? NULL : domain;
}

// How many usable hosts demand what.
struct demands {
    size_t dane, webpki, encrypt, opportunistic;
    bool sts; // MTA-STS is where webpki comes from
};

static bool answer_usable(const struct route_host *host)
{
    return !host->demand.refuse && !why_is_set(&host->unusable);
}

static struct demands count(const struct route *route)
{
    struct demands n = {0};
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct demand *d = &route->hosts[i].demand;
        if (!answer_usable(&route->hosts[i]))
            continue;
        n.dane += d->level == TLS_DANE;
        n.webpki += d->level == TLS_WEBPKI;
        n.encrypt += d->level == TLS_ENCRYPT;
        n.opportunistic += d->level == TLS_OPPORTUNISTIC;
        n.sts |= d->source == SOURCE_STS;
    }
    return n;
}

static void add_name(struct buf *out, const char **before, const char *name)
{
    buf_adds(out, *before);
    buf_adds(out, name);
    *before = ":";
}

// RFC 8461 section 4.1: a pattern is a host or "*." and a name; Postfix writes the second as ".name". Each next hop
// of a rule has a policy of its own.
static void add_patterns(const struct route *route, struct buf *out)
{
    const char *before = " match=";
    const struct sts_view *last = NULL;
    for (size_t h = 0; h < route->nhosts; h++) {
        const struct sts_view *policy = route_sts(route, &route->hosts[h]);
        if (!answer_usable(&route->hosts[h]) || !policy || policy == last)
            continue;
        last = policy;
        for (size_t i = 0; i < policy->nmx; i++) {
            const char *pattern = policy->mx[i];
            add_name(out, &before, strncmp(pattern, "*.", 2) == 0 ? pattern + 1 : pattern);
        }
    }
    buf_adds(out, " servername=hostname");
}

// What a rule or memory demands: the names that each host must prove.
static void add_host_names(const struct route *route, struct buf *out)
{
    const char *before = " match=";
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct demand *d = &route->hosts[i].demand;
        if (!answer_usable(&route->hosts[i]) || d->level != TLS_WEBPKI)
            continue;
        for (size_t k = 0; k < d->nnames; k++)
            add_name(out, &before, d->names[k]);
    }
}

static void add_policy(const struct route *route, struct buf *out)
{
    struct demands n = count(route);
    if (n.webpki) {
        buf_adds(out, "OK secure");
        if (n.sts)
            add_patterns(route, out);
        else
            add_host_names(route, out);
    } else if (n.dane) {
        buf_adds(out, n.opportunistic ? "OK dane" : "OK dane-only");
    } else if (n.encrypt) {
        buf_adds(out, "OK encrypt");
    } else if (n.opportunistic) {
        buf_adds(out, "OK may");
    } else {
        buf_adds(out, "TEMP no host of the domain may be used");
    }
}

// A reason is one line of printable ASCII.
static void add_reason(const char *text, struct buf *out)
{
    buf_adds(out, "TEMP ");
    for (const char *c = text; *c; c++)
        buf_addc(out, *c >= 32 && *c < 127 ? *c : '?');
}

void socketmap_answer(const struct route *route, struct buf *out)
{
    if (route->verdict == ROUTE_BOUNCE)
        buf_adds(out, "NOTFOUND "); // Postfix finds out by itself, and says so in its own words
    else if (route->verdict == ROUTE_DEFER)
        add_reason(route->why.text, out);
    else
        add_policy(route, out);
}
