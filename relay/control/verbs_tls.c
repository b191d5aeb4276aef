// SPDX-License-Identifier: ISC
// The verbs of the control socket behind `waxwing tls`. The ledger is asked on the state
// thread; routes, policies and memory on the routes thread; both answer on the main loop.
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/control/coming.h"
#include "relay/control/control.h"
#include "relay/route/routes.h"
#include "relay/state/json.h"

struct question {
    struct control_call *call;
    struct relay *relay;
    enum state_view view;
    int64_t day;
};

static void verbs_tls_found(struct ledger_rows *rows, const struct why *why, void *arg)
{
    struct question *q = arg;
    if (why)
        control_error(q->call, EXIT_TEMP, "%s", why->text);
    else if (q->view == STATE_REPORT)
        control_answer(q->call, EXIT_YES, tls_reports_json(rows, q->day, q->relay->setup->config));
    else
        control_answer(q->call, EXIT_YES, tls_rows_json(rows, q->view));
    free(q);
}

static void verbs_tls_ask(struct control_call *call, struct relay *relay, const json_t *request,
                          enum state_view view)
{
    struct state_query query;
    struct why why;
    if (tls_query_read(request, view, &query, &why) < 0) {
        control_error(call, EXIT_USAGE, "%s", why.text);
        return;
    }
    struct question *q = mem_new(sizeof *q);
    *q = (struct question){.call = call, .relay = relay, .view = view, .day = query.day};
    state_ask(relay->state, &query, control_mail(call), verbs_tls_found, q);
}

static void verbs_tls_failures(struct control_call *call, struct relay *relay,
                               const json_t *request)
{
    verbs_tls_ask(call, relay, request, STATE_FAILURES);
}

static void verbs_tls_sums(struct control_call *call, struct relay *relay, const json_t *request)
{
    verbs_tls_ask(call, relay, request, STATE_SUMS);
}

static void verbs_tls_report(struct control_call *call, struct relay *relay, const json_t *request)
{
    verbs_tls_ask(call, relay, request, STATE_REPORT);
}

static void verbs_tls_pass_on(char *json, void *arg)
{
    json_t *j = json_loads(json, 0, NULL);
    free(json);
    if (j)
        control_answer(arg, EXIT_YES, j);
    else
        control_error(arg, EXIT_FAULT, "the routes thread gave no answer");
}

static void verbs_tls_policies(struct control_call *call, struct relay *relay,
                               const json_t *request)
{
    (void)request;
    routes_policies(relay->routes, control_mail(call), verbs_tls_pass_on, call);
}

static void verbs_tls_let_pass(const struct shadow_rows *rows, const struct why *why, void *arg)
{
    if (why)
        control_error(arg, EXIT_TEMP, "%s", why->text);
    else
        control_answer(arg, EXIT_YES, shadow_json(rows));
}

static void verbs_tls_shadow(struct control_call *call, struct relay *relay, const json_t *request)
{
    int64_t day = json_integer_value(json_object_get(request, "day"));
    state_shadow_ask(relay->state, day, control_mail(call), verbs_tls_let_pass, call);
}

static void for_domain(struct control_call *call, struct relay *relay, const json_t *request,
                       void (*act)(struct routes *routes, struct inbox *loop_inbox,
                                   const char *domain, routes_json_fn *fn, void *arg))
{
    const char *domain = json_string_value(json_object_get(request, "domain"));
    if (domain && domain[0])
        act(relay->routes, control_mail(call), domain, verbs_tls_pass_on, call);
    else
        control_error(call, EXIT_USAGE, "a domain is needed");
}

static void verbs_tls_refresh(struct control_call *call, struct relay *relay, const json_t *request)
{
    for_domain(call, relay, request, routes_fetch);
}

static void verbs_tls_forget(struct control_call *call, struct relay *relay, const json_t *request)
{
    for_domain(call, relay, request, routes_forget);
}

const struct control_verb control_tls_verbs[] = {
    {"tls-failures", false, verbs_tls_failures},
    {"tls-sums", false, verbs_tls_sums},
    {"tls-report", false, verbs_tls_report},
    {"tls-shadow", false, verbs_tls_shadow},
    {"tls-coming", false, control_coming},
    {"tls-policies", false, verbs_tls_policies},
    {"tls-refresh", true, verbs_tls_refresh},
    {"tls-forget", true, verbs_tls_forget},
    {NULL, false, NULL},
};
