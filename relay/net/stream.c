// SPDX-License-Identifier: ISC
// A connection on libuv, with TLS inside. What comes in the order a connection lives it: birth, reading,
// TLS, writing, events, death. Knows no SMTP and decides nothing about trust.
//
// One idle handle is the end of the loop's turn: while it runs the loop does not sleep, so what sessions
// wrote during this turn leaves together, and events that arose inside a session's call come from here.
#include "relay/net/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "relay/base/address.h"
#include "relay/base/lease.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/net/reach.h"

#define READ_BLOCK    65536 // bytes read from a socket at once
#define IN_CEILING    (STREAM_IN_HIGH + 2 * READ_BLOCK)
#define OUT_CEILING   16777216 // bytes queued by a session that ignores stream_ready()
#define RECORD        16384    // bytes of clear text that one TLS record takes
#define TOLD_MS       60000    // between two alarms about what this machine lacks
#define LINGER_MS     5000     // stream_close sends what is queued for so long
#define KEEPALIVE_S   60
#define BROKEN_MS     1000    // how long a peer to which nothing goes any more is still read
#define DISCARD_BYTES 1048576 // unread bytes thrown away so that close() does not reset
#define KEPT_MEMORY   65536   // an empty buffer larger than this is given back

enum stream_state { CONNECTING, UP, ENDED, BROKEN, FAILING, DEAD, LINGERING, CLOSING };
// CONNECTING: not yet there. UP: both ways. ENDED: the peer ended its side. BROKEN: writing failed, what
// the peer still said is being read. FAILING: the FAILED event is due. DEAD: it was delivered.

struct stream {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_idle_t turn;
    uv_connect_t connecting;
    uv_write_t writing;
    int handles; // still to be closed before the memory goes
    enum stream_state state;
    stream_fn *fn;
    void *arg;
    struct buf input;  // clear text for the session
    struct buf clear;  // clear text that waits to be encrypted
    struct buf out;    // bytes for the socket
    struct buf flight; // bytes that libuv holds; empty: no write is under way
    struct tls_session *tls;
    bool shaking;     // the handshake runs
    bool first_step;  // of the handshake, is owed: a client speaks first
    bool reading;     // uv_read_start is on
    bool paused;      // by the session
    bool connect_due; // CONNECTED is owed
    bool data_due;    // DATA is owed although nothing was read
    bool drained_due; // DRAINED is owed when all has left
    struct why why;
    struct sockaddr_storage peer, local;
};

static bool is_live(const struct stream *s)
{
    return s->state == UP || s->state == ENDED;
}

static void stream_turn_ends(uv_idle_t *turn);

static void wake(struct stream *s)
{
    if (s->state != CLOSING)
        uv_idle_start(&s->turn, stream_turn_ends);
}

// False when the session closed the stream while it handled the event.
static bool stream_tell(struct stream *s, enum stream_event event)
{
    if (s->state >= LINGERING)
        return false;
    s->fn(s, event, s->arg);
    return s->state < LINGERING;
}

static void stream_fail(struct stream *s)
{
    assert(why_is_set(&s->why));
    buf_free(&s->clear);
    buf_free(&s->out);
    s->state = FAILING;
    wake(s);
}

// What this machine lacks is no fault of the host at the other end.
static bool is_ours(int error)
{
    return error == UV_EMFILE || error == UV_ENFILE || error == UV_ENOMEM || error == UV_ENOBUFS ||
           error == UV_EADDRNOTAVAIL;
}

static void fail_uv(struct stream *s, const char *what, int error)
{
    if (s->state == CONNECTING && is_ours(error)) {
        log_alarm_once("connect", REASON_RELAY_FAULT, uv_err_name(error), TOLD_MS, "%s: %s", what,
                       uv_strerror(error));
        why_set(&s->why, WHY_OURS, "4.3.0", "%s: %s", what, uv_strerror(error));
        stream_fail(s);
        return;
    }
    if (s->state == CONNECTING)
        reach_failed((const struct sockaddr *)&s->peer, uv_strerror(error));
    if (s->state == CONNECTING)
        why_say(&s->why, CONNECT_FAILED, what, uv_strerror(error));
    else
        why_say(&s->why, CONNECTION_FAILED, what, uv_strerror(error));
    stream_fail(s);
}

// ---- birth

static struct stream *stream_new(uv_loop_t *loop, stream_fn *fn, void *arg)
{
    struct stream *s = mem_new(sizeof *s);
    s->fn = fn;
    s->arg = arg;
    buf_init(&s->input, IN_CEILING);
    buf_init(&s->clear, OUT_CEILING);
    buf_init(&s->out, OUT_CEILING);
    buf_init(&s->flight, OUT_CEILING);
    uv_tcp_init(loop, &s->tcp);
    uv_timer_init(loop, &s->timer);
    uv_idle_init(loop, &s->turn);
    s->tcp.data = s->timer.data = s->turn.data = s;
    s->handles = 3;
    return s;
}

static void stream_handle_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    if (--s->handles)
        return;
    tls_session_free(s->tls);
    buf_free(&s->input);
    buf_free(&s->clear);
    buf_free(&s->out);
    buf_free(&s->flight);
    free(s);
}

static void close_handles(struct stream *s)
{
    assert(s->state != CLOSING);
    s->state = CLOSING;
    uv_close((uv_handle_t *)&s->tcp, stream_handle_closed);
    uv_close((uv_handle_t *)&s->timer, stream_handle_closed);
    uv_close((uv_handle_t *)&s->turn, stream_handle_closed);
}

static int learn_addresses(struct stream *s)
{
    int n = sizeof s->peer, m = sizeof s->local;
    int rc = uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&s->peer, &n);
    return rc < 0 ? rc : uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&s->local, &m);
}

static void stream_settle(struct stream *s)
{
    uv_tcp_nodelay(&s->tcp, 1);
    uv_tcp_keepalive(&s->tcp, 1, KEEPALIVE_S);
    s->state = UP;
}

static void read_as_wanted(struct stream *s);

struct stream *stream_accept(uv_loop_t *loop, int fd, stream_fn *fn, void *arg)
{
    struct stream *s = stream_new(loop, fn, arg);
    if (uv_tcp_open(&s->tcp, fd) < 0) {
        close(fd);
        close_handles(s);
        return NULL;
    }
    if (learn_addresses(s) < 0) {
        close_handles(s);
        return NULL;
    }
    stream_settle(s);
    read_as_wanted(s);
    return s;
}

static void stream_connected(uv_connect_t *request, int status)
{
    struct stream *s = request->data;
    if (s->state != CONNECTING) // closed meanwhile
        return;
    if (status == 0)
        status = learn_addresses(s);
    if (status < 0) {
        fail_uv(s, "cannot connect", status);
        return;
    }
    reach_worked((const struct sockaddr *)&s->peer);
    stream_settle(s);
    s->connect_due = true;
    wake(s);
}

struct stream *stream_connect(uv_loop_t *loop, const struct sockaddr *to,
                              const struct sockaddr *from, stream_fn *fn, void *arg)
{
    struct stream *s = stream_new(loop, fn, arg);
    memcpy(&s->peer, to, address_size(to));
    s->connecting.data = s;
    int rc = from ? uv_tcp_bind(&s->tcp, from, 0) : 0;
    if (rc == 0)
        rc = uv_tcp_connect(&s->connecting, &s->tcp, to, stream_connected);
    if (rc < 0)
        fail_uv(s, "cannot connect", rc);
    return s;
}

void stream_rebind(struct stream *s, stream_fn *fn, void *arg)
{
    s->fn = fn;
    s->arg = arg;
}

// ---- reading

// Reading is synchronous between these two callbacks, so that one block a thread is enough.
static _Thread_local unsigned char block[READ_BLOCK];

static void stream_lend_block(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)handle;
    (void)suggested;
    *out = uv_buf_init((char *)block, sizeof block);
}

static void read_failed(struct stream *s, ssize_t error)
{
    if (s->state == BROKEN) {
        stream_fail(s); // with the reason that writing gave
    } else if (s->shaking) {
        why_say(&s->why, TLS_CONNECTION_LOST,
                error == UV_EOF ? "closed by the peer" : uv_strerror((int)error));
        stream_fail(s);
    } else if (error == UV_EOF) {
        s->state = ENDED;
        stream_tell(s, STREAM_EOF);
    } else {
        fail_uv(s, "connection lost", (int)error);
    }
}

static void decrypt(struct stream *s, struct buf *in)
{
    size_t before = s->input.len;
    enum tls_session_state now = tls_session_step(s->tls, in, &s->input, &s->out, &s->why);
    bool more = s->input.len > before;
    if (s->out.len)
        wake(s);
    if (s->shaking && now != TLS_SESSION_HANDSHAKE && now != TLS_SESSION_FAILED) {
        s->shaking = false;
        if (!stream_tell(s, STREAM_SECURED))
            return;
    }
    if (more && !stream_tell(s, STREAM_DATA))
        return;
    if (now == TLS_SESSION_CLOSED && s->state == UP) {
        s->state = ENDED;
        stream_tell(s, STREAM_EOF);
    } else if (now == TLS_SESSION_FAILED && is_live(s)) {
        // The alert leaves first: the peer's operator wants to know as well.
        uv_buf_t alert = uv_buf_init((char *)s->out.data, (unsigned)s->out.len);
        if (s->out.len && !s->flight.len)
            (void)uv_try_write((uv_stream_t *)&s->tcp, &alert, 1);
        stream_fail(s);
    }
}

static void stream_arrived(uv_stream_t *tcp, ssize_t n, const uv_buf_t *lent)
{
    struct stream *s = tcp->data;
    if (n == 0 || s->state >= FAILING)
        return;
    if (n < 0) {
        uv_read_stop(tcp);
        s->reading = false;
        read_failed(s, n);
        return;
    }
    if (s->tls) {
        struct buf in = {(unsigned char *)lent->base, (size_t)n, (size_t)n, (size_t)n, false};
        decrypt(s, &in);
    } else if (buf_add(&s->input, lent->base, (size_t)n) < 0) {
        assert(!"read although the input was full");
    } else {
        stream_tell(s, STREAM_DATA);
    }
    if (s->state < LINGERING)
        read_as_wanted(s);
}

static void read_as_wanted(struct stream *s)
{
    if (s->input.len == 0 && s->input.cap > KEPT_MEMORY)
        buf_free(&s->input);
    bool want = (s->state == UP || s->state == BROKEN) && (s->shaking || !s->paused) &&
                s->input.len < STREAM_IN_HIGH;
    if (want && !s->reading)
        uv_read_start((uv_stream_t *)&s->tcp, stream_lend_block, stream_arrived);
    else if (!want && s->reading)
        uv_read_stop((uv_stream_t *)&s->tcp);
    s->reading = want;
}

struct buf *stream_input(struct stream *s)
{
    return &s->input;
}

void stream_pause(struct stream *s)
{
    s->paused = true;
    s->data_due = false;
    if (s->state < LINGERING && s->state != CONNECTING)
        read_as_wanted(s);
}

void stream_resume(struct stream *s)
{
    s->paused = false;
    s->data_due = s->input.len > 0;
    wake(s); // reads again from there
}

// ---- TLS

void stream_secure(struct stream *s, struct tls_session *tls_session, size_t *dropped)
{
    assert(!s->tls);
    *dropped = s->input.len;
    buf_reset(&s->input);
    s->data_due = s->paused = false;
    s->tls = tls_session;
    s->shaking = s->first_step = true;
    wake(s);
}

bool stream_is_secure(const struct stream *s)
{
    return s->tls && !s->shaking;
}

struct tls_session *stream_tls(struct stream *s)
{
    return s->tls;
}

// ---- writing

static int encrypt(struct stream *s, const void *bytes, size_t n)
{
    if (tls_session_send(s->tls, bytes, n, &s->out, &s->why) == 0)
        return 0;
    stream_fail(s);
    return -1;
}

// Full records are encrypted at once, from the caller's bytes; the rest waits for company.
void stream_write(struct stream *s, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    if (!is_live(s) || s->shaking)
        return;
    while (s->tls && s->clear.len + n >= RECORD) {
        size_t part = RECORD - s->clear.len;
        struct span record = span_of(at, part);
        if (s->clear.len) {
            buf_add(&s->clear, at, part);
            record = buf_span(&s->clear);
        }
        if (encrypt(s, record.p, record.n) < 0)
            return;
        buf_reset(&s->clear);
        at += part;
        n -= part;
    }
    if (buf_add(s->tls ? &s->clear : &s->out, at, n) < 0) {
        why_set(&s->why, WHY_OURS, "4.3.0", "more than %d bytes wait to be sent", OUT_CEILING);
        stream_fail(s);
        return;
    }
    if (!stream_ready(s))
        s->drained_due = true;
    wake(s);
}

size_t stream_unsent(const struct stream *s)
{
    return s->clear.len + s->out.len + (s->flight.len ? s->tcp.write_queue_size : 0);
}

bool stream_ready(const struct stream *s)
{
    return stream_unsent(s) < STREAM_OUT_HIGH;
}

static void stream_flush(struct stream *s);
static void stream_time_is_up(uv_timer_t *timer);

static void write_failed(struct stream *s, int error)
{
    buf_free(&s->clear);
    buf_free(&s->out);
    if (s->state == LINGERING) {
        close_handles(s);
        return;
    }
    // Many a server says 5xx and closes: what it said is read before the failure is told.
    why_say(&s->why, CONNECTION_LOST, uv_strerror(error));
    if (s->state != UP) {
        stream_fail(s);
        return;
    }
    s->state = BROKEN;
    uv_timer_start(&s->timer, stream_time_is_up, BROKEN_MS, 0);
    read_as_wanted(s);
}

static void stream_written(uv_write_t *request, int status)
{
    struct stream *s = request->data;
    buf_free(&s->flight);
    if (s->state == CLOSING)
        return;
    if (status < 0 && s->state != FAILING && s->state != DEAD && s->state != BROKEN)
        write_failed(s, status);
    else if (is_live(s) || s->state == LINGERING)
        stream_flush(s);
}

static void all_left(struct stream *s)
{
    if (s->state == LINGERING) {
        uv_os_fd_t fd;
        ssize_t n = 1;
        // Unread bytes would make close() reset the connection and lose our last words.
        if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
            for (size_t sum = 0; n > 0 && sum < DISCARD_BYTES; sum += (size_t)n)
                n = recv(fd, block, sizeof block, MSG_DONTWAIT);
        close_handles(s);
    } else if (s->drained_due) {
        s->drained_due = false;
        stream_tell(s, STREAM_DRAINED);
    }
}

// Sends all there is: directly while the socket takes it, the rest through libuv.
static void stream_flush(struct stream *s)
{
    if (s->flight.len)
        return;
    if (s->clear.len && !s->shaking) {
        if (encrypt(s, s->clear.data, s->clear.len) < 0)
            return;
        buf_reset(&s->clear);
    }
    if (s->out.len && !lease_held()) {
        write_failed(s, UV_ECANCELED); // another node may say it by now
        return;
    }
    if (s->out.len) {
        uv_buf_t all = uv_buf_init((char *)s->out.data, (unsigned)s->out.len);
        int n = uv_try_write((uv_stream_t *)&s->tcp, &all, 1);
        if (n < 0 && n != UV_EAGAIN) {
            write_failed(s, n);
            return;
        }
        size_t sent = n > 0 ? (size_t)n : 0;
        if (sent < s->out.len) {
            buf_move(&s->flight, &s->out);
            s->writing.data = s;
            uv_buf_t rest =
                uv_buf_init((char *)s->flight.data + sent, (unsigned)(s->flight.len - sent));
            int rc = uv_write(&s->writing, (uv_stream_t *)&s->tcp, &rest, 1, stream_written);
            if (rc < 0) {
                buf_free(&s->flight);
                write_failed(s, rc);
            }
            return;
        }
        if (s->out.cap > KEPT_MEMORY)
            buf_free(&s->out);
        else
            buf_reset(&s->out);
    }
    all_left(s);
}

// ---- the end of a turn

static void tell_what_is_due(struct stream *s)
{
    if (s->connect_due) {
        s->connect_due = false;
        if (!stream_tell(s, STREAM_CONNECTED))
            return;
    }
    if (s->data_due) {
        s->data_due = false;
        if (!s->paused && s->input.len && !stream_tell(s, STREAM_DATA))
            return;
    }
    if (s->state == FAILING) {
        s->state = DEAD;
        uv_timer_stop(&s->timer);
        stream_tell(s, STREAM_FAILED);
    }
}

static void stream_turn_ends(uv_idle_t *turn)
{
    struct stream *s = turn->data;
    uv_idle_stop(turn);
    if (s->state < LINGERING)
        tell_what_is_due(s);
    if (s->first_step && is_live(s)) {
        struct buf nothing = {0};
        s->first_step = false;
        decrypt(s, &nothing);
    }
    if (is_live(s) || s->state == LINGERING)
        stream_flush(s);
    if (s->state != CONNECTING && s->state < LINGERING)
        read_as_wanted(s);
}

static void stream_time_is_up(uv_timer_t *timer)
{
    struct stream *s = timer->data;
    if (s->state == CONNECTING)
        reach_failed((const struct sockaddr *)&s->peer, "no answer");
    if (s->state == LINGERING)
        close_handles(s);
    else if (s->state == BROKEN)
        stream_fail(s);
    else
        stream_tell(s, STREAM_TIMEOUT);
}

void stream_deadline(struct stream *s, uint64_t ms)
{
    if (s->state >= DEAD || s->state == BROKEN)
        return;
    if (ms)
        uv_timer_start(&s->timer, stream_time_is_up, ms, 0);
    else
        uv_timer_stop(&s->timer);
}

const struct why *stream_why(const struct stream *s)
{
    return &s->why;
}

const struct sockaddr *stream_peer(const struct stream *s)
{
    return (const struct sockaddr *)&s->peer;
}

const struct sockaddr *stream_local(const struct stream *s)
{
    return (const struct sockaddr *)&s->local;
}

void stream_close(struct stream *s, bool now)
{
    assert(s->state < LINGERING);
    bool sending = is_live(s) && !now;
    if (s->reading)
        uv_read_stop((uv_stream_t *)&s->tcp);
    s->reading = false;
    if (!sending) {
        close_handles(s);
        return;
    }
    if (stream_is_secure(s)) {
        if (s->clear.len && encrypt(s, s->clear.data, s->clear.len) < 0) {
            close_handles(s);
            return;
        }
        buf_reset(&s->clear);
        tls_session_bye(s->tls, &s->out);
    }
    s->state = LINGERING;
    uv_timer_start(&s->timer, stream_time_is_up, LINGER_MS, 0);
    wake(s);
}
