// SPDX-License-Identifier: ISC
// The front of name resolution: ask from any thread, get the answer on your own loop.
//
// Behind it: the cache (dns/cache.h: one lookup for many waiters, TTLs, negative answers) and either the
// resolver thread (dns/resolver.h) or an answer file (dns/answers.h). Every request ends in exactly one
// callback on the loop of the inbox it named, never inside dns_ask itself, unless it is cancelled.
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "config/config.h"
#include "dns/answer.h"
#include "dns/facts.h"
#include "relay/base/histogram.h"
#include "relay/base/inbox.h"

struct dns;
struct dns_request;

// The validation self-check (dns.self_check): what it last found. Any thread.
enum dns_health { DNS_HEALTH_UNKNOWN, DNS_HEALTH_OK, DNS_HEALTH_BROKEN, DNS_HEALTH_OFF };
struct dns_state {
    enum dns_health health;
    int64_t checked_ms; // wall clock, 0: never
    bool can_prove;     // some server is trusted to validate
    bool unreachable;   // with DNS_HEALTH_BROKEN: no DNS server answers at all
    char text[512];     // in words, when not OK: "root trust anchor of ... is out of date"
    uint64_t lookups, cache_hits, failures, cache_bytes;
    bool stuck; // the resolver thread has not turned for 5 s
};

struct dns_options {
    const struct cfg_dns *config; // copied as needed; may be NULL with answers_file
    const char *answers_file;     // NULL: the real DNS
    const char *resolver;         // NULL, or "IP:PORT": stub mode asking this server (`--resolver`)
    uint64_t cache_bytes;         // ceiling of the cache; 0: 64 MiB
    // Health has become another, or the resolver thread is stuck or turns again; on a thread of the front's.
    // NULL: nobody wants to know.
    void (*changed)(void *arg, const struct dns_state *before, const struct dns_state *now);
    void *arg;
};

// Starts the threads. NULL with why on a bad answer file, an unreadable trust anchor and the like.
struct dns *dns_open(const struct dns_options *options, struct why *why);
void dns_close(struct dns *dns); // joins the threads; every request has ended before

// Callback owns nothing: take a reference to keep the answer.
typedef void dns_fn(const struct dns_answer *answer, void *arg);
// `loop_inbox` is the inbox of the calling thread's loop. The request is freed after its callback.
// Every lookup ends within about 20 seconds (DNS_FAILED at the latest then).
struct dns_request *dns_ask(struct dns *dns, struct inbox *loop_inbox, const char *name,
                            uint16_t type, dns_fn *fn, void *arg);
// On the thread that asked; no callback comes after it. Accepts NULL.
void dns_cancel(struct dns_request *request);

// Carries an evaluation through on a loop: looks up all that `facts` wants, then calls `again`, which evaluates
// and returns true while it wants more; then `done` once. Cancel: no callback after it.
struct dns_evaluation;
struct dns_evaluation *dns_evaluate(struct dns *dns, struct inbox *loop_inbox, struct facts *facts,
                                    bool (*again)(void *arg), void (*done)(void *arg), void *arg);
// The same, but evaluates again after every answer, not only when all that was asked is there: for a
// small evaluation with a deadline, in which one dead name server must not hold up what others tell.
struct dns_evaluation *dns_evaluate_eager(struct dns *dns, struct inbox *loop_inbox,
                                          struct facts *facts, bool (*again)(void *arg),
                                          void (*done)(void *arg), void *arg);
void dns_evaluation_cancel(struct dns_evaluation *evaluation); // accepts NULL
// The i-th question that it waits for; false when there are no more. Accepts NULL.
bool dns_evaluation_waits(const struct dns_evaluation *evaluation, size_t i, const char **name,
                          uint16_t *type);
// The same for command-line programs: returns when `again` is content. Own loop, no inbox needed.
void dns_evaluate_blocking(struct dns *dns, struct facts *facts, bool (*again)(void *arg),
                           void *arg);

// What is being asked at this moment, for whoever waits for it.
struct dns_underway {
    uint64_t asked_ms; // so long ago
    char server[80];   // "9.9.9.9", "the root servers"; "": its turn has not come
};
// False: nobody asks this. Any thread, while whoever waits for the answer is there.
bool dns_underway(struct dns *dns, const char *name, uint16_t type, struct dns_underway *out);

// Forget cached answers for a name and below (a policy failure looks TXT up again). Any thread.
void dns_forget(struct dns *dns, const char *name);

void dns_get_state(struct dns *dns, struct dns_state *out);      // any thread
const struct histogram *dns_lookup_times(const struct dns *dns); // without what the cache had

// The `https` part of an answer file: what a policy host would answer (see tls/https.h); false when no
// answer file is used or it does not list the host. `error` is "" on success.
bool dns_file_https(struct dns *dns, const char *host, int *status, const char **type,
                    const char **body, const char **error);

#endif
