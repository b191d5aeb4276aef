// SPDX-License-Identifier: ISC
// Any bytes as an address list: what is read is "local@domain" and reads again as itself.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "sign/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct addresses list;
    if (header_addresses(span_of(data, size), &list) < 0)
        return 0;
    for (size_t i = 0; i < list.n; i++) {
        const char *domain = address_domain(list.at[i]);
        assert(*domain && domain > list.at[i] + 1);
        assert(list.spec[i].p >= data && list.spec[i].p + list.spec[i].n <= data + size);
        struct addresses again;
        assert(header_addresses(span_text(list.at[i]), &again) == 0 && again.n == 1);
        assert(strcmp(again.at[0], list.at[i]) == 0);
        addresses_free(&again);
        assert(header_addresses(list.spec[i], &again) == 0 && again.n == 1);
        assert(strcmp(again.at[0], list.at[i]) == 0);
        addresses_free(&again);
    }
    addresses_free(&list);
    return 0;
}
