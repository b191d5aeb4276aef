// SPDX-License-Identifier: ISC
// The control socket: one JSON object in (a line), one JSON object out, close. On the main loop. Verbs are
// rows of tables that their own files hold; those that change something need root or the relay's user.
//
// Request: {"verb":"status", …arguments…}; answer: {"exit":0, …} or {"exit":75,"error":"…"}. A long answer is lines
// of JSON, of which the last one alone has "exit": an answer without it was cut off.
#ifndef RELAY_CONTROL_CONTROL_H
#define RELAY_CONTROL_CONTROL_H

#include <jansson.h>
#include "relay/worker/relay.h"

#define CONTROL_CALLS       64 // connections at once; then the one that asks nothing for longest goes
#define CONTROL_DEADLINE_MS 10000 // for a request to come, and for something of an answer to leave
#define CONTROL_READER_MS                                                                          \
    300000 // for the next piece of a long answer to leave: people page through it
#define CONTROL_REQUEST_MAX 1048576   // bytes of one request
#define CONTROL_OWNER_MAX   268435456 // of one by root or the relay's user: an imported message
#define CONTROL_ANSWER_MAX  268435456 // bytes of one answer that is not told in pieces
#define CONTROL_PIECE       65536     // bytes of one piece, about
#define CONTROL_LOCAL_ROWS  1000      // of a long answer that a page of ours gets

struct control_call; // one request under way

struct control_verb {
    const char *name;
    bool changes; // needs root or the owner
    // Answers with control_answer, now or later on the main loop.
    void (*run)(struct control_call *call, struct relay *relay, const json_t *request);
};

// Listens on an already bound socket. `tables`: NULL-terminated arrays of verbs, the list NULL-terminated.
// NULL with why when it cannot be served (it is closed then).
struct control *control_open(struct relay *relay, uv_loop_t *loop, int fd,
                             const struct control_verb *const *tables, struct why *why);
void control_close(struct control *control); // open calls are dropped; accepts NULL

// Takes over `answer` and ends the call. exit is put into it.
void control_answer(struct control_call *call, int exit, json_t *answer);
void control_error(struct control_call *call, int exit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// A piece of a long answer (whole lines; its bytes are taken over); `next` runs on the main loop when it is on its
// way, for the next one. False: nobody reads any more, `next` will not run; the verb ends with control_answer
// (the last line) in any case.
typedef void control_next(void *arg);
bool control_piece(struct control_call *call, struct buf *piece, control_next *next, void *arg);
// The name of the user who asks, "uid N" where it has none.
void control_by(struct control_call *call, char *out, size_t size);
// The inbox of the main loop, for answers that come from other threads.
struct inbox *control_mail(struct control_call *call);
uv_loop_t *control_loop(struct control_call *call);

// The same verbs for a page of our own: `fn` gets the answer (borrowed; of a long one CONTROL_LOCAL_ROWS rows or a
// few more, as "rows") once, inside the call or later on the main loop. Only verbs that change nothing. Takes over `request`.
typedef void control_local_fn(int exit, const json_t *answer, void *arg);
void control_local(struct control *control, json_t *request, control_local_fn *fn, void *arg);

// Client side: sends the request (taken over) to the relay's socket. NULL with *status EXIT_TEMP and a
// sentence on stderr when nobody answers there. Otherwise the answer, and *status its "exit", which is taken out.
json_t *control_ask(const char *socket_path, json_t *request, int *status);
// The same, for an answer that is there at once or not at all: no step takes longer than patience_s.
json_t *control_ask_soon(const char *socket_path, json_t *request, unsigned patience_s,
                         int *status);
// The same, but quiet when no relay runs (explain then looks up itself).
json_t *control_ask_quietly(const char *socket_path, json_t *request, int *status);

// A long answer: `line` for each line before the last; false ends it there. The last line, or NULL with *status
// EXIT_TEMP and a sentence on stderr where nobody answers or the answer was cut off.
typedef bool control_line(const json_t *line, void *arg);
json_t *control_ask_lines(const char *socket_path, json_t *request, control_line *line, void *arg,
                          int *status);

extern const struct control_verb control_queue_verbs[]; // relay/control/verbs_queue.c
extern const struct control_verb control_run_verbs[];   // relay/run/verbs.c: status, reload, drain
extern const struct control_verb control_site_verbs[];  // relay/control/verbs_sites.c
extern const struct control_verb control_tls_verbs[];   // relay/control/verbs_tls.c
extern const struct control_verb control_explain_verbs[];  // relay/control/verbs_explain.c
extern const struct control_verb control_report_verbs[];   // relay/control/verbs_report.c
extern const struct control_verb control_suppress_verbs[]; // relay/control/verbs_suppress.c
extern const struct control_verb control_event_verbs[];    // relay/control/verbs_events.c
extern const struct control_verb control_login_verbs[];    // relay/control/verbs_login.c
extern const struct control_verb control_fleet_verbs[];    // relay/control/verbs_fleet.c

#endif
