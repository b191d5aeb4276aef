// SPDX-License-Identifier: ISC
// Questions of a Postfix: bytes from whoever reaches the port.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "relay/socketmap/answer.h"
#include "relay/socketmap/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of(data, n), key;
    size_t used;
    while (socketmap_request(in, &key, &used) == SOCKETMAP_READY) {
        assert(used > 0 && used <= in.n && key.n <= SOCKETMAP_REQUEST_MAX);
        free(socketmap_domain(key));
        in = span_from(in, used);
    }
    return 0;
}
