// SPDX-License-Identifier: ISC
// What is under way for a planning.
#include "relay/route/waits.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/log/json.h"

static void waits_add(json_t *list, const char *what, const char *name, const json_t *asked,
                      const char *of)
{
    size_t i;
    const json_t *one;
    json_array_foreach (list, i, one) // one lookup serves several askers
        if (strcmp(json_string_value(json_object_get(one, "what")), what) == 0 &&
            strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
            return;
    json_t *j = json_object();
    json_object_set_new(j, "what", json_text(what));
    json_object_set_new(j, "name", json_text(name));
    json_object_set(j, "asked", (json_t *)(uintptr_t)asked);
    json_object_set_new(j, "of", json_text(of));
    json_array_append_new(list, j);
}

static void waits_add_lookup(json_t *list, struct dns *dns, const char *name, uint16_t type)
{
    struct dns_underway now = {0};
    bool asked = dns_underway(dns, name, type, &now) && now.server[0];
    json_t *when = asked ? json_integer((json_int_t)(now.asked_ms / 1000)) : json_null();
    waits_add(list, dns_type_word(type), name, when, now.server);
    json_decref(when);
}

static void waits_add_policy(json_t *list, const struct planning_world *world, const char *domain)
{
    uint64_t since_ms;
    char name[300], host[300];
    enum sts_wait wait = sts_cache_waits(world->sts, domain, &since_ms);
    snprintf(name, sizeof name, "_mta-sts.%s", domain);
    snprintf(host, sizeof host, "mta-sts.%s", domain);
    if (wait == STS_LOOKS || wait == STS_RESTS) {
        waits_add_lookup(list, world->dns, name, DNS_TXT);
        return;
    }
    json_t *when = json_integer((json_int_t)((clock_mono_ms() - since_ms) / 1000));
    if (wait == STS_FETCHES)
        waits_add(list, "policy", domain, when, host);
    else
        waits_add(list, "disk", domain, when, "the state database");
    json_decref(when);
}

json_t *waits_json(const struct planning *planning)
{
    const struct planning_world *world = planning_world_of(planning);
    json_t *list = json_array();
    const char *name;
    uint16_t type;
    for (size_t i = 0; planning_waits_for(planning, i, &name, &type); i++)
        waits_add_lookup(list, world->dns, name, type);
    for (size_t i = 0; planning_waits_for_sts(planning, i, &name); i++)
        waits_add_policy(list, world, name);
    return list;
}

void waits_text(const json_t *wait, char out[static WAITS_TEXT])
{
    const char *what = json_string_value(json_object_get(wait, "what"));
    const char *name = json_string_value(json_object_get(wait, "name"));
    const char *of = json_string_value(json_object_get(wait, "of"));
    const json_t *asked = json_object_get(wait, "asked");
    bool policy = what && strcmp(what, "policy") == 0, disk = what && strcmp(what, "disk") == 0;
    char when[64];
    if (json_is_integer(asked))
        snprintf(when, sizeof when, "asked %lld s ago", (long long)json_integer_value(asked));
    else
        snprintf(when, sizeof when, "its turn to be asked has not come");
    snprintf(out, WAITS_TEXT, "%s of %s, %s%s%s",
             policy ? "the MTA-STS policy"
             : disk ? "a place on disk for the policy"
             : what ? what
                    : "",
             name ? name : "", when, of && of[0] ? " of " : "", of ? of : "");
}
