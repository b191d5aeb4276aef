// SPDX-License-Identifier: ISC
// Fetching an MTA-STS policy over HTTPS (RFC 8461 section 3.3): libcurl on a thread of its own, connecting only
// to addresses that our own resolver found, trusting the given store alone. Knows no policy text; never follows
// a redirect; at most STS_POLICY_MAX bytes; one minute in all. A host that is slow delays nobody else.
#ifndef TLS_HTTPS_H
#define TLS_HTTPS_H

#include <uv.h>
#include "config/config.h"
#include "dns/dns.h"
#include "relay/base/inbox.h"
#include "relay/base/why.h"
#include "tls/verify.h"

struct https; // a fetcher: a thread; asked and answered on one other loop
struct https_request;

// What a reload may change.
struct https_rules {
    struct trust
        *trust; // what a policy host's certificate must lead to; the fetcher takes a reference
    // True for addresses that must not be connected to (delivery.refuse_addresses); may be NULL. Called
    // on the fetcher's thread.
    bool (*refused)(void *arg, const struct sockaddr *address);
    void *arg;
    void (*drop)(
        void *
            arg); // on the fetcher's thread, or in https_close: arg is not needed any more; may be NULL
};

struct https_options {
    struct inbox *mail; // of the loop that asks
    struct dns *dns;    // an answer file's `https` part is asked first
    struct https_rules rules;
};
struct https *https_open(const struct https_options *options, struct why *why);
void https_reload(struct https *https,
                  const struct https_rules *rules); // fetches under way keep their store
// Joins the thread. Every request has ended or been cancelled before.
void https_close(struct https *https);

// GET https://HOST/PATH. One callback, never inside the call. On success (status 200, text/plain, within
// the limits) `body` is the text, else `why` is set: sts-policy-fetch-error, or for the certificate
// sts-webpki-invalid (RFC 8460 section 4.3.2.2; its text says expired, not trusted or for another host); both
// 4.7.5, scope WHY_DOMAIN. The certificate must carry HOST as a dNSName.
typedef void https_fn(struct span body, const struct why *why, void *arg);
struct https_request *https_get(struct https *https, const char *host, const char *path,
                                https_fn *fn, void *arg);
// Within the callback: when the host's certificate ends, Unix seconds; 0: not known.
int64_t https_certificate_ends(const struct https_request *request);
void https_cancel(struct https_request *request); // accepts NULL

#endif
