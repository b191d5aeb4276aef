// SPDX-License-Identifier: ISC
// A walk over one worker's deliveries.
#include "relay/queue/waiting.h"

#include <stdio.h>
#include <string.h>
#include "relay/queue/inside.h"

void queue_count_waiting(const struct queue *queue, const char *domain, struct queue_waiting *out)
{
    list_each (it, &queue->all) {
        const struct delivery *d = list_of(it, struct delivery, all);
        if (!d->reason || strcmp(d->domain, domain) != 0)
            continue;
        out->recipients += d->nrcpts;
        if (out->reason[0] && d->next_ms >= out->next_ms)
            continue;
        out->next_ms = d->next_ms;
        snprintf(out->reason, sizeof out->reason, "%s", d->reason);
    }
}
