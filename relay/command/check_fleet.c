// SPDX-License-Identifier: ISC
// The fleet: its database is asked for the nodes, and their configurations are held against this one.
#include <stdlib.h>
#include <unistd.h>
#include "relay/command/check.h"
#include "relay/command/command.h"
#include "relay/fleet/fleet.h"
#include "relay/fleet/self.h"
#include "relay/log/json.h"

// Its number is known here, so that it starts without the database.
static bool has_number(const struct config *config)
{
    struct self self;
    char *path = self_path(config->state);
    self_read(path, config->fleet.name, &self);
    free(path);
    return self.number > 0;
}

static void check_differences(struct report *r, const json_t *node)
{
    const json_t *keys = json_object_get(node, "differs"), *key;
    struct buf names;
    size_t i;
    buf_init(&names, 4096);
    json_array_foreach (keys, i, key)
        buf_addf(&names, "%s%s", i ? ", " : "", json_string_value(key));
    if (names.len)
        check_say(r, "warning", "the node %s of the fleet has another configuration: %s",
                  json_string_value(json_object_get(node, "name")), buf_text(&names));
    buf_free(&names);
}

void check_fleet(struct report *r, const struct config *config)
{
    int status;
    struct why why;
    size_t i;
    const json_t *node;
    if (!config->fleet.database[0])
        return;
    json_t *fleet = fleet_ask(config, &status, &why);
    if (!fleet) {
        bool lives = has_number(config) && status == EXIT_TEMP &&
                     config->fleet.spool != FLEET_SPOOL_REQUIRED;
        check_say(r, lives ? "warning" : "ERROR", "the fleet cannot be asked: %s%s", why.text,
                  lives ? "; mail goes on with what this node knows" : "");
        return;
    }
    const json_t *nodes = json_object_get(fleet, "nodes");
    check_say(r, "ok", "the fleet's database on %s answers, with %zu nodes",
              json_string_value(json_object_get(fleet, "database")), json_array_size(nodes));
    if (config->fleet.spool && json_integer_value(json_object_get(fleet, "synchronous")) < 1)
        check_say(r, "warning",
                  "the fleet's database waits for no standby: a 250 means this disk and one server "
                  "(synchronous_standby_names)");
    json_array_foreach (nodes, i, node)
        if (json_says(node, "live"))
            check_differences(r, node);
    json_decref(fleet);
}
