// SPDX-License-Identifier: ISC
// DATA and BDAT (RFC 5321 section 4.1.1.4, RFC 3030), and what follows the last byte: judgement,
// file, spool, and only then 250.
#include "relay/submit/message_inside.h"
#include "relay/submit/returned.h"
#include "relay/submit/suppressed_inside.h"
#include "relay/submit/trace.h"

#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/login/habits.h"
#include "relay/preflight/preflight.h"
#include "relay/queue/queue.h"

#define MAX_VOID_S 300 // seconds for bytes that nobody wants

// ---- beginning

static const char *data_with_word(const struct submit *s)
{
    static const char *const words[2][2][2] = {
        {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
        {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
    };
    if (!s->esmtp)
        return "SMTP";
    return words[s->message->env.smtputf8][submit_secure(s)][s->user != NULL];
}

static int submit_data_header_done(void *arg, struct body_hashes **hashes, struct why *why)
{
    struct submit *s = arg;
    return ingest_header(s->ingest, hashes, why);
}

static void data_begin_receiving(struct submit *s, bool chunks)
{
    struct ingest_session facts = {
        .setup = s->setup,
        .principal = &s->principal,
        .forward = submit_original(s),
        .helo = s->helo,
        .client = s->client_text,
        .with = data_with_word(s),
        .tls = s->tls,
        .sizes = &s->host->worker->relay->sizes,
    };
    s->ingest = ingest_new(&facts, s->message);
    struct receive_options options = {
        .relay = s->host->worker->relay,
        .message = s->message,
        .limits = &s->setup->config->limits,
        .chunks = chunks,
        .fix_bare_lf = s->principal.row->fix_bare_lf,
        .expected = s->expected,
        .header = submit_data_header_done,
        .arg = s,
    };
    s->receive = receive_new(&options);
}

enum submit_state submit_data(struct submit *s, struct span args)
{
    if (args.n) {
        s->bad++;
        submit_reply(s, 501, "5.5.4", "DATA takes no argument");
        return s->state;
    }
    if (!submit_has_recipients(s)) {
        submit_reply(s, 554, "5.5.1", "No valid recipients");
        return s->state;
    }
    data_begin_receiving(s, false);
    submit_reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
    return SUBMIT_DATA;
}

// A client that pipelines sends its message behind a MAIL or RCPT that was refused; who may not send at all
// has no message.
static uint64_t data_void_limit(const struct submit *s)
{
    bool known = s->message || s->user ||
                 principal_trusts(s->setup->config, (const struct sockaddr *)&s->client);
    return known ? s->setup->config->limits.message_size : MAX_VOID_CHUNK;
}

enum submit_state submit_bdat(struct submit *s, struct span args)
{
    struct why why;
    if (smtp_bdat_parse(args, &s->chunk_left, &s->chunk_last, &why) < 0) {
        // Where its bytes end is unknown: nothing behind it can be trusted to be a command.
        submit_reply_why(s, &why);
        return submit_leave(s, 421, "4.7.0", "Cannot tell message from commands");
    }
    s->chunk_void = s->state != SUBMIT_ADDRESSED && s->state != SUBMIT_CHUNKED;
    if (s->chunk_void && s->chunk_left > data_void_limit(s)) {
        submit_reply(s, 503, "5.5.1", "BDAT comes at the wrong time");
        return submit_leave(s, 421, "4.7.0", "So much is not read for nothing");
    }
    if (s->chunk_void && !s->message)
        s->ends_ms = clock_mono_ms() + (uint64_t)MAX_VOID_S * 1000;
    else if (s->state == SUBMIT_ADDRESSED)
        data_begin_receiving(s, true);
    return SUBMIT_CHUNK;
}

// ---- the bytes

static struct span data_next_piece(struct submit *s)
{
    return span_slice(submit_input(s), 0, RECEIVE_PIECE);
}

static enum submit_state data_end_of_message(struct submit *s);

// A message that is refused already is read on to its end, that the reply comes where the client expects it,
// but not for ever.
static bool data_is_endless(const struct submit *s)
{
    struct why why;
    return receive_bytes(s->receive) > 2 * s->setup->config->limits.message_size &&
           receive_fault(s->receive, &why) < 0;
}

static enum submit_state data_leave_endless(struct submit *s)
{
    struct why why;
    receive_fault(s->receive, &why);
    submit_log_refuse(s, NULL, &why);
    submit_reply_why(s, &why);
    return submit_leave(s, 421, "4.7.0", "The message does not end");
}

enum submit_state submit_read_data(struct submit *s)
{
    while (!receive_ended(s->receive)) {
        struct span in = data_next_piece(s);
        if (!in.n)
            return SUBMIT_WAIT;
        s->used += receive_data(s->receive, in);
        if (data_is_endless(s))
            return data_leave_endless(s);
        if (receive_must_write(s->receive))
            return SUBMIT_WRITING;
    }
    return data_end_of_message(s);
}

enum submit_state submit_refuse_message(struct submit *s, const struct why *why)
{
    submit_reply_why(s, why);
    return submit_end_refused(s, why);
}

enum submit_state submit_end_refused(struct submit *s, const struct why *why)
{
    submit_log_refuse(s, NULL, why);
    submit_trace_refused(s, why);
    submit_end_transaction(s);
    if (s->host->draining)
        return submit_leave(s, 421, "4.3.2", "The relay is going down");
    return SUBMIT_READY;
}

// 250, and that was it.
enum submit_state submit_end_accepted(struct submit *s)
{
    char id[ID_TEXT], note[SUBMIT_NOTE];
    id_text(s->message->env.id, id);
    submit_note(s, note);
    submit_reply(s, 250, "2.0.0", "queued as %s%s", id, note);
    histogram_add_since(&s->host->worker->relay->counters.accept_time, s->heard_ns);
    submit_end_transaction(s);
    s->commands = s->bad = 0;
    if (s->host->draining)
        return submit_leave(s, 421, "4.3.2", "The relay is going down");
    return SUBMIT_READY;
}

// The client is not to learn what became of it: it would tell somebody whose address is forged.
enum submit_state submit_discard_message(struct submit *s, const char *reason)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "discard", s->message->env.id);
    log_text(&line, "client", s->client_text);
    log_text(&line, "user", s->user ? s->user : s->principal.name);
    log_address(&line, "from", s->message->env.from);
    log_text(&line, "reason", reason);
    log_text(&line, "results", ingest_results(s->ingest));
    log_end(&line);
    return submit_end_accepted(s);
}

// A chunk that came where none may: read and thrown away, and told so.
static enum submit_state data_end_of_void(struct submit *s)
{
    bool addressed = s->message && submit_has_recipients(s);
    s->bad++;
    if (s->message && !addressed)
        submit_reply(s, 554, "5.5.1", "No valid recipients");
    else
        submit_reply(s, 503, "5.5.1", "BDAT comes at the wrong time");
    return s->message ? SUBMIT_ENVELOPE : submit_idle(s);
}

enum submit_state submit_read_chunk(struct submit *s)
{
    while (s->chunk_left) {
        struct span in = data_next_piece(s);
        if (!in.n)
            return SUBMIT_WAIT;
        if (in.n > s->chunk_left)
            in.n = (size_t)s->chunk_left;
        s->used += in.n;
        s->chunk_left -= in.n;
        if (s->chunk_void)
            continue;
        receive_chunk(s->receive, in);
        if (data_is_endless(s))
            return data_leave_endless(s);
        if (receive_must_write(s->receive))
            return SUBMIT_WRITING;
    }
    if (s->chunk_void)
        return data_end_of_void(s);
    if (s->chunk_last)
        return data_end_of_message(s);
    struct why why;
    if (receive_fault(s->receive, &why) < 0)
        return submit_refuse_message(s, &why);
    submit_reply(s, 250, "2.0.0", "Chunk taken");
    return SUBMIT_CHUNKED;
}

static void submit_data_written(void *arg)
{
    struct submit *s = arg;
    if (!submit_answered(s))
        return;
    submit_go(s, receive_is_chunked(s->receive) ? SUBMIT_CHUNK : SUBMIT_DATA);
    submit_turn(s);
}

void submit_write_body(struct submit *s)
{
    ingest_body_leaves(s->ingest);
    s->pending++;
    receive_write(s->receive, &s->host->worker->loop, false, submit_data_written, s);
}

// ---- judgement

static enum submit_state data_conclude(struct submit *s);

static void submit_data_judged(void *arg)
{
    struct submit *s = arg;
    if (s->state != SUBMIT_JUDGING)
        return;
    submit_go(s, data_conclude(s));
    submit_turn(s);
}

static enum submit_state data_end_of_message(struct submit *s)
{
    struct worker *worker = s->host->worker;
    struct why why;
    s->heard_ns = clock_mono_ns();
    if (receive_verdict(s->receive, &why) < 0)
        return submit_refuse_message(s, &why);
    if (ingest_ask(s->ingest, worker->relay->dns, worker->mail, submit_data_judged, s))
        return SUBMIT_JUDGING;
    return data_conclude(s);
}

enum submit_state submit_give_up(struct submit *s)
{
    ingest_give_up(s->ingest);
    return data_conclude(s);
}

static enum submit_state data_conclude(struct submit *s)
{
    struct why why;
    ingest_longest_line(s->ingest, receive_longest_line(s->receive));
    ingest_octets(s->ingest, receive_bytes(s->receive));
    if (ingest_verdict(s->ingest, &why) < 0)
        return submit_refuse_message(s, &why);
    if (ingest_discarded(s->ingest))
        return submit_discard_message(
            s, "From is in an own domain and nothing shows that it came from there");
    if (!submit_filtered(s) || !s->message->env.nrcpts)
        return submit_sign(s);
    return receive_has_file(s->receive) ? SUBMIT_FILING : SUBMIT_FILTERING;
}

enum submit_state submit_sign(struct submit *s)
{
    struct why why;
    uint64_t began = clock_mono_ns();
    int rc = ingest_finish(s->ingest, &why);
    histogram_add_since(&s->host->worker->relay->counters.sign_time, began);
    submit_count_notes(s, rc < 0 ? &why : NULL);
    if (rc < 0)
        return submit_refuse_message(s, &why);
    submit_tell_dropped(s);
    submit_tell_returned(s);
    if (!s->message->env.nrcpts) // it goes to nobody: what it had to tell is all there is of it
        return SUBMIT_TELLING;
    return receive_has_file(s->receive) ? SUBMIT_FILING : SUBMIT_COMMITTING;
}

static void submit_data_filed(void *arg)
{
    struct submit *s = arg;
    struct why why;
    if (!submit_answered(s))
        return;
    bool kept = receive_verdict(s->receive, &why) == 0;
    enum submit_state next = submit_filtered(s) ? SUBMIT_FILTERING : SUBMIT_COMMITTING;
    submit_go(s, kept ? next : submit_refuse_message(s, &why));
    submit_turn(s);
}

void submit_finish_file(struct submit *s)
{
    s->pending++;
    receive_write(s->receive, &s->host->worker->loop, true, submit_data_filed, s);
}

// ---- the spool

static void data_log_accept(struct submit *s)
{
    const struct message *m = s->message;
    char names[PREFLIGHT_NAMES];
    struct logline line;
    log_begin(&line, LOG_INFO, "accept", m->env.id);
    log_text(&line, "client", s->client_text);
    log_text(&line, "user", s->user ? s->user : s->principal.name);
    log_address(&line, "from", m->env.from);
    log_number(&line, "size", (int64_t)message_size(m));
    log_number(&line, "rcpts", (int64_t)m->env.nrcpts);
    log_text(&line, "sign", ingest_sign(s->ingest));
    if (*ingest_results(s->ingest))
        log_text(&line, "results", ingest_results(s->ingest));
    if (*m->env.held_for)
        log_text(&line, "held", m->env.held_for);
    if (*ingest_warning(s->ingest))
        log_text(&line, "warning", ingest_warning(s->ingest));
    if (ingest_found(s->ingest)->n) {
        preflight_names(ingest_found(s->ingest), names);
        log_text(&line, "note", names);
    }
    log_end(&line);
}

// It is on disk: from here on it is delivered, whether or not the client still hears so.
static void data_accept_message(struct submit *s)
{
    struct worker *worker = s->host->worker;
    data_log_accept(s);
    submit_tell_notes(s);
    submit_trace_accepted(s);
    atomic_fetch_add_explicit(&worker->relay->counters.accepted, 1, memory_order_relaxed);
    submit_count_login(s, LOGIN_MESSAGES, 1);
    submit_count_login(s, LOGIN_RECIPIENTS, s->message->env.nrcpts);
    // While the relay stops its queue may be gone before this: the next start finds the message on
    // disk.
    if (atomic_load(&worker->relay->stage) != RELAY_STOPPING)
        queue_add(worker->queue, message_ref(s->message));
}

static void submit_data_stored(struct item *item)
{
    struct spool_write *write = (struct spool_write *)(void *)item; // its first member
    struct submit *s = write->arg;
    struct why why = write->why;
    bool failed = write->failed;
    if (!failed)
        data_accept_message(s);
    if (!submit_answered(s))
        return;
    if (failed) {
        submit_go(s, submit_refuse_message(s, &why));
        submit_turn(s);
        return;
    }
    submit_go(s, submit_end_accepted(s));
    submit_turn(s);
}

// A login that sends in an unusual way is not silenced: what it sends is taken, and waits.
static void hold_if_it_jumps(struct submit *s)
{
    struct habits *habits = s->host->worker->relay->habits;
    const struct cfg_jumps *limits = &s->setup->config->jumps;
    char why[HABITS_WHY];
    if (!habits || !limits->hold || !s->principal.is_user || s->principal.row->may_jump)
        return;
    if (habits_sent(habits, limits, &s->message->env, why))
        message_hold(s->message, why);
}

void submit_commit(struct submit *s)
{
    struct worker *worker = s->host->worker;
    hold_if_it_jumps(s);
    s->pending++;
    s->write = (struct spool_write){.item = {.run = submit_data_stored},
                                    .reply = worker->mail,
                                    .message = s->message,
                                    .arg = s};
    spool_store(worker->relay->spool, &s->write);
}
