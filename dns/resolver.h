// SPDX-License-Identifier: ISC
// Lookups in the real DNS, on a thread of their own. What is behind it (getdns for `stub`, libunbound
// for `recursive`) shows nowhere else.
//
// Every lookup ends within RESOLVER_LOOKUP_MS with an answer: found, absent, or failed and why. Bounds on
// what is outstanding are kept in dns/slots.h. No cache here.
#ifndef DNS_RESOLVER_H
#define DNS_RESOLVER_H

#include <stdatomic.h>
#include "config/config.h"
#include "dns/answer.h"
#include "dns/name.h"
#include "relay/base/inbox.h"

#define RESOLVER_LOOKUP_MS 20000
#define RESOLVER_AAAA_MS   5000 // of an AAAA: a host has mostly an A as well, and waits for both

struct resolver;

// In the owner's memory, the resolver's from resolver_ask until done.
struct resolver_lookup {
    struct item item;
    struct resolver *resolver;
    char name[NAME_TEXT]; // in normal form
    uint16_t type;
    struct inbox *home;
    void (*done)(struct resolver_lookup *lookup); // on home's loop
    struct dns_answer *answer;                    // set then: one reference, the owner's
    atomic_uint asked; // 1 + the server that is asked now; 0: none yet. Any thread
};

// Starts the thread; NULL with why when the configuration cannot work (no server, no trust anchor).
struct resolver *resolver_open(const struct cfg_dns *config, struct why *why);
void resolver_ask(struct resolver *resolver, struct resolver_lookup *lookup);
// Joins the thread. Lookups that were not done are the owner's again, without answer.
void resolver_close(struct resolver *resolver); // accepts NULL

// From any thread.
uint64_t resolver_turned_ms(struct resolver *resolver); // monotonic: when it last showed life
// Grows when the trust anchor was read anew: what was found before may be judged otherwise now.
unsigned resolver_epoch(struct resolver *resolver);
// Whom `asked` means: "9.9.9.9", "[::1]:5353", "the root servers". While the resolver is open.
#define RESOLVER_SERVER 80
void resolver_server(const struct resolver *resolver, unsigned asked,
                     char out[static RESOLVER_SERVER]);
// Whether any answer can be secure: false in stub mode where no server is trusted to validate.
bool resolver_can_prove(const struct resolver *resolver);

#endif
