// SPDX-License-Identifier: ISC
// The configuration of the way in: listeners, certificates, who may send what. Units and conventions as in
// config/config.h, which includes this.
#ifndef CONFIG_SUBMISSION_H
#define CONFIG_SUBMISSION_H

#include <sys/types.h>
#include "config/network.h"
#include "config/next_hop.h"

// Where a socket is: an address with a port, or a Unix socket.
struct cfg_socket {
    struct sockaddr_storage address;
    char *text; // as written; a Unix socket is "unix:" and its path
};

struct cfg_listen {
    struct sockaddr_storage address;
    char *text; // as in cfg_socket
    char *mode; // Unix sockets: octal digits
    bool implicit_tls;
    bool client_certificates; // asks for them
    char *client_ca;          // ""
    struct networks proxy;
};

// "example.org" exact, "*.example.org" below, "a@b" one address, "*" any (sending, never forwarding).
enum sender_pattern_kind { SENDER_DOMAIN, SENDER_BELOW, SENDER_ADDRESS, SENDER_ANY };
struct sender_pattern {
    enum sender_pattern_kind kind;
    char *text; // the domain, or the address with its domain in lower case
};

// What becomes of mail that is From an own domain and from elsewhere as far as anybody can tell.
enum own_fail { OWN_FAIL_REFUSE, OWN_FAIL_SEAL, OWN_FAIL_DISCARD };

// An address that a device cannot be told to change, and what is sent instead: an address, or a domain that takes
// the local part over.
struct cfg_rewrite {
    struct sender_pattern from, to;
};

// Return addresses of a principal's domain, under the keys of a file (relay/setup/secrets.h).
struct cfg_return {
    char *domain, *key_file; // domain "": none
    char *to;                // VERP: who gets what returns and is no report; ""
    uint64_t max_age;        // ms
    uint64_t hash_length;    // SRS: characters
};
// What becomes of a recipient on the suppression list.
enum suppressed { SUPPRESSED_REFUSE, SUPPRESSED_DROP, SUPPRESSED_SEND };

// A filter that speaks the milter protocol, and what becomes of mail that it cannot be asked about.
enum milter_default { MILTER_TEMPFAIL, MILTER_ACCEPT, MILTER_QUARANTINE };
struct cfg_milter {
    char *name;
    struct cfg_socket socket;
    uint64_t connect, command, content; // ms
    uint64_t connections;               // at once
    enum milter_default on_failure;
};

// When a login jumps and is held (relay/login/habit.h). 0: that sign does not count.
struct cfg_jumps {
    bool hold;
    uint64_t rate;       // times the recipients of its busiest hour ...
    uint64_t recipients; // ... and at least so many within an hour
    uint64_t domains;    // new recipient domains within an hour
    uint64_t bounces;    // percent of recipients that failed ...
    uint64_t results;    // ... of at least so many
    uint64_t learn;      // ms that a new login is learned before rate and domains count
};

struct cfg_sender {
    char *user;                 // "" for other rows
    struct strings certificate; // user rows: "sha256:…", "dns:…", "email:…", "uri:…"
    struct networks networks;   // none for other rows
    char *unix_user;            // "" for other rows; "*": every local user
    bool has_uid;               // `unix_user` names one
    uid_t uid;
    bool tls_required; // network rows: `tls: required`
    struct sender_pattern *from;
    size_t nfrom;
    struct rate messages, recipients;
    bool high; // priority
    bool may_jump;
    // Where its mail goes, and from where; none: as everybody's.
    struct cfg_next_hop *next_hops;
    size_t nnext_hops;
    struct cfg_login login; // at these hops
    struct cfg_source *sources;
    size_t nsources;
    bool fix_bare_lf, forward;
    struct networks own_networks;
    struct strings trust_results_of, trusted_sealers, bounces_from;
    uint64_t trusted_hops;
    bool xforward, xclient;
    bool refuse_dmarc_fail;
    enum own_fail on_own_fail;
    bool refuse_long_lines;
    int tls_required_no; // 1 honour, 0 ignore, -1 the default (owned mail: honour)
    bool require_tls, require_signature;
    struct cfg_rewrite *rewrites;
    size_t nrewrites;
    char *default_from, *force_from, *archive; // ""
    struct strings strip_headers;              // names, or their beginning and a *
    struct cfg_return srs, verp;
    bool returns;
    bool milters_all;       // else those in `milters`
    struct strings milters; // names; the one name "none": no filter
    enum suppressed suppressed;
    int preflight; // enum preflight_mode, -1 as the configuration says for all
};

// Logins.
struct cfg_auth {
    uint64_t failures, ban; // ban: ms
    struct networks exempt;
    struct strings mechanisms; // words of SASL
    char *dovecot;             // its socket; ""
    struct strings command;    // a program and its arguments; none
    uint64_t timeout;          // ms
    uint64_t concurrent;       // runs of the program at once
};

#endif
