// SPDX-License-Identifier: ISC
// Recipients that the suppression list names: refused with the reason, or taken and dropped with an event.
#include "relay/submit/suppressed_inside.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/events/events.h"
#include "relay/suppress/suppress.h"

static bool submit_is_suppressed(struct submit *s, const struct smtp_path *to,
                                 enum suppressed action, char reason[static SUPPRESS_REASON])
{
    return s->principal.row->suppressed == action &&
           suppress_find(s->host->worker->relay->suppress, s->message->env.from, to->address,
                         to->domain, reason);
}

int submit_check_suppressed(struct submit *s, const struct smtp_path *to, struct why *why)
{
    char reason[SUPPRESS_REASON];
    if (!submit_is_suppressed(s, to, SUPPRESSED_REFUSE, reason))
        return 0;
    return why_say(why, SUPPRESSED, to->address, reason);
}

bool submit_drops(struct submit *s, const struct smtp_path *to)
{
    char reason[SUPPRESS_REASON];
    if (!submit_is_suppressed(s, to, SUPPRESSED_DROP, reason))
        return false;
    // Address and reason, one behind the other.
    s->dropped.at = mem_grow(s->dropped.at, s->dropped.n + 2, sizeof *s->dropped.at);
    s->dropped.at[s->dropped.n++] = mem_dup(to->address);
    s->dropped.at[s->dropped.n++] = mem_dup(reason);
    return true;
}

bool submit_has_recipients(const struct submit *s)
{
    return s->message->env.nrcpts || s->dropped.n;
}

void submit_tell_dropped(struct submit *s)
{
    const struct envelope *env = &s->message->env;
    for (size_t i = 0; i < s->dropped.n; i += 2) {
        struct logline line;
        log_begin(&line, LOG_INFO, "suppressed", env->id);
        log_address(&line, "to", s->dropped.at[i]);
        log_address(&line, "from", env->from);
        log_text(&line, "user", env->principal);
        log_text(&line, "reason", s->dropped.at[i + 1]);
        log_end(&line);
        struct event event = event_of(EVENT_SUPPRESSED, env, s->dropped.at[i]);
        event.text = s->dropped.at[i + 1];
        events_post(s->host->worker->relay->events, &event);
    }
}

void submit_forget_dropped(struct submit *s)
{
    for (size_t i = 0; i < s->dropped.n; i++)
        free(s->dropped.at[i]);
    free(s->dropped.at);
    s->dropped = (struct strings){0};
}
