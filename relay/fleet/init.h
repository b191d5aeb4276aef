// SPDX-License-Identifier: ISC
// `waxwing fleet init`: the tables made, or brought up to date, by whoever may own them.
#ifndef RELAY_FLEET_INIT_H
#define RELAY_FLEET_INIT_H

#include <stdbool.h>
#include "config/config.h"
#include "relay/base/why.h"

struct fleet_made {
    char database[300], role[128]; // the server, and whom the nodes log in as
    long long before, version;     // of the schema; before 0: there was none
    bool monitor;                  // the role sees the servers that follow (pg_monitor)
};
// As the user of `owner` (a URI as fleet.database is; NULL: the nodes' own) with the password of that file (NULL: as
// configured). -1 with why and *exit_status.
int fleet_make(const struct config *config, const char *owner, const char *password_file,
               struct fleet_made *made, int *exit_status, struct why *why);

#endif
