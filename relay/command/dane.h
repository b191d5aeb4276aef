// SPDX-License-Identifier: ISC
// The options that the verbs of `waxwing dane` share.
#ifndef RELAY_COMMAND_DANE_H
#define RELAY_COMMAND_DANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/maxima.h"

#define DANE_NAMES_MAX 20

struct dane_options {
    const char *chain, *dns_file, *resolver;
    const char *names[DANE_NAMES_MAX]; // --host first, then each --alt-name; or the HOST of lookup
    size_t nnames;
    const char *tlsa[MAX_TLSA];
    size_t ntlsa;
    uint16_t port;
    bool json;
};

// Asks for the TLSA records of a host as a route would; an exit status. relay/command/dane_lookup.c
int dane_lookup(const struct dane_options *o);

#endif
