// SPDX-License-Identifier: ISC
// A configuration file of any bytes: an error or a configuration, never both or neither; and what is
// printed of it loads to what prints the same.
#include <stdint.h>
#include <stdlib.h>
#include "config/load.h"
#include "relay/base/clock.h"

static struct config *load(const void *text, size_t n)
{
    struct config_load load;
    config_load_init(&load);
    load.hostname = "relay.example.org";
    struct config *config = config_load_text("/etc/w.yaml", text, n, &load);
    if ((config != NULL) == (load.errors.len > 0))
        abort();
    config_load_free(&load);
    return config;
}

static void must_print_the_same(struct config *config)
{
    struct buf first, second;
    buf_init(&first, 64 * (size_t)CONFIG_FILE_SIZE);
    buf_init(&second, 64 * (size_t)CONFIG_FILE_SIZE);
    config_print(config, &first);
    if (first.len <= CONFIG_FILE_SIZE) {
        struct config *again = load(first.data, first.len);
        if (!again)
            abort();
        config_print(again, &second);
        if (!span_equal(buf_span(&first), buf_span(&second)))
            abort();
        config_unref(again);
    }
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clock_fix(1790000000000);
    struct config *config = load(data, size);
    if (config)
        must_print_the_same(config);
    config_unref(config);
    return 0;
}
