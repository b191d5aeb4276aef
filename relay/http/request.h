// SPDX-License-Identifier: ISC
// The head of an HTTP/1.x request, read strictly (RFC 9112): one GET or HEAD, no body, no folding. Pure.
#ifndef RELAY_HTTP_REQUEST_H
#define RELAY_HTTP_REQUEST_H

#include <stdbool.h>
#include "relay/base/span.h"

#define HTTP_REQUEST_MAX 8192 // bytes of a request's head

enum http_verdict {
    HTTP_INCOMPLETE = 0, // more bytes may make it a request
    HTTP_OK = 200,
    HTTP_BAD = 400,   // not HTTP/1.x, too long, ambiguous, or with a body
    HTTP_METHOD = 405 // well-formed, but neither GET nor HEAD
};

struct http_request {
    struct span path; // begins with '/', without the query; as it came, nothing is decoded
    struct span
        host;  // the name asked for, with its port, of the target or the Host field; may be empty
    bool head; // HEAD: answered without the content
};

// Looks at all the bytes that have come so far. `out` is filled on HTTP_OK alone and points into `in`.
enum http_verdict http_request_parse(struct span in, struct http_request *out);

#endif
