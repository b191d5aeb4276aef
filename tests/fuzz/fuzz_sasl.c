// SPDX-License-Identifier: ISC
// What a client says in AUTH: base64, the words of PLAIN, two messages of SCRAM with a line break between them. A
// dialogue that nobody has keys for never ends well. Verifiers come out as they went in.
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "relay/sasl/base64.h"
#include "relay/sasl/server.h"
#include "relay/sasl/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_find(void *arg, const char *name, struct verifier *out)
{
    (void)arg;
    verifier_decoy((const unsigned char *)"secret", 6, name, VERIFIER_LEAST, out);
}

static void speak(enum sasl_mechanism mechanism, const unsigned char *binding, struct span text)
{
    struct span one = text, two = {0};
    struct why why;
    struct buf out;
    buf_init(&out, 2 * SASL_MESSAGE);
    span_cut(text, '\n', &one, &two);
    struct sasl *s = sasl_server(mechanism, binding, fuzz_find, NULL, &why);
    if (sasl_step(s, one, &out, &why) == SASL_MORE)
        assert(sasl_step(s, two, &out, &why) != SASL_DONE);
    sasl_free(s);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char binding[SASL_BINDING];
    struct span text = span_of(data, size);
    struct sasl_words words;
    struct verifier v;
    struct why why;
    struct buf out;
    char again[VERIFIER_TEXT];
    buf_init(&out, SASL_MESSAGE);
    (void)sasl_base64(text, &out);
    buf_free(&out);
    if (sasl_plain(text, &words, &why) == 0)
        assert(*words.user && *words.password);
    sasl_words_free(&words);
    if (verifier_parse(text, &v) == 0) {
        verifier_print(&v, again);
        assert(span_is(text, again));
    }
    speak(SASL_SCRAM_SHA_256, NULL, text);
    speak(SASL_SCRAM_SHA_256_PLUS, binding, text);
    return 0;
}
