// SPDX-License-Identifier: ISC
// `waxwing check`: everything that could be wrong before it hurts. One line a thing looked at: "ok",
// "warning" or "ERROR", then what it is about. Exit 0: no error; 1: something is wrong; 78: the
// configuration itself cannot be loaded.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dns/dns.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/setup/load.h"
#include "relay/state/state.h"
#include "sign/published.h"

#define CERTIFICATE_SOON_S (14 * 86400) // a warning from here on
#define SELF_CHECK_WAIT_MS 15000        // for the resolver's own check
#define SELF_CHECK_LOOK_US 50000

struct report {
    unsigned errors, warnings;
};

static void say(struct report *r, const char *verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct report *r, const char *verdict, const char *format, ...)
{
    va_list args;
    r->errors += strcmp(verdict, "ERROR") == 0;
    r->warnings += strcmp(verdict, "warning") == 0;
    printf("%-8s ", verdict);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

// Each line of a loader's complaints is a line of ours.
static void say_lines(struct report *r, const char *verdict, struct buf *lines)
{
    struct span rest = buf_span(lines), line;
    while (span_cut(rest, '\n', &line, &rest))
        if (line.n)
            say(r, verdict, "%.*s", (int)line.n, (const char *)line.p);
}

static struct setup *check_configuration(struct report *r)
{
    struct config_load load;
    config_load_init(&load);
    struct setup *setup = setup_load(command_config_file, true, &load);
    say_lines(r, "warning", &load.warnings);
    say_lines(r, "ERROR", &load.errors);
    if (setup)
        say(r, "ok", "configuration %s", setup->config->file);
    config_load_free(&load);
    return setup;
}

static void check_secret(struct report *r, const char *what, const char *file)
{
    struct stat st;
    if (!file[0] || stat(file, &st) < 0)
        return; // a missing file was told by the loader
    if (st.st_mode & 0007)
        say(r, "ERROR", "%s %s can be read by everybody (mode %03o)", what, file,
            (unsigned)(st.st_mode & 0777));
    else
        say(r, "ok", "%s %s is private", what, file);
}

static void check_rights(struct report *r, const struct config *c)
{
    for (size_t i = 0; i < c->ncertificates; i++)
        check_secret(r, "certificate key", c->certificates[i].key);
    for (size_t d = 0; d < c->ndkim; d++)
        for (size_t k = 0; k < c->dkim[d].nkeys; k++)
            check_secret(r, "signing key", c->dkim[d].keys[k].file);
    check_secret(r, "users file", c->users);
    for (size_t i = 0; i < c->delivery.ndestinations; i++)
        check_secret(r, "password file", c->delivery.destinations[i].auth_password_file);
}

static void check_certificate(struct report *r, const struct setup *s)
{
    if (!s->creds) {
        say(r, "warning", "no certificate: submission has no TLS, so nobody can log in");
        return;
    }
    struct why why;
    int64_t left = creds_expires(s->creds) - clock_s();
    if (creds_doubtful(s->creds, &why))
        say(r, "ERROR", "%s", why.text);
    else
        say(r, left < CERTIFICATE_SOON_S ? "warning" : "ok",
            "certificates valid for %lld more days", (long long)(left / 86400));
}

// Where no key signs them the loader has said so.
static void check_reports(struct report *r, const struct config *c)
{
    const char *at = strrchr(c->tls_report.from, '@');
    if (c->tls_report.send && at && config_dkim_for(c, at + 1))
        say(r, "ok", "TLS reports are sent, by mail from %s and signed", c->tls_report.from);
}

static void check_exceptions(struct report *r, const struct config *c)
{
    for (size_t i = 0; i < c->delivery.ndestinations; i++) {
        const struct cfg_destination *d = &c->delivery.destinations[i];
        if (d->until && d->until < clock_s())
            say(r, "warning", "the exception for %s has run out and no longer counts (%s)",
                d->domain, d->reason);
    }
}

static const char *sender_name(const struct cfg_sender *s)
{
    return s->user[0] ? s->user : "a network row";
}

// What the hosts of this row have to see to, since nobody here can.
static void say_trust(struct report *r, const struct cfg_sender *s)
{
    for (size_t i = 0; i < s->trust_results_of.n; i++) {
        const char *host = s->trust_results_of.at[i];
        if (s->trusted_hops)
            say(r, "warning",
                "senders: %s: results of %s count below %llu Received field%s, where strangers "
                "write "
                "too: %s has to remove every Authentication-Results field that comes in under this "
                "name (rspamd does; OpenDKIM: RemoveARFrom)",
                sender_name(s), host, (unsigned long long)s->trusted_hops,
                s->trusted_hops == 1 ? "" : "s", host);
        else
            say(r, "ok",
                "senders: %s: results of %s count above the topmost Received field; the host has "
                "to "
                "write one, and should remove every Authentication-Results field that comes in "
                "under "
                "this name",
                sender_name(s), host);
    }
}

static void check_senders(struct report *r, const struct config *c)
{
    for (size_t i = 0; i < c->nsenders; i++) {
        const struct cfg_sender *s = &c->senders[i];
        if (!s->forward)
            continue;
        if (!s->xforward && !s->xclient && !s->trust_results_of.n)
            say(r, "warning",
                "senders: %s: needs 'xforward: true' (and smtp_send_xforward_command in Postfix): "
                "without the original client SPF is unknown, and DMARC of mail from elsewhere "
                "cannot "
                "fail",
                sender_name(s));
        say_trust(r, s);
    }
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
    say(r, verdict, "key %s._domainkey.%s: %s", selector, domain, k.text);
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
            say(r, "ERROR", "the state database: %s", why.text);
    } else if (health.lost_ms)
        say(r, "warning", "%s", health.lost);
    else
        say(r, "ok", "state database %s", config->state);
}

static void check_resolver(struct report *r, struct dns *dns)
{
    struct dns_state state;
    dns_get_state(dns, &state);
    uint64_t until = clock_mono_ms() + SELF_CHECK_WAIT_MS;
    while (state.health == DNS_HEALTH_UNKNOWN && clock_mono_ms() < until) {
        usleep(SELF_CHECK_LOOK_US);
        dns_get_state(dns, &state);
    }
    if (state.health == DNS_HEALTH_OK)
        say(r, "ok", "the resolver validates DNSSEC");
    else if (state.health == DNS_HEALTH_OFF)
        say(r, "warning", "the resolver's self-check is off");
    else
        say(r, "ERROR", "DNSSEC validation does not work: %s",
            state.text[0] ? state.text : "no answer to the self-check");
}

static int check(const char *dns_file, bool offline)
{
    struct report r = {0, 0};
    struct setup *setup = check_configuration(&r);
    if (!setup)
        return EXIT_CONFIG;
    check_rights(&r, setup->config);
    check_certificate(&r, setup);
    check_exceptions(&r, setup->config);
    check_senders(&r, setup->config);
    check_reports(&r, setup->config);
    check_state(&r, setup->config);
    struct why why;
    struct dns_options options = {.config = &setup->config->dns, .answers_file = dns_file};
    struct dns *dns = offline ? NULL : dns_open(&options, &why);
    if (dns) {
        if (!dns_file)
            check_resolver(&r, dns);
        check_keys(&r, dns, setup);
        dns_close(dns);
    } else if (!offline) {
        say(&r, "ERROR", "the resolver cannot be started: %s", why.text);
    }
    setup_unref(setup);
    printf("%u error%s, %u warning%s\n", r.errors, r.errors == 1 ? "" : "s", r.warnings,
           r.warnings == 1 ? "" : "s");
    return r.errors ? EXIT_NO : EXIT_YES;
}

int command_check(int argc, char **argv)
{
    const char *dns_file = NULL;
    bool offline = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--offline") == 0)
            offline = true;
        else if (strcmp(argv[i], "--dns-file") == 0 && i + 1 < argc)
            dns_file = argv[++i];
        else
            return command_usage_error("check", "unexpected argument '%s'", argv[i]);
    }
    return check(dns_file, offline);
}
