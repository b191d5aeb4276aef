// SPDX-License-Identifier: ISC
// One GET (or the POST of tls/https_post.h) over curl: to given addresses alone, the certificate judged before any byte of the answer counts,
// every byte counted. Never follows a redirect, keeps no connection, asks no resolver.
#ifndef TLS_HTTPS_TRANSFER_H
#define TLS_HTTPS_TRANSFER_H

#include <sys/socket.h>
#include "relay/base/buf.h"
#include "relay/base/why.h"
#include "tls/https_sockets.h"
#include "tls/verify.h"

#define TRANSFER_ADDRESSES 8 // tried for one host

struct https_transfer;
struct https_posting; // tls/https_inside.h
struct https_transfer_order {
    const char *host, *path; // borrowed
    uint16_t port;
    struct https_posting *posting; // NULL: a policy is fetched; else its body goes out
    const struct sockaddr_storage *at;
    size_t nat; // at most TRANSFER_ADDRESSES
    struct trust *trust;
    struct https_sockets *sockets; // whose callback is https_transfer_done
    struct buf *body;              // empty; its ceiling is the limit of the body
    struct why *why;               // cleared
    int64_t *ends;                 // set to when the host's certificate ends; 0: not known
    void (*done)(void *arg);       // body or why is filled; not before the call below has returned
    void *arg;
};
// NULL: curl has nothing left to begin with.
struct https_transfer *https_transfer_start(const struct https_transfer_order *order);
void https_transfer_free(
    struct https_transfer *t);                  // before `done`: no callback comes; accepts NULL
void https_transfer_done(void *easy, int code); // for https_sockets_new

// What an answer must be: status 200, text/plain (RFC 8461 section 3.2). -1 with why.
int https_judge_response(const char *host, const char *path, long status, const char *type,
                         struct why *why);
// The two kinds of why that a fetch has.
int https_failed(const char *host, const char *path, struct why *why, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int https_certificate_failed(const char *host, const char *path, struct why *why,
                             const char *detail);

#endif
