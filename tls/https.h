// SPDX-License-Identifier: ISC
// Fetching an MTA-STS policy over HTTPS (RFC 8461 section 3.3): libcurl on a thread of its own (its GnuTLS
// backend reads the CA file for each connection), connecting only to addresses that our own resolver
// found. Knows no policy text; never follows a redirect; at most STS_POLICY_MAX bytes; one minute in all;
// at most 32 fetches at once, 2 to one address.
#ifndef TLS_HTTPS_H
#define TLS_HTTPS_H

#include <uv.h>
#include "config/config.h"
#include "dns/dns.h"
#include "relay/base/inbox.h"
#include "relay/base/why.h"

struct https; // a fetcher: a thread; asked and answered on one other loop
struct https_request;

struct https_options {
    struct inbox *mail; // of the loop that asks
    struct dns *dns;    // an answer file's `https` part is asked first
    const char *ca_file;
    // True for addresses that must not be connected to (delivery.refuse_addresses); may be NULL. Called
    // on the fetcher's thread.
    bool (*refused)(void *arg, const struct sockaddr *address);
    void *arg;
};
struct https *https_open(const struct https_options *options, struct why *why);
// Joins the thread. Every request has ended or been cancelled before.
void https_close(struct https *https);

// GET https://HOST/PATH. One callback, never inside the call. On success (status 200, text/plain, within
// the limits) `body` is the text, else `why` is set: sts-policy-fetch-error, or for the certificate
// sts-webpki-invalid; both 4.7.5, scope WHY_DOMAIN. The certificate must be valid for HOST.
typedef void https_fn(struct span body, const struct why *why, void *arg);
struct https_request *https_get(struct https *https, const char *host, const char *path,
                                https_fn *fn, void *arg);
void https_cancel(struct https_request *request); // accepts NULL

#endif
