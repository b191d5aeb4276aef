// SPDX-License-Identifier: ISC
// The status pages over HTTP/1.1 (libmicrohttpd), on the main loop. GET and HEAD alone, changes nothing. Bounded:
// connections, bytes of a request, time. Meant for loopback or a network of one's own: who asks by another
// name than an address, localhost, our hostname or one of http_names hears 421, so that no page of a stranger can read it
// through a browser (DNS rebinding).
#ifndef RELAY_HTTP_HTTP_H
#define RELAY_HTTP_HTTP_H

#include <uv.h>
#include "relay/base/buf.h"
#include "relay/worker/relay.h"

#define HTTP_CONNECTIONS 1000    // at once; then the one that has asked nothing for longest goes
#define HTTP_DEADLINE_S  10      // without a byte, before a connection is dropped
#define HTTP_REQUEST_MAX 16384   // bytes of memory of one connection, its request's head among them
#define HTTP_CONTENT_MAX 4194304 // bytes of a page

struct http;
struct http_call; // one request under way

struct http_page {
    const char *path; // whole, or up to its last '/': "/domain/" serves what is behind it as well
    // Answers with http_answer exactly once, inside the call or later on the loop.
    void (*run)(struct http_call *call, struct relay *relay);
    bool any_host; // tells nothing that matters: answered whatever name it was asked by
};

extern const struct http_page http_pages[]; // relay/http/pages.c

struct http_options {
    struct relay *relay; // for the pages
    uv_loop_t *loop;
    int fd;                        // bound and listening; taken over
    const struct http_page *pages; // ends with a NULL path
    unsigned deadline_s;           // 0: HTTP_DEADLINE_S
    // Borrowed for as long as the server lives; NULL: none.
    const char *token;       // who asks must know it, but for pages that are for any host
    const char *chain, *key; // PEM: serve TLS
};

// NULL with why when the socket cannot be served (it is closed then).
struct http *http_open(const struct http_options *options, struct why *why);
// No new request; connections are dropped, and what a page answers later goes nowhere. The memory is freed by
// the loop and by the last answer. Accepts NULL.
void http_close(struct http *http);

// What stands behind a page's path ("example.org" of /domain/example.org), decoded; "" for nothing.
const char *http_rest(const struct http_call *call);
// An argument of the query, decoded; NULL: not given.
const char *http_argument(struct http_call *call, const char *name);

// Whoever asked is there, and so is the server: an answer will be heard, and is worth making.
bool http_is_awaited(const struct http_call *call);
// Ends the call. Moves `content` out (it is left empty). `type` is a Content-Type, static.
void http_answer(struct http_call *call, int status, const char *type, struct buf *content);
// The same with one line of plain text.
void http_answer_line(struct http_call *call, int status, const char *line);

// Is this Host field one of ours (RFC 9110 section 7.2)?
bool http_host_is_ours(const char *field, const char *hostname, const struct strings *more);

#endif
