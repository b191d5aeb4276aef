// SPDX-License-Identifier: ISC
// SCRAM of a user whom the users file does not have, handed on to Dovecot message by message: it has the keys, and
// what it says goes to the client as it is.
#include "relay/submit/auth_inside.h"

#include <string.h>
#include "relay/base/mem.h"
#include "relay/sasl/server.h"

bool submit_is_relayed(const struct submit *s, struct span first)
{
    char name[SASL_NAME + 1];
    struct why why;
    const struct setup *setup = s->host->worker->setup; // the present one
    const struct dovecot *dovecot = auth_dovecot(s->host->auth);
    if (s->login.call)
        return true;
    return !s->login.words.user && dovecot && dovecot_offers(dovecot, s->login.mechanism) &&
           sasl_first_name(first, name, sizeof name, &why) == 0 &&
           !(setup->users && users_find(setup->users, name));
}

static enum submit_state relayed_next(struct submit *s, const struct dovecot_said *said)
{
    switch (said->answer) {
    case DOVECOT_MORE:
        return submit_challenge(s, said->message);
    case DOVECOT_PROVED:
        return submit_auth_banned(s) ? submit_auth_ban(s) : submit_auth_done(s, said->user);
    case DOVECOT_WRONG:
        return submit_auth_refused(s, said->reason);
    case DOVECOT_LATER:
        break;
    }
    return submit_auth_unknown(s, said->reason);
}

static void relayed_said(const struct dovecot_said *said, void *arg)
{
    struct submit *s = arg;
    s->login.asked = false;
    if (said->answer != DOVECOT_MORE)
        s->login.call = NULL;
    if (!submit_answered(s))
        return;
    submit_go(s, relayed_next(s, said));
    submit_turn(s);
}

static enum submit_state relayed_begin(struct submit *s, struct span first)
{
    char name[SASL_NAME + 1];
    struct submit_where where;
    struct why why;
    if (sasl_first_name(first, name, sizeof name, &why) < 0)
        return submit_auth_refuse(s, 501, why.status, why.text);
    s->login.words.user = mem_dup(name);
    if (submit_auth_banned(s))
        return submit_auth_ban(s);
    submit_where(s, &where);
    const struct dovecot_request request = {s->login.mechanism, where.client, where.local, first};
    s->login.call = dovecot_begin(auth_dovecot(s->host->auth), &request, relayed_said, s);
    return s->login.call ? SUBMIT_PROVING : submit_auth_busy(s);
}

enum submit_state submit_relayed(struct submit *s, struct span answer)
{
    enum submit_state next = SUBMIT_PROVING;
    if (!s->login.call) {
        next = relayed_begin(s, answer);
    } else if (!dovecot_go_on(s->login.call, answer)) {
        s->login.call = NULL;
        next = submit_auth_unknown(s, "Dovecot went away in the middle");
    }
    if (next == SUBMIT_PROVING) {
        s->login.asked = true;
        s->pending++;
    }
    return next;
}
