// SPDX-License-Identifier: ISC
// What the last deliveries met at each host of a domain (relay/recent/recents.h), as the state database keeps it over a
// restart: a row a domain and host, and one for the domain itself.
#ifndef RELAY_STATE_RECENT_H
#define RELAY_STATE_RECENT_H

#include "relay/state/state.h"

#define STATE_RECENT      10000               // rows kept, those last used
#define STATE_RECENT_MS   INT64_C(2592000000) // and how long: 30 days
#define STATE_RECENT_TEXT 1024                // bytes of one text

// What can be another than when mail last went well.
enum recent_what {
    RECENT_MX,          // of the domain: its hosts, "10 mx.example, 20 mx2.example"
    RECENT_POLICY,      // of the domain: its MTA-STS policy, "enforce, id 20260101"; "none"
    RECENT_TLSA,        // of a host, one record a line; ""
    RECENT_CERTIFICATE, // of a host: subject, issuer, end, fingerprint
    RECENT_CIPHER,      // of a host: "TLSv1.3 TLS_AES_256_GCM_SHA384 X25519"; "no TLS"
    RECENT_TRAITS
};
struct recent_trait {
    char *good, *now; // at the last good delivery, and at the last attempt; NULL: not known
    int64_t since_ms; // when `now` was first seen
};

// In these, times are wall clock, 0: never; texts are the row's own, NULL: nothing is known.
// Why an attempt came to nothing, and at which address.
struct recent_why {
    int64_t ms;
    char *ip, *why, *act, *status, *text, *reply;
    char *local;   // our address on that connection
    char *to;      // a recipient of it, masked where log.mask says so
    char *sender;  // the domain of the envelope's sender
    char *outcome; // what became of the mail: a word of relay/queue/met.h
};
struct recent_row {
    char *domain, *host; // host "": the domain as a whole
    int64_t used_ms;
    // In which order things happened whatever the clock showed; 0: they did not.
    int64_t good_turn, bad_turn;
    int64_t good_ms; // mail was taken
    char *good_ip, *good_tls, *good_proof;
    int64_t good_resumed;  // 1: by a TLS session that was resumed
    struct recent_why bad; // an attempt failed
    char *type;            // of that, where TLS failed
    int64_t failures;      // how many since mail was taken
    // It answered, and one recipient was refused for good: neither a success nor a failure of the host.
    struct recent_why told;
    struct recent_trait traits[RECENT_TRAITS];
    // Of the chain that the host showed last: its digest, the end of the leaf and of the certificate that a DANE-TA
    // record matched, Unix seconds, 0: not known.
    char *chain;
    char *leaf_key; // SHA-256 of the leaf's public key, as TLSA 3 1 1 has it
    int64_t leaf_ends_s, anchor_ends_s;
    // Which lines of the present TLSA records matched something of it, a bit a line.
    int64_t matched;
    char *demand, *source; // what the host owed then: words of tls/policy.h
    bool gone;             // no row any more: it is removed
};
void recent_row_free(struct recent_row *row); // what it holds; leaves it empty
void recent_row_copy(struct recent_row *to, const struct recent_row *from);

// Takes over the rows and their array. `lost` is called on the state thread for each where nothing could be written,
// then `done`; both with `arg`. Any thread.
struct recent_keeping {
    struct recent_row *rows;
    size_t n;
    void (*lost)(void *arg, const struct recent_row *row);
    void (*done)(void *arg);
    void *arg;
};
void state_recent_keep(struct state *state, const struct recent_keeping *keeping);
// At a start, on the caller's thread, those last used first; what is too old or too much is removed.
void state_recent_restore(struct state *state, void (*fn)(const struct recent_row *row, void *arg),
                          void *arg);
// Of one domain (NULL: all) from a file that nobody of ours holds open; none, where it is of an older version. -1
// with why.
int state_recent_read(const char *path, const char *domain,
                      void (*fn)(const struct recent_row *row, void *arg), void *arg,
                      struct why *why);

#endif
