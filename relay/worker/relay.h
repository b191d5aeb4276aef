// SPDX-License-Identifier: ISC
// What the parts of one running relay share: the threads' doors and counters. Everything here is either
// safe from any thread or says whose it is. There is one `struct relay` in a process, but no global:
// it is passed down.
#ifndef RELAY_WORKER_RELAY_H
#define RELAY_WORKER_RELAY_H

#include <stdatomic.h>
#include "config/config.h"
#include "dns/dns.h"
#include "relay/base/buf.h"
#include "relay/base/histogram.h"
#include "relay/base/tally.h"
#include "relay/sasl/sasl.h"
#include "relay/setup/setup.h"
#include "relay/spool/spool.h"
#include "relay/worker/login_result.h"
#include "relay/worker/sizes.h"
#include "relay/worker/worker.h"
#include "tls/policy.h"

struct routes;      // relay/route/routes.h: the routes thread
struct state;       // relay/state/state.h: the state thread (SQLite)
struct control;     // relay/control/control.h
struct events;      // relay/events/events.h
struct trace;       // relay/trace/trace.h: the stories of messages
struct suppress;    // relay/suppress/suppress.h
struct reporter;    // relay/report/reporter.h: on the main loop
struct audit_daily; // relay/audit/daily.h
struct habits;      // relay/login/habits.h
struct recents;     // relay/recent/recents.h
struct history;     // relay/http/history.h
struct limits;      // relay/worker/limits.h
struct bans;        // relay/login/bans.h
struct quota;       // relay/deliver/quota.h
struct tickets;     // relay/deliver/tickets.h
struct milters;     // relay/milter/book.h
struct tokens;      // relay/oauth/tokens.h
struct health;      // relay/route/health.h
struct fleet;       // relay/fleet/fleet.h
struct slices;      // relay/worker/slices.h
struct claims;      // relay/report/claims.h

#define LOGIN_SECRET 32 // bytes

enum relay_stage { RELAY_STARTING, RELAY_RUNNING, RELAY_DRAINING, RELAY_STOPPING };

// What a delivered recipient's connection had proved.
enum protection {
    PROTECTION_DANE,
    PROTECTION_STS,     // certificate, because MTA-STS asked for it
    PROTECTION_PROVED,  // certificate or pin, by rule, memory or the operator's default
    PROTECTION_ENCRYPT, // encrypted, nothing proved
    PROTECTION_CLEAR,
    PROTECTIONS
};

// What an attempt came to for one recipient, and the first digit of its status (2, 4, 5).
enum settled { SETTLED_DELIVERED, SETTLED_DEFERRED, SETTLED_FAILED, SETTLED_EXPIRED, SETTLED };
enum status_class { STATUS_GOOD, STATUS_LATER, STATUS_NEVER, STATUS_CLASSES };

// What is counted of a login; see metrics.logins.
enum login_count { LOGIN_MESSAGES, LOGIN_RECIPIENTS, LOGIN_REFUSED };

// Counters for status, metrics and limits; relaxed atomics. (Alarms are counted by relay/log/log.h.)
struct counters {
    _Atomic uint64_t connections, connections_out, sessions, accepted, refused, delivered, deferred,
        failed, expired, dsn, auth_ok, auth_failed, tls_refused, tls_failure, reports_sent,
        reports_failed, returns, returns_refused;
    _Atomic uint64_t overlapped; // messages begun while others' answers were awaited
    _Atomic uint64_t delivered_by[PROTECTIONS];
    _Atomic int64_t connections_now, queued_now, memory_now; // memory_now: message and I/O bytes
    _Atomic int64_t queue_memory; // bytes for what is queued, contents apart
    _Atomic uint64_t bans;        // begun
    _Atomic uint64_t auth_by[SASL_MECHANISMS][LOGIN_RESULTS];
    _Atomic uint64_t refused_by[STATUS_CLASSES];
    _Atomic uint64_t settled_by[SETTLED][STATUS_CLASSES];
    _Atomic uint64_t
        lessons[4]; // what sites taught: connections, rate, busy, away (relay/queue/shape.h)
    _Atomic int64_t sites[4]; // now: open, paced, shut, paused (relay/queue/sites.h)
    _Atomic uint64_t tls_by_type[WHY_TLS_TYPES][2]; // [1]: refused
    _Atomic uint64_t sessions_by[SOURCES][PROOFS];
    _Atomic uint64_t noted, noted_refused; // own mail in which pre-flight found something
    struct tally findings;                 // of pre-flight, by name
    struct tally listeners;                // connections
    struct tally logins;                   // enum login_count
    struct histogram accept_time;          // from the last byte of a message to its 250
    struct histogram sign_time;            // judging, signing or sealing
    struct histogram delivery_delay;       // HISTOGRAM_WAIT: from 250 to the next hop's
    struct histogram queue_age; // HISTOGRAM_WAIT: when the session that delivered it began
};

struct relay {
    struct spool *spool;
    struct dns *dns;
    struct routes *routes;
    struct state *state;
    struct tokens *tokens;
    struct health *health; // relay/route/health.h
    struct strays *strays; // relay/deliver/strays.h; NULL: none is remembered
    struct control *control;
    struct reporter *reporter;
    struct suppress *suppress;                // NULL: nobody is suppressed
    struct events *events;                    // NULL: nobody wants any
    struct trace *trace;                      // NULL: no stories are kept
    struct audit_daily *audit;                // the main loop's
    struct limits *_Atomic limits;            // made by the first server, gone with the last
    struct bans *bans;                        // there before the first worker and after the last
    unsigned char login_secret[LOGIN_SECRET]; // of what names without a verifier are shown
    struct quota
        *quota; // relay/deliver/quota.h: made by the first worker's pool, gone with the last
    struct tickets *tickets; // session tickets of next hops; the same
    struct milters *milters; // NULL: nothing is noted
    struct habits *habits;   // relay/login/habits.h; NULL: none is kept
    struct fleet *fleet;     // relay/fleet/fleet.h; NULL: this relay is alone
    struct slices *slices;   // what a fleet's limits leave this relay; NULL: it is alone
    struct claims *claims;   // whom the reporter asks; NULL: it is alone
    struct sizes sizes;      // how much destinations take
    struct recents *recents; // relay/recent/recents.h; NULL: none is kept
    struct worker **workers;
    unsigned nworkers;
    struct counters counters;
    _Atomic int stage;  // enum relay_stage
    _Atomic bool again; // what ends it wants another start: its exit status says so
    int64_t started_ms;
    struct inbox *mail;       // the main loop's
    struct history *history;  // the main loop's; NULL: none is kept
    struct setup *setup;      // the present one, as the main thread has it; there only
    int64_t reload_failed_ms; // 0: the last reload took effect; the main thread's only
    struct buf troubles; // changed files that cannot be used, a line each; the main thread's only
};

#endif
