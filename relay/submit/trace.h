// SPDX-License-Identifier: ISC
// The first chapter of a message's trace: who handed it in and how, and what was made of it.
#ifndef RELAY_SUBMIT_TRACE_H
#define RELAY_SUBMIT_TRACE_H

#include "relay/submit/inside.h"

#define SUBMIT_TRACE_TO 100 // recipients that are named; it is found by all of them

// It is on disk; its header is still there.
void submit_trace_accepted(const struct submit *s);
// It was refused after its content was heard, and is nowhere.
void submit_trace_refused(const struct submit *s, const struct why *why);

#endif
