// SPDX-License-Identifier: ISC
// The configuration of what is signed and sealed, and with which keys. Units and conventions as in config/config.h, which
// includes this.
#ifndef CONFIG_SIGNING_H
#define CONFIG_SIGNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/network.h"

struct cfg_key {
    char *selector, *file;
};
struct cfg_dkim_domain {
    char *domain;
    bool subdomains;
    bool found; // in dkim.directory; no row of the file
    struct cfg_key *keys;
    size_t nkeys;
};
// How all keys sign.
struct cfg_signing {
    struct strings headers, oversign; // none: the built-in lists
    uint64_t expire;                  // ms from t= to x=; 0: no x=
    char *directory;                  // of DOMAIN/SELECTOR.pem; ""
    bool subdomains;                  // those domains sign for what is below them too
    uint64_t rotate_every;            // ms; 0: keys turn when they are told to
    uint64_t rotate_retire;           // ms that a record stays after its key signed last
    char *publish_command;            // "": records are published by hand
};
struct cfg_arc {
    char *domain, *selector, *file; // domain "": no sealing
};

#endif
