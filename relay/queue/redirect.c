// SPDX-License-Identifier: ISC
// The next hop that an operator sends mail to.
#include "relay/queue/redirect.h"

#include <stdlib.h>
#include <strings.h>
#include "config/value.h"
#include "relay/base/mem.h"

int queue_next_hop(const char *text, const char *hostname, char **out, struct why *why)
{
    struct cfg_next_hop hop;
    struct buf spelled;
    *out = NULL;
    if (text[0] && value_hop(span_text(text), &hop, why) < 0)
        return -1;
    buf_init(&spelled, 1024);
    bool itself = text[0] && hop.kind != HOP_ADDRESS && strcasecmp(hop.name, hostname) == 0;
    if (text[0]) {
        value_hop_text(&hop, &spelled);
        free(hop.name);
    }
    *out = itself ? NULL : mem_dup(buf_text(&spelled));
    buf_free(&spelled);
    return itself ? why_set(why, WHY_OURS, "5.3.5", "'%s' is this relay itself", text) : 0;
}
