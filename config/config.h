// SPDX-License-Identifier: ISC
// The configuration as plain structs: what a YAML file says after defaults, checks and conversion.
// Immutable once loaded, and counted: sessions and messages hold a reference across a reload.
//
// Units: durations in milliseconds, sizes in bytes, rates as a count per milliseconds, times in Unix seconds.
// Text is UTF-8 and NUL-terminated; domains are lower-case A-labels without a final dot. Optional text
// is "" where absent. Files are absolute paths.
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <netinet/in.h>
#include "config/delivery.h"
#include "config/events.h"
#include "config/fleet.h"
#include "config/network.h"
#include "config/signing.h"
#include "config/submission.h"

struct cfg_limits {
    uint64_t message_size, header_size, recipients, connections, per_client, memory, queued,
        queue_memory, disk_reserve;
};

// What becomes of own mail in which pre-flight finds something (relay/preflight/preflight.h).
enum preflight_mode { PREFLIGHT_OFF, PREFLIGHT_NOTE, PREFLIGHT_REFUSE };

// What the daily look at own domains asks beside them.
struct cfg_audit {
    struct strings dnsbl; // zones of lists of addresses
};

struct cfg_tls_report {
    bool send;
    char *organization, *contact, *from;
    uint64_t keep, spread;   // ms
    struct strings suppress; // domains, "*.domain" or "*"
};

enum log_format { LOG_TEXT, LOG_JSON };

// Where the configuration names a file.
struct cfg_place {
    char *path;
    const char *file; // one of config->files
    size_t line, column;
};

struct config {
    char *file;   // where it was read from
    char **files; // that one, and those that it includes
    size_t nfiles;
    char *include; // a folder of further files; "": none
    struct cfg_place *places;
    size_t nplaces;
    char *hostname, *postmaster, *authserv_id;
    struct cfg_listen *listen;
    size_t nlisten;
    struct cfg_certificate *certificates;
    size_t ncertificates;
    char *users;      // "": no users
    bool sender_ways; // a row names next hops or source addresses
    struct cfg_sender *senders;
    size_t nsenders;
    struct cfg_milter *milters; // in the order in which they are asked
    size_t nmilters;
    bool require_published;
    struct cfg_dkim_domain *dkim;
    size_t ndkim;
    struct cfg_signing signing;
    struct cfg_arc arc;
    enum preflight_mode preflight;
    struct cfg_audit audit;
    struct cfg_dns dns;
    struct cfg_delivery delivery;
    struct cfg_jumps jumps;
    struct cfg_limits limits;
    struct cfg_auth auth;
    char *dsn_from, *dsn_postmaster;
    uint64_t dsn_expire;
    struct cfg_tls_report tls_report;
    struct cfg_sink *sinks;
    size_t nsinks;
    struct cfg_event_log event_log;
    struct cfg_trace trace;
    struct cfg_suppress suppress;
    struct cfg_fleet fleet;
    char *spool, *state, *control;
    char *http;                                    // "ADDRESS:PORT", "": off
    char *http_token_file, *http_chain, *http_key; // of the pages; "": none
    struct strings http_names;
    bool metrics_logins; // series of single logins
    char *policy_listen; // as http
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
// Where it names the file that a sentence is about; NULL: nowhere, or by default.
const struct cfg_place *config_place(const struct config *config, const char *text);
// The rule for a destination domain: exact before the longest "*.", before "*"; NULL without one.
const struct cfg_destination *config_destination(const struct config *config, const char *domain);
// The keys that sign for a domain: its own row, else the nearest parent with `subdomains`; NULL: none.
const struct cfg_dkim_domain *config_dkim_for(const struct config *config, const char *domain);
// The filter sees mail of this row.
bool config_filters(const struct cfg_sender *row, const struct cfg_milter *milter);

#endif
