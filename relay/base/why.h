// SPDX-License-Identifier: ISC
// The reason object: why a step failed. Filled once, where the cause is known, and read by the
// retry decision, the log line, the DSN, the ledger and `waxwing explain`.
//
// A fallible step returns 0, or -1 with its `struct why` filled. It is a plain value: copy it freely.
// Text that a peer sent is kept as it came; whoever prints it makes it safe (relay/log/log.h, relay/queue/dsn.h).
#ifndef RELAY_BASE_WHY_H
#define RELAY_BASE_WHY_H

#include <stdbool.h>
#include <stddef.h>

// What the failure is about, hence who else is touched by it.
enum why_scope {
    WHY_NOTHING,   // no failure
    WHY_RECIPIENT, // this recipient alone
    WHY_MESSAGE,   // this message, to anybody
    WHY_HOST,      // this host: another one may do
    WHY_DOMAIN,    // the destination domain, on every host
    WHY_OURS       // this relay: disk, memory, configuration, resolver
};

// The result types of RFC 8460 section 4.3, in its order; WHY_TLS_NONE: not about TLS.
enum why_tls {
    WHY_TLS_NONE,
    WHY_STARTTLS_NOT_SUPPORTED,
    WHY_CERTIFICATE_HOST_MISMATCH,
    WHY_CERTIFICATE_EXPIRED,
    WHY_CERTIFICATE_NOT_TRUSTED,
    WHY_VALIDATION_FAILURE,
    WHY_TLSA_INVALID,
    WHY_DNSSEC_INVALID,
    WHY_DANE_REQUIRED,
    WHY_STS_POLICY_FETCH_ERROR,
    WHY_STS_POLICY_INVALID,
    WHY_STS_WEBPKI_INVALID,
    WHY_TLS_TYPES
};

// Every reason of the catalogue (relay/base/reasons.def) by name; its row says the rest (relay/base/reasons.h).
#define REASON(id, ...) REASON_##id,
enum reason {
    REASON_NONE,
#include "relay/base/reasons.def"
};
#undef REASON

// Who can mend it.
enum act {
    ACT_NONE,
    ACT_US,
    ACT_NETWORK,
    ACT_SENDER,
    ACT_RECEIVER,
    ACT_RECEIVER_HOST,
    ACT_RECEIVER_DNS,
    ACT_HEALS
};

struct why {
    enum why_scope scope;
    enum reason
        reason; // what it is called; REASON_NONE: it is in no catalogue (commands, the start)
    enum reason
        behind; // of a site that is left alone: the failure that shut it; REASON_NONE: not known
    enum act act;
    char status[12]; // enhanced status code, RFC 3463: "4.7.5"; its class says whether to retry
    enum why_tls tls;
    const char *
        asker; // of a TLS failure: who demanded what failed, a word of tls/policy.h; NULL: not known
    char host[256];  // remote host name or address, "" if none
    char reply[512]; // the last SMTP reply, one line, as it came; "" if none
    // The DNS server that was asked in vain, for the operator alone (no sender is told of it); "" if none.
    char server[80];
    char text[512]; // one sentence for people, without final full stop
};

void why_clear(struct why *why);

// The sentences, so that the compiler holds the arguments of why_say against them.
#define REASON(id, name, scope, status, tls, act, holes, sentence, means, advice)                  \
    static const char reason_text_##id[] __attribute__((unused)) = sentence;
#include "relay/base/reasons.def"
#undef REASON

// Fills from the row of the catalogue and returns -1, so that `return why_say(why, NO_SUCH_DOMAIN, domain)` reads
// well. host and reply become "".
#define why_say(why, id, ...)                                                                      \
    why_fill((why), REASON_##id, reason_text_##id __VA_OPT__(, ) __VA_ARGS__)
int why_fill(struct why *why, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// What the row says otherwise here: the status of a reply; scope and TLS-RPT type where they depend.
void why_status(struct why *why, const char *status);
// The same for what is in no catalogue: a command's fault, or the start's. WHY_OURS is relay-fault.
int why_set(struct why *why, enum why_scope scope, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void why_host(struct why *why, const char *host);
void why_reply(struct why *why, const char *reply);   // control characters become spaces
void why_server(struct why *why, const char *server); // accepts NULL

struct why *why_copy(const struct why *why); // the caller frees it; NULL gives NULL
bool why_is_set(const struct why *why);
// Its text; of a failed look-up without the name that was looked up, for a sentence that has that name already.
const char *why_cause(const struct why *why);
bool why_permanent(const struct why *why);  // class 5
const char *why_tls_word(enum why_tls tls); // "starttls-not-supported"; "" for WHY_TLS_NONE
// The word's value, or WHY_TLS_NONE.
enum why_tls why_tls_parse(const char *word);

#endif
