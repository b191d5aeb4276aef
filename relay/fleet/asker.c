// SPDX-License-Identifier: ISC
#include "relay/fleet/asker.h"

#include "relay/base/exit.h"
#include "relay/fleet/schema.h"

int asker_open(struct asker *a, const struct config *config, const char *application,
               int *exit_status, struct why *why)
{
    size_t host = 0;
    *a = (struct asker){.session = NULL};
    *exit_status = EXIT_CONFIG;
    if (!config->fleet.database[0])
        return why_set(why, WHY_OURS, "4.3.0", "the configuration has no fleet.database");
    if (target_parse(&config->fleet, application, &a->target, why) < 0)
        return -1;
    *exit_status = EXIT_TEMP;
    a->session = session_open_any(&a->target, &host, -1, why);
    enum schema_state schema = a->session ? schema_look(a->session, why) : SCHEMA_FAILED;
    if (schema == SCHEMA_OTHER)
        *exit_status = EXIT_CONFIG;
    if (schema != SCHEMA_READY)
        return -1;
    *exit_status = EXIT_YES;
    return 0;
}

void asker_close(struct asker *a)
{
    session_close(a->session);
    target_free(&a->target);
    a->session = NULL;
}
