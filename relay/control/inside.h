// SPDX-License-Identifier: ISC
// Shared by the verbs of relay/control/ alone.
#ifndef RELAY_CONTROL_INSIDE_H
#define RELAY_CONTROL_INSIDE_H

#include "relay/control/control.h"
#include "relay/queue/queue.h"

#define CONTROL_BAD 256 // bytes of a sentence about a request

// What a request chooses from the queue. Its texts lie in the request, which it keeps.
struct control_filter {
    struct queue_filter filter;
    uint64_t *ids;
    json_t *words;
};
// -1 with a sentence in `out`. To be freed in any case. (filter.c)
int control_filter_read(struct control_filter *cf, const json_t *request,
                        char out[static CONTROL_BAD]);
void control_filter_free(struct control_filter *cf);

void control_export(struct control_call *call, struct relay *relay,
                    const json_t *request); // export.c
void control_summary(struct control_call *call, struct relay *relay,
                     const json_t *request); // summary.c
// All that is held of this login, as the verb queue-release does (verbs_queue.c).
void control_release_login(struct control_call *call, struct relay *relay, const char *login);
void control_import(struct control_call *call, struct relay *relay,
                    const json_t *request); // import.c

#endif
