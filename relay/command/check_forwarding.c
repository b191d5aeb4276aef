// SPDX-License-Identifier: ISC
// `waxwing check`: principals that forward mail from others' domains, and what their hosts have to see to.
#include "relay/command/check.h"

static const char *sender_name(const struct cfg_sender *s)
{
    return s->user[0] ? s->user : "a network row";
}

// What the hosts of this row have to see to, since nobody here can.
static void tell_trust(struct report *r, const struct cfg_sender *s)
{
    for (size_t i = 0; i < s->trust_results_of.n; i++) {
        const char *host = s->trust_results_of.at[i];
        if (s->trusted_hops)
            check_say(
                r, "warning",
                "senders: %s: results of %s count below %llu Received field%s, where strangers "
                "write "
                "too: %s has to remove every Authentication-Results field that comes in under this "
                "name (rspamd does; OpenDKIM: RemoveARFrom)",
                sender_name(s), host, (unsigned long long)s->trusted_hops,
                s->trusted_hops == 1 ? "" : "s", host);
        else
            check_say(
                r, "ok",
                "senders: %s: results of %s count above the topmost Received field; the host has "
                "to "
                "write one, and should remove every Authentication-Results field that comes in "
                "under "
                "this name",
                sender_name(s), host);
    }
}

void check_forwarding(struct report *r, const struct config *c)
{
    for (size_t i = 0; i < c->nsenders; i++) {
        const struct cfg_sender *s = &c->senders[i];
        if (!s->forward)
            continue;
        if (!s->xforward && !s->xclient && !s->trust_results_of.n)
            check_say(
                r, "warning",
                "senders: %s: needs 'xforward: true' (and smtp_send_xforward_command in Postfix): "
                "without the original client SPF is unknown, and DMARC of mail from elsewhere "
                "cannot "
                "fail",
                sender_name(s));
        tell_trust(r, s);
    }
}
