// SPDX-License-Identifier: ISC
// The verb of the control socket behind `waxwing fleet status`: what this relay knows of its fleet.
#include "relay/base/exit.h"
#include "relay/control/control.h"
#include "relay/fleet/fleet.h"

static void verbs_fleet(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    if (relay->fleet)
        control_answer(call, EXIT_YES, fleet_describe(relay->fleet));
    else
        control_error(call, EXIT_NO, "this relay is alone: its configuration has no fleet");
}

const struct control_verb control_fleet_verbs[] = {
    {"fleet", false, verbs_fleet},
    {NULL, false, NULL},
};
