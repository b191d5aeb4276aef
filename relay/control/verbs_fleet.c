// SPDX-License-Identifier: ISC
// The verb of the control socket behind `waxwing fleet status`: what this relay knows of its fleet.
#include "relay/base/exit.h"
#include "relay/control/control.h"
#include "relay/fleet/fleet.h"
#include "relay/log/json.h"
#include "relay/log/log.h"

static void verbs_fleet(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    if (relay->fleet)
        control_answer(call, EXIT_YES, fleet_describe(relay->fleet));
    else
        control_error(call, EXIT_NO, "this relay is alone: its configuration has no fleet");
}

static void verbs_fleet_adopt(struct control_call *call, struct relay *relay, const json_t *request)
{
    struct why why;
    const char *name = json_word(request, "node");
    if (!relay->fleet)
        control_error(call, EXIT_NO, "this relay is alone: its configuration has no fleet");
    else if (fleet_adopt(relay->fleet, name, &why) < 0)
        control_error(call, EXIT_NO, "%s", why.text);
    else {
        struct logline line;
        char by[64];
        control_by(call, by, sizeof by);
        log_begin(&line, LOG_INFO, "operator", 0);
        log_text(&line, "by", by);
        log_text(&line, "verb", "fleet-adopt");
        log_text(&line, "node", name);
        log_end(&line);
        control_answer(call, EXIT_YES, json_pack("{s:s}", "node", name));
    }
}

const struct control_verb control_fleet_verbs[] = {
    {"fleet-adopt", true, verbs_fleet_adopt},
    {"fleet", false, verbs_fleet},
    {NULL, false, NULL},
};
