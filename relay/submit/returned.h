// SPDX-License-Identifier: ISC
// What comes back to return addresses of ours (senders.srs, senders.verp), for the session alone.
#ifndef RELAY_SUBMIT_RETURNED_H
#define RELAY_SUBMIT_RETURNED_H

#include "relay/submit/inside.h"

// A recipient of a row with `returns`. Where it is an SRS address of ours, *to becomes what it stands for; a keyed
// return path stays. *returned: it is one of the two. -1: it is forged or too old.
int submit_take_return(struct submit *s, struct smtp_path *to, bool *returned, struct why *why);
// Log lines, events and the suppression list, of the reports that the message has brought.
void submit_tell_returned(struct submit *s);

#endif
