// SPDX-License-Identifier: ISC
// The log: one line a moment, one grammar, text or JSON, to stderr. Whatever a peer wrote can break
// neither a line nor a terminal. Thread-safe; lines stay whole and in order, and in the running relay nobody
// waits for whoever reads them (relay/log/writer.h).
//
//     struct logline line;
//     log_begin(&line, LOG_INFO, "delivered", id);
//     log_text(&line, "to", address);
//     log_seconds(&line, "delay", ms);
//     log_end(&line);
#ifndef RELAY_LOG_LOG_H
#define RELAY_LOG_LOG_H

#include "config/config.h"
#include "relay/base/buf.h"
#include "relay/base/tally.h"
#include "relay/base/why.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
#define LOG_VALUE_MAX 2048 // bytes of one value; longer ones are cut and end in "..."

struct logline {
    struct buf out;
    bool on, json, urgent;
};

void log_setup(enum log_format format, int level, bool mask);
// From here on a text line begins with its time where no journal adds one.
void log_timed(void);
// The running relay's log: lines go through a thread. -1: there can be none, and they are written as before.
int log_start(void);
void log_stop(void);           // what waits is written, as long as somebody reads it
uint64_t log_lines_lost(void); // lines lost since the start, because nobody read them
// `event` is one of the words of the log grammar; id 0: no message ("-" in text, left out in JSON).
void log_begin(struct logline *line, enum log_level level, const char *event, uint64_t id);
void log_text(struct logline *line, const char *key, const char *value); // NULL: left out
void log_bytes(struct logline *line, const char *key, struct span value);
void log_address(struct logline *line, const char *key, const char *address); // masked where asked
void log_number(struct logline *line, const char *key, int64_t value);
void log_seconds(struct logline *line, const char *key, int64_t ms); // seconds with three decimals
void log_why(struct logline *line,
             const struct why *why); // status= reply= (type= where TLS) reason= why= act=
void log_reason(struct logline *line, const struct why *why); // why= act= alone
void log_end(struct logline *line);

bool log_masks(void); // addresses are masked (log.mask)
// The address as the log shows it: itself, or "***@domain" in `out` where addresses are masked.
#define LOG_MASKED 512
const char *log_masked(const char *address, char out[static LOG_MASKED]);

// One `alarm` line: what (a stable word for scripts), a sentence, and why= and act= of the reason (REASON_NONE: it has
// none). Also counted for status and metrics.
void log_alarm(const char *what, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t log_alarms(void);                 // how many since the start
const struct tally *log_alarm_tally(void); // the same by `what`
// The newest of them, newest first; returns how many.
#define LOG_RECENT 32
struct log_recent {
    int64_t at_ms; // wall clock
    char what[32], text[480];
};
size_t log_recent_alarms(struct log_recent out[static LOG_RECENT]);
// The same at most once in `period_ms` for this `what` and `subject`, whichever thread meets it; how often it was
// held back meanwhile is told with the next one.
void log_alarm_once(const char *what, enum reason reason, const char *subject, uint64_t period_ms,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
// One `text=…` line of event `event` without a message, for start, ready, reload, stop.
void log_event(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The value part of the text grammar alone (bare or quoted), for whoever prints peers' words.
void log_quote(struct span value, struct buf *out);

#endif
