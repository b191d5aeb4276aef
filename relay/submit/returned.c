// SPDX-License-Identifier: ISC
// Return addresses as recipients. Digest and age come first: what they do not vouch for is refused, and nobody but a row
// with `returns` is asked to be believed, so that no address here relays for strangers.
#include "relay/submit/returned.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/events/events.h"
#include "relay/returns/srs.h"
#include "relay/returns/verp.h"
#include "relay/setup/return_keys.h"
#include "relay/suppress/suppress.h"

static void returned_count(struct submit *s, bool taken)
{
    struct counters *c = &s->host->worker->relay->counters;
    atomic_fetch_add_explicit(taken ? &c->returns : &c->returns_refused, 1, memory_order_relaxed);
}

static void log_return(const struct submit *s, const char *from, const char *to)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "return", s->message->env.id);
    log_address(&line, "from", from);
    log_address(&line, "to", to);
    log_end(&line);
}

static int take_srs(struct submit *s, struct smtp_path *to, bool *returned, struct why *why)
{
    struct buf address;
    struct smtp_path original;
    bool ours;
    buf_init(&address, 1024);
    int rc =
        return_keys_reverse(s->setup, to->address, to->domain, clock_s(), &address, &ours, why);
    if (rc == 0 && smtp_mailbox_parse(buf_span(&address), &original, why) < 0)
        rc = why_say(why, RETURN_ADDRESS_FORGED); // signed by us, and yet no address
    if (rc == 0) {
        log_return(s, to->address, original.address);
        smtp_path_free(to);
        *to = original;
        *returned = true;
    }
    buf_free(&address);
    return ours ? rc : 0;
}

static int take_verp(struct submit *s, const struct smtp_path *to, bool *returned, struct why *why)
{
    const struct cfg_sender *row;
    uint64_t id;
    bool ours;
    struct buf recipient;
    buf_init(&recipient, 1024);
    int rc = return_keys_read(s->setup, to->address, to->domain, clock_s(), &row, &id, &recipient,
                              &ours, why);
    buf_free(&recipient);
    *returned = rc == 0;
    return ours ? rc : 0;
}

int submit_take_return(struct submit *s, struct smtp_path *to, bool *returned, struct why *why)
{
    int rc = 0;
    *returned = false;
    if (!s->principal.row->returns)
        return 0;
    if (srs_is(to->address))
        rc = take_srs(s, to, returned, why);
    else if (verp_is(to->address))
        rc = take_verp(s, to, returned, why);
    if (rc < 0 || *returned)
        returned_count(s, rc == 0);
    return rc;
}

// ---- what a report said

static void log_returned(const struct submit *s, const struct ingest_returned *r)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "returned", r->id);
    log_address(&line, "to", r->recipient);
    log_text(&line, "action", r->read ? notice_action_word(r->notice.action) : "unread");
    log_text(&line, "status", r->read ? r->notice.status : NULL);
    log_text(&line, "host", r->read && r->notice.host[0] ? r->notice.host : NULL);
    log_text(&line, "reply", r->read && r->notice.reply[0] ? r->notice.reply : NULL);
    log_address(&line, "from", s->message->env.from);
    log_end(&line);
}

// Whose mail came back: the author that the report shows, where it is one of the row's; a stranger wrote it.
static const char *sender_of(const struct ingest_returned *r, char *made, size_t room)
{
    const char *from = r->notice.from, *at = strrchr(from, '@');
    if (at && principal_owns(r->row, from, at + 1))
        return from;
    char origin[PRINCIPAL_NAME];
    principal_origin(r->row, origin);
    at = strrchr(origin, '@');
    snprintf(made, room, "%s%s", at || !origin[0] ? "" : "postmaster@", origin);
    return made;
}

static void tell_one(struct submit *s, const struct ingest_returned *r)
{
    struct relay *relay = s->host->worker->relay;
    struct why why;
    char made[PRINCIPAL_NAME + 16];
    struct event event = {.type = EVENT_RETURNED,
                          .id = r->id,
                          .accepted_ms = (int64_t)((r->id >> 8) / 1000),
                          .from = sender_of(r, made, sizeof made),
                          .principal = r->row->user[0] ? r->row->user : NULL,
                          .to = r->recipient,
                          .status = r->notice.status};
    if (r->notice.action != NOTICE_DELIVERED) {
        notice_why(&r->notice, &why);
        event.why = &why;
    }
    events_post(relay->events, &event);
    const char *domain = strrchr(r->recipient, '@') + 1;
    if (r->notice.action == NOTICE_FAILED)
        suppress_bounced(relay->suppress, event.from, r->recipient, domain, &why);
}

void submit_tell_returned(struct submit *s)
{
    size_t n;
    const struct ingest_returned *r = ingest_returned(s->ingest, &n);
    for (size_t i = 0; i < n; i++) {
        log_returned(s, &r[i]);
        if (r[i].read)
            tell_one(s, &r[i]);
    }
}
