// SPDX-License-Identifier: ISC
// Which signing keys receivers can find (dkim.require_published): looked up when a configuration is
// taken over and every KEYWATCH_MS after, one at a time. A key that is known not to be published is
// left out while another of its domain is; where none is, or nobody can tell, all sign. One a
// worker, on its thread.
#ifndef RELAY_KEYWATCH_H
#define RELAY_KEYWATCH_H

#include "relay/relay.h"

#define KEYWATCH_MS 600000

struct keywatch;

struct keywatch *keywatch_new(struct worker *worker, struct setup *setup);
void keywatch_reload(struct keywatch *w, struct setup *setup);
// No lookup any more; `gone` is called on the loop when it may be freed.
void keywatch_stop(struct keywatch *w, void (*gone)(void *arg), void *arg);
void keywatch_free(struct keywatch *w); // accepts NULL

// Whether the i-th key of the domain signs. w NULL: it does.
bool keywatch_signs(const struct keywatch *w, const struct cfg_dkim_domain *domain, size_t i);

#endif
