// SPDX-License-Identifier: ISC
// The inside of a setup: what its files share.
#ifndef RELAY_SETUP_INSIDE_H
#define RELAY_SETUP_INSIDE_H

#include <sys/stat.h>
#include "relay/setup/setup.h"

// What a file looked like when it was read: trust stores are watched so.
struct watched {
    char *file;
    struct timespec modified;
    off_t size;
    ino_t inode;
};

struct full_setup {
    struct setup setup; // first, so that the public pointer is this one's
    struct watched
        *watched; // delivery.ca_file, then those of destinations, those of listeners, and secrets
    size_t nwatched;
    size_t first_secret; // among them: senders' srs and verp, row by row
};

struct full_setup *setup_empty(struct config *config);
void setup_watch(struct full_setup *f, const char *file);
bool setup_watched_changed(const struct watched *then);
// Watches what is read elsewhere: secrets and trust of webhooks, lists of suppressed addresses.
void setup_watch_others(struct full_setup *f);
// One line of load->errors, with the place where the configuration names the file that it is about.
void setup_complain(struct config_load *load, const struct config *config, const struct why *why);

// return_keys.c: the secrets of return addresses.
void setup_load_secrets(struct full_setup *f, struct config_load *load);

#endif
