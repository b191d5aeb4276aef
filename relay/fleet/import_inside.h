// SPDX-License-Identifier: ISC
// How a log comes from the journal into a folder, as the files of a spool, and how the folder goes. Nothing of it needs to
// last: it is fetched again where it is needed again.
#ifndef RELAY_FLEET_IMPORT_INSIDE_H
#define RELAY_FLEET_IMPORT_INSIDE_H

#include "relay/fleet/tables.h"

// What the folder had is gone first. `spool`: whose folder `adopted` it stands in.
int import_fetch(struct tables *t, const char *log, const char *spool, const char *folder,
                 struct why *why);
void import_remove(const char *folder);

#endif
