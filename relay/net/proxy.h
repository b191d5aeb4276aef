// SPDX-License-Identifier: ISC
// The PROXY protocol header, versions 1 and 2, as a load balancer puts it in front of a connection.
// Pure. Who may send one is relay/submit/session.c's question; checksums and TLVs of version 2 are passed
// over.
#ifndef RELAY_NET_PROXY_H
#define RELAY_NET_PROXY_H

#include <stdbool.h>
#include <sys/socket.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

#define PROXY_MAX 4096 // bytes of a header, TLVs included

enum proxy_state { PROXY_MORE, PROXY_DONE, PROXY_BAD };

struct proxy {
    bool has_client; // false: LOCAL, UNKNOWN or another family; the connection speaks for itself
    struct sockaddr_storage client; // address and port
    size_t used;                    // bytes of the header
};

// `in` is everything received so far, from its first byte. BAD: why says what is wrong.
enum proxy_state proxy_parse(struct span in, struct proxy *out, struct why *why);

#endif
