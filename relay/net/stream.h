// SPDX-License-Identifier: ISC
// A connection as sessions see it: seven events above a socket, TLS invisible. Owns the libuv handles, the
// TLS session, both buffers and the deadline; knows no SMTP.
//
// Life: stream_accept or stream_connect → events → stream_close. No event comes inside a call that the
// session makes, and none after stream_close. All on one loop's thread.
#ifndef RELAY_NET_STREAM_H
#define RELAY_NET_STREAM_H

#include <uv.h>
#include "relay/base/buf.h"
#include "relay/base/why.h"
#include "tls/session.h"

#define STREAM_IN_HIGH  131072 // unread bytes at which reading pauses
#define STREAM_OUT_HIGH 262144 // unsent bytes above which stream_ready() is false

struct stream;

enum stream_event {
    STREAM_CONNECTED, // stream_connect succeeded
    STREAM_DATA,      // more bytes in stream_input()
    STREAM_SECURED,   // the TLS handshake is done; stream_tls() tells
    STREAM_DRAINED,   // stream_ready() was false, and now everything written has left
    STREAM_EOF,       // the peer ended its side; what came before is in stream_input()
    STREAM_FAILED,    // connect, read, write or TLS failed; stream_why() tells
    STREAM_TIMEOUT    // the deadline passed
};
typedef void stream_fn(struct stream *s, enum stream_event event, void *arg);

// Takes over the socket of an accepted connection; NULL: it was gone already.
struct stream *stream_accept(uv_loop_t *loop, int fd, stream_fn *fn, void *arg);
// Starts connecting; `from` NULL: any source address. Ends in CONNECTED, FAILED or TIMEOUT.
struct stream *stream_connect(uv_loop_t *loop, const struct sockaddr *to,
                              const struct sockaddr *from, stream_fn *fn, void *arg);
// Another owner (a pooled connection passes from session to session).
void stream_rebind(struct stream *s, stream_fn *fn, void *arg);

// Unread clear text. The session parses it and drops (buf_drop) what it used. Dropping outside an event:
// call stream_resume, since reading may have stopped at STREAM_IN_HIGH.
struct buf *stream_input(struct stream *s);
// Stops and starts reading (a session that awaits the spool is not read).
void stream_pause(struct stream *s);
void stream_resume(struct stream *s); // when input is waiting, a STREAM_DATA event will follow

// Queues bytes for sending, encrypting where TLS is on. The bytes are copied. Written together at the end
// of the loop's turn. Ignored after a failure, and during a handshake, where nothing can be said.
void stream_write(struct stream *s, const void *bytes, size_t n);
bool stream_ready(const struct stream *s); // below the high-water mark; else wait for DRAINED
size_t stream_unsent(const struct stream *s);

// Starts TLS. Unread clear text received before is dropped (RFC 3207 section 4.2); *dropped says how
// many bytes. Takes over the TLS session; reads even where paused, and is not paused afterwards. Ends in
// SECURED, FAILED or TIMEOUT.
void stream_secure(struct stream *s, struct tls_session *tls_session, size_t *dropped);
bool stream_is_secure(const struct stream *s);
struct tls_session *stream_tls(struct stream *s); // NULL without TLS

// The next TIMEOUT comes ms from now; 0: none. Progress does not move it.
void stream_deadline(struct stream *s, uint64_t ms);
const struct why *stream_why(const struct stream *s);
const struct sockaddr *stream_peer(const struct stream *s); // where it is connected to or from
const struct sockaddr *stream_local(const struct stream *s);

// Sends what is queued (and close_notify) for at most 5 s, then closes. With `now`: at once.
void stream_close(struct stream *s, bool now);

#endif
