// SPDX-License-Identifier: ISC
// Waxwing as the TLS policy of somebody else's Postfix: `smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:QUERY`.
// On the main loop; answers from the routes thread, that is from the same caches as deliveries. Bounded:
// connections, bytes of a question, time without one. One question at a time a connection, as Postfix asks them.
#ifndef RELAY_SOCKETMAP_SERVER_H
#define RELAY_SOCKETMAP_SERVER_H

#include <uv.h>
#include "relay/worker/relay.h"

#define SOCKETMAP_CONNECTIONS                                                                      \
    200 // then the one that has been quiet for longest goes; Postfix has a hundred
#define SOCKETMAP_IDLE_MS 300000 // without a question

struct socketmap;

// Binds ADDRESS:PORT and serves it. NULL with why.
struct socketmap *socketmap_open(struct relay *relay, uv_loop_t *loop, const char *address,
                                 struct why *why);
// Questions under way are dropped; the memory is freed by the loop. Accepts NULL.
void socketmap_close(struct socketmap *map);

#endif
