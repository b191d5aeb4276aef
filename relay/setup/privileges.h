// SPDX-License-Identifier: ISC
// Root is for binding ports. Afterwards the relay is `user`, with CAP_NET_BIND_SERVICE alone; it stays root only
// where the configuration names root.
#ifndef RELAY_SETUP_PRIVILEGES_H
#define RELAY_SETUP_PRIVILEGES_H

#include "config/config.h"
#include "relay/base/why.h"

// As root: makes the folders of spool, state and control where they are missing, owned by `user`
// (spool and state 0700, control 0755). Not root: makes them as they are owned. -1 with why.
int privileges_folders(const struct config *config, struct why *why);
// As root: from here to privileges_return the effective user and group are those of `user`, so that what is
// opened is what the relay can open later. Before there are threads. -1 with why: no or an unknown user, or
// refused.
int privileges_borrow(const char *user, struct why *why);
bool privileges_borrowed(void);
void privileges_return(void); // harmless where nothing was borrowed; the other groups stay `user`'s
// As root: becomes `user` for good. Programs started from here on inherit no capability. -1 with why: unknown user, or
// refused.
int privileges_drop(const struct config *config, struct why *why);

#endif
