// SPDX-License-Identifier: ISC
// What the kernel says of this process, under the names that every Prometheus client library gives it.
#ifndef RELAY_HTTP_PROCESS_H
#define RELAY_HTTP_PROCESS_H

#include <stdint.h>

struct process {
    double cpu_s; // user and system
    uint64_t resident, virtual;
    uint64_t open_fds; // 0: not known
    uint64_t max_fds;
    uint64_t threads;
};

// What cannot be read (no /proc, no descriptor left) is 0.
void process_take(struct process *out);

#endif
