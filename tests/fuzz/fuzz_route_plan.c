// SPDX-License-Identifier: ISC
// MX and TXT answers of any zone as the plan and the MTA-STS cache read them: the input, cut into records, is a
// domain's MX set and its TXT set. What comes out is a whole route, and an id only of letters and digits.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "config/load.h"
#include "dns/name.h"
#include "relay/base/mem.h"
#include "relay/route/plan.h"
#include "tls/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct setup *setup_once(void)
{
    static struct setup *setup;
    if (setup)
        return setup;
    struct config_load load;
    config_load_init(&load);
    load.hostname = "relay.example";
    setup = mem_new(sizeof *setup);
    setup->refs = 1;
    setup->config = config_load_text("/fuzz.yaml", "{}", 2, &load);
    assert(setup->config);
    setup->destination_trust = mem_new(sizeof(void *));
    setup->destination_identity = mem_new(sizeof(void *));
    config_load_free(&load);
    return setup;
}

static void fill(struct dns_answer *a, struct span input)
{
    a->proof = input.n % 2 ? DNS_SECURE : DNS_INSECURE;
    for (struct span rest = input; rest.n > 1;) {
        size_t n = rest.p[0];
        dns_answer_add(a, rest.p + 1, n < rest.n ? n : rest.n - 1);
        rest = span_from(rest, n + 1);
    }
    a->outcome = a->nrecords ? DNS_FOUND : DNS_ABSENT;
}

static void read_txt(const struct dns_answer *a)
{
    struct buf texts;
    struct span one[1];
    char id[STS_ID_MAX + 1];
    bool found;
    struct why why;
    buf_init(&texts, 262144);
    for (size_t i = 0; i < a->nrecords; i++) {
        buf_reset(&texts);
        if (!rdata_txt(a->records[i].rdata, &texts))
            continue;
        one[0] = buf_span(&texts);
        if (sts_record_parse(one, 1, id, &found, &why) == 0 && found)
            assert(id[0] && strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789") == strlen(id));
    }
    buf_free(&texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sts_view none = {.mode = -1};
    struct plan_policy policy = {.sts = &none};
    struct plan_input in = {.setup = setup_once(),
                            .domain = "d.example",
                            .policies = &policy,
                            .npolicies = 1,
                            .seed = 1};
    struct facts *facts = facts_new();
    struct route *route;
    const char *name;
    uint16_t type;
    for (int rounds = 0; !(route = route_plan(&in, facts)); rounds++) {
        assert(rounds < 10);
        while (facts_wanted(facts, 0, &name, &type)) {
            struct dns_answer *a = dns_answer_new(name, type);
            fill(a, span_of(data, size)); // A, AAAA and TLSA get the same bytes
            read_txt(a);
            facts_put(facts, a);
        }
    }
    assert(route->nhosts > 0 || route->verdict != ROUTE_DELIVER);
    assert(route->nhosts <= 20);
    for (size_t i = 0; i < route->nhosts;
         i++) // what is shown and connected to is a name, or escaped
        assert(name_is_host(route->hosts[i].host) || why_is_set(&route->hosts[i].unusable));
    for (size_t i = 0; i < route->nhosts; i++)
        for (const char *c = route->hosts[i].host; *c; c++)
            assert(*c > 32 && *c < 127);
    route_unref(route);
    facts_free(facts);
    return 0;
}
