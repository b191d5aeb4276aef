// SPDX-License-Identifier: ISC
// What a hostile server may say to our client, handshake and after: nothing may crash, wait or grow.
#include <assert.h>
#include <string.h>
#include "tls/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct why why;
    struct buf in, plain, out;
    struct tls_session_client how = {.sni = "mx.example.org", .tls_min = "1.0"};
    struct tls_session *ch = tls_session_client(&how, &why);
    assert(ch);
    buf_init(&in, TLS_SESSION_BUFFER * 8);
    buf_init(&plain, TLS_SESSION_BUFFER);
    buf_init(&out, TLS_SESSION_BUFFER);
    (void)tls_session_step(ch, &in, &plain, &out, &why);
    buf_add(&in, data, size);
    enum tls_session_state state = tls_session_step(ch, &in, &plain, &out, &why);
    assert(in.len == 0 && state != TLS_SESSION_OPEN);
    tls_session_free(ch);
    buf_free(&in);
    buf_free(&plain);
    buf_free(&out);
    return 0;
}
