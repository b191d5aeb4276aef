// SPDX-License-Identifier: ISC
// One step of a domain whose keys turn: looks at files and DNS, notes what follows in rotation.json, and does it.
// To be called again and again; what is not done yet is done the next time. Blocks for as long as the DNS and the
// publish command take. Two steps of one domain never run at once (a lock on the folder).
#ifndef RELAY_ROTATE_STEP_H
#define RELAY_ROTATE_STEP_H

#include "config/config.h"
#include "dns/dns.h"
#include "relay/rotate/rotation.h"

struct step_options {
    const struct config *config;
    const struct cfg_dkim_domain *domain; // with keys of dkim.directory
    struct dns *dns;
    bool begin; // a turn begins now, unless one is under way; else where dkim.rotate.every says so
    const char *publish;      // the command; "": none
    unsigned bits;            // of a new RSA key
    int (*reload)(void *arg); // 0: no relay signs with what signed before
    // What happened, or is to be done by people. `verb` is made, active, retired, removed, publish, remove, wait, or
    // failed; `name` that of the record, `text` the record, or a sentence.
    void (*tell)(void *arg, const char *verb, const char *name, const char *text);
    void *arg;
};

// The phases after it are in *r, for the caller to free. An exit status: EXIT_YES; EXIT_NO: something failed, which was
// told; EXIT_TEMP: the same, but time may heal it.
int step_run(const struct step_options *o, struct rotation *r);

// The folder of the domain, for the caller to free; NULL: its keys are not those of dkim.directory.
char *step_folder(const struct cfg_dkim_domain *domain);

#endif
