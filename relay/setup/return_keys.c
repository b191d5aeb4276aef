// SPDX-License-Identifier: ISC
// Secrets of return addresses: loaded with a setup, looked up by row or by domain.
#include "relay/setup/return_keys.h"

#include <string.h>
#include "relay/base/mem.h"
#include "relay/setup/inside.h"

#define DAY_MS 86400000

static struct secrets *load_secrets(struct full_setup *f, const struct cfg_return *r,
                                    struct config_load *load)
{
    struct why why;
    if (!r->domain[0])
        return NULL;
    setup_watch(f, r->key_file);
    struct secrets *secrets = secrets_load(r->key_file, &why);
    if (!secrets)
        setup_complain(load, f->setup.config, &why);
    return secrets;
}

void setup_load_secrets(struct full_setup *f, struct config_load *load)
{
    const struct config *config = f->setup.config;
    f->first_secret = f->nwatched;
    for (size_t i = 0; i < config->nsenders; i++) {
        f->setup.srs[i] = load_secrets(f, &config->senders[i].srs, load);
        f->setup.verp[i] = load_secrets(f, &config->senders[i].verp, load);
    }
}

bool return_keys_srs(const struct setup *s, const struct cfg_sender *row, struct srs *out)
{
    const struct secrets *secrets = s->srs[row - s->config->senders];
    *out = (struct srs){row->srs.domain, secrets, (unsigned)(row->srs.max_age / DAY_MS),
                        (size_t)row->srs.hash_length};
    return secrets != NULL;
}

bool return_keys_verp(const struct setup *s, const struct cfg_sender *row, struct verp *out)
{
    const struct secrets *secrets = s->verp[row - s->config->senders];
    *out = (struct verp){row->verp.domain, secrets, (int64_t)(row->verp.max_age / 1000)};
    return secrets != NULL;
}

int return_keys_reverse(const struct setup *s, const char *address, const char *domain,
                        int64_t now_s, struct buf *out, bool *ours, struct why *why)
{
    *ours = false;
    for (size_t i = 0; i < s->config->nsenders; i++) {
        struct srs srs;
        const struct cfg_sender *row = &s->config->senders[i];
        if (strcmp(row->srs.domain, domain) != 0 || !return_keys_srs(s, row, &srs))
            continue;
        *ours = true;
        if (srs_reverse(&srs, address, now_s, out, why) == 0)
            return 0;
    }
    return -1;
}

int return_keys_read(const struct setup *s, const char *address, const char *domain, int64_t now_s,
                     const struct cfg_sender **row, uint64_t *id, struct buf *recipient, bool *ours,
                     struct why *why)
{
    *ours = false;
    for (size_t i = 0; i < s->config->nsenders; i++) {
        struct verp verp;
        *row = &s->config->senders[i];
        if (strcmp((*row)->verp.domain, domain) != 0 || !return_keys_verp(s, *row, &verp))
            continue;
        *ours = true;
        if (verp_read(&verp, address, now_s, id, recipient, why) == 0)
            return 0;
    }
    return -1;
}
