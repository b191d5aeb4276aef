// SPDX-License-Identifier: ISC
// The file `fleet` in a spool whose mail stands in a journal, too: the name of its log. A relay whose configuration
// knows of no journal leaves such a spool alone: another node may have its mail.
#ifndef RELAY_FLEET_MARKER_H
#define RELAY_FLEET_MARKER_H

#include "relay/base/why.h"

#define MARKER_LOG 33 // bytes of a log's name: 32 digits

void marker_new(char log[static MARKER_LOG]);
// 1: there is one; 0: there is none; -1 with why: it cannot be read.
int marker_read(const char *spool, char log[static MARKER_LOG], struct why *why);
int marker_write(const char *spool, const char *log, struct why *why); // whole and synced
int marker_remove(const char *spool, struct why *why);
// Moves segments and large bodies into the folder `taken` of the spool, in the place of what is there. -1 with why.
int marker_put_aside(const char *spool, struct why *why);

#endif
