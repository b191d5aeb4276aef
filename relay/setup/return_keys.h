// SPDX-License-Identifier: ISC
// Return addresses as rows of `senders` have them, with the secrets of their files.
#ifndef RELAY_SETUP_RETURN_KEYS_H
#define RELAY_SETUP_RETURN_KEYS_H

#include "relay/returns/srs.h"
#include "relay/returns/verp.h"
#include "relay/setup/setup.h"

// The row's; of this setup's configuration. False: it has none.
bool return_keys_srs(const struct setup *s, const struct cfg_sender *row, struct srs *out);
bool return_keys_verp(const struct setup *s, const struct cfg_sender *row, struct verp *out);
// Whatever row they are of, tried one after the other.
int return_keys_reverse(const struct setup *s, const char *address, const char *domain,
                        int64_t now_s, struct buf *out, bool *ours, struct why *why);
// *row: whose keyed return path it is.
int return_keys_read(const struct setup *s, const char *address, const char *domain, int64_t now_s,
                     const struct cfg_sender **row, uint64_t *id, struct buf *recipient, bool *ours,
                     struct why *why);

#endif
