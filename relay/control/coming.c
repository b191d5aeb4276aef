// SPDX-License-Identifier: ISC
// Puts together what recents, routes thread and configuration know of the days to come.
#include "relay/control/coming.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/log/json.h"
#include "relay/log/log.h"
#include "relay/recent/coming.h"
#include "relay/route/routes.h"

#define COMING_DAYS_MOST 3650
#define COMING_TOLD_MS   86400000 // what is ours is told again after

struct foreseeing {
    struct control_call *call; // NULL: the relay looks by itself
    struct relay *relay;
    int64_t days;
};

static json_t *control_coming_json(const struct foreseeing *f, const json_t *policies)
{
    struct recent_rows rows = {0};
    const struct setup *setup = f->relay->setup;
    recents_each(f->relay->recents, NULL, recent_rows_add, &rows);
    json_t *j = coming_json(
        &(struct coming_input){.rows = &rows,
                               .policies = json_object_get(policies, "policies"),
                               .refreshes = true,
                               .config = setup->config,
                               .own_ends_s = setup->creds ? creds_expires(setup->creds) : 0,
                               .days = f->days});
    recent_rows_free(&rows);
    return j;
}

// What is ours, an alarm a day; what is others' stands on the page and in the metrics.
static void control_coming_tell(const json_t *coming)
{
    size_t i;
    const json_t *one;
    json_array_foreach (json_object_get(coming, "findings"), i, one) {
        const char *domain = json_string_value(json_object_get(one, "domain"));
        const char *text = json_string_value(json_object_get(one, "text"));
        if (strcmp(json_string_value(json_object_get(one, "act")), "us") == 0)
            log_alarm_once("coming", REASON_NONE, domain, COMING_TOLD_MS, "%s: %s", domain, text);
    }
}

static void control_coming_known(char *json, void *arg)
{
    struct foreseeing *f = arg;
    json_t *policies = json_loads(json ? json : "", 0, NULL);
    free(json);
    if (policies) {
        json_t *coming = control_coming_json(f, policies);
        if (f->call) {
            control_answer(f->call, EXIT_YES, json_incref(coming));
        } else {
            coming_note(coming);
            control_coming_tell(coming);
        }
        json_decref(coming);
    } else if (f->call) {
        control_error(f->call, EXIT_FAULT, "the routes thread gave no answer");
    }
    json_decref(policies);
    free(f);
}

static struct foreseeing *foreseeing_new(struct control_call *call, struct relay *relay,
                                         int64_t days)
{
    struct foreseeing *f = mem_new(sizeof *f);
    *f = (struct foreseeing){call, relay, days};
    return f;
}

void control_coming(struct control_call *call, struct relay *relay, const json_t *request)
{
    json_int_t days = json_number_of(request, "days");
    if (days < 1 || days > COMING_DAYS_MOST)
        days = COMING_LOOKED;
    routes_policies(relay->routes, control_mail(call), control_coming_known,
                    foreseeing_new(call, relay, days));
}

void coming_look(struct relay *relay, uint64_t *looked_ms)
{
    uint64_t now = clock_mono_ms();
    if (*looked_ms && now - *looked_ms < COMING_LOOK_MS)
        return;
    *looked_ms = now;
    routes_policies(relay->routes, relay->mail, control_coming_known,
                    foreseeing_new(NULL, relay, COMING_LOOKED));
}
