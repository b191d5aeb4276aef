// SPDX-License-Identifier: ISC
// What was learned of sites (relay/queue/shape.h), and operators' pauses, in the state database: written now and then,
// read at a start.
#ifndef RELAY_STATE_SITES_H
#define RELAY_STATE_SITES_H

#include "relay/state/state.h"

#define STATE_SITES 20000 // rows kept, those last used

// An operator stopped deliveries to a site.
struct site_pause {
    char *by, *reason; // by NULL: nobody did; reason "" without
    int64_t since_ms;  // wall clock
    int64_t until_ms;  // 0: until it is resumed
};

// Times are wall clock; text is the row's own.
struct site_row {
    char *site;
    unsigned window, crowd;
    double pace, fast;
    int taught;                   // enum shape_news; 0: nothing taught it anything
    int64_t taught_ms, used_ms;   // when; and when it was last used
    int64_t trouble_ms, until_ms; // nothing was taken since; nothing begins before. 0: all is well
    char *host, *status, *reply, *text; // of what taught it; "" without
    struct site_pause pause;
};
void site_row_free(struct site_row *row);

// Takes over the rows and their array. One that has nothing to tell is removed. Any thread.
void state_sites_keep(struct state *state, struct site_row *rows, size_t n);
// Every row of the file, at a start; older than keep_ms and not paused: left out, and removed. On the caller's thread.
void state_sites_restore(struct state *state, uint64_t keep_ms,
                         void (*fn)(const struct site_row *row, void *arg), void *arg);

#endif
