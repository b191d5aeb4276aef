// SPDX-License-Identifier: ISC
// The ends of exceptions.
#include "relay/run/exceptions.h"

#include "relay/base/clock.h"
#include "relay/log/log.h"
#include "tls/policy.h"

static void exceptions_tell(const struct cfg_destination *d)
{
    struct logline line;
    char until[40];
    clock_rfc3339(d->until * 1000, until);
    log_begin(&line, LOG_WARNING, "exception-expired", 0);
    log_text(&line, "domain", d->domain);
    log_text(&line, "demand", tls_level_word(d->tls));
    log_text(&line, "until", until);
    log_text(&line, "reason", d->reason);
    log_end(&line);
}

void exceptions_look(const struct config *config, int64_t *looked_s)
{
    int64_t now = clock_s(), before = *looked_s;
    const struct cfg_delivery *c = &config->delivery;
    *looked_s = now;
    for (size_t i = 0; before && i < c->ndestinations; i++) {
        const struct cfg_destination *d = &c->destinations[i];
        if (d->until > 0 && d->until >= before && d->until < now)
            exceptions_tell(d);
    }
}
