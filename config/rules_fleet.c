// SPDX-License-Identifier: ISC
// The section `fleet`: the name where none is given, and what the address of the database must be. What stands in it
// is read where libpq is (relay/fleet/target.h).
#include <string.h>
#include "config/rules.h"
#include "config/setting.h"
#include "relay/base/mem.h"

#define FLEET_NAME 63 // bytes

void rules_complete_fleet(struct config *c)
{
    if (!c->fleet.database[0])
        return;
    setting_fill_in(&c->fleet.name, mem_dup(c->hostname));
    setting_fill_in(&c->fleet.ca_file, mem_dup(c->delivery.ca_file));
}

static bool fleet_name_is_good(const char *name)
{
    return name[0] && strlen(name) <= FLEET_NAME &&
           name[strspn(name,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] == 0;
}

// "postgresql://USER:PASSWORD@…" would show the password to whoever reads the configuration.
static bool has_password(const char *uri)
{
    const char *begin = strstr(uri, "://") + 3;
    size_t authority = strcspn(begin, "/?");
    const char *at = memchr(begin, '@', authority), *colon = memchr(begin, ':', authority);
    return (at && colon && colon < at) || strstr(uri, "password=");
}

void rules_check_fleet(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *fleet = node_get(root, "fleet");
    const struct node *database = node_get(fleet, "database");
    const char *uri = c->fleet.database;
    if (!fleet || fleet->kind != NODE_MAP || !uri[0])
        return;
    if (strncmp(uri, "postgresql://", 13) != 0 && strncmp(uri, "postgres://", 11) != 0)
        messages_error(m, database, "database: begins with postgresql://");
    else if (has_password(uri))
        messages_error(m, database, "database: the password stands in a 'password_file'");
    if (!fleet_name_is_good(c->fleet.name))
        messages_error(m, node_has(fleet, "name") ? node_get(fleet, "name") : fleet,
                       "name: up to %d letters, digits, dots, dashes and underscores", FLEET_NAME);
}
