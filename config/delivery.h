// SPDX-License-Identifier: ISC
// The configuration of the way out: the DNS, next hops, what a connection must prove, rules for
// destinations. Units and conventions as in config/config.h, which includes this.
#ifndef CONFIG_DELIVERY_H
#define CONFIG_DELIVERY_H

#include "config/network.h"
#include "config/next_hop.h"

// From tls_level on, comparing with < means "demands less".
enum tls_level { TLS_OPPORTUNISTIC, TLS_ENCRYPT, TLS_WEBPKI, TLS_DANE };
enum delivery_mode { MODE_ENFORCE, MODE_SHADOW };

enum dns_mode { DNS_RECURSIVE, DNS_STUB };
enum dns_trust { DNS_TRUST_AUTO, DNS_TRUST_AD, DNS_TRUST_OFF };
struct cfg_dns_server {
    struct sockaddr_storage address; // port included
    char *tls_name;                  // "": plain DNS
};
struct cfg_dns {
    enum dns_mode mode;
    struct cfg_dns_server *servers;
    size_t nservers;
    enum dns_trust dnssec;
    char *self_check; // "": off
    bool defer_on_failure, half_dane;
    char *trust_anchor, *root_hints;
};

struct cfg_destination {
    char *domain; // "example.org", "*.example.org" (below it) or "*"
    struct cfg_next_hop *next_hops;
    size_t nnext_hops;
    bool has_tls;
    enum tls_level tls;
    int64_t until; // 0: no exception; INT64_MAX: never ends; else the last second it counts
    char *reason;  // of the exception
    struct strings names, pins; // pin: "sha256:HEX or base64"
    char *ca_file;              // "": the one of delivery
    struct cfg_login login;
    struct cfg_certificate identity; // chain and key alone; "": none is shown
    int mode;                        // -1: the relay's
    uint64_t connections;            // at once to its site; 0: as all
    struct rate rate;                // messages to its site; 0: as all
    size_t line;                     // of this file
    const char *file;
};

enum memory_level { MEMORY_OFF, MEMORY_TLS, MEMORY_CERTIFICATE };

// How the flow to a site follows what the site says (relay/queue/shape.h).
struct cfg_shaping {
    bool learn;
    uint64_t start;   // connections to a site of which nothing is known
    struct rate rate; // messages to one site at most; 0: no ceiling
    uint64_t keep;    // ms that what was learned is kept
};

struct cfg_delivery {
    enum tls_level tls;
    enum delivery_mode mode;
    enum memory_level memory;
    uint64_t memory_days;
    char *ca_file, *tls_min, *tls_priority;
    uint16_t port;
    int families[2]; // AF_INET6, AF_INET in order of preference; 0: none
    struct cfg_source *sources;
    size_t nsources;
    bool refuse_default;
    struct networks refuse; // where refuse_default is false
    bool address_literals;
    uint64_t *retry; // ms
    size_t nretry;
    uint64_t expire, warn_after, tls_warn_after; // ms
    uint64_t per_site, per_host, total, messages, in_flight, idle;
    struct cfg_shaping shaping;
    uint64_t connect, greeting, command, data; // timeouts, ms
    struct cfg_next_hop *smarthost;
    size_t nsmarthost;
    struct cfg_destination *destinations;
    size_t ndestinations;
};

#endif
