// SPDX-License-Identifier: ISC
#include "relay/fleet/init.h"

#include <stdio.h>
#include "relay/base/exit.h"
#include "relay/fleet/schema.h"
#include "relay/fleet/target.h"

#define INIT_APPLICATION "waxwing fleet init"

static int make_at(const struct target *target, struct fleet_made *made, int *exit_status,
                   struct why *why)
{
    size_t host = 0;
    struct schema_made schema;
    struct session *s = session_open_any(target, &host, -1, why);
    if (!s)
        return -1;
    target_name(target, host, made->database, sizeof made->database);
    enum schema_state state = schema_make(s, made->role, &schema, why);
    session_close(s);
    if (state == SCHEMA_OTHER)
        *exit_status = EXIT_CONFIG;
    made->before = schema.before;
    made->version = SCHEMA_VERSION;
    made->monitor = schema.monitor;
    return state == SCHEMA_READY ? 0 : -1;
}

int fleet_make(const struct config *config, const char *owner, const char *password_file,
               struct fleet_made *made, int *exit_status, struct why *why)
{
    struct target nodes, target;
    *made = (struct fleet_made){.before = 0};
    *exit_status = EXIT_CONFIG;
    if (target_parse(&config->fleet, INIT_APPLICATION, &nodes, why) < 0)
        return -1;
    snprintf(made->role, sizeof made->role, "%s", nodes.user);
    target_free(&nodes);
    struct cfg_fleet as = config->fleet; // its texts stay the configuration's
    if (owner) {
        as.database = (char *)owner;
        as.password_file = (char *)"";
    }
    if (password_file)
        as.password_file = (char *)password_file;
    if (target_parse(&as, INIT_APPLICATION, &target, why) < 0)
        return -1;
    *exit_status = EXIT_TEMP;
    int rc = make_at(&target, made, exit_status, why);
    target_free(&target);
    return rc;
}
