// SPDX-License-Identifier: ISC
// The status pages over HTTP/1.1, on the main loop: one GET or HEAD a connection, then it is closed. Bounded in
// every way: connections, bytes of a request, time. Says nothing that needs a login, changes nothing.
// Speaks clear text, and is meant for loopback or a network of one's own.
#ifndef RELAY_HTTP_HTTP_H
#define RELAY_HTTP_HTTP_H

#include <uv.h>
#include "relay/base/buf.h"
#include "relay/http/request.h"
#include "relay/worker/relay.h"

#define HTTP_CONNECTIONS 64    // at once; then the one that has been silent for longest is dropped
#define HTTP_DEADLINE_MS 10000 // from accepting a connection to dropping it
#define HTTP_CONTENT_MAX 4194304 // bytes of a page

struct http;
struct http_call; // one request under way

struct http_page {
    const char *path;
    // Answers with http_answer exactly once, inside the call or later on the loop.
    void (*run)(struct http_call *call, struct relay *relay);
    bool any_host; // tells nothing that matters: answered whatever name it was asked by
};
// /, /healthz, /readyz, /metrics (relay/http/pages.c)
extern const struct http_page http_pages[];
// Whether a page may be read under this name (RFC 9110 section 7.2): an address, localhost, the hostname, and what
// http_names adds. A stranger's page whose name suddenly leads here reads nothing (DNS rebinding).
bool http_is_ours(const struct relay *relay, struct span host);

struct http_options {
    struct relay *relay; // for the pages
    uv_loop_t *loop;
    int fd;                        // bound and listening; taken over
    const struct http_page *pages; // ends with a NULL path
    uint64_t deadline_ms;          // 0: HTTP_DEADLINE_MS
    // Whether `host` (with its port) is a name to answer to; NULL: every name is.
    bool (*is_ours)(const struct relay *relay, struct span host);
};

// NULL with why when the socket cannot be served (it is closed then).
struct http *http_open(const struct http_options *options, struct why *why);
// No new request; connections are dropped, and what a page answers later goes nowhere. The memory is freed by
// the loop and by the last answer. Accepts NULL.
void http_close(struct http *http);

// Ends the call. Moves `content` out (it is left empty). `type` is a Content-Type, static.
void http_answer(struct http_call *call, int status, const char *type, struct buf *content);
// The same with one line of plain text.
void http_answer_line(struct http_call *call, int status, const char *line);

#endif
