// SPDX-License-Identifier: ISC
// What the spool's own sources say to its second place, where there is one (relay/spool/sink.h). The spool's thread, and
// before it begins the one that starts the relay.
#ifndef RELAY_SPOOL_SECOND_INSIDE_H
#define RELAY_SPOOL_SECOND_INSIDE_H

#include "relay/spool/inside.h"

int second_prepare(struct spool *s, int *exit_status, struct why *why);
int second_attach(struct spool *s, int *exit_status, struct why *why);
void second_look(struct spool *s);
bool second_away(const struct spool *s);
bool second_submit(struct spool *s); // true: it is to be awaited
int second_await(struct spool *s);   // -1: s->trouble
void second_cut(struct spool *s, const struct segment *g);
void second_drop(struct spool *s, uint64_t number);
void second_forget(struct spool *s, const char *large); // unlinks it here, too

#endif
