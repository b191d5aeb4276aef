// SPDX-License-Identifier: ISC
// How many messages a second one core signs: 4 KiB each, relaxed/relaxed, as the relay does it.
// usage: sign_bench [SECONDS]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "sign/dkim_sign.h"

#define BODY 4096

static const char header_text[] =
    "Received: from client.example by relay.example.org with ESMTPSA id 1\r\n"
    "Message-ID: <1@example.org>\r\nDate: Sat, 21 Nov 2026 20:49:00 +0000\r\n"
    "From: Joe <joe@example.org>\r\nTo: a@b.example\r\nSubject: hello\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\n";
static char body[BODY];

static void sign_one(const struct sign_key *key, struct buf *out)
{
    struct header header;
    struct why why;
    size_t used;
    struct dkim_sign how = {.domain = "example.org",
                            .selector = "s",
                            .key = key,
                            .header_canon = CANON_RELAXED,
                            .body_canon = CANON_RELAXED,
                            .time = 1};
    struct body_hashes *hashes = body_hashes_new();
    body_hashes_want(hashes, CANON_RELAXED, CANON_NO_LIMIT);
    body_hashes_feed(hashes, body, sizeof body);
    body_hashes_finish(hashes);
    buf_reset(out);
    if (header_parse(&header, span_text(header_text), &used, &why) < 0 ||
        dkim_sign(&how, &header, hashes, out, &why) < 0) {
        fprintf(stderr, "sign_bench: %s\n", why.text);
        exit(1);
    }
    header_free(&header);
    body_hashes_free(hashes);
}

static void measure(const char *name, enum key_type type, unsigned bits, uint64_t ns)
{
    struct why why;
    struct sign_key *key = sign_key_new(type, bits, &why);
    struct buf out;
    buf_init(&out, 65536);
    uint64_t n = 0;
    uint64_t began = clock_mono_ns();
    uint64_t took;
    for (; (took = clock_mono_ns() - began) < ns; n++)
        sign_one(key, &out);
    printf("%-9s %8.0f messages/s\n", name, (double)n * 1e9 / (double)took);
    buf_free(&out);
    sign_key_unref(key);
}

int main(int argc, char **argv)
{
    uint64_t ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 2) * 1000000000u;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : i % 7 ? 'x' : ' ';
    measure("rsa-2048", KEY_RSA, 2048, ns);
    measure("rsa-4096", KEY_RSA, 4096, ns);
    measure("ed25519", KEY_ED25519, 0, ns);
    return 0;
}
