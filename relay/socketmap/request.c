// SPDX-License-Identifier: ISC
#include "relay/socketmap/request.h"

// The length in front: decimal, without a leading zero, then a colon.
static enum socketmap_state read_length(struct span in, size_t *length, size_t *at)
{
    *length = 0;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == ':') {
            *at = i + 1;
            return i ? SOCKETMAP_READY : SOCKETMAP_BAD;
        }
        if (!ascii_is_digit(in.p[i]) || (i && in.p[0] == '0'))
            return SOCKETMAP_BAD;
        *length = *length * 10 + (size_t)(in.p[i] - '0');
        if (*length > SOCKETMAP_REQUEST_MAX)
            return SOCKETMAP_BAD;
    }
    return SOCKETMAP_MORE;
}

enum socketmap_state socketmap_request(struct span in, struct span *key, size_t *used)
{
    size_t length, at;
    enum socketmap_state state = read_length(in, &length, &at);
    if (state != SOCKETMAP_READY)
        return state;
    if (in.n - at < length + 1)
        return SOCKETMAP_MORE;
    struct span name;
    if (in.p[at + length] != ',' || !span_cut(span_slice(in, at, at + length), ' ', &name, key))
        return SOCKETMAP_BAD;
    *used = at + length + 1;
    return SOCKETMAP_READY;
}

void socketmap_frame(struct span text, struct buf *out)
{
    buf_addf(out, "%zu:", text.n);
    buf_addspan(out, text);
    buf_addc(out, ',');
}
