// SPDX-License-Identifier: ISC
// A hostile chain against WebPKI, DANE and a pin. Input: certificates in DER, each after its length in two
// bytes.
#include <assert.h>
#include <string.h>
#include "relay/base/utf8.h"
#include "tls/dane.h"
#include "tls/der.h"
#include "tls/shown.h"
#include "tls/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span chain[12], rest = span_of(data, size), key;
    size_t n = 0, depth;
    const char *name = "mx.example.org", *pin = "sha256:00";
    unsigned char digest[32] = {0};
    char text[300];
    struct shown_certificate shown;
    struct why why;
    enum tls_proof proof;
    while (n < 12 && rest.n > 2) {
        size_t want = (size_t)rest.p[0] << 8 | rest.p[1];
        chain[n] = span_slice(rest, 2, want + 2);
        rest = span_from(rest, want + 2);
        verify_describe(chain[n], text, sizeof text);
        shown_read(chain[n], &shown);
        assert(utf8_valid(span_text(shown.subject)) && utf8_valid(span_text(shown.name)));
        assert(!strpbrk(shown.subject, "\n\r\t\x1b\x7f") && !strpbrk(shown.name, "\n\r\t\x1b\x7f"));
        n++;
    }
    struct dns_tlsa records[] = {{3, 1, 1, span_of(digest, 32)},
                                 {2, 0, 1, span_of(digest, 32)},
                                 {2, 0, 0, n ? chain[n - 1] : span_of(digest, 1)},
                                 {2, 1, 0, span_of(digest, 32)}};
    if (n && der_public_key(chain[n - 1], &key))
        records[3].data = key;
    int rc = dane_verify(chain, n, records, 4, &name, 1, &proof, &depth, &why);
    assert((rc == 0) == (proof != PROOF_NONE));
    (void)verify_pin(chain, n, &pin, 1, &why);
    return 0;
}
