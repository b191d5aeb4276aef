// SPDX-License-Identifier: ISC
// The parts of `waxwing check`: each looks at one kind of thing and says what it found, a line each.
#ifndef RELAY_COMMAND_CHECK_H
#define RELAY_COMMAND_CHECK_H

#include <jansson.h>
#include "dns/dns.h"
#include "relay/setup/setup.h"

struct report {
    unsigned errors, warnings;
    json_t *findings; // for --json; NULL: lines on standard output
};

// `verdict`: "ok", "warning" or "ERROR".
void check_say(struct report *r, const char *verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_lines(struct report *r, const char *verdict,
                 const struct buf *lines); // one finding a line

// relay/command/check_submission.c: who may send what, and whether it is signed. `setup` may be NULL.
void check_submission(struct report *r, const struct config *config, const struct setup *setup);
// relay/command/check_logins.c: who proves logins. `setup` may be NULL.
void check_logins(struct report *r, const struct config *config, const struct setup *setup);
// relay/command/check_forwarding.c: principals with `forward: true`.
void check_forwarding(struct report *r, const struct config *config);
// relay/command/check_machine.c: ports and addresses, spool and state on this machine.
void check_machine(struct report *r, const struct config *config);
// relay/command/check_turning.c: keys of dkim.directory that turn.
void check_turning(struct report *r, const struct config *config, struct dns *dns);
// relay/command/check_milter.c: filters answer.
void check_milters(struct report *r, const struct config *config);
// relay/command/check_fleet.c: the fleet's database answers, and its nodes are alike.
void check_fleet(struct report *r, const struct config *config);
// relay/command/check_names.c: what receivers make of our addresses.
void check_names(struct report *r, const struct config *config, struct dns *dns);

#endif
