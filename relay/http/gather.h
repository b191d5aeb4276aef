// SPDX-License-Identifier: ISC
// A page that needs the answers of some control verbs before it can be written.
#ifndef RELAY_HTTP_GATHER_H
#define RELAY_HTTP_GATHER_H

#include <jansson.h>
#include "relay/http/html.h"
#include "relay/http/http.h"

#define GATHER_MAX 3 // questions of one page

struct gather {
    struct http_call *call;
    struct relay *relay;
    int64_t now_ms;
    json_t *answers[GATHER_MAX]; // {"error":…} where a verb failed
    size_t asked, due;
    int status; // of the answer: 200 unless the page says otherwise
    void (*render)(struct gather *g, struct buf *out);
};

// Asks all `n` requests (taken over), then writes and sends the page.
void gather(struct http_call *call, struct relay *relay,
            void (*render)(struct gather *g, struct buf *out), json_t *const *requests, size_t n);
// The frame of a page, and a sentence where an answer is an error (true: there was one).
void gather_begin(const struct gather *g, struct buf *out, const char *title, const char *here,
                  unsigned refresh);
bool gather_trouble(const struct gather *g, struct buf *out, size_t i);

#endif
