// SPDX-License-Identifier: ISC
// Files that changed under a configuration that did not: each is read by itself, and what cannot be used now goes
// on as it was.
#include <stdlib.h>
#include "relay/setup/inside.h"

struct refresh {
    const struct setup *old;
    struct full_setup *made;
    struct config_load *load;
    bool news;
};

static void refresh_on_fault(void *arg, const struct why *why)
{
    struct refresh *r = arg;
    setup_complain(r->load, r->old->config, why);
}

static void renew_certificates(struct refresh *r)
{
    const struct config *config = r->old->config;
    struct creds *old = r->old->creds, *now = NULL;
    struct why why;
    bool news = false;
    if (old && creds_changed(old)) {
        now = creds_renew(old, config->certificates, refresh_on_fault, r, &news, &why);
        if (!now)
            setup_complain(r->load, config, &why);
        if (!news) {
            creds_unref(now);
            now = NULL;
        }
    }
    r->news |= now != NULL;
    r->made->setup.creds = now ? now : old ? creds_ref(old) : NULL;
}

static void renew_identities(struct refresh *r)
{
    const struct cfg_delivery *d = &r->old->config->delivery;
    for (size_t i = 0; i < d->ndestinations; i++) {
        struct creds *old = r->old->destination_identity[i], *now = NULL;
        struct why why;
        if (old && creds_changed(old)) {
            now = creds_load(&d->destinations[i].identity, 1, &why);
            if (!now)
                setup_complain(r->load, r->old->config, &why);
        }
        r->news |= now != NULL;
        r->made->setup.destination_identity[i] = now ? now : old ? creds_ref(old) : NULL;
    }
}

static void renew_users(struct refresh *r)
{
    struct users *old = r->old->users, *now = NULL;
    struct why why;
    if (old && users_stale(old)) {
        now = users_load(r->old->config->users, &r->load->warnings, &why);
        if (!now)
            setup_complain(r->load, r->old->config, &why);
    }
    r->news |= now != NULL;
    r->made->setup.users = now ? now : users_ref(old);
}

// A failure keeps the marks of the file that was watched last, so that it is looked at again.
static void keep_marks(struct refresh *r, const struct watched *w)
{
    struct watched *made = &r->made->watched[r->made->nwatched - 1];
    made->modified = w->modified;
    made->size = w->size;
    made->inode = w->inode;
}

// `w` is the watch of this file.
static struct trust *renew_store(struct refresh *r, struct trust *old, const struct watched *w)
{
    struct why why;
    struct trust *now = NULL;
    setup_watch(r->made, w->file);
    if (setup_watched_changed(w)) {
        now = trust_load(w->file, &why);
        if (!now)
            setup_complain(r->load, r->old->config, &why);
        else
            r->news = true;
    }
    if (now)
        return now;
    keep_marks(r, w);
    return trust_ref(old);
}

static struct secrets *renew_secrets(struct refresh *r, struct secrets *old,
                                     const struct watched **w)
{
    struct why why;
    struct secrets *now = NULL;
    if (!old)
        return NULL;
    setup_watch(r->made, (*w)->file);
    if (setup_watched_changed(*w)) {
        now = secrets_load((*w)->file, &why);
        if (!now)
            setup_complain(r->load, r->old->config, &why);
    }
    r->news |= now != NULL;
    if (!now)
        keep_marks(r, *w);
    (*w)++;
    return now ? now : secrets_ref(old);
}

static void renew_return_keys(struct refresh *r)
{
    const struct full_setup *old = (const struct full_setup *)r->old;
    const struct watched *w = old->watched + old->first_secret;
    r->made->first_secret = r->made->nwatched;
    for (size_t i = 0; i < r->old->config->nsenders; i++) {
        r->made->setup.srs[i] = renew_secrets(r, r->old->srs[i], &w);
        r->made->setup.verp[i] = renew_secrets(r, r->old->verp[i], &w);
    }
}

static void renew_trust(struct refresh *r)
{
    const struct config *config = r->old->config;
    const struct watched *w = ((const struct full_setup *)r->old)->watched;
    r->made->setup.trust = renew_store(r, r->old->trust, w++);
    for (size_t i = 0; i < config->delivery.ndestinations; i++)
        if (config->delivery.destinations[i].ca_file[0])
            r->made->setup.destination_trust[i] = renew_store(r, r->old->destination_trust[i], w++);
    for (size_t i = 0; i < config->nlisten; i++)
        if (config->listen[i].client_ca[0])
            r->made->setup.client_trust[i] = renew_store(r, r->old->client_trust[i], w++);
}

// Whoever reads them does so when it gets the new setup.
static void renew_others(struct refresh *r)
{
    const struct watched *then = ((const struct full_setup *)r->old)->watched;
    size_t first = r->made->nwatched;
    setup_watch_others(r->made);
    for (size_t i = first; i < r->made->nwatched; i++)
        r->news |= setup_watched_changed(&then[i]);
}

// Signing keys change with the configuration alone: their records have to be there first.
static void keep_keys(struct refresh *r)
{
    const struct setup *old = r->old;
    struct setup *now = &r->made->setup;
    for (size_t i = 0; i < old->config->ndkim; i++)
        for (size_t k = 0; k < old->config->dkim[i].nkeys; k++) {
            now->domains[i].keys[k] = sign_key_ref(old->domains[i].keys[k]);
            now->domains[i].published[k] = old->domains[i].published[k];
        }
    now->arc_key = old->arc_key ? sign_key_ref(old->arc_key) : NULL;
}

struct setup *setup_refresh(const struct setup *old, struct config_load *load)
{
    struct refresh r = {.old = old, .made = setup_empty(old->config), .load = load};
    keep_keys(&r);
    r.made->setup.priority = priority_ref(old->priority);
    renew_certificates(&r);
    renew_trust(&r);
    renew_others(&r);
    renew_identities(&r);
    renew_users(&r);
    renew_return_keys(&r);
    if (r.news)
        return &r.made->setup;
    setup_unref(&r.made->setup);
    return NULL;
}
