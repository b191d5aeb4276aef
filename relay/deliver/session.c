// SPDX-License-Identifier: ISC
// The outbound session as a table: a row a state. Handlers return the next state; go() alone changes it, checks
// what it needs, and arms its deadline. Owns life and the stream's events. What is said stands in relay/deliver/*.c.
#include "relay/deliver/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/deliver/pool_speech.h"
#include "relay/deliver/race_inside.h"
#include "relay/log/log.h"

static enum deliver_state deliver_session_enter_load(struct deliver *d);
static enum deliver_state deliver_session_enter_connect(struct deliver *d);
static enum deliver_state deliver_session_enter_ehlo(struct deliver *d);
static enum deliver_state deliver_session_enter_helo(struct deliver *d);
static enum deliver_state deliver_session_enter_rset(struct deliver *d);
static enum deliver_state deliver_session_enter_end(struct deliver *d);
static enum deliver_state session_greeting_reply(struct deliver *d);
static enum deliver_state session_helo_reply(struct deliver *d);
static enum deliver_state session_rset_reply(struct deliver *d);

enum timeout { NONE, CONNECT, GREETING, COMMAND, DATA };

// NOTHING_LEFT: the state may not have a connection.
enum needs { NOTHING, NOTHING_LEFT, CONNECTION, TRANSACTION };

typedef enum deliver_state step_fn(struct deliver *d);

static const struct row {
    const char *name;
    enum needs needs;
    step_fn *enter;    // NULL: nothing is to be done
    step_fn *on_reply; // a whole reply is in d->link.c->reply; NULL: none is awaited
    enum timeout timeout;
    const char *when; // the connection was lost
} table[] = {
    [DELIVER_LOAD] = {"load", NOTHING, deliver_session_enter_load, NULL, NONE, ""},
    [DELIVER_POOL] = {"pool", NOTHING_LEFT, deliver_from_pool, NULL, NONE, ""},
    [DELIVER_ADDRESS] = {"address", NOTHING_LEFT, deliver_choose, NULL, NONE, ""},
    [DELIVER_CONNECT] = {"connect", CONNECTION, deliver_session_enter_connect, NULL, CONNECT, ""},
    [DELIVER_GREETING] = {"greeting", CONNECTION, NULL, session_greeting_reply, GREETING,
                          "before its greeting"},
    [DELIVER_EHLO] = {"ehlo", CONNECTION, deliver_session_enter_ehlo, deliver_ehlo_reply, COMMAND,
                      "after EHLO"},
    [DELIVER_HELO] = {"helo", CONNECTION, deliver_session_enter_helo, session_helo_reply, COMMAND,
                      "after HELO"},
    [DELIVER_STARTTLS] = {"starttls", CONNECTION, deliver_starttls, deliver_starttls_reply, COMMAND,
                          "after STARTTLS"},
    [DELIVER_SECURE] = {"secure", CONNECTION, deliver_secure, NULL, CONNECT,
                        "during the TLS handshake"},
    [DELIVER_TOKEN] = {"token", CONNECTION, deliver_token, NULL, NONE, "before AUTH"},
    [DELIVER_AUTH] = {"auth", CONNECTION, deliver_auth, deliver_auth_reply, COMMAND, "after AUTH"},
    [DELIVER_TURN] = {"turn", CONNECTION, deliver_turn, NULL, NONE, ""},
    [DELIVER_MAIL] = {"mail", CONNECTION, deliver_mail, deliver_mail_reply, COMMAND, "after MAIL"},
    [DELIVER_EARLY] = {"early", TRANSACTION, deliver_early_body, deliver_mail_reply, COMMAND,
                       "after MAIL"},
    [DELIVER_CLEAR] = {"clear", CONNECTION, deliver_clear, deliver_clear_reply, COMMAND,
                       "after RSET"},
    [DELIVER_SAID] = {"said", TRANSACTION, NULL, deliver_mail_reply, COMMAND, "after MAIL"},
    [DELIVER_RCPT] = {"rcpt", TRANSACTION, NULL, deliver_rcpt_reply, COMMAND, "after RCPT"},
    [DELIVER_DATA] = {"data", TRANSACTION, NULL, deliver_data_reply, COMMAND, "after DATA"},
    [DELIVER_PREFIX] = {"prefix", TRANSACTION, deliver_prefix, deliver_prefix_reply, COMMAND,
                        "after BDAT"},
    [DELIVER_PROBE] = {"probe", TRANSACTION, deliver_probe, deliver_probe_reply, COMMAND,
                       "after BDAT"},
    [DELIVER_BODY] = {"body", TRANSACTION, deliver_body, deliver_body_reply, COMMAND,
                      "while the message was sent"},
    [DELIVER_FINAL] = {"final", TRANSACTION, NULL, deliver_final_reply, DATA,
                       "after the end of the message, before its answer"},
    [DELIVER_CONFIRM] = {"confirm", TRANSACTION, deliver_confirm, deliver_confirm_reply, COMMAND,
                         "after the end of the message, before its answer was clear"},
    [DELIVER_RSET] = {"rset", CONNECTION, deliver_session_enter_rset, session_rset_reply, COMMAND,
                      "after RSET"},
    [DELIVER_END] = {"end", NOTHING, deliver_session_enter_end, NULL, NONE, ""},
    [DELIVER_GONE] = {"gone", NOTHING_LEFT, NULL, NULL, NONE, ""},
};

// The mover

static const char *const settings[] = {"", "connect", "greeting", "command", "data"};

static uint64_t timeout_ms(const struct deliver *d, enum timeout t)
{
    const struct cfg_delivery *c = &d->config->delivery;
    const uint64_t ms[] = {0, c->connect, c->greeting, c->command, c->data};
    return ms[t];
}

static bool has_what_it_needs(const struct deliver *d, enum deliver_state state)
{
    switch (table[state].needs) {
    case NOTHING_LEFT:
        return !d->link.c;
    case CONNECTION:
        return d->link.c;
    case TRANSACTION:
        return d->link.c && d->trans.nbatch;
    default:
        return true;
    }
}

// A silence, with the setting that ended the wait.
static void say_silent(const struct deliver *d, struct why *why)
{
    enum timeout t = table[d->state].timeout;
    deliver_say_silent(why, timeout_ms(d, t), settings[t]);
}

static void say_silent_to_all(struct deliver *d)
{
    struct connection *c = d->link.c;
    struct why why;
    say_silent(d, &why);
    c->end = FLIGHT_SILENT;
    snprintf(c->silent, sizeof c->silent, "%.*s", (int)sizeof c->silent - 1, why.text);
}

// A fault of ours: it ends this session alone, and its recipients are tried again later.
static enum deliver_state misled(struct deliver *d, enum deliver_state state)
{
#ifdef WAXWING_CHECKED
    fprintf(stderr, "outbound session: %s cannot follow %s\n", table[state].name,
            table[d->state].name);
    abort();
#endif
    struct why why;
    log_alarm("session", REASON_SESSION_FAULT,
              "an outbound session came to its state %s without what that needs",
              table[state].name);
    why_say(&why, SESSION_FAULT);
    deliver_drop(d, true);
    deliver_refuse_rest(d, &why, NULL);
    return state == DELIVER_GONE ? DELIVER_GONE : DELIVER_END;
}

static void log_move(const struct deliver *d, enum deliver_state to)
{
    struct logline line;
    log_begin(&line, LOG_DEBUG, "session", d->message->env.id);
    log_text(&line, "host", d->link.c ? d->link.c->host : NULL);
    log_text(&line, "from", table[d->state].name);
    log_text(&line, "to", table[to].name);
    log_end(&line);
}

// Behind others the deadline is theirs.
static void set_deadline(struct deliver *d)
{
    if (d->link.c && d->link.c->stream && deliver_hears(d))
        stream_deadline(d->link.c->stream, timeout_ms(d, table[d->state].timeout));
}

static void go(struct deliver *d, enum deliver_state next)
{
    while (next != DELIVER_WAIT) {
        if (!has_what_it_needs(d, next))
            next = misled(d, next);
        if (next != d->state) {
            log_move(d, next);
            deliver_trace_moved(d, next);
        }
        d->state = next;
        set_deadline(d);
        next = table[next].enter ? table[next].enter(d) : DELIVER_WAIT;
    }
}

// Life

static void session_resume(struct deliver *d, enum deliver_state next, const struct why *why);
static void session_on_event(struct stream *s, enum stream_event what, void *arg);
static void session_on_flight(struct deliver *d, enum flight_news news, const struct why *why);

static void deliver_session_release(struct deliver *d)
{
    assert(list_empty(&d->flight));
    deliver_auth_forget(d);
    deliver_probe_over(d);
    deliver_transaction_end(d);
    deliver_verdict_clear(&d->last);
    content_load_cancel(d->load);
    content_unref(d->content);
    message_unref(d->message);
    route_unref(d->route);
    buf_free(&d->out);
    free(d->rcpts);
    free(d->batch);
    free(d->heard);
    free(d);
}

static void release_if_gone(struct deliver *d)
{
    if (d->state == DELIVER_GONE)
        deliver_session_release(d);
}

struct deliver *deliver_new(const struct deliver_order *order, struct list *deliveries)
{
    struct deliver *d = mem_new(sizeof *d);
    d->order = *order;
    list_init(&d->deliveries);
    list_each_safe (it, deliveries) {
        struct delivery *one = list_of(it, struct delivery, list);
        delivery_move(one, QUEUE_ACTIVE, &d->deliveries);
        delivery_reset(one);
        d->rcpts = mem_grow(d->rcpts, d->nrcpts + one->nrcpts, sizeof(struct delivery_rcpt *));
        for (size_t i = 0; i < one->nrcpts; i++)
            d->rcpts[d->nrcpts++] = &one->rcpts[i];
        if (!d->content && one->content)
            d->content = content_ref(one->content);
    }
    struct delivery *first = list_of(d->deliveries.next, struct delivery, list);
    d->message = message_ref(first->message);
    d->route = route_ref(first->route);
    d->config = d->route->setup->config;
    d->batch_max = DELIVER_BATCH;
    size_t batch = d->nrcpts < DELIVER_BATCH ? d->nrcpts : DELIVER_BATCH;
    d->batch = mem_new(batch * sizeof *d->batch);
    d->heard = mem_new((batch + 2) * sizeof *d->heard); // MAIL and a first chunk besides
    buf_init(&d->out, DELIVER_BATCH * MAX_PLAIN_COMMAND);
    d->resume = session_resume;
    d->on_event = session_on_event;
    d->on_flight = session_on_flight;
    d->state = DELIVER_LOAD;
    list_init(&d->flight);
    if (order->behind)
        deliver_ride(d, order->behind);
    return d;
}

void deliver_run(struct deliver *d)
{
    go(d, DELIVER_LOAD);
    release_if_gone(d);
}

void deliver_cut(struct deliver *d)
{
    deliver_drop(d, true);
    deliver_reopen(d);
    go(d, DELIVER_END);
    deliver_session_release(d);
}

static enum deliver_state loaded(const struct deliver *d)
{
    return d->link.c ? DELIVER_TURN : DELIVER_POOL;
}

static void session_loaded(struct content *c, const struct why *why, void *arg)
{
    struct deliver *d = arg;
    d->load = NULL;
    d->content = c;
    if (!c)
        deliver_refuse_rest(d, why, NULL);
    go(d, c ? loaded(d) : DELIVER_END);
    release_if_gone(d);
}

static enum deliver_state deliver_session_enter_load(struct deliver *d)
{
    if (d->content)
        return loaded(d);
    d->load = content_load(d->order.worker, d->message, session_loaded, d);
    return DELIVER_WAIT;
}

// Others go on with it, or it idles in the pool.
static void hand_back(struct deliver *d)
{
    // What was proved under a configuration that is no longer serves nobody else.
    if (!deliver_alone(d) || d->route->setup != d->order.worker->setup) {
        deliver_quit(d);
        deliver_drop(d, false);
        return;
    }
    deliver_keep_tickets(d);
    deliver_transaction_end(d);
    deliver_auth_forget(d);
    list_remove(&d->flight);
    pool_give(d->order.pool, d->link.c, d->order.idle, d->order.nidle);
    d->link = (struct deliver_link){0};
}

static enum deliver_state deliver_session_enter_end(struct deliver *d)
{
    d->met.attempted =
        !d->sent_back && (!d->busy || d->tries || d->troubles || d->lacks || d->link.c);
    deliver_trace_end(d);
    if (d->link.c)
        hand_back(d);
    d->order.done(&d->deliveries, &d->met, d->order.arg);
    assert(list_empty(&d->deliveries));
    return DELIVER_GONE;
}

// The stream

static enum deliver_state session_on_reply(struct deliver *d)
{
    deliver_trace_heard(d);
    if (d->link.c->reply.code == 421)
        return deliver_421(d);
    deliver_lesson(d);
    if (d->state != DELIVER_GREETING)
        deliver_lesson_reached(d);
    d->link.replies++;
    d->trans.leaving = false;
    d->link.c->end = FLIGHT_GOOD; // after a 421 too, where a host says it and stays
    d->link.c->used_ms = clock_mono_ms();
    return table[d->state].on_reply(d);
}

// One reply of what is in `in`, if it is whole; false: more has to come.
static bool read_reply(struct deliver *d, struct buf *in)
{
    struct connection *c = d->link.c;
    size_t used = 0;
    struct why why;
    enum smtp_reply_state state = smtp_reply_feed(&c->reply, buf_span(in), &used, &why);
    buf_drop(in, used);
    if (state == SMTP_REPLY_MORE)
        return false;
    if (state == SMTP_REPLY_BAD) {
        go(d, deliver_lost(d, &why));
        return true;
    }
    enum deliver_state next = session_on_reply(d);
    if (d->link.c == c) // a new connection has a reply of its own
        smtp_reply_reset(&c->reply);
    go(d, next);
    return true;
}

// Reads replies while they are complete and somebody waits for them.
static void read_replies(struct deliver *d)
{
    while (d->link.c && d->link.c->stream && table[d->state].on_reply) {
        struct buf *in = stream_input(d->link.c->stream);
        if (!in->len || !read_reply(d, in))
            return;
    }
}

static void note_gone(struct connection *c, const struct why *why)
{
    if (c->gone)
        return;
    c->gone = mem_new(sizeof *c->gone);
    *c->gone = *why;
}

// It is still at the connection that has gone. Another one that it has meanwhile may lie where that one lay.
static bool has_lost(const struct deliver *d)
{
    return d->link.c && d->link.c->gone;
}

// The host has hung up: what it said counts, a refusal without its line end as well. Who comes behind hears of it
// when it is its turn (session_first).
static void lost_connection(struct deliver *d, struct why *why)
{
    note_gone(d->link.c, why);
    read_replies(d);
    if (has_lost(d) && table[d->state].on_reply && smtp_reply_end(&d->link.c->reply)) {
        enum deliver_state next = session_on_reply(d);
        if (has_lost(d))
            smtp_reply_reset(&d->link.c->reply);
        go(d, next);
    }
    if (has_lost(d))
        go(d, deliver_lost(d, why));
}

// It was behind others, and their answers are there: what follows is for it.
static void session_first(struct deliver *d)
{
    struct connection *c = d->link.c;
    stream_rebind(c->stream, session_on_event, d);
    deliver_lesson_reached(d); // the host has just answered the one before
    if (d->order.first)
        d->order.first(d->order.arg);
    set_deadline(d);
    if (d->state == DELIVER_TURN)
        go(d, DELIVER_TURN);
    if (c->gone) {
        struct why why = *c->gone;
        lost_connection(d, &why);
    } else {
        stream_resume(c->stream);
    }
}

static void session_on_flight(struct deliver *d, enum flight_news news, const struct why *why)
{
    switch (news) {
    case FLIGHT_FIRST:
        session_first(d);
        break;
    case FLIGHT_DOUBT:
        go(d, deliver_unknown(d, why));
        break;
    case FLIGHT_BACK:
        deliver_drop(d, true);
        d->sent_back = true;
        go(d, DELIVER_END);
        break;
    }
    release_if_gone(d);
}

static void say_when(const struct deliver *d, struct why *why)
{
    if (!table[d->state].when[0])
        return;
    char text[sizeof why->text];
    snprintf(text, sizeof text, "%.400s %s", why->text, table[d->state].when);
    snprintf(why->text, sizeof why->text, "%s", text);
}

static void session_on_event(struct stream *s, enum stream_event what, void *arg)
{
    struct deliver *d = arg;
    struct why why;
    assert(d->link.c && d->link.c->stream == s);
    switch (what) {
    case STREAM_CONNECTED:
        connection_worked(d->link.c);
        deliver_race_end(d);
        go(d, deliver_host(d)->implicit_tls ? DELIVER_SECURE : DELIVER_GREETING);
        break;
    case STREAM_SECURED:
        go(d, deliver_secured(d));
        break;
    case STREAM_DRAINED:
        deliver_body_go_on(d);
        break;
    case STREAM_DATA:
        break;
    case STREAM_EOF:
        why_say(&why, HOST_CLOSED);
        say_when(d, &why);
        lost_connection(d, &why);
        break;
    case STREAM_FAILED:
        why = *stream_why(s);
        if (why.scope == WHY_HOST && why.tls == WHY_TLS_NONE)
            say_when(d, &why);
        lost_connection(d, &why);
        break;
    case STREAM_TIMEOUT:
        say_silent(d, &why);
        say_when(d, &why);
        deliver_lesson_late(d, &why);
        if (d->trans.nbatch)
            pool_note_astray(d->link.c);
        if (d->link.c->end == FLIGHT_GOOD)
            say_silent_to_all(d);
        go(d, deliver_lost(d, &why));
        break;
    }
    read_replies(d);
    release_if_gone(d);
}

static void session_resume(struct deliver *d, enum deliver_state next, const struct why *why)
{
    go(d, why ? deliver_quit_next(d, why) : next);
    read_replies(d);
    release_if_gone(d);
}

// The connection

static enum deliver_state deliver_session_enter_connect(struct deliver *d)
{
    struct route_host *host = deliver_host(d);
    const struct sockaddr *to = (const void *)&host->addresses[d->address];
    const char *helo;
    d->tries++;
    d->link.c->stream = stream_connect(&d->order.worker->loop, to, deliver_source(d, to, &helo),
                                       session_on_event, d);
    stream_deadline(d->link.c->stream, timeout_ms(d, CONNECT));
    deliver_race_begin(d);
    return DELIVER_WAIT;
}

static enum deliver_state session_greeting_reply(struct deliver *d)
{
    if (d->link.c->reply.code != 220) {
        struct why why;
        outcome_reply(&why, STAGE_GREETING, &d->link.c->reply, d->link.c->host);
        deliver_lesson_away(d, &why);
        return deliver_refused(d, STAGE_GREETING);
    }
    return DELIVER_EHLO;
}

static const char *helo_name(const struct deliver *d)
{
    const char *helo = NULL;
    deliver_source(d, (const void *)&deliver_host(d)->addresses[d->address], &helo);
    return helo && helo[0] ? helo : d->config->hostname;
}

static enum deliver_state deliver_session_enter_ehlo(struct deliver *d)
{
    // A greeting too many: nothing of the mail was said yet, so it may be passed over.
    if (deliver_unasked(d)) {
        pool_note_out_of_step(d->link.c);
        buf_reset(stream_input(d->link.c->stream));
    }
    deliver_command(d, "EHLO %s\r\n", helo_name(d));
    return DELIVER_WAIT;
}

static enum deliver_state deliver_session_enter_helo(struct deliver *d)
{
    deliver_command(d, "HELO %s\r\n", helo_name(d));
    return DELIVER_WAIT;
}

static enum deliver_state session_helo_reply(struct deliver *d)
{
    if (d->link.c->reply.code != 250)
        return deliver_refused(d, STAGE_EHLO);
    return deliver_auth_begin(d);
}

static enum deliver_state deliver_session_enter_rset(struct deliver *d)
{
    deliver_command(d, "RSET\r\n");
    return DELIVER_WAIT;
}

// Where a refusal is in doubt, its transaction is still there.
static enum deliver_state session_rset_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    if (code >= 200 && code < 300 && !deliver_unasked(d)) {
        deliver_reset_heard(d);
        deliver_transaction_end(d);
        d->link.c->dirty = false;
        return deliver_somebody_open(d) ? DELIVER_MAIL : DELIVER_END;
    }
    if (d->trans.nbatch)
        return deliver_out_of_step(d);
    return deliver_after_the_dead(d);
}
