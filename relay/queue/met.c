// SPDX-License-Identifier: ISC
// From the standing of a delivery's recipients to what is known of its hosts: one success and one failure at the most.
#include "relay/queue/met.h"

#include <string.h>
#include "relay/base/clock.h"
#include "relay/deliver/outcome.h"
#include "relay/deliver/refusal.h"
#include "relay/recent/recents.h"
#include "relay/smtp/reply_class.h"

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
        .local = a ? a->local : "",
        .tls = a ? a->tls : "",
        .proof = a ? a->proof : "",
        .shown = a ? a->shown : NULL,
    };
}

// What a reply to RCPT says of all mail from here, whoever it is for.
static bool is_of_all(enum reply_class class)
{
    return class == REPLY_REPUTATION || class == REPLY_AUTH || class == REPLY_LOGIN ||
           class == REPLY_RELAY || class == REPLY_TLS || class == REPLY_RATE ||
           class == REPLY_CONTENT || class == REPLY_LOOP || class == REPLY_SYSTEM;
}

// A recipient that does not exist says nothing of the way to its domain.
static bool met_is_personal(const struct delivery_rcpt *r)
{
    return r->standing == STANDING_REFUSED && r->why && r->why->scope == WHY_RECIPIENT &&
           why_permanent(r->why) && !is_of_all(reply_meaning_of(r->why).class);
}

// A message that was found damaged here, or was returned by an operator, says nothing of it either.
static bool met_tells(const struct delivery_rcpt *r)
{
    if (r->why && r->why->scope == WHY_MESSAGE && !r->attempt)
        return false;
    return r->standing == STANDING_REFUSED && r->why && !met_is_personal(r) &&
           !(r->attempt && r->attempt->noted);
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

// As settling decides it: where a policy stopped it for good, that is looked up once more before.
static const char *met_outcome(const struct delivery *d, const struct delivery_rcpt *r,
                               int64_t expires)
{
    enum outcome o = outcome(r->why, clock_ms(), expires);
    if (o == OUTCOME_LATER || (r->why->tls != WHY_TLS_NONE && !d->second_look))
        return "waits";
    bool told = outcome_owes(&d->message->env, r->recipient, DSN_FAILED);
    return o == OUTCOME_EXPIRED ? (told ? "expired" : "ended-late") : (told ? "bounced" : "ended");
}

static void met_note_refused(struct relay *relay, const struct delivery *d,
                             const struct delivery_rcpt *r, int64_t expires)
{
    const struct attempt *a = r->attempt;
    struct recents_attempt attempt = met_attempt(d, a, a && a->host[0] ? a->host : r->why->host);
    attempt.to = r->recipient->address;
    attempt.sender = message_sender_domain(d->message);
    attempt.outcome = met_outcome(d, r, expires);
    if (met_is_personal(r))
        recents_told(relay->recents, &attempt, r->why);
    else
        recents_failed(relay->recents, &attempt, r->why);
}

void met_note(struct relay *relay, const struct delivery *d, int64_t expires)
{
    const struct delivery_rcpt *taken = NULL, *refused = NULL, *personal = NULL;
    for (size_t i = 0; i < d->nrcpts; i++) {
        const struct delivery_rcpt *r = &d->rcpts[i];
        if (r->standing == STANDING_DELIVERED && r->attempt)
            taken = r;
        else if (!refused && met_tells(r))
            refused = r;
        else if (met_is_personal(r))
            personal = r;
    }
    // What is settled again after a look at the policy has told its failure before.
    if (refused && !d->looked && !d->returned)
        met_note_refused(relay, d, refused, expires);
    if (personal && !d->returned)
        met_note_refused(relay, d, personal, expires);
    if (taken) {
        struct recents_attempt attempt = met_attempt(d, taken->attempt, taken->attempt->host);
        attempt.clear = strcmp(taken->attempt->tls, "none") == 0;
        recents_took(relay->recents, &attempt);
        met_count_shadow(relay, d, taken->attempt);
    }
}
