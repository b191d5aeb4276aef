// SPDX-License-Identifier: ISC
// What a refusal is about: always a class with a word and a rule, the same whatever the case and the spaces, and never
// decided by an address in the text. The first two bytes choose code and whether the text carries an enhanced one.
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/smtp/reply.h"
#include "relay/smtp/reply_class.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The same words otherwise written, with an address among them.
static void rewrite(struct buf *out, struct span text)
{
    buf_adds(out, "<greylisted-spam-user-unknown@example.org>  ");
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = text.p[i];
        if (c <= ' ')
            buf_adds(out, "\n ");
        else
            buf_addc(out, c >= 'a' && c <= 'z' ? (char)(c - 32) : (char)c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1000)
        return 0;
    int code = 400 + (data[0] * 256 + data[1]) % 200;
    struct span text = span_of(data + 2, size - 2);
    char status[12] = "";
    smtp_status_parse(text, status);
    struct reply_meaning a = reply_meaning(code, status, text);
    assert(a.class < REPLY_CLASSES && a.rule[0]);
    assert(reply_class_parse(reply_class_word(a.class)) == a.class);
    struct buf other;
    buf_init(&other, 8192);
    rewrite(&other, text);
    struct reply_meaning b = reply_meaning(code, status, buf_span(&other));
    assert(a.class == b.class && strcmp(a.rule, b.rule) == 0);
    buf_free(&other);
    return 0;
}
