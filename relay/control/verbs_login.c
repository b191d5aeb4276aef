// SPDX-License-Identifier: ISC
// The verbs of the control socket about logins: who is banned, and the lifting of bans.
#include <string.h>
#include "relay/base/exit.h"
#include "relay/control/control.h"
#include "relay/log/json.h"
#include "relay/login/bans.h"

static void verbs_login_add_ban(void *arg, const struct ban *ban)
{
    json_array_append_new(
        arg, json_pack("{s:s, s:o, s:I, s:I, s:I}", "kind", ban_kind_word(ban->kind), "name",
                       json_text(ban->name), "since", (json_int_t)(ban->since_ms / 1000), "until",
                       (json_int_t)(ban->until_ms / 1000), "failures", (json_int_t)ban->failures));
}

static void verbs_login_bans(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    json_t *all = json_array();
    bans_each(relay->bans, verbs_login_add_ban, all);
    control_answer(call, EXIT_YES, json_pack("{s:o}", "bans", all));
}

static void verbs_login_lift(struct control_call *call, struct relay *relay, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "name"));
    char by[64];
    if (!name && !json_is_true(json_object_get(request, "all"))) {
        control_error(call, EXIT_USAGE, "an address or a user, or all?");
        return;
    }
    control_by(call, by, sizeof by);
    uint64_t n = bans_lift(relay->bans, name, by);
    control_answer(call, n || !name ? EXIT_YES : EXIT_NO,
                   json_pack("{s:I}", "lifted", (json_int_t)n));
}

const struct control_verb control_login_verbs[] = {
    {"bans-list", false, verbs_login_bans},
    {"bans-lift", true, verbs_login_lift},
    {NULL, false, NULL},
};
