// SPDX-License-Identifier: ISC
// Filters: each is connected to and asked what it wants.
#include "relay/command/check.h"
#include "relay/milter/milter.h"

void check_milters(struct report *r, const struct config *config)
{
    for (size_t i = 0; i < config->nmilters; i++) {
        const struct cfg_milter *filter = &config->milters[i];
        struct why why;
        if (milter_probe(filter, &why) == 0)
            check_say(r, "ok", "the filter %s answers at %s", filter->name, filter->socket.text);
        else
            check_say(r, filter->on_failure == MILTER_TEMPFAIL ? "ERROR" : "warning",
                      "the filter %s at %s does not answer: %s%s", filter->name,
                      filter->socket.text, why.text,
                      filter->on_failure == MILTER_TEMPFAIL
                          ? "; mail that it has to see is put off (default: tempfail)"
                          : "");
    }
}
