// SPDX-License-Identifier: ISC
// MAIL, RCPT and RSET: who sends, from whom, to whom (RFC 5321 section 4.1.1, RFC 6409;
// ARCHITECTURE.md, Who may say what).
#include "relay/submit/auth_inside.h"
#include "relay/submit/message_inside.h"
#include "relay/submit/returned.h"
#include "relay/submit/suppressed_inside.h"
#include "relay/submit/sender.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"

#define MEMORY_SHORT 80 // percent of limits.memory

// A refusal that is a matter of policy: told, logged, not counted as the client's error.
static enum submit_state submit_envelope_refuse(struct submit *s, const char *to,
                                                const struct why *why)
{
    submit_log_refuse(s, to, why);
    submit_reply_why(s, why);
    return s->state;
}

static enum submit_state syntax(struct submit *s, const struct why *why, bool unknown)
{
    submit_log_refuse(s, NULL, why);
    if (unknown)
        submit_reply(s, 555, why->status, "%s", why->text);
    else
        submit_reply_why(s, why);
    return s->state;
}

// Users and rules are looked at anew for each message, so that a removed user stops sending.
static int find_principal(struct submit *s, struct why *why)
{
    if (s->setup != s->host->worker->setup) {
        setup_unref(s->setup);
        s->setup = setup_ref(s->host->worker->setup);
    }
    if (s->user && !submit_auth_stands(s)) {
        free(s->user);
        s->user = NULL;
    }
    principal_find(s->setup->config, s->user, (struct sockaddr *)&s->client, &s->principal);
    const struct cfg_sender *row = s->principal.row;
    if (!row && s->user)
        return why_say(why, NO_SENDER_ROW, s->user);
    bool in_clear = !submit_secure(s) && s->setup->creds;
    uint32_t uid;
    if (!row && address_uid((struct sockaddr *)&s->client, &uid))
        return why_say(why, NO_UNIX_USER_ROW, uid);
    if (!row)
        return in_clear ? why_say(why, STARTTLS_REQUIRED) : why_say(why, AUTH_REQUIRED);
    if (!s->user && row->tls_required && !submit_secure(s))
        return why_say(why, STARTTLS_REQUIRED);
    return 0;
}

// What a message that begins may need on disk; one that does not say is small, as most are.
static uint64_t promise(const struct smtp_mail *mail)
{
    return mail->has_size ? mail->size : MAX_MEMORY_BODY;
}

// The relay can take a message now.
static int check_room(struct submit *s, uint64_t bytes, struct why *why)
{
    struct relay *relay = s->host->worker->relay;
    const struct cfg_limits *limits = &s->setup->config->limits;
    if (s->host->draining)
        return why_say(why, GOING_DOWN);
    if (receive_memory(relay, limits) >= MEMORY_SHORT)
        return why_say(why, MEMORY_SHORT);
    if (!spool_room_for(relay->spool, bytes))
        return why_say(why, DISK_FULL);
    if (atomic_load(&relay->counters.queue_memory) >= (int64_t)limits->queue_memory)
        return why_say(why, QUEUE_MEMORY_FULL);
    if (atomic_load(&relay->counters.queued_now) >= (int64_t)limits->queued)
        return why_say(why, QUEUE_FULL);
    return 0;
}

bool submit_may_send(const struct submit *s, const struct smtp_path *from)
{
    const struct cfg_sender *row = s->principal.row;
    return !from->address[0] || row->forward ||
           principal_may_send(row, from->address, from->domain) ||
           principal_double_bounce(row, from->address, from->domain);
}

static int check_mail(struct submit *s, const struct smtp_mail *mail, struct why *why)
{
    const struct config *config = s->setup->config;
    const struct cfg_sender *row = s->principal.row;
    if (mail->has_size && mail->size > config->limits.message_size)
        return why_say(why, MESSAGE_TOO_LARGE, (unsigned long long)config->limits.message_size);
    if (mail->requiretls && !submit_secure(s))
        return why_say(why, STARTTLS_REQUIRED);
    if (!submit_may_send(s, &mail->from))
        return why_say(why, SENDER_NOT_OWN, s->principal.name, mail->from.address);
    if (check_room(s, promise(mail), why) < 0)
        return -1;
    if (!limits_spend(s->host->limits, LIMITS_MESSAGES, s->principal.name, row->messages, 1))
        return why_say(why, RATE_MESSAGES, s->principal.name);
    return 0;
}

static void replace(char **text, char *by)
{
    free(*text);
    *text = by;
}

static void begin_message(struct submit *s, struct smtp_mail *mail)
{
    struct message *m = message_new();
    struct envelope *env = &m->env;
    env->created_ms = clock_ms();
    replace(&env->from, mem_dup(mail->from.address));
    if (mail->envid)
        replace(&env->envid, mem_dup(mail->envid));
    replace(&env->principal, mem_dup(s->principal.name));
    replace(&env->client, mem_dup(s->client_text));
    env->high = s->principal.row->high;
    env->ret = mail->ret;
    env->body = mail->body;
    env->smtputf8 = mail->smtputf8;
    env->requiretls = mail->requiretls || s->principal.row->require_tls;
    spool_promise(s->host->worker->relay->spool, m, promise(mail));
    s->message = m;
    s->expected = mail->has_size ? mail->size : 0;
    s->ends_ms = clock_mono_ms() + (uint64_t)MAX_TRANSACTION_S * 1000;
}

enum submit_state submit_mail(struct submit *s, struct span args)
{
    struct smtp_mail mail;
    struct why why;
    char *was;
    if (find_principal(s, &why) < 0) {
        s->bad++;
        return submit_envelope_refuse(s, NULL, &why);
    }
    if (submit_read_mail(s, args, &mail, &was, &why) < 0) {
        s->bad++;
        return syntax(s, &why, mail.unknown);
    }
    int rc = check_mail(s, &mail, &why);
    if (rc == 0)
        begin_message(s, &mail);
    if (rc == 0 && was)
        ingest_log_rewritten_sender(s->message->env.id, was, mail.from.address);
    smtp_mail_free(&mail);
    free(was);
    if (rc < 0) {
        // What was said of a client holds for this transaction, which there will not be.
        s->forward = (struct smtp_forward){0};
        return submit_envelope_refuse(s, NULL, &why);
    }
    submit_reply(s, 250, "2.1.0", "OK");
    return SUBMIT_ENVELOPE;
}

// ---- RCPT

static bool is_local_name(struct span local)
{
    return span_is_nocase(local, "postmaster") || span_is_nocase(local, "abuse") ||
           span_is_nocase(local, "MAILER-DAEMON");
}

// <postmaster>, and postmaster, abuse, MAILER-DAEMON at our own name, go to whom the operator
// named.
static int redirect(struct submit *s, struct smtp_path *to, struct why *why)
{
    const struct config *config = s->setup->config;
    const char *at = strrchr(to->address, '@');
    if (to->domain[0]) {
        size_t n = at ? (size_t)(at - to->address) : 0;
        if (strcmp(to->domain, config->hostname) != 0 || !is_local_name(span_of(to->address, n)))
            return 0;
    }
    struct smtp_path postmaster;
    if (!config->postmaster[0] ||
        smtp_mailbox_parse(span_text(config->postmaster), &postmaster, why) < 0)
        return why_say(why, NO_POSTMASTER);
    smtp_path_free(to);
    *to = postmaster;
    return 0;
}

static bool is_known(const struct message *m, const struct smtp_path *to)
{
    const char *at = strrchr(to->address, '@');
    size_t local = (size_t)(at - to->address);
    for (size_t i = 0; i < m->env.nrcpts; i++) {
        const struct recipient *r = &m->env.rcpts[i];
        if (strcmp(r->domain, to->domain) == 0 && strncmp(r->address, to->address, local + 1) == 0)
            return true;
    }
    return false;
}

static int check_rcpt(struct submit *s, struct smtp_rcpt *rcpt, bool *returned, struct why *why)
{
    const struct config *config = s->setup->config;
    if (rcpt->to.utf8 && !s->message->env.smtputf8)
        return why_say(why, SMTPUTF8_NEEDED);
    if (redirect(s, &rcpt->to, why) < 0 || submit_take_return(s, &rcpt->to, returned, why) < 0)
        return -1;
    if (rcpt->to.domain[0] == '[' && !config->delivery.address_literals)
        return why_say(why, ADDRESS_LITERAL, rcpt->to.domain);
    if (s->message->env.nrcpts >= config->limits.recipients)
        return why_say(why, TOO_MANY_RECIPIENTS);
    if (submit_check_suppressed(s, &rcpt->to, why) < 0)
        return -1;
    if (!limits_spend(s->host->limits, LIMITS_RECIPIENTS, s->principal.name,
                      s->principal.row->recipients, 1))
        return why_say(why, RATE_RECIPIENTS, s->principal.name);
    return 0;
}

int submit_add_recipient(struct submit *s, struct smtp_rcpt *rcpt, struct why *why)
{
    bool returned = false;
    if (check_rcpt(s, rcpt, &returned, why) < 0)
        return -1;
    if (is_known(s->message, &rcpt->to)) // one copy, however often it is named
        return 0;
    if (submit_drops(s, &rcpt->to)) // taken, and not sent to
        return 0;
    struct recipient *r = message_add_recipient(s->message, rcpt->to.address, rcpt->to.domain);
    r->notify = rcpt->notify;
    r->returned = returned;
    if (rcpt->orcpt)
        replace(&r->orcpt, mem_dup(rcpt->orcpt));
    return 0;
}

enum submit_state submit_rcpt(struct submit *s, struct span args)
{
    struct smtp_rcpt rcpt;
    struct why why;
    if (smtp_rcpt_parse(args, &rcpt, &why) < 0)
        return syntax(s, &why, rcpt.unknown);
    int rc = submit_add_recipient(s, &rcpt, &why);
    if (rc < 0)
        submit_envelope_refuse(s, rcpt.to.address, &why);
    smtp_rcpt_free(&rcpt);
    if (rc < 0)
        return s->state;
    submit_reply(s, 250, "2.1.5", "OK");
    return SUBMIT_ADDRESSED;
}

enum submit_state submit_rset(struct submit *s, struct span args)
{
    (void)args;
    submit_end_transaction(s);
    submit_reply(s, 250, "2.0.0", "OK");
    return submit_idle(s);
}
