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
#include "relay/setup/setup.h"
#include "relay/spool/spool.h"
#include "relay/worker/worker.h"

struct routes;   // relay/route/routes.h: the routes thread
struct state;    // relay/state/state.h: the state thread (SQLite)
struct control;  // relay/control/control.h
struct reporter; // relay/report/reporter.h: on the main loop
struct history;  // relay/http/history.h
struct limits;   // relay/worker/limits.h
struct quota;    // relay/deliver/quota.h

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

// Counters for status, metrics and limits; relaxed atomics. (Alarms are counted by relay/log/log.h.)
struct counters {
    _Atomic uint64_t connections, connections_out, sessions, accepted, refused, delivered, deferred,
        failed, expired, dsn, auth_ok, auth_failed, tls_refused, tls_failure, reports_sent,
        reports_failed;
    _Atomic uint64_t delivered_by[PROTECTIONS];
    _Atomic int64_t connections_now, queued_now, memory_now; // memory_now: message and I/O bytes
    _Atomic int64_t queue_memory; // bytes for what is queued, contents apart
};

struct relay {
    struct spool *spool;
    struct dns *dns;
    struct routes *routes;
    struct state *state;
    struct control *control;
    struct reporter *reporter;
    struct limits *_Atomic limits; // made by the first server, gone with the last
    struct quota
        *quota; // relay/deliver/quota.h: made by the first worker's pool, gone with the last
    struct worker **workers;
    unsigned nworkers;
    struct counters counters;
    _Atomic int stage; // enum relay_stage
    int64_t started_ms;
    struct inbox *mail;       // the main loop's
    struct history *history;  // the main loop's; NULL: none is kept
    struct setup *setup;      // the present one, as the main thread has it; there only
    int64_t reload_failed_ms; // 0: the last reload took effect; the main thread's only
    struct buf troubles; // changed files that cannot be used, a line each; the main thread's only
};

#endif
