// SPDX-License-Identifier: ISC
// The verbs of the control socket behind `waxwing fleet status` and `waxwing fleet adopt`.
#include "relay/base/exit.h"
#include "relay/control/control.h"
#include "relay/fleet/fleet.h"
#include "relay/log/json.h"
#include "relay/log/log.h"

static bool has_fleet(struct control_call *call, const struct relay *relay)
{
    if (!relay->fleet)
        control_error(call, EXIT_NO, "this relay is alone: its configuration has no fleet");
    return relay->fleet;
}

static void verbs_fleet(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    if (has_fleet(call, relay))
        control_answer(call, EXIT_YES, fleet_describe(relay->fleet));
}

static void log_adopt(struct control_call *call, const char *node)
{
    struct logline line;
    char by[64];
    control_by(call, by, sizeof by);
    log_begin(&line, LOG_INFO, "operator", 0);
    log_text(&line, "by", by);
    log_text(&line, "verb", "fleet-adopt");
    log_text(&line, "node", node);
    log_end(&line);
}

static void verbs_fleet_adopt(struct control_call *call, struct relay *relay, const json_t *request)
{
    struct why why;
    const char *node = json_word(request, "node");
    if (!has_fleet(call, relay))
        return;
    if (fleet_adopt(relay->fleet, node, &why) < 0) {
        control_error(call, EXIT_NO, "%s", why.text);
        return;
    }
    log_adopt(call, node);
    control_answer(call, EXIT_YES, json_pack("{s:s}", "node", node));
}

const struct control_verb control_fleet_verbs[] = {
    {"fleet-adopt", true, verbs_fleet_adopt},
    {"fleet", false, verbs_fleet},
    {NULL, false, NULL},
};
