// SPDX-License-Identifier: ISC
// The log line of what became of a recipient: waxwing-log(7) tells its fields.
#ifndef RELAY_QUEUE_LINE_H
#define RELAY_QUEUE_LINE_H

#include "relay/deliver/delivery.h"
#include "relay/log/log.h"

#define LINE_BECAUSE 256 // bytes

struct line {
    const struct delivery *d;
    const struct delivery_rcpt *r; // its attempt NULL: no host was chosen
    const char *event;             // delivered, deferred, failed, expired
    enum log_level level;
    const struct why *why; // NULL: delivered
    const char *
        because; // why the next attempt is when it is, or why there is none; NULL or "": nothing to say
    const char *
        told; // sender-of-delay, sender-of-failure, postmaster, nobody: who is told now, and of what; NULL: nobody has to be
    int64_t now_ms, next_ms, expires_ms; // wall clock; next_ms 0 or INT64_MAX: not known
};

void line_write(const struct line *line);

// Why the next attempt is when it is, in words, for log and trace.
enum line_cut { LINE_WHOLE, LINE_FOR_NOTICE, LINE_FOR_END };
// After so many attempts, by the schedule of delivery.retry, whose step may have been cut.
void line_say_step(const uint64_t *steps, size_t nsteps, unsigned attempts, enum line_cut cut,
                   char out[static LINE_BECAUSE]);
// Its site takes no mail now, for this reason; `ends`: when that is over is known.
void line_say_site(const struct why *why, const char *site, bool ends,
                   char out[static LINE_BECAUSE]);

#endif
