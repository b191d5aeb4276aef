// SPDX-License-Identifier: ISC
// Where a webhook listens: https on any host, or http on this machine, where nobody stands between.
#ifndef CONFIG_WEBHOOK_H
#define CONFIG_WEBHOOK_H

#include "config/value.h"

#define WEBHOOK_ADDRESSES 2

struct webhook {
    bool clear; // http://
    struct value_url url;
    struct sockaddr_storage at[WEBHOOK_ADDRESSES]; // clear: loopback addresses, with the port
    size_t nat;                                    // 0: the host is looked up
};
// Pure. Releases nothing on failure; webhook_free otherwise.
int webhook_parse(struct span text, struct webhook *out, struct why *why);
void webhook_free(struct webhook *hook);

#endif
