// SPDX-License-Identifier: ISC
// The verbs of the control socket behind `waxwing explain` and what else tells of one domain: the plan with what the
// last deliveries met, that alone, and what routes wait for at this moment. Plans are the routes thread's; the rest is
// known at once.
#include <stdlib.h>
#include <string.h>
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/control/address.h"
#include "relay/control/control.h"
#include "relay/control/waiting.h"
#include "relay/log/json.h"
#include "relay/oauth/tokens.h"
#include "relay/recent/recent_json.h"
#include "relay/route/routes.h"

#define EXPLAIN_PATIENCE_MS 30000 // nobody who asks waits longer

struct explaining {
    struct control_call *call;
    struct relay *relay;
    char *domain, *address, *sender; // address and sender NULL: none was named
};

static struct explaining *explaining_new(struct control_call *call, struct relay *relay,
                                         const char *domain)
{
    struct explaining *e = mem_new(sizeof *e);
    *e = (struct explaining){.call = call, .relay = relay, .domain = mem_dup(domain)};
    return e;
}

static void explaining_free(struct explaining *e)
{
    free(e->domain);
    free(e->address);
    free(e->sender);
    free(e);
}

// NULL after an error was answered.
static json_t *explaining_read(struct explaining *e, char *json)
{
    json_t *j = json_loads(json ? json : "", 0, NULL);
    free(json);
    if (!j)
        control_error(e->call, EXIT_FAULT, "the routes thread gave no answer");
    return j;
}

// What rules do to the address, where one was named.
static void verbs_explain_add_address(const struct explaining *e, json_t *j)
{
    const struct address_question q = {.config = e->relay->setup->config,
                                       .suppress = e->relay->suppress,
                                       .habits = e->relay->habits,
                                       .address = e->address,
                                       .domain = e->domain,
                                       .sender = e->sender};
    if (e->address)
        json_object_set_new(j, "address", address_rules(&q));
}

static void verbs_explain_planned(char *json, void *arg)
{
    struct explaining *e = arg;
    json_t *j = explaining_read(e, json);
    if (j) {
        json_object_set_new(j, "recent", recent_json_of(e->relay->recents, e->domain, j));
        verbs_explain_add_address(e, j);
        control_answer(e->call, EXIT_YES, j);
    }
    explaining_free(e);
}

// Planned afresh, with the relay's own caches, policies and memory.
static void verbs_explain_explain(struct control_call *call, struct relay *relay,
                                  const json_t *request)
{
    json_int_t variant = json_number_of(request, "variant");
    json_int_t patience = json_number_of(request, "patience");
    struct route_wish wish = {.domain = json_string_value(json_object_get(request, "domain")),
                              .variant = (enum route_variant)variant,
                              .sender = json_string_value(json_object_get(request, "sender")),
                              .next_hop = json_string_value(json_object_get(request, "next_hop"))};
    if (!wish.domain || !wish.domain[0] || variant < ROUTE_PLAIN || variant > ROUTE_TLS_OPTIONAL) {
        control_error(call, EXIT_USAGE, "a domain and a variant are needed");
        return;
    }
    if (patience <= 0 || patience > EXPLAIN_PATIENCE_MS)
        patience = EXPLAIN_PATIENCE_MS;
    struct explaining *e = explaining_new(call, relay, wish.domain);
    e->address = mem_dup(json_string_value(json_object_get(request, "address")));
    e->sender = mem_dup(wish.sender);
    routes_explain(relay->routes, control_mail(call), &wish, (uint64_t)patience,
                   verbs_explain_planned, e);
}

static const char *domain_of(struct control_call *call, const json_t *request)
{
    const char *domain = json_string_value(json_object_get(request, "domain"));
    if (domain && domain[0])
        return domain;
    control_error(call, EXIT_USAGE, "a domain is needed");
    return NULL;
}

static void verbs_explain_recent(struct control_call *call, struct relay *relay,
                                 const json_t *request)
{
    const char *domain = domain_of(call, request);
    const json_t *explanation = json_object_get(request, "explanation"); // what is so now; NULL
    if (domain)
        control_answer(
            call, EXIT_YES,
            json_pack("{s:o}", "recent", recent_json_of(relay->recents, domain, explanation)));
}

// Tokens that are being fetched for a login of these.
static void add_tokens(json_t *waits, const json_t *users, struct tokens *tokens)
{
    json_t *all = tokens ? tokens_describe(tokens) : NULL;
    size_t i, k;
    const json_t *token, *user;
    json_array_foreach (all, i, token) {
        bool wanted = false;
        json_array_foreach (users, k, user)
            wanted = wanted || json_equal(user, json_object_get(token, "user"));
        if (!wanted || !json_is_integer(json_object_get(token, "fetching")))
            continue;
        json_array_append_new(waits, json_pack("{s:s, s:O, s:O, s:O}", "what", "token", "name",
                                               json_object_get(token, "user"), "asked",
                                               json_object_get(token, "fetching"), "of",
                                               json_object_get(token, "endpoint")));
    }
    json_decref(all);
}

static void verbs_explain_told(char *json, void *arg)
{
    struct explaining *e = arg;
    json_t *j = explaining_read(e, json);
    if (j) {
        add_tokens(json_object_get(j, "waits"), json_object_get(j, "logins"), e->relay->tokens);
        json_object_del(j, "logins");
        control_answer(e->call, EXIT_YES, j);
    }
    explaining_free(e);
}

static void verbs_explain_waits(struct control_call *call, struct relay *relay,
                                const json_t *request)
{
    const char *domain = domain_of(call, request);
    if (domain)
        routes_waits(relay->routes, control_mail(call), domain, verbs_explain_told,
                     explaining_new(call, relay, domain));
}

const struct control_verb control_explain_verbs[] = {
    {"explain", false, verbs_explain_explain},
    {"recent", false, verbs_explain_recent},
    {"route-waits", false, verbs_explain_waits},
    {"waiting", false, control_waiting},
    {NULL, false, NULL},
};
