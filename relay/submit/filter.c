// SPDX-License-Identifier: ISC
// Filters (relay/milter/milter.h) between the verdict on a message and its signature: what they are told of the
// session, and what of their changes the sender's rules allow.
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/submit/message_inside.h"

bool submit_filtered(const struct submit *s)
{
    return milter_wanted(s->setup->config, s->principal.row);
}

// ---- what they changed

static int filter_change_sender(struct submit *s, const struct milter_result *r, struct why *why)
{
    struct smtp_path path = {.address = mem_dup(""), .domain = mem_dup("")};
    struct why inner;
    char what[360];
    if (r->from[0])
        smtp_path_free(&path);
    snprintf(what, sizeof what, "the sender to <%.300s>", r->from);
    if (r->from[0] && smtp_mailbox_parse(span_text(r->from), &path, &inner) < 0)
        return why_say(why, FILTER_CHANGE, what, inner.text);
    int rc = 0;
    if (!submit_may_send(s, &path))
        rc = why_say(why, FILTER_CHANGE, what, "that is not among the addresses of this login");
    if (rc == 0) {
        free(s->message->env.from);
        s->message->env.from = mem_dup(path.address);
    }
    smtp_path_free(&path);
    return rc;
}

static int filter_add_recipient(struct submit *s, const struct milter_rcpt *added, struct why *why)
{
    struct smtp_rcpt rcpt = {0};
    struct why inner;
    char what[360];
    int rc = smtp_mailbox_parse(span_text(added->address), &rcpt.to, &inner);
    if (rc == 0)
        rc = submit_add_recipient(s, &rcpt, &inner);
    smtp_rcpt_free(&rcpt);
    if (rc == 0)
        return 0;
    snprintf(what, sizeof what, "the recipients by <%.300s>", added->address);
    why_say(why, FILTER_CHANGE, what, inner.text);
    why_status(why, inner.status);
    return -1;
}

static void filter_drop_recipient(struct message *m, const char *address)
{
    for (size_t i = m->env.nrcpts; i-- > 0;)
        if (strcmp(m->env.rcpts[i].address, address) == 0)
            message_drop_recipient(m, i);
}

static int filter_change_recipients(struct submit *s, const struct milter_result *r,
                                    struct why *why)
{
    for (size_t i = 0; i < r->nrcpts; i++)
        if (r->rcpts[i].standing == RCPT_DELETED)
            filter_drop_recipient(s->message, r->rcpts[i].address);
        else if (r->rcpts[i].standing == RCPT_ADDED &&
                 filter_add_recipient(s, &r->rcpts[i], why) < 0)
            return -1;
    return 0;
}

static int filter_change_content(struct submit *s, struct why *why)
{
    const struct milter_result *r = milter_answer(s->filters);
    struct buf header = {0};
    uint64_t longest;
    if (!r->header_by && !r->body_by)
        return 0;
    buf_init(&header, r->header.len);
    buf_addspan(&header, buf_span(&r->header));
    int rc = ingest_change_header(s->ingest, &header, why);
    buf_free(&header);
    if (rc == 0 && r->body_by) {
        ingest_change_body(s->ingest, milter_take_body(s->filters, s->message, &longest));
        ingest_longest_line(s->ingest, longest);
    }
    return rc;
}

static enum submit_state filter_apply(struct submit *s)
{
    const struct milter_result *r = milter_answer(s->filters);
    struct why why;
    if ((r->from && filter_change_sender(s, r, &why) < 0) ||
        filter_change_recipients(s, r, &why) < 0 || filter_change_content(s, &why) < 0)
        return submit_refuse_message(s, &why);
    if (!s->message->env.nrcpts)
        return submit_discard_message(s, "filters left no recipient");
    if (r->hold)
        message_hold(s->message, r->hold);
    return submit_sign(s);
}

// ---- their verdict

static enum submit_state filter_refuse(struct submit *s, const struct milter_result *r)
{
    struct why why = r->why; // the reply may not outlive the run
    submit_reply(s, r->code, why.status, "%s", why.text);
    return submit_end_refused(s, &why);
}

static enum submit_state filter_conclude(struct submit *s)
{
    const struct milter_result *r = milter_answer(s->filters);
    char reason[128];
    switch (r->verdict) {
    case MILTER_REFUSE:
        return filter_refuse(s, r);
    case MILTER_DISCARD:
        snprintf(reason, sizeof reason, "the filter %s asked for it", r->filter);
        return submit_discard_message(s, reason);
    case MILTER_PASS:
        break;
    }
    return filter_apply(s);
}

static void submit_filter_done(void *arg)
{
    struct submit *s = arg;
    submit_go(s, filter_conclude(s));
    submit_turn(s);
}

void submit_filter(struct submit *s)
{
    const struct smtp_forward *f = submit_original(s);
    bool forwarded = f && f->given && f->has_client;
    struct buf header;
    struct milter_client client = {
        .worker = s->host->worker,
        .config = s->setup->config,
        .row = s->principal.row,
        .address = (const struct sockaddr *)(forwarded ? &f->addr : &s->client),
        .name = forwarded ? f->name : "",
        .helo = forwarded && f->helo[0] ? f->helo : s->helo,
        .user = s->user,
        .mechanism = s->user ? sasl_word(s->mechanism) : NULL,
        .tls = s->tls,
        .listener = s->listen->text,
    };
    ingest_shown(s->ingest, &header);
    s->filters = milter_start(&client, s->message, &header, submit_filter_done, s);
}
