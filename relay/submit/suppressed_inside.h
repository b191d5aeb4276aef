// SPDX-License-Identifier: ISC
// Recipients on the suppression list, as the row of `senders` says: for the files of this room, which know the session.
#ifndef RELAY_SUBMIT_SUPPRESSED_INSIDE_H
#define RELAY_SUBMIT_SUPPRESSED_INSIDE_H

#include "relay/submit/inside.h"

int submit_check_suppressed(struct submit *s, const struct smtp_path *to,
                            struct why *why);                    // -1: refused
bool submit_drops(struct submit *s, const struct smtp_path *to); // then it is remembered as dropped
bool submit_has_recipients(const struct submit *s);              // those dropped too
// The message is taken: log lines and events for those that are dropped.
void submit_tell_dropped(struct submit *s);
void submit_forget_dropped(struct submit *s);

#endif
