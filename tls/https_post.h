// SPDX-License-Identifier: ISC
// Handing bytes to an HTTPS host (RFC 8460 section 5.4): a POST on the fetcher of tls/https.h, under the same
// rules: our own resolver's addresses, none that must not be connected to, no redirect, a certificate valid
// for the host, one minute in all. Knows nothing of what it hands over.
#ifndef TLS_HTTPS_POST_H
#define TLS_HTTPS_POST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

struct https;
struct https_request;
struct trust; // tls/verify.h

#define HTTPS_POST_WORDS 2048 // bytes of the answer's body that are kept

struct https_post_order {
    const char *host;
    uint16_t port;
    const char *path;           // "/report?x=y"
    const char *type;           // the media type
    struct span body;           // all are copied
    const char *const *headers; // further ones, ended by NULL; NULL: none
    struct trust *trust;        // instead of the fetcher's own; NULL: that one
    // http:// to these addresses of this machine, which are not looked up and stand for `host`; 0: https.
    const struct sockaddr_storage *at;
    size_t nat;
    size_t most; // bytes of the answer that are kept; 0: HTTPS_POST_WORDS
    bool secret; // what goes out, and what comes back, is wiped afterwards
};
struct https_post_answer {
    long status;       // the host's, 0: it gave none
    bool out;          // the whole request went out: without a status, it may have been taken
    struct span words; // the body's beginning
    struct span sent;  // what went out
    const char *error; // without a status: why
};
typedef void https_post_fn(const struct https_post_answer *answer, void *arg);
// One callback, never inside the call, unless https_cancel comes first.
struct https_request *https_post(struct https *https, const struct https_post_order *order,
                                 https_post_fn *fn, void *arg);

#endif
