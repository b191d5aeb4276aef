// SPDX-License-Identifier: ISC
// PROXY headers: a header that is whole says the same whatever follows it.
#include <assert.h>
#include <stdint.h>
#include "relay/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy proxy, again;
    struct why why;
    if (proxy_parse(span_of(data, size), &proxy, &why) != PROXY_DONE)
        return 0;
    assert(proxy.used <= size && proxy.used <= PROXY_MAX);
    enum proxy_state state = proxy_parse(span_of(data, proxy.used), &again, &why);
    assert(state == PROXY_DONE && again.has_client == proxy.has_client);
    return 0;
}
