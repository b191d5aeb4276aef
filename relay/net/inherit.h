// SPDX-License-Identifier: ISC
// Listening sockets that the service manager opened (sd_listen_fds(3)): they stand while the relay restarts, so that
// clients wait instead of being refused, and need no right of ours. One is used where the configuration names its
// address; it stays open for a later reload. Of the main thread.
#ifndef RELAY_NET_INHERIT_H
#define RELAY_NET_INHERIT_H

#include <stddef.h>
#include <sys/socket.h>

#define INHERIT_MAX 64 // sockets taken over

// Reads LISTEN_PID and LISTEN_FDS, once and before anything else opens a descriptor; unsets them.
void inherit_take(void);
// A duplicate of the socket that stands at this address; -1: there is none.
int inherit_find(const struct sockaddr *address);
// Tells each address that nobody has asked for since the start.
void inherit_unused(void (*tell)(const char *address, void *arg), void *arg);

#endif
