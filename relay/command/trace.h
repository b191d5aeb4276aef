// SPDX-License-Identifier: ISC
// What the sources of `waxwing trace` share.
#ifndef RELAY_COMMAND_TRACE_H
#define RELAY_COMMAND_TRACE_H

#include "config/config.h"
#include "relay/trace/story.h"

struct trace_options {
    bool json, full, fleet;
    uint64_t limit;
};

struct trace_telling {
    char day[12]; // that was printed last
};
void trace_on_line(const struct story_line *line, void *telling); // of struct story_options
// A message of several, in a line; NULL: not known.
void trace_print_brief(int64_t at_ms, const char *id, const char *event, const char *from,
                       const char *to);

// Asks the nodes of the fleet. (trace_fleet.c)
int trace_fleet(const struct config *config, const struct trace_options *o, const char *what);

#endif
