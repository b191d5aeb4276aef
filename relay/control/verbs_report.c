// SPDX-License-Identifier: ISC
// The verbs of the control socket behind `waxwing tls reports` and `waxwing tls report --send`.
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/control/control.h"
#include "relay/report/reporter.h"
#include "relay/state/json.h"

static void verbs_report_found(struct sendings *found, const struct why *why, void *arg)
{
    if (why)
        control_error(arg, EXIT_TEMP, "%s", why->text);
    else
        control_answer(arg, EXIT_YES, sendings_json(found));
}

static void verbs_report_list(struct control_call *call, struct relay *relay, const json_t *request)
{
    struct sending_query query;
    struct why why;
    if (sending_query_read(request, &query, &why) < 0)
        control_error(call, EXIT_USAGE, "%s", why.text);
    else
        state_sendings_ask(relay->state, &query, control_mail(call), verbs_report_found, call);
}

static void verbs_report_planned(const struct why *why, void *arg)
{
    if (why)
        control_error(arg, EXIT_TEMP, "%s", why->text);
    else
        control_answer(arg, EXIT_YES, json_object());
}

static void verbs_report_send(struct control_call *call, struct relay *relay, const json_t *request)
{
    const char *day = json_string_value(json_object_get(request, "day"));
    int64_t number;
    if (!day || ledger_day_parse(day, &number) < 0)
        control_error(call, EXIT_USAGE, "'%s' is no day, as in 2026-11-21", day ? day : "");
    else if (number >= ledger_day(clock_ms()))
        control_error(call, EXIT_USAGE, "%s is not over yet (days are UTC)", day);
    else if (!relay->reporter || relay->stage != RELAY_RUNNING)
        control_error(call, EXIT_TEMP, "the relay is on its way out");
    else
        reporter_send(relay->reporter, number,
                      json_string_value(json_object_get(request, "domain")), verbs_report_planned,
                      call);
}

const struct control_verb control_report_verbs[] = {
    {"tls-reports", false, verbs_report_list},
    {"tls-report-send", true, verbs_report_send},
    {NULL, false, NULL},
};
