// SPDX-License-Identifier: ISC
// A small file put into the place of another, whole: written and synced beside it, then renamed, and the new name is on
// disk, too. Whatever happens in between, the old one or the new one is there. Blocking.
#ifndef RELAY_BASE_REPLACE_H
#define RELAY_BASE_REPLACE_H

#include <sys/types.h>
#include "relay/base/span.h"

#define REPLACE_KEEP (-1) // of an owner: as whoever calls makes it

struct replace_rights {
    uid_t uid; // or (uid_t)REPLACE_KEEP
    gid_t gid;
    mode_t mode;
};

// `rights` NULL: mode 0600, and of whoever calls. -1 with errno: the old one stands, unless it was the last sync alone
// that failed. Nothing is left beside it.
int replace_file(const char *path, struct span bytes, const struct replace_rights *rights);

#endif
