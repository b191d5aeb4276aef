// SPDX-License-Identifier: ISC
// The end of a process that may say nothing more to anybody: what its connections still hold goes with it, instead of
// being sent by the kernel afterwards, for minutes where a peer does not answer.
#ifndef RELAY_NET_ABANDON_H
#define RELAY_NET_ABANDON_H

// Every TCP connection of the process is reset when it is closed from now on, at the latest by the end of the process;
// a peer that had all of it meets the reset as an end. Listening sockets stay as they are. Any thread.
void net_abandon(void);

#endif
