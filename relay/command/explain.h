// SPDX-License-Identifier: ISC
// The parts of `waxwing explain`: what deliveries met is added to the plan, and all is told to people.
#ifndef RELAY_COMMAND_EXPLAIN_H
#define RELAY_COMMAND_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>
#include "config/config.h"

// relay/command/explain_facts.c: what the relay knows besides its plan. `control` is its socket.
// What waits, and the TLS failures of the last hour.
void explain_add_lately(json_t *explanation, const char *control, const char *domain);
// How much its site gets; one that is paused decides the verdict.
void explain_add_site(json_t *explanation, const char *control);
// What the hosts do now decides the verdict; takes `connect` (relay/command/probe.h) over.
void explain_add_connections(json_t *explanation, json_t *connect);
// Whether a key of ours signs for the domain itself, and for the domain of a sender that a host did not believe.
void explain_add_sender(json_t *explanation, const struct config *config);
// `recent` has what waits and the kind of trouble as well, and "failing" where mail waits after failing.
void explain_agree(json_t *explanation);

// relay/command/explain_text.c
void explain_print(const json_t *explanation, FILE *out);
// relay/command/explain_headline.c: the first lines, which no mail that waits may contradict.
void explain_print_headline(const json_t *explanation, FILE *out);
// relay/command/explain_recent.c: what became of the last deliveries, and what rules do to an address.
void explain_print_recent(const json_t *explanation, FILE *out);
// relay/command/explain_advice.c
void explain_print_advice(const json_t *explanation, FILE *out);
void explain_print_address(const json_t *explanation, FILE *out);

#endif
