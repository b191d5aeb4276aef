// SPDX-License-Identifier: ISC
// The dialogue with one filter as a table, a row a state, in the order one lives them: which step a filter may
// decline, which it may take in silence, what is said. Owns the connection, its deadlines, and what comes
// back; what is said stands in say.c.
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/milter/inside.h"

#define BUSY_MS         50      // between two looks at a Unix socket whose line is full
#define PACKET_CEILING  1048576 // of ours: macros and a piece
#define CHANGES_CEILING (4 * MILTER_ANSWER_MAX)

enum patience { NONE, CONNECT, COMMAND, CONTENT };

static const struct row {
    const char *name;
    uint32_t declined, mute;
    milter_say_fn *say; // NULL: nothing is said, something else is awaited
    enum patience patience;
} table[] = {
    [MILTER_WAITING] = {"waiting", 0, 0, NULL, NONE},
    [MILTER_CONNECTING] = {"connecting", 0, 0, NULL, CONNECT},
    [MILTER_NEGOTIATING] = {"the negotiation", 0, 0, milter_say_options, COMMAND},
    [MILTER_CLIENT] = {"the client", MILTER_NO_CONNECT, MILTER_MUTE_CONNECT, milter_say_client,
                       COMMAND},
    [MILTER_HELO] = {"HELO", MILTER_NO_HELO, MILTER_MUTE_HELO, milter_say_helo, COMMAND},
    [MILTER_SENDER] = {"MAIL", MILTER_NO_MAIL, MILTER_MUTE_MAIL, milter_say_sender, COMMAND},
    [MILTER_RECIPIENT] = {"RCPT", MILTER_NO_RCPT, MILTER_MUTE_RCPT, milter_say_recipient, COMMAND},
    [MILTER_DATA] = {"DATA", MILTER_NO_DATA, MILTER_MUTE_DATA, milter_say_data, COMMAND},
    [MILTER_HEADER] = {"the header", MILTER_NO_HEADERS, MILTER_MUTE_HEADERS, milter_say_header,
                       COMMAND},
    [MILTER_HEADER_END] = {"the end of the header", MILTER_NO_EOH, MILTER_MUTE_EOH,
                           milter_say_header_end, COMMAND},
    [MILTER_BODY] = {"the body", MILTER_NO_BODY, MILTER_MUTE_BODY, milter_say_body, COMMAND},
    [MILTER_END] = {"the message", 0, 0, milter_say_end, CONTENT},
    [MILTER_LOADING] = {"loading", 0, 0, NULL, NONE},
    [MILTER_STORING] = {"storing", 0, 0, NULL, NONE},
    [MILTER_FINISHING] = {"finishing", 0, 0, NULL, NONE},
    [MILTER_OVER] = {"over", 0, 0, NULL, NONE},
};

// ---- the mover and its deadlines

static uint64_t patience_ms(const struct milter_session *s, enum patience patience)
{
    const uint64_t ms[] = {0, s->filter->connect, s->filter->command, s->filter->content};
    return ms[patience];
}

static void session_arm(struct milter_session *s)
{
    uint64_t ms = patience_ms(s, table[s->state].patience), now = clock_mono_ms();
    uint64_t left = s->ends_ms > now ? s->ends_ms - now : 1;
    stream_deadline(s->stream, ms && ms < left ? ms : left);
}

static void milter_session_go(struct milter_session *s, enum milter_state state)
{
    s->state = state;
    s->at = 0;
    s->owed = false;
    if (s->stream)
        session_arm(s);
}

static void milter_session_told(uv_timer_t *timer)
{
    struct milter_session *s = timer->data;
    s->done(s->arg);
}

// `orderly`: the filter hears that this was all.
static void milter_session_end(struct milter_session *s, enum milter_outcome outcome, bool orderly)
{
    if (s->stream && orderly) {
        size_t place = milter_open(&s->packet, 'Q');
        milter_close(&s->packet, place);
        stream_write(s->stream, s->packet.data, s->packet.len);
    }
    if (s->stream)
        stream_close(s->stream, !orderly);
    s->stream = NULL;
    milter_turn_give_back(s->turn);
    s->turn = NULL;
    s->outcome = outcome;
    milter_read_cancel(s->reading);
    s->reading = NULL;
    if (outcome != OUTCOME_ACCEPTED) {
        milter_body_free(s->body);
        s->body = NULL;
    }
    milter_session_go(s, MILTER_OVER);
    uv_timer_start(&s->timer, milter_session_told, 0, 0);
}

static void milter_session_fail(struct milter_session *s, const struct why *why)
{
    s->why = *why;
    milter_session_end(s, OUTCOME_FAILED, false);
}

static void __attribute__((format(printf, 2, 3)))
fail_with(struct milter_session *s, const char *format, ...)
{
    struct why why;
    char text[sizeof why.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_set(&why, WHY_OURS, "4.3.0", "%s", text);
    milter_session_fail(s, &why);
}

// ---- speaking

static void session_work(struct milter_session *s);

static void milter_session_loaded(struct span piece, const struct why *why, void *arg)
{
    struct milter_session *s = arg;
    s->reading = NULL;
    if (why) {
        milter_session_fail(s, why);
        return;
    }
    buf_reset(&s->piece);
    buf_addspan(&s->piece, piece);
    milter_session_go(s, MILTER_BODY);
    session_work(s);
}

static void session_load(struct milter_session *s)
{
    milter_session_go(s, MILTER_LOADING);
    s->reading =
        milter_read(s->client, milter_mail_content(s->mail), s->sent, milter_session_loaded, s);
}

// Says what can be said before an answer, or the socket's room, is to be waited for.
static void session_work(struct milter_session *s)
{
    while (table[s->state].say && !s->owed && stream_ready(s->stream)) {
        const struct row *row = &table[s->state];
        bool declined = s->options.steps & row->declined;
        enum milter_said said = declined ? NOTHING : row->say(s);
        if (said == LATER) {
            session_load(s);
            return;
        }
        if (said == NOTHING) {
            milter_session_go(s, s->state + 1);
            continue;
        }
        s->owed = !(s->options.steps & row->mute);
        session_arm(s);
    }
}

// ---- hearing

static void hear_options(struct milter_session *s, const struct milter_packet *packet)
{
    struct why why;
    if (packet->code != 'O') {
        fail_with(s, "it does not answer the negotiation");
        return;
    }
    if (milter_read_options(packet->data, &s->options, &why) < 0) {
        milter_session_fail(s, &why);
        return;
    }
    if (s->client)
        milter_session_go(s, MILTER_CLIENT);
    else
        milter_session_end(s, OUTCOME_ACCEPTED, true);
}

static void hear_refusal(struct milter_session *s, int code, const char *status, const char *text)
{
    s->reply = (struct milter_reply){.code = code};
    strncpy(s->reply.status, status, sizeof s->reply.status - 1);
    strncpy(s->reply.text, text, sizeof s->reply.text - 1);
    milter_session_end(s, OUTCOME_REFUSED, true);
}

static void hear_reply(struct milter_session *s, struct span data)
{
    struct why why;
    if (milter_read_reply(data, &s->reply, &why) < 0)
        milter_session_fail(s, &why);
    else
        milter_session_end(s, OUTCOME_REFUSED, true);
}

// An answer that ends the message at any step. False: it is another.
static bool hear_verdict(struct milter_session *s, const struct milter_packet *packet)
{
    switch (packet->code) {
    case 'a':
        milter_session_end(s, OUTCOME_ACCEPTED, true);
        return true;
    case 'd':
        milter_session_end(s, OUTCOME_DISCARDED, true);
        return true;
    case 'r':
        hear_refusal(s, 550, "5.7.1", "The message is refused");
        return true;
    case 't':
    case '4':
        hear_refusal(s, 451, "4.7.1", "The message is not taken now, try again later");
        return true;
    case 'y':
        hear_reply(s, packet->data);
        return true;
    default:
        return false;
    }
}

// Steps before the end.
static void hear_step(struct milter_session *s, const struct milter_packet *packet)
{
    if (packet->code == 'p')
        return; // it works on it; the deadline stays
    if (packet->code == 'c') {
        s->owed = false;
        return;
    }
    if (packet->code == 's' && s->state == MILTER_BODY && s->options.steps & MILTER_SKIP) {
        milter_session_go(s, MILTER_END);
        return;
    }
    if (!hear_verdict(s, packet))
        fail_with(s, "it gives no answer that fits to %s", table[s->state].name);
}

// ---- what comes at the end: changes, then the last answer

static void milter_session_stored(void *arg)
{
    struct milter_session *s = arg;
    milter_session_go(s, MILTER_END);
    s->owed = true;
    stream_resume(s->stream); // more may be there already
}

static void milter_session_finished(void *arg)
{
    struct milter_session *s = arg;
    struct why why;
    if (milter_body_check(s->body, &why) < 0)
        milter_session_fail(s, &why);
    else
        milter_session_end(s, OUTCOME_ACCEPTED, true);
}

static void session_store(struct milter_session *s, bool last)
{
    milter_session_go(s, last ? MILTER_FINISHING : MILTER_STORING);
    stream_pause(s->stream);
    milter_body_write(s->body, last, last ? milter_session_finished : milter_session_stored, s);
}

static void hear_body(struct milter_session *s, struct span data)
{
    struct why why;
    if (!s->body)
        s->body = milter_body_new(s->client);
    while (data.n) {
        struct span piece = span_slice(data, 0, data.n < RECEIVE_PIECE ? data.n : RECEIVE_PIECE);
        if (milter_body_add(s->body, piece, &why) < 0) {
            fail_with(s, "the body that it makes cannot be taken: %s", why.text);
            return;
        }
        data = span_from(data, piece.n);
    }
    if (milter_body_must_write(s->body))
        session_store(s, false);
}

static void hear_change(struct milter_session *s, const struct milter_packet *packet)
{
    struct milter_change change;
    struct why why;
    if (milter_read_change(packet, &change, &why) < 0) {
        milter_session_fail(s, &why);
        return;
    }
    size_t place = milter_open(&s->changes, packet->code);
    buf_addspan(&s->changes, packet->data);
    milter_close(&s->changes, place);
    if (s->changes.full || ++s->nchanges > MILTER_CHANGES)
        fail_with(s, "it changes too much");
}

static void hear_last(struct milter_session *s)
{
    struct why why;
    if (s->body && milter_body_check(s->body, &why) < 0)
        fail_with(s, "the body that it makes cannot be taken: %s", why.text);
    else if (s->body && milter_body_has_file(s->body))
        session_store(s, true);
    else
        milter_session_end(s, OUTCOME_ACCEPTED, true);
}

static void hear_end(struct milter_session *s, const struct milter_packet *packet)
{
    uint32_t action = milter_action_of(packet->code);
    session_arm(s); // it is alive
    if (action && !(s->options.actions & action))
        fail_with(s, "it makes a change of a kind that it did not announce");
    else if (packet->code == 'b')
        hear_body(s, packet->data);
    else if (action)
        hear_change(s, packet);
    else if (packet->code == 'c' || packet->code == 'a')
        hear_last(s);
    else if (packet->code != 'p' && !hear_verdict(s, packet))
        fail_with(s, "it gives no answer that fits to %s", table[s->state].name);
}

static void hear_packet(struct milter_session *s, const struct milter_packet *packet)
{
    if (++s->npackets > MILTER_PACKETS)
        fail_with(s, "it does not stop talking");
    else if (!s->owed)
        fail_with(s, "it speaks out of turn, at %s", table[s->state].name);
    else if (s->state == MILTER_NEGOTIATING)
        hear_options(s, packet);
    else if (s->state == MILTER_END)
        hear_end(s, packet);
    else
        hear_step(s, packet);
}

// While a body goes to its file nothing more is read.
static bool hears(const struct milter_session *s)
{
    return s->stream && s->state != MILTER_STORING && s->state != MILTER_FINISHING;
}

static void session_hear(struct milter_session *s)
{
    struct milter_packet packet;
    struct why why;
    size_t used;
    while (hears(s)) {
        int rc = milter_take(buf_span(stream_input(s->stream)), &packet, &used, &why);
        if (rc == 0)
            break;
        if (rc < 0) {
            milter_session_fail(s, &why);
            return;
        }
        hear_packet(s, &packet);
        if (s->stream)
            buf_drop(stream_input(s->stream), used);
    }
}

// ---- the connection

static void session_late(struct milter_session *s)
{
    if (clock_mono_ms() >= s->ends_ms)
        fail_with(s, "the time that all filters have together is over");
    else if (s->state == MILTER_CONNECTING)
        fail_with(s, "connecting to it takes too long");
    else
        fail_with(s, "it does not answer to %s in time", table[s->state].name);
}

static void milter_session_on_event(struct stream *stream, enum stream_event event, void *arg)
{
    struct milter_session *s = arg;
    switch (event) {
    case STREAM_CONNECTED:
        milter_session_go(s, MILTER_NEGOTIATING);
        break;
    case STREAM_DATA:
        session_hear(s);
        break;
    case STREAM_EOF:
        session_hear(s);
        if (s->stream && s->state != MILTER_STORING && s->state != MILTER_FINISHING)
            fail_with(s, "it closed the connection at %s", table[s->state].name);
        break;
    case STREAM_FAILED:
        milter_session_fail(s, stream_why(stream));
        break;
    case STREAM_TIMEOUT:
        session_late(s);
        break;
    case STREAM_DRAINED:
    case STREAM_SECURED:
        break;
    }
    if (s->stream)
        session_work(s);
}

static void milter_session_connect_unix(uv_timer_t *timer)
{
    struct milter_session *s = timer->data;
    const struct sockaddr *address = (const struct sockaddr *)&s->filter->socket.address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : connect(fd, address, address_size(address));
    int error = errno;
    if (rc == 0) {
        s->stream = stream_accept(s->loop, fd, milter_session_on_event, s);
        if (!s->stream) {
            fail_with(s, "it closed the connection at once");
            return;
        }
        milter_session_go(s, MILTER_NEGOTIATING);
        session_work(s);
        return;
    }
    if (fd >= 0)
        close(fd);
    // Its line of connections is full: the kernel says no more than that.
    if (error == EAGAIN && clock_mono_ms() < s->late_ms)
        uv_timer_start(&s->timer, milter_session_connect_unix, BUSY_MS, 0);
    else
        fail_with(s, "cannot connect: %s", strerror(error));
}

static void session_connect(struct milter_session *s)
{
    const struct sockaddr *address = (const struct sockaddr *)&s->filter->socket.address;
    s->late_ms = clock_mono_ms() + s->filter->connect;
    if (address->sa_family == AF_UNIX) {
        uv_timer_start(&s->timer, milter_session_connect_unix, 0, 0);
        return;
    }
    s->stream = stream_connect(s->loop, address, NULL, milter_session_on_event, s);
    session_arm(s);
}

static void milter_session_turn_came(void *arg)
{
    struct milter_session *s = arg;
    uv_timer_stop(&s->timer);
    milter_session_go(s, MILTER_CONNECTING);
    session_connect(s);
}

static void milter_session_turn_late(uv_timer_t *timer)
{
    struct milter_session *s = timer->data;
    fail_with(s, "it works on %llu messages already, and none is done in time",
              (unsigned long long)s->filter->connections);
}

static void session_wait(struct milter_session *s)
{
    bool now = true;
    if (s->client)
        s->turn = milter_turn_take(s->client->worker->relay->milters, s->filter->name,
                                   s->filter->connections, s->client->worker->mail,
                                   milter_session_turn_came, s, &now);
    if (now)
        milter_session_turn_came(s);
    else
        uv_timer_start(&s->timer, milter_session_turn_late, s->filter->connect, 0);
}

// ---- life

struct milter_session *milter_session_new(uv_loop_t *loop, const struct cfg_milter *filter,
                                          const struct milter_client *client,
                                          struct milter_mail *mail, uint64_t ends_ms,
                                          void (*done)(void *arg), void *arg)
{
    struct milter_session *s = mem_new(sizeof *s);
    struct why why;
    size_t used;
    s->loop = loop;
    s->filter = filter;
    s->client = client;
    s->mail = mail;
    s->began_ms = clock_mono_ms();
    s->ends_ms = ends_ms;
    s->done = done;
    s->arg = arg;
    buf_init(&s->packet, PACKET_CEILING);
    buf_init(&s->changes, CHANGES_CEILING);
    buf_init(&s->piece, MILTER_READ);
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    int rc = mail ? header_parse(&s->header, milter_mail_header(mail), &used, &why) : 0;
    if (rc < 0)
        milter_session_fail(s, &why);
    else if (s->began_ms >= ends_ms)
        session_late(s);
    else
        session_wait(s);
    return s;
}

static void milter_session_closed(uv_handle_t *timer)
{
    free(timer->data);
}

void milter_session_free(struct milter_session *s)
{
    if (!s)
        return;
    if (s->stream)
        stream_close(s->stream, true);
    milter_turn_give_back(s->turn);
    milter_read_cancel(s->reading);
    milter_body_free(s->body);
    milter_options_free(&s->options);
    header_free(&s->header);
    buf_free(&s->packet);
    buf_free(&s->changes);
    buf_free(&s->piece);
    uv_close((uv_handle_t *)&s->timer, milter_session_closed);
}
