// SPDX-License-Identifier: ISC
// `waxwing check`: everything that could be wrong before it hurts. One line a thing looked at: "ok",
// "warning" or "ERROR", then what it is about. Exit 0: no error; 1: something is wrong; 78: the
// configuration itself cannot be loaded.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dns/dns.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "config/load.h"
#include "relay/command/check.h"
#include "relay/command/command.h"
#include "relay/log/json.h"
#include "relay/setup/load.h"
#include "relay/setup/rights.h"
#include "relay/state/state.h"
#include "sign/published.h"

#define CERTIFICATE_SOON_S (14 * 86400) // a warning from here on
#define SELF_CHECK_WAIT_MS 15000        // for the resolver's own check
#define SELF_CHECK_LOOK_US 50000

// What is wrong in one class of things does not hide the others: where keys or files cannot be used the
// configuration itself still says much.
static struct config *load_bare(void)
{
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_file(command_config_file, &load);
    config_load_free(&load);
    return config;
}

static void say_files(struct report *r, const struct config *c)
{
    if (c->include[0])
        check_say(r, "ok", "configuration %s, with %zu files of %s", c->file, c->nfiles - 1,
                  c->include);
    else
        check_say(r, "ok", "configuration %s", c->file);
}

static struct setup *check_configuration(struct report *r, struct config **config)
{
    struct config_load load;
    config_load_init(&load);
    struct setup *setup = setup_load(command_config_file, true, &load);
    check_lines(r, "warning", &load.warnings);
    check_lines(r, "ERROR", &load.errors);
    if (setup)
        say_files(r, setup->config);
    config_load_free(&load);
    *config = setup ? config_ref(setup->config) : load_bare();
    return setup;
}

static void check_rights(struct report *r, const struct config *c)
{
    struct buf lines;
    buf_init(&lines, 65536);
    size_t n = rights_look(c, &lines);
    check_lines(r, "ERROR", &lines);
    if (n && !lines.len)
        check_say(r, "ok", "keys, users and password files are private (%zu)", n);
    buf_free(&lines);
}

static void check_certificate(struct report *r, const struct setup *s)
{
    if (!s->creds) {
        check_say(r, "warning", "no certificate: submission has no TLS, so nobody can log in");
        return;
    }
    struct why why;
    int64_t left = creds_expires(s->creds) - clock_s();
    if (creds_doubtful(s->creds, &why))
        check_say(r, "ERROR", "%s", why.text);
    else
        check_say(r, left < CERTIFICATE_SOON_S ? "warning" : "ok",
                  "certificates valid for %lld more days", (long long)(left / 86400));
}

// Where no key signs them the loader has said so.
static void check_reports(struct report *r, const struct config *c)
{
    const char *at = strrchr(c->tls_report.from, '@');
    if (c->tls_report.send && at && config_dkim_for(c, at + 1))
        check_say(r, "ok", "TLS reports are sent, by mail from %s and signed", c->tls_report.from);
}

// One key against the DNS, as an evaluation that can be driven.
struct key_check {
    const char *domain, *selector;
    const struct sign_key *key;
    struct facts *facts;
    enum published result;
    char text[256];
};

static bool command_check_look_at_key(void *arg)
{
    struct key_check *k = arg;
    return published_check(k->domain, k->selector, k->key, k->facts, &k->result, k->text);
}

static void check_key(struct report *r, struct dns *dns, const char *domain, const char *selector,
                      const struct sign_key *key)
{
    struct key_check k = {domain, selector, key, facts_new(), PUBLISHED_UNKNOWN, ""};
    dns_evaluate_blocking(dns, k.facts, command_check_look_at_key, &k);
    const char *verdict = k.result == PUBLISHED_SAME      ? "ok"
                          : k.result == PUBLISHED_UNKNOWN ? "warning"
                                                          : "ERROR";
    check_say(r, verdict, "key %s._domainkey.%s: %s", selector, domain, k.text);
    facts_free(k.facts);
}

static void check_keys(struct report *r, struct dns *dns, const struct setup *s)
{
    const struct config *c = s->config;
    for (size_t d = 0; d < c->ndkim; d++)
        for (size_t k = 0; k < c->dkim[d].nkeys; k++)
            check_key(r, dns, c->dkim[d].domain, c->dkim[d].keys[k].selector,
                      s->domains[d].keys[k]);
    if (s->arc_key)
        check_key(r, dns, c->arc.domain, c->arc.selector, s->arc_key);
}

// No file yet is no news: the relay makes it at its first start.
static void check_state(struct report *r, const struct config *config)
{
    struct state_health health;
    struct why why;
    bool there = access(config->state, F_OK) == 0;
    if (state_look(config->state, &health, &why) < 0) {
        if (there)
            check_say(r, "ERROR", "the state database: %s", why.text);
    } else if (health.lost_ms)
        check_say(r, "warning", "%s", health.lost);
    else
        check_say(r, "ok", "state database %s", config->state);
}

static void check_resolver(struct report *r, struct dns *dns, bool recursive)
{
    struct dns_state state;
    dns_get_state(dns, &state);
    uint64_t until = clock_mono_ms() + SELF_CHECK_WAIT_MS;
    while (state.health == DNS_HEALTH_UNKNOWN && clock_mono_ms() < until) {
        usleep(SELF_CHECK_LOOK_US);
        dns_get_state(dns, &state);
    }
    if (state.health == DNS_HEALTH_OK)
        check_say(r, "ok", "the resolver validates DNSSEC");
    else if (state.health == DNS_HEALTH_OFF)
        check_say(r, "warning", "the resolver's self-check is off");
    else
        check_say(r, "ERROR", "DNSSEC validation does not work: %s%s",
                  state.text[0] ? state.text : "no answer to the self-check",
                  recursive || state.unreachable
                      ? ""
                      : "; dns.mode: recursive brings a resolver that validates");
}

static void check_dns(struct report *r, const struct config *config, const struct setup *setup,
                      const char *dns_file)
{
    struct why why;
    struct dns_options options = {.config = &config->dns, .answers_file = dns_file};
    struct dns *dns = dns_open(&options, &why);
    if (!dns) {
        check_say(r, "ERROR", "the resolver cannot be started: %s", why.text);
        return;
    }
    if (!dns_file)
        check_resolver(r, dns, config->dns.mode == DNS_RECURSIVE);
    if (setup)
        check_keys(r, dns, setup);
    check_turning(r, config, dns);
    check_names(r, config, dns);
    dns_close(dns);
}

static void summarize(const struct report *r)
{
    if (r->findings) {
        json_t *all = json_pack("{s:O, s:i, s:i}", "findings", r->findings, "errors",
                                (int)r->errors, "warnings", (int)r->warnings);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
        return;
    }
    printf("%u error%s, %u warning%s\n", r->errors, r->errors == 1 ? "" : "s", r->warnings,
           r->warnings == 1 ? "" : "s");
}

static int check(const char *dns_file, bool offline, bool json)
{
    struct report r = {.findings = json ? json_array() : NULL};
    struct config *config;
    struct setup *setup = check_configuration(&r, &config);
    if (config) {
        check_rights(&r, config);
        if (setup)
            check_certificate(&r, setup);
        check_submission(&r, config, setup);
        check_logins(&r, config, setup);
        check_forwarding(&r, config);
        check_reports(&r, config);
        check_machine(&r, config);
        check_state(&r, config);
        if (!offline)
            check_milters(&r, config);
        if (!offline)
            check_fleet(&r, config);
        if (!offline)
            check_dns(&r, config, setup, dns_file);
    }
    summarize(&r);
    json_decref(r.findings);
    int status = !setup ? EXIT_CONFIG : r.errors ? EXIT_NO : EXIT_YES;
    setup_unref(setup);
    config_unref(config);
    return status;
}

int command_check(int argc, char **argv)
{
    const char *dns_file = NULL;
    bool offline = false, json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--offline") == 0)
            offline = true;
        else if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--dns-file") == 0 && i + 1 < argc)
            dns_file = argv[++i];
        else
            return command_usage_error("check", "unexpected argument '%s'", argv[i]);
    }
    return check(dns_file, offline, json);
}
