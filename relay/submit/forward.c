// SPDX-License-Identifier: ISC
// XFORWARD and XCLIENT: who may name the original client, and what of it holds for a message. They feed
// SPF and the origin test only; the principal, its limits and the log stay those of the connection
// (ARCHITECTURE.md, Who may say what).
#include "relay/submit/inside.h"

#include <string.h>

static const struct cfg_sender *row_of(struct submit *s)
{
    struct principal principal;
    principal_find(s->setup->config, s->user, (struct sockaddr *)&s->client, &principal);
    return principal.row;
}

static enum submit_state may_not(struct submit *s)
{
    s->bad++;
    submit_reply(s, 550, "5.7.0", "You may not say whose mail this is");
    return s->state;
}

static enum submit_state syntax(struct submit *s, const struct why *why)
{
    s->bad++;
    submit_reply_why(s, why);
    return s->state;
}

enum submit_state submit_xforward(struct submit *s, struct span args)
{
    const struct cfg_sender *row = row_of(s);
    struct why why;
    if (!row || !row->xforward)
        return may_not(s);
    if (smtp_forward_parse(args, &s->forward, &why) < 0)
        return syntax(s, &why);
    submit_reply(s, 250, "2.0.0", "OK");
    return s->state;
}

// The session begins anew, for that client; who logged in stays so.
enum submit_state submit_xclient(struct submit *s, struct span args)
{
    const struct cfg_sender *row = row_of(s);
    struct smtp_forward original = {0};
    struct why why;
    if (!row || !row->xclient)
        return may_not(s);
    if (smtp_xclient_parse(args, &original, &why) < 0)
        return syntax(s, &why);
    submit_end_transaction(s);
    s->original = original;
    s->helo[0] = 0;
    return submit_banner(s);
}

const struct smtp_forward *submit_original(struct submit *s)
{
    const struct cfg_sender *row = s->principal.row;
    // Said under another principal, or before a reload took the right away, it counts for nothing.
    if (s->forward.given && row->xforward)
        return &s->forward;
    if (!s->original.given || !row->xclient)
        return NULL;
    if (!s->original.helo[0]) // a proxy that passes EHLO on
        memcpy(s->original.helo, s->helo, sizeof s->helo);
    return &s->original;
}
