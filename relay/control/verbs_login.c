// SPDX-License-Identifier: ISC
// The verbs of the control socket about logins: who is banned, and the lifting of bans.
#include <string.h>
#include "relay/base/exit.h"
#include "relay/control/inside.h"
#include "relay/log/json.h"
#include "relay/login/bans.h"
#include "relay/login/habits.h"

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

// Logins and what is usual for them

static json_t *verbs_login_time(int64_t ms)
{
    return ms ? json_integer(ms / 1000) : json_null();
}

static void verbs_login_add_habit(void *arg, const struct habit_view *view)
{
    const struct habit *h = view->habit;
    json_t *j = json_pack("{s:o, s:b, s:o, s:o}", "login", json_text(view->login), "held",
                          view->held_ms != 0, "held_since", verbs_login_time(view->held_ms),
                          "reason", json_text(view->held_why));
    json_object_set_new(j, "known_since", verbs_login_time(h->since_ms));
    json_object_set_new(j, "last", verbs_login_time(h->used_ms));
    json_object_set_new(j, "hour", json_integer(h->hour));
    json_object_set_new(j, "busiest_hour", json_integer((json_int_t)h->peak));
    json_object_set_new(j, "new_domains", json_integer(h->fresh));
    json_object_set_new(j, "delivered", json_integer((json_int_t)h->good));
    json_object_set_new(j, "failed", json_integer((json_int_t)h->bad));
    json_array_append_new(arg, j);
}

static void verbs_login_habits(struct control_call *call, struct relay *relay,
                               const json_t *request)
{
    (void)request;
    json_t *all = json_array();
    if (relay->habits)
        habits_each(relay->habits, verbs_login_add_habit, all);
    control_answer(call, EXIT_YES, json_pack("{s:o}", "logins", all));
}

// The login is forgiven first, so that what is let go is not held again.
static void verbs_login_release(struct control_call *call, struct relay *relay,
                                const json_t *request)
{
    const char *login = json_string_value(json_object_get(request, "login"));
    char by[64];
    control_by(call, by, sizeof by);
    if (!login || !login[0])
        control_error(call, EXIT_USAGE, "which login?");
    else if (!relay->habits || !habits_release(relay->habits, login, by))
        control_error(call, EXIT_NO, "%s is not held", login);
    else
        control_release_login(call, relay, login);
}

const struct control_verb control_login_verbs[] = {
    {"logins-list", false, verbs_login_habits},
    {"logins-release", true, verbs_login_release},
    {"bans-list", false, verbs_login_bans},
    {"bans-lift", true, verbs_login_lift},
    {NULL, false, NULL},
};
