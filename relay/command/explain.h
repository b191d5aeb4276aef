// SPDX-License-Identifier: ISC
// The parts of `waxwing explain`: what deliveries met is added to the plan, and all is told to people.
#ifndef RELAY_COMMAND_EXPLAIN_H
#define RELAY_COMMAND_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

// relay/command/explain_facts.c: what the relay knows besides its plan. `control` is its socket.
// What waits, and the TLS failures of the last hour.
void explain_add_lately(json_t *explanation, const char *control, const char *domain);
// How much its site gets; one that is paused decides the verdict.
void explain_add_site(json_t *explanation, const char *control);
// What the hosts do now decides the verdict; takes `connect` (relay/command/probe.h) over.
void explain_add_connections(json_t *explanation, json_t *connect);
// `recent` has what waits as well, and "failing" where mail waits after failing.
void explain_agree(json_t *explanation);

// relay/command/explain_text.c
void explain_print(const json_t *explanation, FILE *out);
// relay/command/explain_recent.c: the first lines, which no mail that waits may contradict, and what became of the last
// deliveries.
void explain_print_headline(const json_t *explanation, FILE *out);
void explain_print_recent(const json_t *explanation, FILE *out);
// relay/command/explain_advice.c
void explain_print_advice(const json_t *explanation, FILE *out);
void explain_print_address(const json_t *explanation, FILE *out);

#endif
