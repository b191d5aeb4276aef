// SPDX-License-Identifier: ISC
// The routes thread over an answer file: who shares a planning, what makes a route that somebody holds stale,
// under which name memory is kept, and what a failing policy host leaves in the ledger.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/route/routes.h"
#include "relay/state/state.h"

static struct relay relay;
static struct setup *setup;
static uv_loop_t loop;
static struct inbox *mail;
static char directory[64], database[100];

static struct setup *make_setup(const char *delivery)
{
    struct config_load load;
    config_load_init(&load);
    char *text = mem_printf("hostname: relay.example\ndelivery: {%s}\n", delivery);
    struct config *config = config_load_text("/test.yaml", text, strlen(text), &load);
    if (!config)
        fail_msg("%s", buf_text(&load.errors));
    struct setup *s = setup_for_routes(config, &load);
    if (!s)
        fail_msg("%s", buf_text(&load.errors));
    config_unref(config);
    config_load_free(&load);
    free(text);
    return s;
}

static void open_routes(void)
{
    struct why why;
    struct dns_options dns = {.answers_file = "unit/data/routes.json"};
    struct routes_options options = {.relay = &relay, .setup = setup_ref(setup)};
    relay.state = state_open(&(struct state_options){.path = database, .keep_ms = 86400000}, &why);
    assert_non_null(relay.state);
    relay.dns = dns_open(&dns, &why);
    assert_non_null(relay.dns);
    relay.routes = routes_open(&options, &why);
    assert_non_null(relay.routes);
}

static void close_routes(void)
{
    routes_close(relay.routes);
    dns_close(relay.dns);
    state_close(relay.state);
}

static void begin_with(const char *delivery)
{
    setup = make_setup(delivery);
    snprintf(directory, sizeof directory, "/tmp/waxwing-routes-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(database, sizeof database, "%s/state.db", directory);
    uv_loop_init(&loop);
    mail = inbox_open(&loop);
    open_routes();
}

static void end(void)
{
    close_routes();
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    setup_unref(setup);
    char *command = mem_printf("rm -r %s", directory);
    assert_int_equal(system(command), 0);
    free(command);
}

struct asker {
    struct route *route;
    char *json;
};

static void came(struct route *route, void *arg)
{
    ((struct asker *)arg)->route = route_ref(route);
}

static void told(char *json, void *arg)
{
    ((struct asker *)arg)->json = json;
}

static struct route *ask_as(const char *domain, enum route_variant variant)
{
    struct asker a = {0};
    struct route_wish wish = {.domain = domain, .variant = variant};
    route_ask(relay.routes, mail, &wish, came, &a);
    while (!a.route)
        uv_run(&loop, UV_RUN_ONCE);
    return a.route;
}

static struct route *ask(const char *domain)
{
    return ask_as(domain, ROUTE_PLAIN);
}

// The answer to a question about policies: also a turn of the routes thread behind all that was said before.
static char *policies(void)
{
    struct asker a = {0};
    routes_policies(relay.routes, mail, told, &a);
    while (!a.json)
        uv_run(&loop, UV_RUN_ONCE);
    return a.json;
}

static bool known(const char *text)
{
    char *json = policies();
    bool yes = strstr(json, text) != NULL;
    free(json);
    return yes;
}

static const char *demand(const struct route *r)
{
    static char text[100];
    assert_int_equal(r->nhosts, 1);
    snprintf(text, sizeof text, "%s %s", tls_level_word(r->hosts[0].demand.level),
             demand_source_word(r->hosts[0].demand.source));
    return text;
}

// ---- stories

static void those_who_ask_together_get_one_route(void **state)
{
    (void)state;
    begin_with("");
    struct asker a[20] = {{0}};
    for (size_t i = 0; i < 20; i++)
        route_ask(relay.routes, mail, &(struct route_wish){.domain = "sts.example"}, came, &a[i]);
    for (size_t i = 0; i < 20; i++) {
        while (!a[i].route)
            uv_run(&loop, UV_RUN_ONCE);
        assert_ptr_equal(a[i].route, a[0].route);
        assert_string_equal(demand(a[i].route), "webpki mta-sts"); // first contact waited
    }
    assert_true(route_is_fresh(a[0].route)); // the policy that it waited for does not make it stale
    struct route *again = ask("sts.example");
    assert_ptr_equal(again, a[0].route);
    route_unref(again);
    for (size_t i = 0; i < 20; i++)
        route_unref(a[i].route);
    end();
}

static void what_messages_ask_for_is_planned_apart(void **state)
{
    (void)state;
    begin_with("");
    struct route *plain = ask("sts.example"), *strict = ask_as("sts.example", ROUTE_REQUIRETLS),
                 *lax = ask_as("sts.example", ROUTE_TLS_OPTIONAL);
    assert_string_equal(demand(plain), "webpki mta-sts");
    assert_string_equal(demand(strict), "webpki requiretls");
    assert_string_equal(demand(lax), "opportunistic default");
    route_unref(plain);
    route_unref(strict);
    route_unref(lax);
    end();
}

static void a_reload_makes_what_is_held_stale(void **state)
{
    (void)state;
    begin_with("tls: opportunistic");
    struct route *before = ask("d.example");
    assert_string_equal(demand(before), "opportunistic default");
    struct setup *next = make_setup("tls: encrypt");
    routes_reload(relay.routes, next);
    setup_unref(next);
    struct route *after = ask("d.example");
    assert_false(route_is_fresh(before));
    assert_string_equal(demand(after), "encrypt default");
    route_unref(before);
    route_unref(after);
    end();
}

static void what_is_learned_counts_for_what_is_held_already(void **state)
{
    (void)state;
    begin_with("tls: opportunistic");
    struct route *before = ask("d.example");
    routes_learn(relay.routes, "d.example", "mx.d.example", OWES_TLS, false);
    struct route *after = ask("d.example");
    assert_false(route_is_fresh(before));
    assert_string_equal(demand(after), "encrypt memory");
    routes_learn(relay.routes, "d.example", "mx.d.example", OWES_TLS, false); // nothing new
    assert_true(known("mx.d.example"));
    assert_true(route_is_fresh(after));
    route_unref(before);
    route_unref(after);
    close_routes();
    open_routes(); // and after a restart
    after = ask("d.example");
    assert_string_equal(demand(after), "encrypt memory");
    route_unref(after);
    end();
}

static void case_19_memory_of_a_next_hop_is_kept_under_its_name(void **state)
{
    (void)state;
    begin_with("tls: opportunistic, destinations: [{domain: d.example, next_hop: [hop.example]}]");
    struct route *before = ask("d.example");
    assert_string_equal(before->hosts[0].host, "mx.hop.example");
    routes_learn(relay.routes, route_policy_domain(before, &before->hosts[0]), "mx.hop.example",
                 OWES_TLS, false);
    struct route *after = ask("d.example");
    assert_string_equal(demand(after), "encrypt memory");
    assert_false(known("\"d.example\"")); // its own hosts, should they serve again, owe nothing
    route_unref(before);
    route_unref(after);
    end();
}

static void a_configured_host_teaches_nothing_about_the_domain(void **state)
{
    (void)state;
    begin_with("destinations: [{domain: d.example, next_hop: [\"[mx.hop.example]\"]}]");
    struct route *before = ask("d.example");
    routes_learn(relay.routes, route_policy_domain(before, &before->hosts[0]), "mx.hop.example",
                 OWES_CERTIFICATE, false);
    assert_false(known("mx.hop.example"));
    route_unref(before);
    end();
}

static void a_policy_survives_a_restart(void **state)
{
    (void)state;
    begin_with("");
    route_unref(ask("sts.example"));
    close_routes();
    open_routes();
    assert_true(known("mode: enforce"));
    end();
}

static size_t fetch_errors(void)
{
    struct state_query query = {
        .view = STATE_FAILURES, .domain = "down.example", .result = WHY_STS_POLICY_FETCH_ERROR};
    struct ledger_rows rows = {0};
    struct why why;
    assert_int_equal(state_ask_file(database, &query, &rows, &why), 0);
    size_t n = 0;
    for (size_t i = 0; i < rows.n; i++) {
        n += rows.at[i].count;
        assert_int_equal(rows.at[i].entry->policy_type, POLICY_STS);
        assert_string_equal(rows.at[i].entry->policy_domain, "down.example");
    }
    ledger_rows_free(&rows);
    return n;
}

static void case_36_a_failing_policy_host_is_one_fact(void **state)
{
    (void)state;
    begin_with("");
    struct route *route = ask("down.example"), *again = ask("down.example");
    assert_int_equal(route->verdict, ROUTE_DELIVER); // as if it had none
    assert_true(route->expires_ms <=
                clock_mono_ms() + 60000); // but not for as long as its MX records
    route_unref(route);
    route_unref(again);
    close_routes();
    assert_int_equal(fetch_errors(), 1);
    open_routes();
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_ask_together_get_one_route),
        cmocka_unit_test(what_messages_ask_for_is_planned_apart),
        cmocka_unit_test(a_reload_makes_what_is_held_stale),
        cmocka_unit_test(what_is_learned_counts_for_what_is_held_already),
        cmocka_unit_test(case_19_memory_of_a_next_hop_is_kept_under_its_name),
        cmocka_unit_test(a_configured_host_teaches_nothing_about_the_domain),
        cmocka_unit_test(a_policy_survives_a_restart),
        cmocka_unit_test(case_36_a_failing_policy_host_is_one_fact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
