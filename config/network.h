// SPDX-License-Identifier: ISC
// Small values that the configuration is made of: lists of text, networks, rates. Plain structs.
#ifndef CONFIG_NETWORK_H
#define CONFIG_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct strings {
    char **at;
    size_t n;
};

// An address with a prefix length; bits == 32 or 128 for a single address.
struct network {
    int family; // AF_INET or AF_INET6
    unsigned char addr[16];
    unsigned bits;
};
struct networks {
    struct network *at;
    size_t n;
};

struct rate {
    uint64_t count; // 0: no limit
    uint64_t per_ms;
};

// An IPv4 client of a listener on [::] (::ffff:a.b.c.d) counts as its IPv4 address too.
bool network_contains(const struct networks *list, const struct sockaddr *address);
// "1.2.3.4", "10.0.0.0/8", "::1", "fe80::/10"; host bits behind the prefix are an error.
bool network_parse(const char *text, struct network *out);

#endif
