// SPDX-License-Identifier: ISC
#include "relay/fleet/ending.h"

#include <poll.h>

bool ending_asked(int eventfd, uint64_t ms)
{
    struct pollfd fd = {eventfd, POLLIN, 0};
    return poll(&fd, 1, (int)ms) > 0;
}
