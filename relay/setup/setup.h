// SPDX-License-Identifier: ISC
// A configuration made ready to use: with certificates, signing keys and users loaded. Immutable, counted;
// a reload makes a new one and hands it to every thread, and sessions keep the one they began with.
#ifndef RELAY_SETUP_SETUP_H
#define RELAY_SETUP_SETUP_H

#include "config/config.h"
#include "config/load.h"
#include "sign/key.h"
#include "tls/creds.h"
#include "tls/priority.h"
#include "tls/verify.h"
#include "relay/setup/users.h"
#include "relay/returns/secrets.h"

struct setup_domain {
    const struct cfg_dkim_domain *config;
    struct sign_key **keys; // beside config->keys
    // Beside keys: what relay/setup/publication.h knows of them, the one thing here that changes. NULL: nothing.
    _Atomic unsigned char *published;
};

struct setup {
    _Atomic unsigned refs;
    struct config *config;
    struct creds *creds;          // NULL: no certificate, so no STARTTLS
    struct setup_domain *domains; // beside config->dkim
    struct sign_key *arc_key;     // NULL: no sealing
    struct users *users;          // NULL: no users file; reread when it changes (a new setup)
    struct trust *trust;          // delivery.ca_file
    struct priority
        *priority; // delivery.tls_min and tls_priority; NULL: not parsed (setup_for_routes)
    struct trust **client_trust;         // beside config->listen; NULL: no client_ca
    struct trust **destination_trust;    // beside delivery.destinations; NULL: setup->trust
    struct creds **destination_identity; // beside them; NULL: no certificate is shown
    struct secrets **srs, **verp; // beside config->senders (return_keys.h); NULL: the row has none
};

// Loads the files a configuration names. Every failure is a line in load->errors.
struct setup *setup_new(struct config *config, struct config_load *load);
// The same configuration with what changed on disk since `old` was made, each file by itself: one that cannot be
// used now is a line in load->errors and goes on as it was. NULL where nothing new could be read.
struct setup *setup_refresh(const struct setup *old, struct config_load *load);
// The same with trust stores alone, for commands that plan routes and need no secrets.
struct setup *setup_for_routes(struct config *config, struct config_load *load);
struct setup *setup_ref(struct setup *s);
void setup_unref(struct setup *s); // accepts NULL
// The keys that sign for a domain (config_dkim_for), NULL: none.
const struct setup_domain *setup_keys_for(const struct setup *s, const char *domain);
// Who vouches for client certificates on the listener of this text; NULL: nobody.
struct trust *setup_client_trust(const struct setup *s, const char *listen);
// A file that it was made from has changed on disk (certificates, users, trust stores, secrets).
bool setup_stale(const struct setup *s);

#endif
