// SPDX-License-Identifier: ISC
// SASL dialogues (RFC 4422) of either side, with libgsasl behind them: a message in, a message out, no base64 and
// no SMTP around them. relay/sasl/server.h begins one where clients log in to us, relay/sasl/client.h where we log
// in to a next hop. What a mechanism says in one message is not here: PLAIN and LOGIN are relay/sasl/words.h.
//
// Messages of the peer are hostile and bounded by SASL_MESSAGE. Nothing blocks; a server's step costs microseconds,
// a client's as much as the iterations that the server asks for (PBKDF2: 1.4 ms a
// 1,000 as measured, without a bound in the library, so that the client's side looks at them first).
//
// libgsasl 2.2.0: a client that is given a binding without -PLUS fails at once, so give it with -PLUS alone.
#ifndef RELAY_SASL_SASL_H
#define RELAY_SASL_SASL_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

#define SASL_MESSAGE                                                                               \
    9216 // bytes of one decoded message: what fits into a line of AUTH (RFC 4954 section 4)
#define SASL_BINDING 32 // bytes of a tls-exporter channel binding (RFC 9266 section 2)

enum sasl_mechanism {
    SASL_PLAIN,
    SASL_LOGIN,
    SASL_SCRAM_SHA_256,
    SASL_SCRAM_SHA_256_PLUS,
    SASL_EXTERNAL,
    SASL_OAUTHBEARER, // to next hops alone
    SASL_XOAUTH2,     // likewise
    SASL_MECHANISMS
};
const char *sasl_word(enum sasl_mechanism mechanism); // "SCRAM-SHA-256"
// In any case of letters; SASL_MECHANISMS where the word is none of these.
enum sasl_mechanism sasl_mechanism(struct span word);
bool sasl_is_scram(enum sasl_mechanism mechanism);

struct sasl; // one dialogue, on one thread

// MORE: send what is in `out` (may be empty) and step again with the answer. DONE: proved, for a server the client
// and for a client the server too; a server sends `out` where it is not empty before it says so, a client likewise.
// FAILED: `why` has 5.7.8 where the proof is wrong, 5.5.2 where the message is none, 4.7.0 for our own trouble.
enum sasl_answer { SASL_MORE, SASL_DONE, SASL_FAILED };
enum sasl_answer sasl_step(struct sasl *sasl, struct span message, struct buf *out,
                           struct why *why);
void sasl_free(struct sasl *sasl); // at any moment; wipes what it keeps itself; accepts NULL

#endif
