// SPDX-License-Identifier: ISC
// Any bytes as a request, whole and as they might arrive: a verdict once given stands, and what was understood
// lies inside the bytes. The same bytes as HTML text: no markup comes out.
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "relay/http/failures.h"
#include "relay/http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(struct span in)
{
    struct http_request request = {0}, again = {0};
    enum http_verdict verdict = http_request_parse(in, &request);
    size_t some = in.n / 2;
    enum http_verdict before = http_request_parse(span_slice(in, 0, some), &again);
    // A whole head is judged by itself; what follows it can only be too much or no text.
    assert(before == HTTP_INCOMPLETE || verdict == before || verdict == HTTP_BAD);
    if (verdict != HTTP_OK)
        return;
    assert(request.path.n > 0 && request.path.p[0] == '/');
    assert(request.path.p >= in.p && request.path.p + request.path.n <= in.p + in.n);
    assert(span_find(request.path, '?') < 0 && span_find(request.path, '\r') < 0);
}

static void check_escape(struct span in)
{
    struct buf out;
    buf_init(&out, in.n * 6 + 1);
    http_escape(in, &out);
    assert(!out.full);
    for (size_t i = 0; i < out.len; i++)
        assert(!strchr("<>\"'", out.data[i]) && out.data[i] != 127);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    check_request(in);
    check_escape(in);
    return 0;
}
