// SPDX-License-Identifier: ISC
// The health of configured next hops, for the whole relay: one that fails is passed over by all mail for a while, and
// then one delivery tries it. Behind a mutex; any thread. Mail by MX records does not come here.
#ifndef RELAY_ROUTE_HEALTH_H
#define RELAY_ROUTE_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/why.h"

#define HEALTH_FIRST_MS 30000  // the first pause; each further failure doubles it
#define HEALTH_MOST_MS  600000 // the longest
#define HEALTH_PROBE_MS 600000 // a probe that has not been heard of for so long is given up
#define HEALTH_HOPS     10000  // remembered

struct health *health_new(void);
void health_free(struct health *health); // accepts NULL

// May mail try this hop ("host:port", and as whom) now? PROBE: the caller is the one that tries, and tells what came
// of it. DOWN fills why. health NULL, or hop NULL: it is up.
enum health_gate { HEALTH_UP, HEALTH_PROBE, HEALTH_DOWN };
enum health_gate health_gate(struct health *health, const char *hop, struct why *why);
bool health_is_up(struct health *health, const char *hop); // asks, and changes nothing
// It could not be used, by an attempt that began then (clock_mono_ms). What worked since says that it is well.
void health_failed(struct health *health, const char *hop, const struct why *why,
                   uint64_t began_ms);
void health_worked(struct health *health, const char *hop);
void health_left(struct health *health, const char *hop); // the probe ended without saying anything

// An array of hop, state ("up", "down", "probed"), since (Unix seconds, of what is down), next (seconds), reason;
// the hops of which anything is known.
json_t *health_describe(struct health *health);
void health_count(struct health *health, size_t *up, size_t *down);

#endif
