// SPDX-License-Identifier: ISC
// Verifiers as text, from a password, against a password. The arithmetic is libgsasl's.
#include "relay/sasl/verifier.h"

#include <gsasl.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/sasl/base64.h"
#include "sign/base64.h"
#include "sign/mac.h"

#define SCHEME   "SCRAM-SHA-256$"
#define NEW_SALT 16 // bytes

bool verifier_is(const char *text)
{
    return strncmp(text, SCHEME, strlen(SCHEME)) == 0;
}

static bool take_bytes(struct span text, unsigned char *out, size_t least, size_t most, size_t *n)
{
    struct buf bytes;
    buf_init(&bytes, most);
    bool good = sasl_base64(text, &bytes) == 0 && bytes.len >= least;
    if (good)
        memcpy(out, bytes.data, bytes.len);
    *n = bytes.len;
    buf_free(&bytes);
    return good;
}

int verifier_parse(struct span text, struct verifier *out)
{
    struct span head, keys, iterations, salt, stored, server;
    size_t n;
    uint64_t number;
    *out = (struct verifier){0};
    if (!span_cut(text, '$', &head, &text) || !span_is(head, "SCRAM-SHA-256") ||
        !span_cut(text, '$', &head, &keys) || !span_cut(head, ':', &iterations, &salt) ||
        !span_cut(keys, ':', &stored, &server))
        return -1;
    if (!span_number(iterations, VERIFIER_MOST, &number) || number < VERIFIER_LEAST ||
        !take_bytes(salt, out->salt, 8, VERIFIER_SALT, &out->nsalt) ||
        !take_bytes(stored, out->stored_key, VERIFIER_KEY, VERIFIER_KEY, &n) ||
        !take_bytes(server, out->server_key, VERIFIER_KEY, VERIFIER_KEY, &n))
        return -1;
    out->iterations = (uint32_t)number;
    return 0;
}

void verifier_print(const struct verifier *v, char out[static VERIFIER_TEXT])
{
    struct buf text;
    buf_init(&text, VERIFIER_TEXT - 1);
    buf_addf(&text, SCHEME "%u:", v->iterations);
    base64_encode(v->salt, v->nsalt, &text);
    buf_addc(&text, '$');
    base64_encode(v->stored_key, VERIFIER_KEY, &text);
    buf_addc(&text, ':');
    base64_encode(v->server_key, VERIFIER_KEY, &text);
    snprintf(out, VERIFIER_TEXT, "%s", buf_text(&text));
    buf_free(&text);
}

// The keys of a password under v's salt and iterations.
static int derive(const struct verifier *v, const char *password,
                  unsigned char stored_key[static VERIFIER_KEY],
                  unsigned char server_key[static VERIFIER_KEY])
{
    char salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE];
    int rc = gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password, v->iterations,
                                               (const char *)v->salt, v->nsalt, salted, client,
                                               (char *)server_key, (char *)stored_key);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    return rc == GSASL_OK ? 0 : -1;
}

int verifier_make(const char *password, uint32_t iterations, struct verifier *out, struct why *why)
{
    *out = (struct verifier){.iterations = iterations, .nsalt = NEW_SALT};
    random_bytes(out->salt, NEW_SALT);
    if (!*password || derive(out, password, out->stored_key, out->server_key) < 0)
        return why_set(why, WHY_OURS, "5.3.5",
                       "SCRAM takes no such password: characters of Unicode that SASLprep forbids");
    return 0;
}

bool verifier_check(const struct verifier *v, const char *password)
{
    unsigned char stored[VERIFIER_KEY], server[VERIFIER_KEY];
    volatile unsigned char differs = 0;
    if (derive(v, password, stored, server) < 0)
        return false;
    for (size_t i = 0; i < VERIFIER_KEY; i++)
        differs |= stored[i] ^ v->stored_key[i];
    explicit_bzero(stored, sizeof stored);
    explicit_bzero(server, sizeof server);
    return !differs;
}

void verifier_decoy(const unsigned char *secret, size_t nsecret, const char *name,
                    uint32_t iterations, struct verifier *out)
{
    unsigned char mac[MAC_BYTES];
    *out = (struct verifier){.iterations = iterations, .nsalt = NEW_SALT};
    mac_of(secret, nsecret, name, strlen(name), mac);
    memcpy(out->salt, mac, NEW_SALT);
    mac_of(secret, nsecret, mac, sizeof mac, out->stored_key); // of the salt's MAC: no name is one
    mac_of(secret, nsecret, out->stored_key, VERIFIER_KEY, out->server_key);
}
