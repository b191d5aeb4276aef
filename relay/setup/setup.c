// SPDX-License-Identifier: ISC
// A configuration with everything it names loaded.
#include "relay/setup/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"

static void setup_look(struct watched *w)
{
    struct stat st;
    if (stat(w->file, &st) < 0)
        return;
    w->modified = st.st_mtim;
    w->size = st.st_size;
    w->inode = st.st_ino;
}

void setup_watch(struct full_setup *f, const char *file)
{
    f->watched = mem_grow(f->watched, f->nwatched + 1, sizeof *f->watched);
    struct watched *w = &f->watched[f->nwatched++];
    *w = (struct watched){.file = mem_dup(file)};
    setup_look(w);
}

void setup_watch_others(struct full_setup *f)
{
    const struct config *c = f->setup.config;
    for (size_t i = 0; i < c->suppress.files.n; i++)
        setup_watch(f, c->suppress.files.at[i]);
    for (size_t i = 0; i < c->nsinks; i++) {
        setup_watch(f, c->sinks[i].secret_file);
        setup_watch(f, c->sinks[i].ca_file);
    }
}

bool setup_watched_changed(const struct watched *then)
{
    struct watched now = *then;
    setup_look(&now);
    return now.size != then->size || now.inode != then->inode ||
           now.modified.tv_sec != then->modified.tv_sec ||
           now.modified.tv_nsec != then->modified.tv_nsec;
}

bool setup_stale(const struct setup *s)
{
    const struct full_setup *f = (const struct full_setup *)s;
    if (s->creds && creds_changed(s->creds))
        return true;
    if (s->users && users_stale(s->users))
        return true;
    for (size_t i = 0; i < s->config->delivery.ndestinations; i++)
        if (s->destination_identity[i] && creds_changed(s->destination_identity[i]))
            return true;
    for (size_t i = 0; i < f->nwatched; i++)
        if (setup_watched_changed(&f->watched[i]))
            return true;
    return false;
}

void setup_complain(struct config_load *load, const struct config *config, const struct why *why)
{
    const struct cfg_place *place = config_place(config, why->text);
    if (place)
        buf_addf(&load->errors, "%s:%zu:%zu: %s\n", place->file, place->line, place->column,
                 why->text);
    else
        buf_addf(&load->errors, "%s: %s\n", config->file, why->text);
}

static struct sign_key *load_key(const struct config *config, const char *file,
                                 struct config_load *load)
{
    struct why why;
    struct sign_key *key = sign_key_load(file, &why);
    if (key)
        return key;
    char *mend = faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) < 0 && errno == EACCES
                     ? config_how_to_read(file)
                     : NULL;
    size_t n = strlen(why.text);
    snprintf(why.text + n, sizeof why.text - n, "%s", mend ? mend : "");
    free(mend);
    setup_complain(load, config, &why);
    return NULL;
}

static void load_signing(struct setup *s, struct config_load *load)
{
    struct config *config = s->config;
    for (size_t i = 0; i < config->ndkim; i++)
        for (size_t k = 0; k < config->dkim[i].nkeys; k++)
            s->domains[i].keys[k] = load_key(config, config->dkim[i].keys[k].file, load);
    if (config->arc.domain[0])
        s->arc_key = load_key(config, config->arc.file, load);
    struct why why;
    if (s->arc_key && sign_key_type(s->arc_key) != KEY_RSA) {
        why_set(&why, WHY_OURS, "4.3.5", "arc: %s is not an RSA key, and seals are RSA only",
                config->arc.file);
        setup_complain(load, config, &why);
    }
}

static void load_trust(struct full_setup *f, struct config_load *load)
{
    struct setup *s = &f->setup;
    struct config *config = s->config;
    struct why why;
    s->trust = trust_load(config->delivery.ca_file, &why);
    if (!s->trust)
        setup_complain(load, config, &why);
    setup_watch(f, config->delivery.ca_file);
    for (size_t i = 0; i < config->delivery.ndestinations; i++) {
        const char *file = config->delivery.destinations[i].ca_file;
        if (!file[0])
            continue;
        setup_watch(f, file);
        s->destination_trust[i] = trust_load(file, &why);
        if (!s->destination_trust[i])
            setup_complain(load, config, &why);
    }
}

// For clients; only where they are asked.
static void load_client_trust(struct full_setup *f, struct config_load *load)
{
    const struct config *config = f->setup.config;
    struct why why;
    for (size_t i = 0; i < config->nlisten; i++) {
        const char *file = config->listen[i].client_ca;
        if (!file[0])
            continue;
        setup_watch(f, file);
        f->setup.client_trust[i] = trust_load(file, &why);
        if (!f->setup.client_trust[i])
            setup_complain(load, config, &why);
    }
}

static void load_priority(struct setup *s, struct config_load *load)
{
    struct why why, told;
    const struct cfg_delivery *d = &s->config->delivery;
    s->priority = priority_new(d->tls_min, d->tls_priority, &why);
    if (s->priority)
        return;
    why_set(&told, WHY_OURS, "4.3.5", "delivery.tls_priority: %s", why.text);
    setup_complain(load, s->config, &told);
}

static void load_identities(struct setup *s, struct config_load *load)
{
    struct why why;
    for (size_t i = 0; i < s->config->delivery.ndestinations; i++) {
        const struct cfg_certificate *files = &s->config->delivery.destinations[i].identity;
        if (!files->chain[0])
            continue;
        s->destination_identity[i] = creds_load(files, 1, &why);
        if (!s->destination_identity[i])
            setup_complain(load, s->config, &why);
    }
}

static void load_users(struct full_setup *f, struct config_load *load)
{
    const char *file = f->setup.config->users;
    if (!file[0])
        return;
    struct why why;
    f->setup.users = users_load(file, &load->warnings, &why);
    if (!f->setup.users)
        setup_complain(load, f->setup.config, &why);
}

struct full_setup *setup_empty(struct config *config)
{
    struct full_setup *f = mem_new(sizeof *f);
    struct setup *s = &f->setup;
    s->refs = 1;
    s->config = config_ref(config);
    s->domains = mem_new((config->ndkim + 1) * sizeof *s->domains);
    for (size_t i = 0; i < config->ndkim; i++) {
        s->domains[i].config = &config->dkim[i];
        s->domains[i].keys = mem_new((config->dkim[i].nkeys + 1) * sizeof(struct sign_key *));
        s->domains[i].published =
            mem_new((config->dkim[i].nkeys + 1) * sizeof(_Atomic unsigned char));
    }
    s->client_trust = mem_new((config->nlisten + 1) * sizeof *s->client_trust);
    s->destination_trust =
        mem_new((config->delivery.ndestinations + 1) * sizeof *s->destination_trust);
    s->destination_identity =
        mem_new((config->delivery.ndestinations + 1) * sizeof *s->destination_identity);
    s->srs = mem_new((config->nsenders + 1) * sizeof *s->srs);
    s->verp = mem_new((config->nsenders + 1) * sizeof *s->verp);
    return f;
}

static struct setup *finished(struct full_setup *f, const struct config_load *load)
{
    if (!load->errors.len)
        return &f->setup;
    setup_unref(&f->setup);
    return NULL;
}

struct setup *setup_for_routes(struct config *config, struct config_load *load)
{
    struct full_setup *f = setup_empty(config);
    load_trust(f, load);
    return finished(f, load);
}

// Each by itself first, so that all that are wrong are told at once.
static void load_certificates(struct setup *s, struct config_load *load)
{
    struct config *config = s->config;
    struct why why;
    bool sound = config->ncertificates > 0;
    for (size_t i = 0; i < config->ncertificates; i++) {
        struct creds *one = creds_load(&config->certificates[i], 1, &why);
        if (!one)
            setup_complain(load, config, &why);
        sound &= one != NULL;
        creds_unref(one);
    }
    s->creds = sound ? creds_load(config->certificates, config->ncertificates, &why) : NULL;
    if (sound && !s->creds)
        setup_complain(load, config, &why);
}

struct setup *setup_new(struct config *config, struct config_load *load)
{
    struct full_setup *f = setup_empty(config);
    struct setup *s = &f->setup;
    load_certificates(s, load);
    load_signing(s, load);
    load_trust(f, load);
    load_client_trust(f, load);
    setup_watch_others(f);
    load_priority(s, load);
    load_identities(s, load);
    load_users(f, load);
    setup_load_secrets(f, load);
    return finished(f, load);
}

struct setup *setup_ref(struct setup *s)
{
    if (s)
        s->refs++;
    return s;
}

void setup_unref(struct setup *s)
{
    if (!s || --s->refs > 0)
        return;
    struct full_setup *f = (struct full_setup *)s;
    for (size_t i = 0; i < s->config->ndkim; i++) {
        for (size_t k = 0; k < s->config->dkim[i].nkeys; k++)
            sign_key_unref(s->domains[i].keys[k]);
        free(s->domains[i].keys);
        free((void *)s->domains[i].published);
    }
    free(s->domains);
    sign_key_unref(s->arc_key);
    creds_unref(s->creds);
    for (size_t i = 0; i < s->config->delivery.ndestinations; i++) {
        trust_unref(s->destination_trust[i]);
        creds_unref(s->destination_identity[i]);
    }
    free(s->destination_trust);
    for (size_t i = 0; i < s->config->nlisten; i++)
        trust_unref(s->client_trust[i]);
    free(s->client_trust);
    free(s->destination_identity);
    trust_unref(s->trust);
    priority_unref(s->priority);
    users_unref(s->users);
    for (size_t i = 0; i < s->config->nsenders; i++) {
        secrets_unref(s->srs[i]);
        secrets_unref(s->verp[i]);
    }
    free(s->srs);
    free(s->verp);
    for (size_t i = 0; i < f->nwatched; i++)
        free(f->watched[i].file);
    free(f->watched);
    config_unref(s->config);
    free(f);
}

const struct setup_domain *setup_keys_for(const struct setup *s, const char *domain)
{
    const struct cfg_dkim_domain *row = config_dkim_for(s->config, domain);
    return row ? &s->domains[row - s->config->dkim] : NULL;
}

struct trust *setup_client_trust(const struct setup *s, const char *listen)
{
    for (size_t i = 0; i < s->config->nlisten; i++)
        if (strcmp(s->config->listen[i].text, listen) == 0)
            return s->client_trust[i];
    return NULL;
}
