// SPDX-License-Identifier: ISC
#include "relay/command/queue.h"
#include "relay/base/exit.h"
int queue_offline(struct queue_call *call, const struct config *config)
{
    (void)call;
    (void)config;
    return EXIT_USAGE;
}
