// SPDX-License-Identifier: ISC
// From the standing of a delivery's recipients to what is known of its hosts: one success and one failure at the most.
#include "relay/queue/met.h"

#include <string.h>
#include "relay/deliver/refusal.h"
#include "relay/recent/recents.h"

static const struct route_host *met_host(const struct route *route, const char *name)
{
    for (size_t i = 0; route && name[0] && i < route->nhosts; i++)
        if (strcmp(route->hosts[i].host, name) == 0)
            return &route->hosts[i];
    return NULL;
}

static struct recents_attempt met_attempt(const struct delivery *d, const struct attempt *a,
                                          const char *host)
{
    return (struct recents_attempt){
        .domain = d->domain,
        .route = d->route,
        .host = met_host(d->route, host),
        .ip = a ? a->ip : "",
        .tls = a ? a->tls : "",
        .proof = a ? a->proof : "",
        .shown = a ? a->shown : NULL,
    };
}

// A recipient that does not exist says nothing of the way to its domain.
static bool met_tells(const struct delivery_rcpt *r)
{
    const struct why *why = r->why;
    bool person = why && why->scope == WHY_RECIPIENT && why_permanent(why);
    return r->standing == STANDING_REFUSED && why && !person && !(r->attempt && r->attempt->noted);
}

// Mail over a connection that enforcing would have refused.
static void met_count_shadow(struct relay *relay, const struct delivery *d, const struct attempt *a)
{
    struct shadow_row counts = {.messages = 1, .bytes = (int64_t)d->size};
    if (!a->would || !d->route || d->message->env.uncounted)
        return;
    for (size_t i = 0; i < d->nrcpts; i++)
        counts.recipients += d->rcpts[i].standing == STANDING_DELIVERED;
    counts.clear = strcmp(a->tls, "none") == 0;
    counts.unproved = strcmp(a->proof, "webpki") != 0;
    refusal_let_pass(relay, d->route, d->domain, a->would, &counts);
}

void met_note(struct relay *relay, const struct delivery *d)
{
    const struct delivery_rcpt *taken = NULL, *refused = NULL;
    for (size_t i = 0; i < d->nrcpts; i++) {
        const struct delivery_rcpt *r = &d->rcpts[i];
        if (r->standing == STANDING_DELIVERED && r->attempt)
            taken = r;
        else if (!refused && met_tells(r))
            refused = r;
    }
    // What is settled again after a look at the policy has told its failure before.
    if (refused && !d->looked && !d->returned) {
        const struct attempt *a = refused->attempt;
        struct recents_attempt attempt =
            met_attempt(d, a, a && a->host[0] ? a->host : refused->why->host);
        recents_failed(relay->recents, &attempt, refused->why);
    }
    if (taken) {
        struct recents_attempt attempt = met_attempt(d, taken->attempt, taken->attempt->host);
        attempt.clear = strcmp(taken->attempt->tls, "none") == 0;
        recents_took(relay->recents, &attempt);
        met_count_shadow(relay, d, taken->attempt);
    }
}
