// SPDX-License-Identifier: ISC
// Lines of Dovecot's auth service, and what we send it: one line, whatever a client said.
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "relay/login/dovecot_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size), head;
    struct dovecot_line line;
    while (span_cut(rest, '\n', &head, &rest)) {
        if (dovecot_parse(head, &line) < 0)
            continue;
        assert(strlen(line.user) <= SASL_NAME && strlen(line.reason) < sizeof line.reason);
        assert(line.message.n <= head.n);
        assert(line.word == DOVECOT_OK || !line.user[0]);
    }
    struct buf out;
    buf_init(&out, 3 * DOVECOT_LINE);
    const struct dovecot_request request = {SASL_PLAIN, "192.0.2.1", "",
                                            span_of(data, size % 9000)};
    dovecot_write_auth(1, &request, &out);
    dovecot_write_cont(2, request.message, &out);
    unsigned ends = 0;
    for (size_t i = 0; i < out.len; i++)
        ends += out.data[i] == '\n';
    assert(ends == 2);
    buf_free(&out);
    return 0;
}
