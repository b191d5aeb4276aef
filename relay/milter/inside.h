// SPDX-License-Identifier: ISC
// The inside of relay/milter/: one dialogue with one filter (session.c), what is said in it (say.c, macros.c), bodies
// on their way out and in (body.c), the message as the next filter sees it (mail.c), and the order of
// filters (run.c).
//
// - session.c alone changes a session's state. What a filter changes counts when its last answer is there, all of it
//   or, where anything went wrong, nothing.
// - A job in libuv's pool belongs to nobody: who does not want its answer any more takes its name off, and the job
//   frees itself.
#ifndef RELAY_MILTER_INSIDE_H
#define RELAY_MILTER_INSIDE_H

#include "relay/ingest/receive.h"
#include "relay/milter/milter.h"
#include "relay/milter/protocol.h"
#include "relay/net/stream.h"
#include "relay/worker/relay.h"
#include "sign/header.h"

#define MILTER_READ (4 * MILTER_PIECE) // bytes of a large body read at once

// mail.c: the message as the next filter sees it.
struct milter_mail {
    struct message *message;      // reference
    struct milter_body *body;     // what a filter put in its place; NULL: the message's own
    struct milter_result *result; // its `from`, `header` and `rcpts` are what is shown
};
void milter_mail_begin(struct milter_mail *mail, struct message *message, struct buf *header,
                       struct milter_result *result);
void milter_mail_end(struct milter_mail *mail);
struct span milter_mail_header(const struct milter_mail *mail);
const char *milter_mail_from(const struct milter_mail *mail);
const struct message *milter_mail_content(const struct milter_mail *mail); // whose body it is
// Everything that a filter changed: packets one after the other. -1: nothing was changed.
int milter_mail_change(struct milter_mail *mail, const struct milter_client *client,
                       const char *filter, struct span changes, bool leading_space,
                       struct why *why);
// The message is to be held; the first reason stays.
void milter_mail_hold(struct milter_result *result, const char *filter, struct span reason);

// body.c: a body that a filter makes, in memory or in a file.
struct milter_session;
struct milter_body;
struct milter_body *milter_body_new(const struct milter_client *client);
// -1: it is no body (its line ends, its size, the disk). Up to RECEIVE_PIECE bytes.
int milter_body_add(struct milter_body *body, struct span piece, struct why *why);
bool milter_body_must_write(const struct milter_body *body);
// -1: it is not whole. Else, where it has a file, that is still to be finished (`last` of write).
int milter_body_check(struct milter_body *body, struct why *why);
bool milter_body_has_file(const struct milter_body *body);
// Its piece goes to its file; `done` is called once, unless the body is freed before.
void milter_body_write(struct milter_body *body, bool last, void (*done)(void *arg), void *arg);
const struct message *milter_body_message(const struct milter_body *body);
struct body_hashes *milter_body_take(struct milter_body *body, struct message *message,
                                     uint64_t *longest);
void milter_body_free(struct milter_body *body); // at any time; accepts NULL
// Reads a piece of a large body. `done` is called once with it, or with why, unless *job is
// cancelled before.
struct milter_reading;
typedef void milter_read_fn(struct span piece, const struct why *why, void *arg);
struct milter_reading *milter_read(const struct milter_client *client,
                                   const struct message *message, uint64_t offset,
                                   milter_read_fn *done, void *arg);
void milter_read_cancel(struct milter_reading *job); // accepts NULL

// session.c: one filter and one message.
enum milter_state {
    MILTER_WAITING, // for its turn
    MILTER_CONNECTING,
    MILTER_NEGOTIATING,
    MILTER_CLIENT,
    MILTER_HELO,
    MILTER_SENDER,
    MILTER_RECIPIENT,
    MILTER_DATA,
    MILTER_HEADER,
    MILTER_HEADER_END,
    MILTER_BODY,
    MILTER_END,       // it has the whole message: changes come, then the last answer
    MILTER_LOADING,   // the next piece of a large body is being read
    MILTER_STORING,   // a piece of its body goes to a file
    MILTER_FINISHING, // and that file is being finished
    MILTER_OVER
};

enum milter_outcome {
    OUTCOME_NONE,
    OUTCOME_ACCEPTED, // with its changes
    OUTCOME_REFUSED,
    OUTCOME_DISCARDED,
    OUTCOME_FAILED // no word of it counts
};

struct milter_session {
    uv_loop_t *loop;
    const struct cfg_milter *filter;
    const struct milter_client *client; // NULL: it is only asked what it wants
    struct milter_mail *mail;
    struct stream *stream; // NULL before it is connected, and when it is over
    struct milter_turn *turn;
    uv_timer_t timer; // waiting; connecting anew to a busy Unix socket; the end
    enum milter_state state;
    uint64_t late_ms;           // connecting: monotonic
    bool owed;                  // an answer is awaited before anything more is said
    uint64_t began_ms, ends_ms; // monotonic
    struct milter_options options;
    struct header header; // of what is shown
    size_t at;            // how many recipients or fields were shown
    uint64_t sent;        // bytes of the body
    struct buf piece;     // of a large body, what is not sent of it
    struct milter_reading *reading;
    struct buf packet;  // of ours, being written
    struct buf changes; // packets, as they came
    size_t nchanges, npackets;
    struct milter_body *body; // that it makes
    enum milter_outcome outcome;
    struct milter_reply reply; // OUTCOME_REFUSED
    struct why why;            // OUTCOME_FAILED
    void (*done)(void *arg);
    void *arg;
};

// `done` comes once, on the loop, never inside a call, unless the session is freed before.
struct milter_session *milter_session_new(uv_loop_t *loop, const struct cfg_milter *filter,
                                          const struct milter_client *client,
                                          struct milter_mail *mail, uint64_t ends_ms,
                                          void (*done)(void *arg), void *arg);
void milter_session_free(struct milter_session *s); // accepts NULL

// say.c: the next packet of a step. SAID; NOTHING (more) to say at this step; LATER: it has to be fetched.
enum milter_said { SAID, NOTHING, LATER };
typedef enum milter_said milter_say_fn(struct milter_session *s);
milter_say_fn milter_say_options, milter_say_client, milter_say_helo, milter_say_sender,
    milter_say_recipient, milter_say_data, milter_say_header, milter_say_header_end,
    milter_say_body, milter_say_end;

// macros.c: those of a stage that have a value, in front of the command.
void milter_macros(struct milter_session *s, enum milter_stage stage, char command);

#endif
