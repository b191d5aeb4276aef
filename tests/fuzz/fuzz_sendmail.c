// SPDX-License-Identifier: ISC
// Any bytes as a message for sendmail: lines all end in CRLF, in pieces as at once; a header is never longer than its
// text; what is found as an address, or written into a From, says no second line.
#include <assert.h>
#include <string.h>
#include "relay/command/sendmail.h"

static void addresses(struct span list)
{
    struct strings found = {0};
    struct why why;
    (void)sendmail_addresses(list, &found, &why);
    for (size_t i = 0; i < found.n; i++)
        assert(found.at[i][0] && !strpbrk(found.at[i], "\r\n"));
    sendmail_forget(&found);
}

static void header(struct span text, size_t n)
{
    const struct sendmail mail = {.from_header = n % 2, .name = "A"};
    const struct sendmail_origin origin = {"user", n % 3 ? "example.org" : "a@example.org"};
    struct strings to = {0};
    struct why why;
    struct buf out;
    buf_init(&out, 1 << 20);
    (void)sendmail_recipients(span_slice(text, 0, n), &to, &why);
    (void)sendmail_header(&mail, span_slice(text, 0, n), &origin, &out, &why);
    sendmail_forget(&to);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sendmail_lines once = {0}, pieces = {0};
    struct buf a, b;
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    sendmail_lines(&once, span_of(data, size), &a);
    sendmail_lines_end(&once, &a);
    for (size_t i = 0; i < size; i++)
        sendmail_lines(&pieces, span_of(data + i, 1), &b);
    sendmail_lines_end(&pieces, &b);
    assert(span_equal(buf_span(&a), buf_span(&b)));
    assert(!a.len || a.full || a.data[a.len - 1] == '\n');
    ptrdiff_t n = sendmail_header_length(buf_span(&a), true);
    assert(n >= 0 && (size_t)n <= a.len);
    addresses(span_of(data, size));
    header(buf_span(&a), (size_t)n);
    buf_free(&a);
    buf_free(&b);
    return 0;
}
