// SPDX-License-Identifier: ISC
// Wishes as values.
#include "relay/route/wish.h"

#include <stdlib.h>
#include "relay/base/mem.h"

static char *wish_text(const char *text)
{
    return text && text[0] ? mem_dup(text) : NULL;
}

void route_wish_copy(struct route_wish *to, const struct route_wish *from)
{
    *to = (struct route_wish){.domain = mem_dup(from->domain),
                              .variant = from->variant,
                              .sender = wish_text(from->sender),
                              .next_hop = wish_text(from->next_hop)};
}

void route_wish_free(struct route_wish *wish)
{
    free((char *)wish->domain);
    free((char *)wish->sender);
    free((char *)wish->next_hop);
    *wish = (struct route_wish){0};
}

char *route_wish_key(const struct route_wish *wish)
{
    const char *sender = wish->sender ? wish->sender : "";
    const char *hop = wish->next_hop ? wish->next_hop : "";
    return mem_printf("%d %s %s %s", (int)wish->variant, wish->domain, hop, sender);
}
