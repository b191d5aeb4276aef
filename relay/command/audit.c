// SPDX-License-Identifier: ISC
// `waxwing audit DOMAIN|--all`: an own domain as receivers see it. Exit: 0 no problem, 1 a problem, 75 the DNS did not
// say.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/audit/json.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/options.h"
#include "relay/command/config_file.h"
#include "relay/command/offline.h"
#include "relay/command/progress.h"
#include "relay/command/terminal.h"

struct audit_options {
    const char *dns_file, *resolver;
    struct audit_addresses addresses;
    bool json, all, told_relay; // told_relay: what is about the relay itself was printed
    char domain[IDN_NAME];
};

struct evaluation {
    struct audit_input in;
    struct facts *facts;
    struct audit audit;
};

static bool audit_on_ip(void *options, const char *text)
{
    struct audit_options *o = options;
    struct sockaddr_storage address;
    if (!command_read_address(text, &address))
        return false;
    audit_addresses_add(&o->addresses, &address, true);
    return true;
}

static int command_audit_read_options(struct audit_options *o, int argc, char **argv)
{
    static const struct option_row rows[] = {
        {"json", OPTION_FLAG, offsetof(struct audit_options, json), NULL},
        {"all", OPTION_FLAG, offsetof(struct audit_options, all), NULL},
        {"dns-file", OPTION_TEXT, offsetof(struct audit_options, dns_file), NULL},
        {"resolver", OPTION_TEXT, offsetof(struct audit_options, resolver), NULL},
        {"ip", OPTION_CALL, 0, audit_on_ip},
        {"now", OPTION_CLOCK, 0, NULL},
        {0},
    };
    int rc = command_table("audit", argc, argv, rows, o);
    if (rc != EXIT_YES)
        return rc;
    if (o->all && optind == argc)
        return EXIT_YES;
    if (optind + 1 != argc || o->all)
        return command_usage_error("audit", "one domain is wanted, or --all");
    if (idn_to_ascii(argv[optind], o->domain) < 0 || !o->domain[0])
        return command_usage_error("audit", "'%s' is not a domain", argv[optind]);
    return EXIT_YES;
}

static bool command_audit_again(void *arg)
{
    struct evaluation *e = arg;
    return audit_evaluate(&e->in, e->facts, &e->audit);
}

// The keys of one domain alone: the rest of the configuration may be unreadable for whoever asks. What is
// wrong with a key file is told here and found there.
static void load_keys(const struct cfg_dkim_domain *row, struct setup_domain *out)
{
    struct why why;
    *out = (struct setup_domain){.config = row,
                                 .keys = mem_new((row->nkeys + 1) * sizeof(struct sign_key *))};
    for (size_t i = 0; i < row->nkeys; i++)
        if (!(out->keys[i] = sign_key_load(row->keys[i].file, &why)))
            fprintf(stderr, "waxwing audit: %s\n", why.text);
}

static void free_keys(struct setup_domain *keys)
{
    for (size_t i = 0; keys->keys && i < keys->config->nkeys; i++)
        sign_key_unref(keys->keys[i]);
    free(keys->keys);
}

static void command_audit_print_text(const struct audit *audit, bool relay)
{
    for (size_t i = 0; i < audit->n; i++) {
        const struct audit_finding *f = &audit->at[i];
        if (f->relay && !relay)
            continue;
        terminal_tint(f->temporary || f->severity == AUDIT_ADVICE ? TERMINAL_WAIT
                      : f->severity == AUDIT_PROBLEM              ? TERMINAL_BAD
                                                                  : TERMINAL_GOOD);
        printf("%-8s", f->temporary ? "unknown" : audit_severity_word(f->severity));
        terminal_tint(TERMINAL_PLAIN);
        printf(" %-8s ", f->about);
        terminal_wrap(f->text, 18);
        struct span rest = span_text(f->record);
        if (f->prevents && f->severity != AUDIT_OK)
            printf("%-17s receivers answer: %s\n", "", f->prevents);
        if (!f->name)
            continue;
        printf("%-17s publish: %s. IN %s", "", f->name, f->type);
        bool quoted = strcmp(f->type, "TXT") == 0;
        for (; rest.n; rest = span_from(rest, 250)) // a character string holds 255 bytes at most
            printf(quoted ? " \"%.*s\"" : " %.*s", (int)(rest.n < 250 ? rest.n : 250),
                   (const char *)rest.p);
        putchar('\n');
    }
}

static void command_audit_print_json(const char *domain, const struct audit *audit)
{
    json_t *all = audit_json(domain, audit);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

// The chains are public, whoever may read their keys.
static void own_certificate(const struct config *config, struct audit_input *in, struct why *why)
{
    for (size_t i = 0; i < config->ncertificates; i++) {
        int64_t ends;
        if (creds_chain_ends(config->certificates[i].chain, &ends, why) < 0) {
            in->certificate_fault = why->text;
            return;
        }
        if (!in->certificate_ends_s || ends < in->certificate_ends_s)
            in->certificate_ends_s = ends;
    }
}

static int command_audit_look(struct audit_options *o, const struct config *config,
                              struct offline *offline)
{
    struct sts_view sts = {.mode = -1};
    struct setup_domain keys = {0};
    struct evaluation e = {.facts = facts_new()};
    const struct cfg_dkim_domain *row = config_dkim_for(config, o->domain);
    struct why why;
    struct view *turning = row ? view_open(row, &why) : NULL;
    if (row)
        load_keys(row, &keys);
    if (row && why.text[0])
        fprintf(stderr, "waxwing audit: %s\n", why.text);
    int64_t *made = row ? audit_key_dates(&keys) : NULL;
    offline_sts(offline, o->domain, &sts);
    e.in = (struct audit_input){.domain = o->domain,
                                .keys = row ? &keys : NULL,
                                .turning = turning,
                                .helo = config->hostname,
                                .addresses = &o->addresses,
                                .smarthost = config->delivery.nsmarthost > 0,
                                .sts = &sts,
                                .config = config,
                                .key_made_s = made,
                                .now_s = clock_s()};
    struct why certificate;
    own_certificate(config, &e.in, &certificate);
    dns_evaluate_blocking(offline_dns(offline), e.facts, command_audit_again, &e);
    if (o->json)
        command_audit_print_json(o->domain, &e.audit);
    else
        command_audit_print_text(&e.audit, !o->told_relay);
    o->told_relay = true;
    int status = audit_worst(&e.audit) == AUDIT_PROBLEM ? EXIT_NO
                 : audit_temporary(&e.audit)            ? EXIT_TEMP
                                                        : EXIT_YES;
    audit_free(&e.audit);
    facts_free(e.facts);
    sts_view_free(&sts);
    free(made);
    free_keys(&keys);
    view_free(turning);
    return status;
}

// Every domain with a key, one after the other; the worst status counts.
static int command_audit_all(struct audit_options *o, const struct config *config,
                             struct offline *offline)
{
    bool wrong = false, unknown = false;
    if (o->json)
        putchar('[');
    for (size_t i = 0; i < config->ndkim; i++) {
        progress_step(i, config->ndkim);
        snprintf(o->domain, sizeof o->domain, "%s", config->dkim[i].domain);
        if (o->json)
            fputs(i ? ",\n" : "\n", stdout);
        else
            printf("%s%s\n", i ? "\n" : "", o->domain);
        int status = command_audit_look(o, config, offline);
        wrong |= status == EXIT_NO;
        unknown |= status == EXIT_TEMP;
    }
    if (o->json)
        puts("]");
    else if (!config->ndkim)
        puts("no domain has a key: there is nothing to audit");
    return wrong ? EXIT_NO : unknown ? EXIT_TEMP : EXIT_YES;
}

static void find_addresses(const struct config *config, struct audit_addresses *given)
{
    struct audit_addresses found;
    if (given->n && !config->delivery.nsources)
        return; // what is named stands for what would only be guessed
    audit_addresses_find(config, &found);
    for (size_t i = 0; i < found.n; i++)
        audit_addresses_add(given, &found.at[i].address, found.at[i].certain);
    audit_addresses_free(&found);
}

int command_audit(int argc, char **argv)
{
    struct audit_options o = {0};
    struct config *config = NULL;
    int status = command_audit_read_options(&o, argc, argv);
    if (status == EXIT_YES)
        config = command_load_config_or_default(&status);
    if (config) {
        struct why why;
        struct offline_options options = {
            .config = config, .dns_file = o.dns_file, .resolver = o.resolver};
        struct offline *offline = offline_open(&options, &why);
        find_addresses(config, &o.addresses);
        if (offline) {
            status = o.all ? command_audit_all(&o, config, offline)
                           : command_audit_look(&o, config, offline);
            offline_close(offline);
        } else {
            fprintf(stderr, "waxwing audit: %s\n", why.text);
            status = EXIT_TEMP;
        }
    }
    audit_addresses_free(&o.addresses);
    config_unref(config);
    return status;
}
