// SPDX-License-Identifier: ISC
// Telling systemd (sd_notify protocol): a datagram to $NOTIFY_SOCKET, nothing where there is none.
#ifndef RELAY_RUN_NOTIFY_H
#define RELAY_RUN_NOTIFY_H

// "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=…"; RELOADING carries the monotonic time it must have.
void notify_systemd(const char *state);

#endif
