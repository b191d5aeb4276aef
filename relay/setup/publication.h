// SPDX-License-Identifier: ISC
// `dkim.require_published`: which keys sign. Receivers that find no key see a broken signature, so a key that
// is not published is left out while another key of its domain is; where none is, all sign, with an alarm.
//
// A key of which nothing was heard yet signs; the first answer tells. What is known changes slowly: only two
// answers an hour apart that disagree with it change it, so that neither a DNS failure nor a slip in a zone
// stops signatures at once. The checker lives on one loop; workers read what it found in the setup (publication_signs).
#ifndef RELAY_SETUP_PUBLICATION_H
#define RELAY_SETUP_PUBLICATION_H

#include "dns/dns.h"
#include "relay/setup/setup.h"
#include "sign/published.h"

#define PUBLICATION_SOON_MS 60000 // after a look at which the DNS could not tell
#define PUBLICATION_AGAIN_MS                                                                       \
    3600000 // between two looks, and between two answers that change something

struct publication;

// Looks at once, then every hour. Where the setup does not ask for it (require_published off) nothing is
// looked up. `mail` is the inbox of the loop.
struct publication *publication_open(uv_loop_t *loop, struct inbox *mail, struct dns *dns,
                                     struct setup *setup);
// Takes over what is known of the keys that stay. To be called before the workers get the new setup.
void publication_reload(struct publication *p, struct setup *setup);
void publication_close(struct publication *p); // accepts NULL; freed when the loop has turned

// Whether key number `key` of the domain signs now. Any thread.
bool publication_signs(const struct setup_domain *domain, size_t key);

// One key and what was heard of it. Pure.
enum publication_state { PUBLICATION_UNKNOWN, PUBLICATION_SEEN, PUBLICATION_MISSING };
struct publication_key {
    enum publication_state state;
    bool doubted;        // an answer disagreed with state
    uint64_t doubted_ms; // when that was, monotonic
};
// Takes an answer; true: the state changed.
bool publication_hear(struct publication_key *key, enum published answer, uint64_t now_ms);

#endif
