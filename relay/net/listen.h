// SPDX-License-Identifier: ISC
// Binding what the configuration names, before privileges are dropped; what the service manager has bound already is
// taken from it (relay/net/inherit.h).
#ifndef RELAY_NET_LISTEN_H
#define RELAY_NET_LISTEN_H

#include <sys/types.h>
#include "config/config.h"
#include "relay/base/why.h"

// One listening TCP socket (SO_REUSEPORT, non-blocking, close-on-exec); -1 with why.
int listen_tcp(const struct sockaddr *address, const char *text, struct why *why);
// sets[w * config->nlisten + i] is worker w's socket for config->listen[i] (of a Unix socket, all workers have the
// same); the caller frees the array. `now`: the
// configuration whose sockets stand already, or NULL: where it has that address too the socket is -1.
int listen_workers(const struct config *config, const struct config *now, unsigned workers,
                   int **sets, struct why *why);
// A Unix socket at `path` of that mode, replacing a dead one; -1 with why when a live one answers there, or something
// stands there that is no socket.
int listen_unix(const char *path, mode_t mode, struct why *why);
// Whether that address is free and may be bound by this process now; -1 with why and errno.
int listen_try(const struct sockaddr *address, const char *text, struct why *why);

#endif
