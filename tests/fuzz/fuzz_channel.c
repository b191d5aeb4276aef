// SPDX-License-Identifier: ISC
// What a hostile server may say to our client, handshake and after: nothing may crash, wait or grow.
#include <assert.h>
#include <string.h>
#include "tls/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct why why;
    struct buf in, plain, out;
    struct channel_client how = {.sni = "mx.example.org", .tls_min = "1.0"};
    struct channel *ch = channel_client(&how, &why);
    assert(ch);
    buf_init(&in, CHANNEL_BUFFER * 8);
    buf_init(&plain, CHANNEL_BUFFER);
    buf_init(&out, CHANNEL_BUFFER);
    (void)channel_step(ch, &in, &plain, &out, &why);
    buf_add(&in, data, size);
    enum channel_state state = channel_step(ch, &in, &plain, &out, &why);
    assert(in.len == 0 && state != CHANNEL_OPEN);
    channel_free(ch);
    buf_free(&in);
    buf_free(&plain);
    buf_free(&out);
    return 0;
}
