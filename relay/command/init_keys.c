// SPDX-License-Identifier: ISC
// The signing keys that `waxwing init` makes: those that the configuration names, and one of each kind for a domain
// that has none in dkim.directory. A key that is there stays, and so does a domain whose keys have turned.
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/command/init.h"
#include "sign/key.h"

#define RSA_BITS 2048

static int make_key(struct init *in, const char *file, enum key_type type, struct why *why)
{
    if (init_exists(file)) {
        init_say("kept", "%s", file);
        return 0;
    }
    struct sign_key *key = sign_key_new(type, RSA_BITS, why);
    int rc = key && sign_key_save(key, file, why) == 0 ? init_give(in, file, why) : -1;
    sign_key_unref(key);
    if (rc == 0)
        init_say("made", "%s, %s", file,
                 type == KEY_RSA ? "an RSA signing key" : "an Ed25519 signing key");
    return rc;
}

static int make_in_folder(struct init *in, const char *domain, char kind, struct why *why)
{
    const char *first = init_one(&in->selector);
    char *selector = kind == 'r' ? mem_dup(first) : init_text_selector(first, kind);
    char *file = mem_printf("%s/%s/%s.pem", in->config->signing.directory, domain, selector);
    int rc = init_make_folder_of(in, file, why);
    if (rc == 0)
        rc = make_key(in, file, kind == 'r' ? KEY_RSA : KEY_ED25519, why);
    free(file);
    free(selector);
    return rc;
}

static bool has_row(const struct config *c, const char *domain)
{
    for (size_t i = 0; i < c->ndkim; i++)
        if (strcmp(c->dkim[i].domain, domain) == 0)
            return true;
    return false;
}

// Domains that were answered and have no folder yet.
static int make_folders(struct init *in, struct why *why)
{
    const char *directory = in->config->signing.directory;
    char *inside = mem_printf("%s/x", directory);
    int rc = init_make_folder_of(in, inside, why);
    for (size_t i = 0; rc == 0 && i < in->domain.n; i++)
        if (!has_row(in->config, in->domain.at[i]) &&
            (make_in_folder(in, in->domain.at[i], 'r', why) < 0 ||
             make_in_folder(in, in->domain.at[i], 'e', why) < 0))
            rc = -1;
    free(inside);
    return rc;
}

int init_keys(struct init *in, struct why *why)
{
    const struct config *c = in->config;
    int rc = 0;
    for (size_t d = 0; rc == 0 && d < c->ndkim; d++)
        for (size_t k = 0; rc == 0 && k < c->dkim[d].nkeys;
             k++) // the first is RSA: all can verify it
            rc = make_key(in, c->dkim[d].keys[k].file, k == 0 ? KEY_RSA : KEY_ED25519, why);
    if (rc == 0 && in->ours && *c->signing.directory)
        rc = make_folders(in, why);
    // Sealing is done with RSA; where it is the key of the domain, that is there by now.
    if (rc == 0 && *c->arc.domain && !init_exists(c->arc.file))
        rc = make_key(in, c->arc.file, KEY_RSA, why);
    return rc;
}
