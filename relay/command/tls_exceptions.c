// SPDX-License-Identifier: ISC
// What ledger sums say beyond themselves: sessions a day, domain and type; and of the exceptions, which are no
// longer needed. Pure. Says what can be concluded and no more: under an exception DANE is not consulted
// and a certificate not always looked at.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/tls.h"
#include "relay/log/json.h"

static void add_to(json_t *j, const char *key, json_int_t n)
{
    json_object_set_new(j, key, json_integer(json_integer_value(json_object_get(j, key)) + n));
}

json_t *tls_summary_json(const json_t *rows)
{
    json_t *list = json_array(), *found = json_object();
    const json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        char *key = mem_printf("%s %s %s", json_word(row, "day"), json_word(row, "domain"),
                               json_word(row, "type"));
        json_t *sum = json_object_get(found, key);
        if (!sum) {
            sum = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "day", json_word(row, "day"),
                            "domain", json_word(row, "domain"), "type", json_word(row, "type"),
                            "sessions", 0, "refused", 0, "shadow", 0);
            json_array_append_new(list, sum);
            json_object_set(found, key, sum);
        }
        json_int_t n = json_integer_value(json_object_get(row, "sessions"));
        add_to(sum, "sessions", n);
        add_to(sum, "refused", json_is_true(json_object_get(row, "refused")) ? n : 0);
        add_to(sum, "shadow", json_is_true(json_object_get(row, "shadow")) ? n : 0);
        free(key);
    }
    json_decref(found);
    return list;
}

struct evidence {
    int64_t sessions, failures, certified; // certified: a certificate, key or TLSA was matched
    bool sts_enforce, dane;
};

static bool covers(const char *pattern, const char *domain)
{
    if (strcmp(pattern, "*") == 0 || strcmp(pattern, domain) == 0)
        return true;
    size_t n = strlen(domain), below = strlen(pattern);
    return strncmp(pattern, "*.", 2) == 0 && n >= below &&
           strcmp(domain + n - (below - 1), pattern + 1) == 0;
}

static struct evidence tls_exceptions_look_at(const struct config *config,
                                              const struct cfg_destination *rule,
                                              const json_t *rows)
{
    struct evidence e = {0};
    const json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        const char *domain = json_word(row, "domain"), *proof = json_word(row, "proof");
        // A more specific rule takes its domain out of this one.
        if (!covers(rule->domain, domain) || config_destination(config, domain) != rule)
            continue;
        int64_t n = json_integer_value(json_object_get(row, "sessions"));
        bool success = strcmp(json_word(row, "type"), "success") == 0;
        e.sessions += n;
        e.failures += success ? 0 : n;
        e.certified += success && proof[0] && strcmp(proof, "none") != 0 ? n : 0;
        e.sts_enforce = e.sts_enforce || strcmp(json_word(row, "mode"), "enforce") == 0;
        e.dane = e.dane || strcmp(json_word(row, "policy"), "tlsa") == 0;
    }
    return e;
}

static const char *tls_exceptions_judge(const struct config *config, const struct evidence *e,
                                        struct buf *words)
{
    bool certificate = config->delivery.tls >= TLS_WEBPKI || e->sts_enforce || e->dane;
    const char *would = e->dane                               ? "DANE demands a proof"
                        : e->sts_enforce                      ? "MTA-STS demands a certificate"
                        : certificate                         ? "delivery.tls demands a certificate"
                        : config->delivery.tls == TLS_ENCRYPT ? "TLS is demanded"
                                                              : "nothing is demanded";
    if (e->sessions == 0) {
        buf_addf(words, "No session in the last %d days: nothing can be said.", EXCEPTION_DAYS);
        return "unknown";
    }
    buf_addf(words, "Last %d days: %lld sessions, ", EXCEPTION_DAYS, (long long)e->sessions);
    if (e->failures > 0) {
        buf_addf(words, "%lld of them without what TLS asks. Without the exception %s: %s",
                 (long long)e->failures, would, "it is still needed.");
        return "yes";
    }
    if (certificate && e->certified < e->sessions) {
        buf_addf(words,
                 "all with TLS, %lld with a proof. Without the exception %s, and the exception "
                 "keeps the relay from looking: 'waxwing explain --connect' shows what the hosts "
                 "have now.",
                 (long long)e->certified, would);
        return "unknown";
    }
    buf_addf(words, "all with TLS%s. Without the exception %s: %s",
             certificate ? " and a proof" : "", would,
             "it seems no longer needed ('waxwing explain' would tell of DANE, which an exception "
             "leaves aside).");
    return "no";
}

json_t *tls_exceptions_json(const struct config *config, const json_t *rows)
{
    json_t *list = json_array();
    int64_t now = clock_s();
    for (size_t i = 0; i < config->delivery.ndestinations; i++) {
        const struct cfg_destination *rule = &config->delivery.destinations[i];
        if (!rule->has_tls || rule->until == 0)
            continue;
        struct buf words;
        buf_init(&words, 65536);
        const struct evidence e = tls_exceptions_look_at(config, rule, rows);
        const char *needed = tls_exceptions_judge(config, &e, &words);
        char until[40] = "never";
        bool ends = rule->until != INT64_MAX;
        if (ends)
            clock_rfc3339(rule->until * 1000, until);
        json_t *j =
            json_pack("{s:s, s:s, s:s%, s:s, s:b, s:I, s:I, s:I, s:s, s:s}", "domain", rule->domain,
                      "tls", tls_level_word(rule->tls), "until", until, (size_t)(ends ? 10 : 5),
                      "reason", rule->reason, "expired", rule->until < now, "sessions",
                      (json_int_t)e.sessions, "failures", (json_int_t)e.failures, "proved",
                      (json_int_t)e.certified, "needed", needed, "conclusion", buf_text(&words));
        if (ends && rule->until >= now)
            json_object_set_new(j, "days_left", json_integer((rule->until - now) / 86400));
        json_array_append_new(list, j);
        buf_free(&words);
    }
    return list;
}
