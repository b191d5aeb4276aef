// SPDX-License-Identifier: ISC
// Paths and mailboxes; what was taken can be written again and read as the same.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size);
    struct smtp_path path, again;
    struct why why;
    if (smtp_path_parse(&text, &path, &why) == 0) {
        char *written = mem_printf("<%s>", path.address);
        struct span back = span_text(written);
        int rc = smtp_path_parse(&back, &again, &why);
        assert(rc == 0 && back.n == 0);
        assert(strcmp(path.address, again.address) == 0);
        assert(strcmp(path.domain, again.domain) == 0);
        smtp_path_free(&again);
        free(written);
    }
    smtp_path_free(&path);
    (void)smtp_mailbox_parse(span_of(data, size), &path, &why);
    smtp_path_free(&path);
    return 0;
}
