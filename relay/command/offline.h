// SPDX-License-Identifier: ISC
// Planning routes without a running relay: a loop, a resolver, an MTA-STS cache of its own (for commands).
#ifndef RELAY_COMMAND_OFFLINE_H
#define RELAY_COMMAND_OFFLINE_H

#include "relay/route/planning.h"

struct offline;

struct offline_options {
    struct config *config;
    const char *dns_file;   // answer file, its `https` part included; NULL: the real DNS
    const char *resolver;   // "IP:PORT"; NULL: as configured
    const char *state_file; // policies and memory from this state database, read only; NULL: none
};
struct offline *offline_open(const struct offline_options *options, struct why *why);
void offline_close(struct offline *offline); // after every planning was freed

// Runs the loop until the route is planned. The caller frees the planning.
struct planning *offline_plan(struct offline *offline, const struct route_wish *wish);
// Fetches the domain's MTA-STS policy now, whatever is cached. The view is filled; the caller frees it.
void offline_sts(struct offline *offline, const char *domain, struct sts_view *out);
uv_loop_t *offline_loop(struct offline *offline);
struct dns *offline_dns(struct offline *offline);

#endif
