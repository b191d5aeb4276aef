// SPDX-License-Identifier: ISC
// The configuration as plain structs: what a YAML file says after defaults, checks and conversion.
// Immutable once loaded, and counted: sessions and messages hold a reference across a reload.
//
// Units: durations in milliseconds, sizes in bytes, rates as count per seconds, times in Unix seconds.
// Text is UTF-8 and NUL-terminated; domains are lower-case A-labels without a final dot. Optional text
// is "" where absent. Files are absolute paths.
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <netinet/in.h>
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

// From tls_level on, comparing with < means "demands less".
enum tls_level { TLS_OPPORTUNISTIC, TLS_ENCRYPT, TLS_WEBPKI, TLS_DANE };
enum delivery_mode { MODE_ENFORCE, MODE_SHADOW };

struct cfg_listen {
    struct sockaddr_storage address;
    char *text; // as written
    bool implicit_tls;
    struct networks proxy;
};

struct cfg_certificate {
    char *chain, *key, *tls_min, *tls_priority;
    bool tickets;
};

// "example.org" exact, "*.example.org" below, "a@b" one address, "*" any (sending, never forwarding).
enum sender_pattern_kind { SENDER_DOMAIN, SENDER_BELOW, SENDER_ADDRESS, SENDER_ANY };
struct sender_pattern {
    enum sender_pattern_kind kind;
    char *text; // the domain, or the address with its domain in lower case
};

struct cfg_sender {
    char *user;               // "" for a network row
    struct networks networks; // none for a user row
    bool tls_required;        // network rows: `tls: required`
    struct sender_pattern *from;
    size_t nfrom;
    struct rate messages, recipients;
    bool fix_bare_lf;
    bool forward;
    struct networks own_networks;
    struct strings trust_results_of;
    bool xforward, xclient;
    bool refuse_dmarc_fail;
    int tls_required_no; // 1 honour, 0 ignore, -1 the default (owned mail: honour)
    bool require_tls, require_signature;
};

struct cfg_key {
    char *selector, *file;
};
struct cfg_dkim_domain {
    char *domain;
    bool subdomains;
    struct cfg_key *keys;
    size_t nkeys;
};
struct cfg_arc {
    char *domain, *selector, *file; // domain "": no sealing
};

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

// A next hop: a name to look up (MX), a host in brackets, or an address in brackets.
enum next_hop_kind { HOP_MX, HOP_HOST, HOP_ADDRESS };
struct cfg_next_hop {
    enum next_hop_kind kind;
    char *name; // domain, host name or address text
    uint16_t port;
    bool implicit_tls; // port 465
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
    char *auth_user, *auth_password_file, *auth_token_command;
    int mode; // -1: the relay's
    size_t line;
};

struct cfg_source {
    struct sockaddr_storage address;
    char *helo; // "": hostname
};

enum memory_level { MEMORY_OFF, MEMORY_TLS, MEMORY_CERTIFICATE };

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
    uint64_t per_site, per_host, total, messages, idle;
    uint64_t connect, greeting, command, data; // timeouts, ms
    struct cfg_next_hop *smarthost;
    size_t nsmarthost;
    struct cfg_destination *destinations;
    size_t ndestinations;
};

struct cfg_limits {
    uint64_t message_size, header_size, recipients, connections, per_client, memory, queued,
        disk_reserve;
};

struct cfg_tls_report {
    bool send;
    char *organization, *contact, *from;
    uint64_t keep;
};

enum log_format { LOG_TEXT, LOG_JSON };

struct config {
    char *file; // where it was read from
    char *hostname, *postmaster, *authserv_id;
    struct cfg_listen *listen;
    size_t nlisten;
    struct cfg_certificate *certificates;
    size_t ncertificates;
    char *users; // "": no users
    struct cfg_sender *senders;
    size_t nsenders;
    bool require_published;
    struct cfg_dkim_domain *dkim;
    size_t ndkim;
    struct cfg_arc arc;
    struct cfg_dns dns;
    struct cfg_delivery delivery;
    struct cfg_limits limits;
    uint64_t auth_failures, auth_ban; // ban: ms
    char *dsn_from, *dsn_postmaster;
    uint64_t dsn_expire;
    struct cfg_tls_report tls_report;
    char *spool, *state, *control;
    char *http; // "ADDRESS:PORT", "": off
    enum log_format log_format;
    int log_level; // 0 error, 1 warning, 2 info, 3 debug
    bool log_mask;
    bool hide_client; // received: no-client
    uint64_t workers; // 0: one a core
    char *user;
};

// A new reference; NULL gives NULL. Thread-safe.
struct config *config_ref(struct config *config);
// Drops one; the last frees. Accepts NULL.
void config_unref(struct config *config);

// Questions about a loaded configuration, pure.
// The rule for a destination domain: exact before the longest "*.", before "*"; NULL without one.
const struct cfg_destination *config_destination(const struct config *config, const char *domain);
// The keys that sign for a domain: its own row, else the nearest parent with `subdomains`; NULL: none.
const struct cfg_dkim_domain *config_dkim_for(const struct config *config, const char *domain);
bool network_contains(const struct networks *list, const struct sockaddr *address);
// "1.2.3.4", "10.0.0.0/8", "::1", "fe80::/10"; host bits behind the prefix are an error.
bool network_parse(const char *text, struct network *out);

#endif
