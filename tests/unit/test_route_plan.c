// SPDX-License-Identifier: ISC
// The plan from a domain to hosts and demands, over written-down DNS: each story says what the world looks
// like and what one line of route comes out. No I/O but a configuration in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/load.h"
#include "dns/answers.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/route/plan.h"
#include "tls/sts.h"

#define NOW  1763700000 // 2025-11-21
#define EE   "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PKIX "1 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct world {
    const char *yaml;   // the delivery section and the like
    const char *dns;    // the answer file
    const char *domain; // NULL: d.example
    const char *sts;    // policy text; NULL: none
    enum route_variant variant;
    struct memory_row memory[3];
    size_t nmemory;
    bool dns_broken;
};

static struct setup *make_setup(const char *yaml)
{
    struct config_load load;
    config_load_init(&load);
    load.hostname = "relay.example";
    struct buf text;
    buf_init(&text, 65536);
    buf_addf(&text, "hostname: relay.example\nlisten: [{address: \"192.0.2.9:25\"}]\n%s", yaml);
    struct config *config = config_load_text("/test.yaml", text.data, text.len, &load);
    if (!config)
        fail_msg("%s", buf_text(&load.errors));
    struct setup *setup = mem_new(sizeof *setup);
    setup->refs = 1;
    setup->config = config;
    setup->destination_trust = mem_new((config->delivery.ndestinations + 1) * sizeof(void *));
    setup->destination_identity = mem_new((config->delivery.ndestinations + 1) * sizeof(void *));
    config_load_free(&load);
    buf_free(&text);
    return setup;
}

static void drop_setup(struct setup *setup)
{
    config_unref(setup->config);
    free(setup->destination_trust);
    free(setup->destination_identity);
    free(setup);
}

static void make_sts(const char *text, struct sts_view *view)
{
    *view = (struct sts_view){.mode = -1};
    if (!text)
        return;
    struct sts_policy policy;
    struct why why;
    if (sts_policy_parse(span_text(text), &policy, &why) < 0)
        fail_msg("%s", why.text);
    view->mode = (int)policy.mode;
    view->nmx = policy.mx.n;
    view->mx = mem_new((policy.mx.n + 1) * sizeof(char *));
    for (size_t i = 0; i < policy.mx.n; i++)
        view->mx[i] = mem_dup(policy.mx.at[i]);
    sts_policy_free(&policy);
}

static struct route *plan(const struct world *w, struct setup *setup, const struct sts_view *sts)
{
    struct why why;
    struct answers *answers = answers_parse(w->dns, strlen(w->dns), &why);
    if (!answers)
        fail_msg("%s", why.text);
    struct memory_view memory = {(struct memory_row *)w->memory, w->nmemory};
    struct plan_input in = {.setup = setup,
                            .domain = w->domain ? w->domain : "d.example",
                            .variant = w->variant,
                            .own = &setup->config->listen[0].address,
                            .nown = 1,
                            .dns_broken = w->dns_broken,
                            .dns_text = "the root cannot be validated",
                            .seed = 1};
    char domains[MAX_POLICIES][256];
    struct sts_view none = {.mode = -1};
    struct plan_policy policies[MAX_POLICIES] = {{sts, &memory}};
    in.npolicies = plan_policy_domains(&in, domains);
    in.policies = policies;
    for (size_t i = 1; i < in.npolicies; i++) // the story tells of the last one, if of several
        policies[i] = policies[0];
    for (size_t i = 0; i + 1 < in.npolicies; i++)
        policies[i] = (struct plan_policy){&none, NULL};
    struct facts *facts = facts_new();
    struct route *route;
    for (int rounds = 0; !(route = route_plan(&in, facts)); rounds++) {
        const char *name;
        uint16_t type;
        assert_true(rounds < 10); // each round asks all it can
        assert_true(facts_wanted(facts, 0, &name, &type));
        while (facts_wanted(facts, 0, &name, &type))
            facts_put(facts, answers_ask(answers, name, type));
    }
    facts_free(facts);
    answers_free(answers);
    return route;
}

static void describe(const struct route *route, struct buf *out)
{
    static const char *const verdicts[] = {"deliver", "defer", "bounce"};
    buf_adds(out, verdicts[route->verdict]);
    if (route->verdict != ROUTE_DELIVER)
        buf_addf(out, " %s", route->why.status);
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct route_host *h = &route->hosts[i];
        buf_addf(out, "; %s", h->host);
        if (why_is_set(&h->unusable))
            buf_addf(out, " unusable %s", h->unusable.status);
        else if (h->demand.refuse)
            buf_addf(out, " refuse %s %s", demand_source_word(h->demand.source),
                     why_tls_word(h->demand.why.tls));
        else
            buf_addf(out, " %s %s", tls_level_word(h->demand.level),
                     demand_source_word(h->demand.source));
        if (h->demand.observe > h->demand.level)
            buf_addf(out, " watch %s", tls_level_word(h->demand.observe));
        if (h->demand.ntlsa_usable &&
            (h->demand.level == TLS_DANE || h->demand.observe == TLS_DANE))
            buf_addf(out, " tlsa@%s", h->demand.tlsa_base);
    }
}

static void expect(const struct world *w, const char *want)
{
    clock_fix((int64_t)NOW * 1000);
    struct setup *setup = make_setup(w->yaml ? w->yaml : "");
    struct sts_view sts;
    make_sts(w->sts, &sts);
    struct route *route = plan(w, setup, &sts);
    struct buf out;
    buf_init(&out, 65536);
    describe(route, &out);
    assert_string_equal(buf_text(&out), want);
    buf_free(&out);
    route_unref(route);
    sts_view_free(&sts);
    drop_setup(setup);
    clock_release();
}

struct story {
    const char *name, *want;
    struct world world;
};

#define MX1   "\"d.example\":{\"MX\":[[10,\"mx.d.example\"]]},"
#define A1    "\"mx.d.example\":{\"A\":[\"203.0.113.1\"]}"
#define TLSA1 ",\"_25._tcp.mx.d.example\":{\"TLSA\":[\"" EE "\"]}"
#define STS1  "version: STSv1\nmode: enforce\nmx: mx.d.example\nmax_age: 86400\n"
#define ALIAS                                                                                      \
    "\"mx.d.example\":{\"CNAME\":[\"real.h.example\"]},\"real.h.example\":{\"A\":[\"203.0.113."    \
    "1\"]}"
#define RULE(x) "delivery: {destinations: [{domain: d.example, " x "}]}\n"

// While validation does not work, domains known for DANE wait; not what lifts DANE anyway.
#define KNOWN_FOR_DANE                                                                             \
    .dns = "{\"records\":{" MX1 A1 "}}", .dns_broken = true, .nmemory = 1,                         \
    .memory = {{(char *)"mx.d.example", NOW - 1, OWES_TLS, true}}

static const struct story stories[] = {
    {"plain_domain_owes_encryption",
     "deliver; mx.d.example encrypt default",
     {.dns = "{\"records\":{" MX1 A1 "}}"}},
    {"mx_hosts_go_by_preference",
     "deliver; b.d.example encrypt default; a.d.example encrypt default",
     {.dns =
          "{\"records\":{\"d.example\":{\"MX\":[[20,\"a.d.example\"],[10,\"b.d.example\"]]},"
          "\"a.d.example\":{\"A\":[\"203.0.113.1\"]},\"b.d.example\":{\"A\":[\"203.0.113.2\"]}}}"}},
    {"implicit_mx_is_the_domain",
     "deliver; d.example encrypt default",
     {.dns = "{\"records\":{\"d.example\":{\"A\":[\"203.0.113.1\"]}}}"}},
    {"missing_domain_bounces", "bounce 5.1.2", {.dns = "{\"records\":{}}"}},
    {"case_24_null_mx_bounces",
     "bounce 5.1.10",
     {.dns = "{\"records\":{\"d.example\":{\"MX\":[[0,\".\"]]}}}"}},
    {"case_42_servfail_defers",
     "defer 4.4.3",
     {.dns = "{\"records\":{},\"errors\":{\"d.example|MX\":\"SERVFAIL\"}}"}},
    {"bogus_mx_defers",
     "defer 4.4.3",
     {.dns = "{\"records\":{},\"errors\":{\"d.example|MX\":\"BOGUS\"}}"}},
    {"case_44_own_name_drops_the_rest",
     "deliver; mx.d.example encrypt default",
     {.dns = "{\"records\":{\"d.example\":{\"MX\":[[10,\"mx.d.example\"],[20,\"relay.example\"],"
             "[30,\"late.d.example\"]]}," A1 "}}"}},
    {"case_44_own_name_alone_is_a_loop",
     "bounce 5.4.6",
     {.dns = "{\"records\":{\"d.example\":{\"MX\":[[10,\"relay.example\"]]}}}"}},
    {"case_44_own_address_is_a_loop",
     "bounce 5.4.6; mx.d.example unusable 5.4.6",
     {.dns = "{\"records\":{" MX1 "\"mx.d.example\":{\"A\":[\"192.0.2.9\"]}}}"}},
    {"case_44_private_addresses_are_refused",
     "bounce 5.4.4; mx.d.example unusable 5.4.4",
     {.dns = "{\"records\":{" MX1 "\"mx.d.example\":{\"A\":[\"10.0.0.1\",\"127.0.0.1\"]}}}"}},
    {"case_26_failing_aaaa_leaves_a",
     "deliver; mx.d.example encrypt default",
     {.dns = "{\"records\":{" MX1 A1 "},\"errors\":{\"mx.d.example|AAAA\":\"SERVFAIL\"}}"}},
    {"failing_addresses_defer",
     "defer 4.4.3; mx.d.example unusable 4.4.3",
     {.dns = "{\"records\":{" MX1 "\"x\":{}},\"errors\":{\"mx.d.example|*\":\"TIMEOUT\"}}"}},
    {"case_27_usable_tlsa_demands_dane",
     "deliver; mx.d.example dane dane tlsa@mx.d.example",
     {.dns = "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"]}"}},
    {"case_24_insecure_mx_has_no_dane",
     "deliver; mx.d.example encrypt default",
     {.dns =
          "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"],\"insecure\":[\"d.example|MX\"]}"}},
    {"half_dane_takes_it",
     "deliver; mx.d.example dane dane tlsa@mx.d.example",
     {.yaml = "dns: {half_dane: true}\n",
      .dns =
          "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"],\"insecure\":[\"d.example|MX\"]}"}},
    {"case_22_bogus_tlsa_is_never_no_dane",
     "defer 4.7.5; mx.d.example refuse dane dnssec-invalid",
     {.dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"*\"],"
             "\"errors\":{\"_25._tcp.mx.d.example|TLSA\":\"BOGUS\"}}"}},
    {"case_22_servfail_tlsa_is_never_no_dane",
     "defer 4.7.5; mx.d.example refuse dane dnssec-invalid",
     {.dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"*\"],"
             "\"errors\":{\"_25._tcp.mx.d.example|TLSA\":\"SERVFAIL\"}}"}},
    {"case_22_insecure_address_is_not_asked",
     "deliver; mx.d.example encrypt default",
     {.dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"d.example|MX\"],"
             "\"errors\":{\"_25._tcp.mx.d.example|TLSA\":\"SERVFAIL\"}}"}},
    {"case_23_absent_tlsa_is_none",
     "deliver; mx.d.example encrypt default",
     {.dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"*\"]}"}},
    {"case_24_implicit_mx_may_have_dane",
     "deliver; d.example dane dane tlsa@d.example",
     {.dns = "{\"records\":{\"d.example\":{\"A\":[\"203.0.113.1\"]},"
             "\"_25._tcp.d.example\":{\"TLSA\":[\"" EE "\"]}},\"secure\":[\"*\"]}"}},
    {"case_25_secure_alias_uses_the_expanded_name",
     "deliver; mx.d.example dane dane tlsa@real.h.example",
     {.dns = "{\"records\":{" MX1 ALIAS ",\"_25._tcp.real.h.example\":{\"TLSA\":[\"" EE "\"]}" TLSA1
             "},\"secure\":[\"*\"]}"}},
    {"case_25_then_the_original_name",
     "deliver; mx.d.example dane dane tlsa@mx.d.example",
     {.dns = "{\"records\":{" MX1 ALIAS TLSA1 "},\"secure\":[\"*\"]}"}},
    {"case_25_alias_into_an_unsigned_zone",
     "deliver; mx.d.example dane dane tlsa@mx.d.example",
     {.dns = "{\"records\":{" MX1 ALIAS TLSA1
             "},\"secure\":[\"*\"],\"insecure\":[\"real.h.example\"]}"}},
    {"case_27_unusable_tlsa_still_demands_tls",
     "deliver; mx.d.example encrypt dane-unusable",
     {.yaml = "delivery: {tls: opportunistic}\n",
      .dns = "{\"records\":{" MX1 A1 ",\"_25._tcp.mx.d.example\":{\"TLSA\":[\"" PKIX
             "\"]}},\"secure\":[\"*\"]}"}},
    {"case_27_sts_may_raise_unusable",
     "deliver; mx.d.example webpki mta-sts",
     {.sts = STS1,
      .dns = "{\"records\":{" MX1 A1 ",\"_25._tcp.mx.d.example\":{\"TLSA\":[\"" PKIX
             "\"]}},\"secure\":[\"*\"]}"}},
    {"sts_enforce_demands_webpki",
     "deliver; mx.d.example webpki mta-sts",
     {.sts = STS1, .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"case_20_no_match_defers",
     "defer 4.7.5; mx.d.example refuse mta-sts validation-failure",
     {.sts = "version: STSv1\nmode: enforce\nmx: other.example\nmax_age: 86400\n",
      .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"case_20_one_of_two_matches",
     "deliver; a.d.example refuse mta-sts validation-failure; mx.d.example webpki mta-sts",
     {.sts = STS1,
      .dns = "{\"records\":{\"d.example\":{\"MX\":[[5,\"a.d.example\"],[10,\"mx.d.example\"]]},"
             "\"a.d.example\":{\"A\":[\"203.0.113.7\"]}," A1 "}}"}},
    {"case_20_testing_only_watches",
     "deliver; mx.d.example encrypt default watch webpki",
     {.sts = "version: STSv1\nmode: testing\nmx: mx.d.example\nmax_age: 86400\n",
      .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"sts_none_is_absent",
     "deliver; mx.d.example encrypt default",
     {.sts = "version: STSv1\nmode: none\nmax_age: 86400\n", .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"dane_stands_though_the_policy_does_not_list_it",
     "deliver; mx.d.example dane dane tlsa@mx.d.example",
     {.sts = "version: STSv1\nmode: enforce\nmx: other.example\nmax_age: 86400\n",
      .dns = "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"]}"}},
    {"case_32_sts_never_repairs_dane",
     "defer 4.7.5; mx.d.example refuse dane dnssec-invalid",
     {.sts = STS1,
      .dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"*\"],"
             "\"errors\":{\"_25._tcp.mx.d.example|TLSA\":\"TIMEOUT\"}}"}},
    {"case_30_hosts_stand_for_themselves",
     "deliver; mx.d.example dane dane tlsa@mx.d.example; b.d.example encrypt default",
     {.dns = "{\"records\":{\"d.example\":{\"MX\":[[10,\"mx.d.example\"],[20,\"b.d.example\"]]},"
             "\"b.d.example\":{\"A\":[\"203.0.113.7\"]}," A1 TLSA1 "},\"secure\":[\"*\"]}"}},
    {"memory_raises_the_known_host",
     "deliver; mx.d.example encrypt memory",
     {.yaml = "delivery: {tls: opportunistic}\n",
      .dns = "{\"records\":{" MX1 A1 "}}",
      .memory = {{(char *)"mx.d.example", NOW - 86400, OWES_CERTIFICATE, false}},
      .nmemory = 1}},
    {"memory_of_certificates",
     "deliver; mx.d.example webpki memory",
     {.yaml = "delivery: {memory: {level: certificate}}\n",
      .dns = "{\"records\":{" MX1 A1 "}}",
      .memory = {{(char *)"mx.d.example", NOW - 86400, OWES_CERTIFICATE, false}},
      .nmemory = 1}},
    {"unknown_host_owes_the_lowest_of_the_known",
     "deliver; mx.d.example encrypt memory",
     {.yaml = "delivery: {tls: opportunistic, memory: {level: certificate}}\n",
      .dns = "{\"records\":{" MX1 A1 "}}",
      .memory = {{(char *)"a.d.example", NOW - 1, OWES_CERTIFICATE, false},
                 {(char *)"b.d.example", NOW - 1, OWES_TLS, false}},
      .nmemory = 2}},
    {"old_memory_is_forgotten",
     "deliver; mx.d.example opportunistic default",
     {.yaml = "delivery: {tls: opportunistic}\n",
      .dns = "{\"records\":{" MX1 A1 "}}",
      .memory = {{(char *)"mx.d.example", NOW - 31 * 86400, OWES_TLS, false}},
      .nmemory = 1}},
    {"memory_off",
     "deliver; mx.d.example opportunistic default",
     {.yaml = "delivery: {tls: opportunistic, memory: {level: \"off\"}}\n",
      .dns = "{\"records\":{" MX1 A1 "}}",
      .memory = {{(char *)"mx.d.example", NOW - 1, OWES_TLS, false}},
      .nmemory = 1}},
    {"rule_raises",
     "deliver; mx.d.example webpki rule",
     {.yaml = RULE("tls: webpki"), .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"rule_cannot_lower",
     "deliver; mx.d.example encrypt default",
     {.yaml = RULE("tls: opportunistic"), .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"webpki_rule_is_met_by_dane",
     "deliver; mx.d.example dane dane tlsa@mx.d.example",
     {.yaml = RULE("tls: webpki"), .dns = "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"]}"}},
    {"dane_rule_without_tlsa",
     "defer 4.7.5; mx.d.example refuse rule dane-required",
     {.yaml = RULE("tls: dane"), .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"exception_replaces_everything",
     "deliver; mx.d.example opportunistic exception",
     {.yaml = RULE("tls: opportunistic, until: 2027-03-31, reason: ticket"),
      .sts = STS1,
      .dns = "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"]}"}},
    {"exception_that_ran_out_does_not_count",
     "deliver; mx.d.example webpki mta-sts",
     {.yaml = RULE("tls: opportunistic, until: 2025-03-31, reason: ticket"),
      .sts = STS1,
      .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"shadow_watches",
     "deliver; mx.d.example opportunistic default watch webpki",
     {.yaml = "delivery: {mode: shadow}\n", .sts = STS1, .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"shadow_keeps_rules",
     "deliver; mx.d.example webpki rule watch dane tlsa@mx.d.example",
     {.yaml = "delivery: {mode: shadow, destinations: [{domain: d.example, tls: webpki}]}\n",
      .dns = "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"]}"}},
    {"requiretls_wants_an_authentic_name",
     "bounce 5.7.30; mx.d.example refuse requiretls validation-failure",
     {.variant = ROUTE_REQUIRETLS, .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"requiretls_by_dnssec",
     "deliver; mx.d.example webpki requiretls",
     {.variant = ROUTE_REQUIRETLS, .dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"*\"]}"}},
    {"requiretls_by_sts",
     "deliver; mx.d.example webpki requiretls",
     {.variant = ROUTE_REQUIRETLS, .sts = STS1, .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"requiretls_stands_above_exceptions",
     "deliver; mx.d.example webpki requiretls",
     {.variant = ROUTE_REQUIRETLS,
      .yaml = RULE("tls: opportunistic, until: never, reason: x"),
      .dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"*\"]}"}},
    {"requiretls_stands_above_shadow",
     "deliver; mx.d.example webpki requiretls",
     {.variant = ROUTE_REQUIRETLS,
      .yaml = "delivery: {mode: shadow}\n",
      .dns = "{\"records\":{" MX1 A1 "},\"secure\":[\"*\"]}"}},
    {"tls_required_no_lifts_policy",
     "deliver; mx.d.example opportunistic default",
     {.variant = ROUTE_TLS_OPTIONAL,
      .sts = STS1,
      .dns = "{\"records\":{" MX1 A1 TLSA1 "},\"secure\":[\"*\"]}"}},
    {"tls_required_no_never_lifts_a_rule",
     "deliver; mx.d.example webpki rule",
     {.variant = ROUTE_TLS_OPTIONAL,
      .yaml = RULE("tls: webpki"),
      .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"next_hop_is_looked_up",
     "deliver; mx.h.example encrypt default",
     {.yaml = RULE("next_hop: h.example"),
      .dns = "{\"records\":{\"h.example\":{\"MX\":[[10,\"mx.h.example\"]]},"
             "\"mx.h.example\":{\"A\":[\"203.0.113.1\"]}}}"}},
    {"case_19_policy_of_the_next_hop",
     "deliver; mx.h.example webpki mta-sts",
     {.yaml = RULE("next_hop: h.example"),
      .sts = "version: STSv1\nmode: enforce\nmx: mx.h.example\nmax_age: 86400\n",
      .dns = "{\"records\":{\"h.example\":{\"MX\":[[10,\"mx.h.example\"]]},"
             "\"mx.h.example\":{\"A\":[\"203.0.113.1\"]}}}"}},
    {"case_89_each_next_hop_has_a_policy_of_its_own",
     "deliver; mx.g.example encrypt default; mx.h.example webpki mta-sts",
     {.yaml = RULE("next_hop: [g.example, h.example]"),
      .sts = "version: STSv1\nmode: enforce\nmx: mx.h.example\nmax_age: 86400\n",
      .dns = "{\"records\":{\"h.example\":{\"MX\":[[10,\"mx.h.example\"]]},"
             "\"g.example\":{\"MX\":[[10,\"mx.g.example\"]]},"
             "\"mx.g.example\":{\"A\":[\"203.0.113.2\"]},"
             "\"mx.h.example\":{\"A\":[\"203.0.113.1\"]}}}"}},
    {"case_89_and_a_memory_of_its_own",
     "deliver; mx.g.example opportunistic default; mx.h.example webpki memory",
     {.yaml =
          "delivery: {tls: opportunistic, memory: {level: certificate, days: 30}, destinations: "
          "[{domain: d.example, next_hop: [g.example, h.example]}]}\n",
      .memory = {{(char *)"mx.h.example", NOW - 1, OWES_CERTIFICATE, false}},
      .nmemory = 1,
      .dns = "{\"records\":{\"h.example\":{\"MX\":[[10,\"mx.h.example\"]]},"
             "\"g.example\":{\"MX\":[[10,\"mx.g.example\"]]},"
             "\"mx.g.example\":{\"A\":[\"203.0.113.2\"]},"
             "\"mx.h.example\":{\"A\":[\"203.0.113.1\"]}}}"}},
    {"bracketed_host_has_no_mx",
     "deliver; h.example dane dane tlsa@h.example",
     {.yaml = RULE("next_hop: \"[h.example]:26\""),
      .dns = "{\"records\":{\"h.example\":{\"MX\":[[10,\"mx.h.example\"]],\"A\":[\"10.0.0.9\"]},"
             "\"_26._tcp.h.example\":{\"TLSA\":[\"" EE "\"]}},\"secure\":[\"*\"]}"}},
    {"case_82_a_name_that_is_no_host_name_is_unusable",
     "bounce 5.4.4; \\027\\09131mx.d.example unusable 5.4.4; \\195\\188.d.example unusable 5.4.4",
     {.dns = "{\"records\":{\"d.example\":{\"MX\":[[10,\"\\u001b[31mx.d.example\"],"
             "[20,\"\\u00fc.d.example\"]]},\"\\u00fc.d.example\":{\"A\":[\"203.0.113.1\"]}}}"}},
    {"case_82_an_address_is_no_host_name",
     "bounce 5.4.4; 127.1.1.1 unusable 5.4.4; a.1 unusable 5.4.4; \\058\\0581 unusable 5.4.4",
     {.dns = "{\"records\":{\"d.example\":{\"MX\":[[10,\"127.1.1.1\"],[20,\"a.1\"],[30,\"::1\"]]},"
             "\"127.1.1.1\":{\"A\":[\"203.0.113.1\"]}}}"}},
    {"case_82_the_others_serve",
     "deliver; a\\047b.d.example unusable 5.4.4; mx.d.example encrypt default",
     {.dns =
          "{\"records\":{\"d.example\":{\"MX\":[[5,\"a/b.d.example\"],[10,\"mx.d.example\"]]}," A1
          "}}"}},
    {"smarthost_serves_all",
     "deliver; 10.0.0.7 encrypt default",
     {.yaml = "delivery: {smarthost: [\"[10.0.0.7]\"]}\n", .dns = "{\"records\":{}}"}},
    {"literals_are_refused",
     "bounce 5.1.2",
     {.domain = "[203.0.113.1]", .dns = "{\"records\":{}}"}},
    {"literals_where_allowed",
     "deliver; 203.0.113.1 encrypt default",
     {.domain = "[203.0.113.1]",
      .yaml = "delivery: {address_literals: true}\n",
      .dns = "{\"records\":{}}"}},
    {"broken_dns_defers_known_dane",
     "defer 4.7.5; mx.d.example encrypt default",
     {.dns = "{\"records\":{" MX1 A1 "}}",
      .dns_broken = true,
      .memory = {{(char *)"mx.d.example", NOW - 1, OWES_NOTHING, true}},
      .nmemory = 1}},
    {"broken_dns_lets_others_go",
     "deliver; mx.d.example encrypt default",
     {.dns = "{\"records\":{" MX1 A1 "}}", .dns_broken = true}},
    {"broken_dns_may_defer_all",
     "defer 4.7.5; mx.d.example encrypt default",
     {.yaml = "dns: {on_failure: defer}\n",
      .dns = "{\"records\":{" MX1 A1 "}}",
      .dns_broken = true}},
    {"case_27_unusable_tlsa_is_named_before_our_default",
     "deliver; mx.d.example encrypt dane-unusable",
     {.dns = "{\"records\":{" MX1 A1 ",\"_25._tcp.mx.d.example\":{\"TLSA\":[\"" PKIX
             "\"]}},\"secure\":[\"*\"]}"}},
    {"sts_is_named_before_our_default",
     "deliver; mx.d.example webpki mta-sts",
     {.yaml = "delivery: {tls: webpki}\n", .sts = STS1, .dns = "{\"records\":{" MX1 A1 "}}"}},
    {"broken_validation_is_nothing_to_tls_required_no",
     "deliver; mx.d.example opportunistic default",
     {KNOWN_FOR_DANE, .variant = ROUTE_TLS_OPTIONAL}},
    {"broken_validation_defers_requiretls_even_in_shadow",
     "defer 4.7.5; mx.d.example refuse requiretls validation-failure",
     {KNOWN_FOR_DANE, .variant = ROUTE_REQUIRETLS, .yaml = "delivery: {mode: shadow}\n"}},
    {"broken_validation_delivers_in_shadow",
     "deliver; mx.d.example opportunistic default watch encrypt",
     {KNOWN_FOR_DANE, .yaml = "delivery: {mode: shadow}\n"}},
};
#define STORIES (sizeof stories / sizeof *stories)

static void run_story(void **state)
{
    const struct story *story = *state;
    expect(&story->world, story->want);
}

// How long a route of this world is handed out, in seconds.
static uint64_t life_of(const struct world *w, enum why_tls sts_error, int64_t *ends_s)
{
    clock_fix((int64_t)NOW * 1000);
    struct setup *setup = make_setup(w->yaml ? w->yaml : "");
    struct sts_view sts;
    make_sts(w->sts, &sts);
    if (sts_error) {
        why_set(&sts.error, WHY_DOMAIN, "4.7.5", "no connection");
        sts.error.tls = sts_error;
    } else {
        why_set(&sts.error, WHY_DOMAIN, "4.7.5", "there is no MTA-STS record");
    }
    uint64_t before = clock_mono_ms();
    struct route *route = plan(w, setup, &sts);
    uint64_t life = (route->expires_ms - before + 500) / 1000;
    *ends_s = route->ends_s;
    assert_true(route_is_fresh(route));
    if (route->ends_s) {
        clock_fix((route->ends_s + 1) * 1000);
        assert_false(route_is_fresh(route)); // an exception ends for what waits, too
    }
    route_unref(route);
    sts_view_free(&sts);
    drop_setup(setup);
    clock_release();
    return life;
}

static void a_route_lives_no_longer_than_what_it_was_made_from(void **state)
{
    (void)state;
    int64_t ends;
    struct world good = {.dns = "{\"records\":{" MX1 A1 "}}"};
    assert_int_equal(life_of(&good, WHY_TLS_NONE, &ends), 60); // the answers' TTL
    assert_int_equal(ends, 0);
    struct world literal = {.dns = "{\"records\":{}}",
                            .yaml = "delivery: {smarthost: [\"[192.0.2.1]\"]}\n"};
    assert_int_equal(life_of(&literal, WHY_TLS_NONE, &ends), 300);
    assert_int_equal(life_of(&literal, WHY_STS_POLICY_FETCH_ERROR, &ends), 300); // no policy counts
    literal.dns_broken = true;
    assert_int_equal(life_of(&literal, WHY_TLS_NONE, &ends), 60);
}

static void a_route_by_an_exception_ends_with_it(void **state)
{
    (void)state;
    int64_t ends;
    struct world w = {.dns = "{\"records\":{" MX1 A1 "}}",
                      .yaml = "delivery: {destinations: [{domain: d.example, tls: opportunistic, "
                              "until: 2025-11-30, reason: r}]}\n"};
    life_of(&w, WHY_TLS_NONE, &ends);
    assert_in_range(ends, NOW + 1, NOW + 10 * 86400);
    w.yaml = "delivery: {destinations: [{domain: d.example, tls: opportunistic, until: 2025-11-01, "
             "reason: r}]}\n";
    life_of(&w, WHY_TLS_NONE, &ends);
    assert_int_equal(ends, 0); // over: it does not count
}

static void a_refusal_counts_once_a_route_decision_whoever_meets_it(void **state)
{
    (void)state;
    struct route_host hosts[2] = {0};
    struct route route = {.hosts = hosts, .nhosts = 2};
    assert_true(route_count_refusal(&route, &hosts[0]));
    assert_true(route_count_refusal(&route, &hosts[1]));
    assert_true(route_count_refusal(&route, NULL));
    assert_false(route_count_refusal(&route, &hosts[0]));
    assert_false(route_count_refusal(&route, &hosts[1]));
    assert_false(route_count_refusal(&route, NULL));
}

int main(void)
{
    struct CMUnitTest tests[STORIES + 3] = {
        cmocka_unit_test(a_route_lives_no_longer_than_what_it_was_made_from),
        cmocka_unit_test(a_route_by_an_exception_ends_with_it),
        cmocka_unit_test(a_refusal_counts_once_a_route_decision_whoever_meets_it),
    };
    for (size_t i = 0; i < STORIES; i++)
        tests[i + 3] = (struct CMUnitTest){
            .name = stories[i].name, .test_func = run_story, .initial_state = (void *)&stories[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
