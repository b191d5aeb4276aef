// SPDX-License-Identifier: ISC
#include "relay/deliver/seen.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

struct seen *seen_new(void)
{
    struct seen *seen = mem_new(sizeof *seen);
    buf_init(&seen->steps, SEEN_STEPS);
    buf_init(&seen->watched, SEEN_STEPS);
    seen->at_ms = clock_ms();
    return seen;
}

void seen_free(struct seen *seen)
{
    if (!seen)
        return;
    buf_free(&seen->steps);
    buf_free(&seen->watched);
    piece_unref(seen->piece);
    free(seen);
}
