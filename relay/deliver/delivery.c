// SPDX-License-Identifier: ISC
// Deliveries as objects: made, moved, pruned. Decides nothing about mail.
#include "relay/deliver/delivery.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/words.h"
#include "relay/smtp/reply_class.h"
#include "relay/base/mem.h"
#include "relay/route/routes.h"
#include "tls/shown.h"

#define HEAP 32 // what its memory and its place in a heap cost besides

struct attempt *attempt_ref(struct attempt *a)
{
    if (a)
        atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void attempt_unref(struct attempt *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) > 1)
        return;
    shown_unref(a->shown);
    free(a->would);
    free(a->reply);
    free(a);
}

static void clear(struct delivery_rcpt *r)
{
    free(r->why);
    r->why = NULL;
    delivery_attempt(r, NULL);
}

struct delivery *delivery_new(struct message *m, const size_t *which, size_t n)
{
    struct delivery *d = mem_new(sizeof *d + n * sizeof d->rcpts[0]);
    d->metered = m->meter ? (unsigned)(sizeof *d + n * sizeof d->rcpts[0] + HEAP) : 0;
    if (m->meter)
        atomic_fetch_add_explicit(m->meter, d->metered, memory_order_relaxed);
    list_init(&d->list);
    list_init(&d->all);
    d->place = QUEUE_WAITING;
    d->message = message_ref(m);
    d->nrcpts = n;
    for (size_t i = 0; i < n; i++) {
        const struct recipient *r = &m->env.rcpts[which[i]];
        d->rcpts[i].recipient = r;
        d->rcpts[i].delay_warned = r->delay_warned;
    }
    const struct recipient *first = d->rcpts[0].recipient;
    d->domain = first->domain;
    d->attempts = first->attempts;
    d->next_ms = first->next_ms;
    d->next_hop = words_keep(first->next_hop);
    return d;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    list_remove(&d->list);
    list_remove(&d->all);
    route_cancel(d->asking);
    route_unref(d->route);
    content_unref(d->content);
    for (size_t i = 0; i < d->nrcpts; i++)
        clear(&d->rcpts[i]);
    words_drop(d->reason);
    words_drop(d->next_hop);
    words_drop(d->site);
    if (d->metered)
        atomic_fetch_sub_explicit(d->message->meter, d->metered, memory_order_relaxed);
    message_unref(d->message);
    free(d);
}

void delivery_move(struct delivery *d, enum queue_state place, struct list *list)
{
    d->place = place;
    if (list)
        list_append(list, &d->list);
    else
        list_remove(&d->list);
}

void delivery_refuse(struct delivery_rcpt *r, const struct why *why)
{
    if (!r->why)
        r->why = mem_new(sizeof *r->why);
    *r->why = *why;
    r->standing = STANDING_REFUSED;
}

void delivery_attempt(struct delivery_rcpt *r, struct attempt *a)
{
    attempt_ref(a);
    attempt_unref(r->attempt);
    r->attempt = a;
}

void delivery_reset(struct delivery *d)
{
    for (size_t i = 0; i < d->nrcpts; i++) {
        clear(&d->rcpts[i]);
        d->rcpts[i].standing = STANDING_OPEN;
    }
}

bool delivery_prune(struct delivery *d, bool (*ended)(const struct delivery_rcpt *r))
{
    size_t kept = 0;
    for (size_t i = 0; i < d->nrcpts; i++) {
        if (ended(&d->rcpts[i]))
            clear(&d->rcpts[i]);
        else
            d->rcpts[kept++] = d->rcpts[i];
    }
    d->nrcpts = kept;
    return kept == 0;
}

int64_t delivery_expires(const struct delivery *d, uint64_t expire_ms)
{
    const struct envelope *env = &d->message->env;
    return env->expire_ms ? env->expire_ms : env->created_ms + (int64_t)expire_ms;
}

int64_t delivery_notice_at(const struct delivery *d, const struct cfg_delivery *config, bool of_tls)
{
    uint64_t after = config->warn_after, tls = config->tls_warn_after;
    if (of_tls && tls && (!after || tls < after))
        after = tls;
    return after ? d->message->env.created_ms + (int64_t)after : 0;
}

enum route_variant delivery_variant(const struct delivery *d)
{
    const struct envelope *env = &d->message->env;
    // RFC 8689 section 4.1: with REQUIRETLS the header TLS-Required: No is ignored. Section 5: a report about
    // such mail, which has no body of it, asks for REQUIRETLS where it is offered and goes all the same.
    return env->requiretls && !env->dsn ? ROUTE_REQUIRETLS
           : env->tls_optional          ? ROUTE_TLS_OPTIONAL
                                        : ROUTE_PLAIN;
}

void delivery_waits_for(struct delivery *d, const struct why *why)
{
    bool named = !why->host[0] || strstr(why->text, why->host);
    char *reason = mem_printf("%s %s%s%s%s%s", why->status, why->text, named ? "" : " at ",
                              named ? "" : why->host, why->reply[0] ? ": " : "", why->reply);
    words_drop(d->reason);
    d->reason = words_keep(reason);
    free(reason);
    d->class = (unsigned char)reply_meaning_of(why).class;
    d->why = (unsigned short)why->reason;
    d->act = (unsigned char)why->act;
}

void delivery_wish(const struct delivery *d, const struct config *config, struct delivery_way *out)
{
    const struct envelope *env = &d->message->env;
    out->wish = (struct route_wish){
        .domain = d->domain, .variant = delivery_variant(d), .next_hop = d->next_hop};
    if (!config->sender_ways)
        return;
    const struct cfg_sender *row = principal_row(config, env->principal, env->client);
    if (!row || (!row->nnext_hops && !row->nsources))
        return;
    principal_row_name(row, out->sender);
    out->wish.sender = out->sender;
}
