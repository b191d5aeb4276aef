// SPDX-License-Identifier: ISC
// The configuration of what is told to applications: events, and addresses that are mailed to no more. Units and
// conventions as in config/config.h, which includes this.
#ifndef CONFIG_EVENTS_H
#define CONFIG_EVENTS_H

#include "config/submission.h"

// Where events go: one of url, file and socket.
struct cfg_sink {
    char *name; // its cursor's; made of the target where none is given
    char *url;  // https://…, or http:// to a loopback address
    char *secret_file, *ca_file;
    char *file, *socket;
    bool acknowledge;     // socket: its reader says what it has
    struct strings types; // words of enum event_type; none: all
    struct strings users; // principals; none: all
    struct sender_pattern *from;
    size_t nfrom; // none: all
    uint64_t batch;
};

struct cfg_event_log {
    char *directory;     // "": nothing is kept and nothing sent
    uint64_t keep, size; // ms, bytes
};

// The stories of messages (waxwing trace).
struct cfg_trace {
    char *directory;
    uint64_t keep, size; // ms, bytes; size 0: nothing is kept
};

struct cfg_suppress {
    uint64_t bounces; // ms that a bounced address stays; 0: bounces are not remembered
    struct strings files;
};

#endif
