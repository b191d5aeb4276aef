// SPDX-License-Identifier: ISC
// Any bytes as Authentication-Results: what is read can be written, is one field, and reads again.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "sign/authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    free(authres_id(span_of(data, size)));
    struct authres a;
    if (authres_parse(span_of(data, size), &a) < 0)
        return 0;
    struct buf out;
    struct authres_writer w;
    buf_init(&out, 1 << 20);
    authres_begin(&w, &out, "relay.example", size & 1);
    for (size_t i = 0; i < a.n; i++)
        authres_text(&w, a.results[i].text);
    authres_end(&w);
    for (const char *at = buf_text(&out); (at = strpbrk(at, "\r\n")); at += 3)
        assert(at[0] == '\r' && at[1] == '\n' && at[2] == ' ');
    struct authres again;
    assert(authres_parse(buf_span(&out), &again) == 0);
    assert(again.n == a.n);
    for (size_t i = 0; i < a.n; i++)
        assert(strcmp(a.results[i].method, again.results[i].method) == 0);
    authres_free(&again);
    authres_free(&a);
    buf_free(&out);
    return 0;
}
