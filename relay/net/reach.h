// SPDX-License-Identifier: ISC
// Whether the network lets mail out at all: many block port 25, and each host that cannot be reached looks like
// that host's own trouble. Any thread.
#ifndef RELAY_NET_REACH_H
#define RELAY_NET_REACH_H

#include <sys/socket.h>

#define REACH_HOSTS 5       // so many different hosts in a row, and none that answered in between
#define REACH_MS    3600000 // between two alarms

void reach_worked(const struct sockaddr *peer); // a connection came about
void reach_failed(const struct sockaddr *peer, const char *how);

#endif
