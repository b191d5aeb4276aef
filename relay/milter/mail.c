// SPDX-License-Identifier: ISC
// The message as the next filter sees it: what it was, and what earlier filters made of it. Judges no
// address: that is for whoever takes the result.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/milter/edit.h"
#include "relay/milter/inside.h"

#define HOLD_REASON 300 // bytes of what a filter says

static void mail_add_rcpt(struct milter_result *r, const char *address,
                          enum milter_standing standing)
{
    r->rcpts = mem_grow(r->rcpts, r->nrcpts + 1, sizeof *r->rcpts);
    r->rcpts[r->nrcpts++] = (struct milter_rcpt){mem_dup(address), standing};
}

void milter_mail_begin(struct milter_mail *mail, struct message *message, struct buf *header,
                       struct milter_result *result)
{
    *mail = (struct milter_mail){.message = message_ref(message), .result = result};
    buf_move(&result->header, header);
    for (size_t i = 0; i < message->env.nrcpts; i++)
        mail_add_rcpt(result, message->env.rcpts[i].address, RCPT_KEPT);
}

void milter_mail_end(struct milter_mail *mail)
{
    milter_body_free(mail->body);
    message_unref(mail->message);
}

struct span milter_mail_header(const struct milter_mail *mail)
{
    return buf_span(&mail->result->header);
}

const char *milter_mail_from(const struct milter_mail *mail)
{
    return mail->result->from ? mail->result->from : mail->message->env.from;
}

const struct message *milter_mail_content(const struct milter_mail *mail)
{
    return mail->body ? milter_body_message(mail->body) : mail->message;
}

// ---- changes

// "<a@b>" and "a@b" are the same to a filter.
static char *bare_address(struct span s)
{
    s = span_trim(s);
    if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
        s = span_slice(s, 1, s.n - 1);
    return span_dup(s);
}

static struct milter_rcpt *mail_find_rcpt(struct milter_result *r, const char *address)
{
    for (size_t i = 0; i < r->nrcpts; i++)
        if (span_equal_nocase(span_text(r->rcpts[i].address), span_text(address)))
            return &r->rcpts[i];
    return NULL;
}

static void mail_change_rcpt(struct milter_result *r, const struct milter_change *change)
{
    char *address = bare_address(change->value);
    struct milter_rcpt *known = mail_find_rcpt(r, address);
    bool removes = change->code == '-';
    if (known && removes != (known->standing == RCPT_DELETED)) {
        known->standing = removes ? RCPT_DELETED : RCPT_ADDED;
    } else if (!known && !removes) {
        mail_add_rcpt(r, address, RCPT_ADDED);
    }
    free(address);
}

void milter_mail_hold(struct milter_result *r, const char *filter, struct span reason)
{
    reason = span_slice(reason, 0, reason.n < HOLD_REASON ? reason.n : HOLD_REASON);
    if (r->hold)
        return;
    char *text = span_dup(span_trim(reason));
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || (unsigned char)*c > 126)
            *c = '?';
    r->hold = mem_printf("%s: %s", filter, *text ? text : "no reason given");
    free(text);
}

static void mail_change_one(struct milter_result *r, const char *filter,
                            const struct milter_change *change)
{
    switch (change->code) {
    case '+':
    case '2':
    case '-':
        mail_change_rcpt(r, change);
        break;
    case 'e':
        free(r->from);
        r->from = bare_address(change->value);
        break;
    case 'q':
        milter_mail_hold(r, filter, change->value);
        break;
    default:
        r->header_by = filter;
        break;
    }
}

static bool touches_header(struct span changes)
{
    struct milter_packet packet;
    struct why why;
    for (size_t used; changes.n; changes = span_from(changes, used))
        if (milter_take(changes, &packet, &used, &why) == 1 && milter_is_field(packet.code))
            return true;
    return false;
}

int milter_mail_change(struct milter_mail *mail, const struct milter_client *client,
                       const char *filter, struct span changes, bool leading_space, struct why *why)
{
    struct milter_packet packet;
    struct milter_change change;
    if (touches_header(changes) &&
        milter_edit(&mail->result->header, changes, leading_space,
                    client->config->limits.header_size + MAX_PREFIX, why) < 0)
        return -1;
    for (size_t used; changes.n; changes = span_from(changes, used)) {
        int rc = milter_take(changes, &packet, &used, why);
        assert(rc == 1);
        rc = milter_read_change(&packet, &change, why);
        assert(rc == 0); // it was read when it came
        mail_change_one(mail->result, filter, &change);
    }
    return 0;
}
