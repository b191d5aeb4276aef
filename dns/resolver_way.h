// SPDX-License-Identifier: ISC
// Between the resolver and the library that asks for it: one question to one server, one reply.
// Nobody but dns/resolver*.c includes this. Everything happens on the resolver's thread.
#ifndef DNS_RESOLVER_WAY_H
#define DNS_RESOLVER_WAY_H

#include <uv.h>
#include "config/config.h"
#include "dns/answer.h"
#include "dns/name.h"

enum transport { OVER_UDP, OVER_TCP, OVER_TLS, OVER_LIBRARY };

struct way_reply {
    struct span packet;   // the reply in wire format; empty: there was none
    enum dns_proof proof; // secure, insecure or bogus, as the way judges it
    const char *text;     // without a packet, or bogus: why
};

struct way_question {
    char name[NAME_TEXT];
    uint16_t type;
    size_t server;
    enum transport transport;
    bool checking_disabled; // the server shall not validate (RFC 4035 section 3.2.2)
    // Never inside start; not after cancel.
    void (*done)(struct way_question *question, const struct way_reply *reply);
    void *context; // the way's own, from here on
    uint64_t id;
    bool starting;
};

struct way {
    size_t nservers;
    size_t fast, slow; // bounds on what is outstanding
    bool can_prove;
    bool retries; // false: the library does that
    enum transport (*transport)(const struct way *way, size_t server); // the one to begin with
    int (*start)(struct way *way, struct way_question *question, struct why *why);
    void (*cancel)(struct way *way, struct way_question *question);
    void (*tick)(struct way *way, uint64_t now_ms); // about once a second
    uint64_t (*turned_ms)(const struct way *way, uint64_t now_ms);
    unsigned (*epoch)(const struct way *way);
    void (*describe)(const struct way *way, size_t server, char *out, size_t size);
    void (*close)(struct way *way); // the loop turns once more afterwards
};

struct way *resolver_stub_open(uv_loop_t *loop, const struct cfg_dns *config, struct why *why);
struct way *resolver_recurse_open(uv_loop_t *loop, const struct cfg_dns *config, struct why *why);

#endif
