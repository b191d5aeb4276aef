// SPDX-License-Identifier: ISC
// `waxwing tls shadow`: what enforcing would have refused, domain by domain, and the exceptions that would have let it
// pass, as rows of delivery.destinations. An exception asks for the most that the hosts did show.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/paragraph.h"
#include "relay/command/terminal.h"
#include "relay/command/tls.h"
#include "relay/log/json.h"

// ---- by domain

static void shadow_add_up(json_t *j, const char *key, json_int_t n)
{
    json_object_set_new(j, key, json_integer(json_number_of(j, key) + n));
}

static json_t *by_domain(const json_t *rows)
{
    static const char *const sums[] = {"sessions", "messages", "recipients",
                                       "bytes",    "clear",    "unproved"};
    json_t *list = json_array(), *found = json_object();
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        const char *domain = json_word(row, "domain");
        json_t *one = json_object_get(found, domain);
        if (!one) {
            one = json_pack("{s:O, s:i, s:[]}", "domain", json_object_get(row, "domain"), "last", 0,
                            "reasons");
            json_array_append(list, one);
            json_object_set_new(found, domain, one);
        }
        for (size_t k = 0; k < sizeof sums / sizeof *sums; k++)
            shadow_add_up(one, sums[k], json_number_of(row, sums[k]));
        if (json_number_of(row, "last") > json_number_of(one, "last"))
            json_object_set(one, "last", json_object_get(row, "last"));
        json_array_append(json_object_get(one, "reasons"), row);
    }
    json_decref(found);
    return list;
}

// ---- the exception

// What all of that mail's connections had.
static const char *level_of(const json_t *one)
{
    if (json_number_of(one, "clear") || !json_number_of(one, "messages"))
        return "opportunistic"; // nothing is known to have gone encrypted
    return json_number_of(one, "unproved") ? "encrypt" : "webpki";
}

// Where the row goes: beside the others; or a row is there already; or a row for more domains has keys that it would be
// taken out of.
static const char *tls_shadow_place(const struct config *config, const char *domain)
{
    const struct cfg_destination *rule = config_destination(config, domain);
    if (!rule)
        return "new";
    if (strcasecmp(rule->domain, domain) == 0)
        return "row";
    bool more = rule->nnext_hops || rule->names.n || rule->pins.n || rule->ca_file[0] ||
                rule->login.user[0] || rule->identity.chain[0] || rule->connections ||
                rule->rate.per_ms;
    return more ? "copy" : "new";
}

static json_t *exception_for(const struct config *config, const json_t *one, int64_t days)
{
    const char *domain = json_word(one, "domain");
    const json_t *first = json_array_get(json_object_get(one, "reasons"), 0);
    const struct cfg_destination *rule = config_destination(config, domain);
    char until[16];
    ledger_day_text(ledger_day(clock_ms()) + SHADOW_EXCEPTION, until);
    char *reason = mem_printf(
        "shadow mode: %lld messages in %lld days would have been refused (%s)",
        (long long)json_number_of(one, "messages"), (long long)days, json_word(first, "why"));
    const char *place = tls_shadow_place(config, domain);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "domain", domain, "tls",
                          level_of(one), "until", until, "reason", reason, "place", place, "line",
                          (json_int_t)(rule ? rule->line : 0), "file",
                          json_text(rule ? rule->file : config->file));
    free(reason);
    return j;
}

static void put_yaml(const json_t *e, struct buf *out)
{
    const char *place = json_word(e, "place");
    bool row = strcmp(place, "row") == 0;
    char *reason = json_dumps(json_object_get(e, "reason"), JSON_ENCODE_ANY); // YAML reads it so
    char *domain = json_dumps(json_object_get(e, "domain"), JSON_ENCODE_ANY);
    if (row)
        buf_addf(out,
                 "    # %s has a row already (%s, line %lld): put these keys into it, without "
                 "`mode'\n",
                 json_word(e, "domain"), json_word(e, "file"),
                 (long long)json_number_of(e, "line"));
    if (strcmp(place, "copy") == 0)
        buf_addf(out,
                 "    # line %lld of %s speaks of this domain too: copy its other keys, they no "
                 "longer count for it\n",
                 (long long)json_number_of(e, "line"), json_word(e, "file"));
    const char *mark = row ? "    # " : "    ";
    buf_addf(out, "%s- domain: %s\n%s  tls: %s\n%s  until: %s\n%s  reason: %s\n", mark, domain,
             mark, json_word(e, "tls"), mark, json_word(e, "until"), mark, reason);
    free(reason);
    free(domain);
}

json_t *tls_shadow_json(const struct config *config, const json_t *rows, int64_t days)
{
    json_t *domains = by_domain(rows), *j = json_object(), *one;
    struct buf yaml;
    size_t i;
    buf_init(&yaml, 16 << 20);
    if (json_array_size(domains))
        buf_adds(&yaml, "delivery:\n  destinations:\n");
    bool watching = config->delivery.mode == MODE_SHADOW;
    for (i = 0; i < config->delivery.ndestinations; i++)
        watching = watching || config->delivery.destinations[i].mode == MODE_SHADOW;
    json_array_foreach (domains, i, one) {
        json_t *exception = exception_for(config, one, days);
        put_yaml(exception, &yaml);
        json_object_set_new(one, "exception", exception);
    }
    json_object_set_new(j, "days", json_integer(days));
    json_object_set_new(j, "shadow", json_boolean(watching));
    json_object_set_new(j, "domains", domains);
    json_object_set_new(j, "yaml", json_text(buf_text(&yaml)));
    buf_free(&yaml);
    return j;
}

// ---- for people

static void shadow_print_domain(const json_t *one)
{
    char age[TERMINAL_AGE], size[TERMINAL_AGE];
    long long messages = json_number_of(one, "messages"), to = json_number_of(one, "recipients"),
              sessions = json_number_of(one, "sessions"), clear = json_number_of(one, "clear");
    size_t i;
    const json_t *r;
    paragraph(stdout, 0,
              "%s: %lld message%s (%lld recipient%s, %s) over %lld connection%s%s, last %s",
              json_word(one, "domain"), messages, messages == 1 ? "" : "s", to, to == 1 ? "" : "s",
              terminal_size((uint64_t)json_number_of(one, "bytes"), size), sessions,
              sessions == 1 ? "" : "s", clear ? ", some in clear" : "",
              terminal_since(clock_s() - json_number_of(one, "last"), age));
    json_array_foreach (json_object_get(one, "reasons"), i, r)
        paragraph(stdout, 2, "%lld at %s: %s%s%s (why %s)", json_number_of(r, "messages"),
                  json_word(r, "host"), json_word(r, "reason"), json_word(r, "type")[0] ? ", " : "",
                  json_word(r, "type"), json_word(r, "why"));
}

void tls_print_shadow(const json_t *shadow)
{
    const json_t *domains = json_object_get(shadow, "domains"), *one;
    size_t i, n = json_array_size(domains);
    long long days = json_number_of(shadow, "days");
    if (!json_says(shadow, "shadow"))
        puts("Shadow mode is not on (delivery.mode): what follows is from when it was.");
    if (!n) {
        printf("Enforcing would have refused nothing that is recorded of the last %lld day%s.\n",
               days, days == 1 ? "" : "s");
        return;
    }
    printf("In the last %lld day%s enforcing would have refused mail for %zu domain%s:\n\n", days,
           days == 1 ? "" : "s", n, n == 1 ? "" : "s");
    json_array_foreach (domains, i, one)
        shadow_print_domain(one);
    puts(
        "\nWhere a domain has several hosts, another one might have taken it: shadow mode goes to\n"
        "the first and looks no further. Exceptions that let the same mail pass while "
        "enforcing:\n");
    fputs(json_word(shadow, "yaml"), stdout);
}
