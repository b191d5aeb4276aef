// SPDX-License-Identifier: ISC
// `waxwing key rotate`: one step of the domains whose keys turn, and what people have to do for it.
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/dns.h"
#include "relay/command/options.h"
#include "relay/control/control.h"
#include "relay/rotate/step.h"

#define PIECE 250 // of a record, in a zone file: a character string holds 255 bytes at most

struct key_rotate {
    const char *domain, *publish, *bits, *dns_file, *resolver;
    bool by_age, json;
    struct config *config;
    json_t *did; // of one domain
    json_t *all;
};

static void key_rotate_tell(void *arg, const char *verb, const char *name, const char *text)
{
    struct key_rotate *k = arg;
    bool failed = strcmp(verb, "failed") == 0;
    if (failed)
        fprintf(stderr, "waxwing key: %s: %s\n", name, text);
    if (k->did) {
        json_array_append_new(
            k->did, json_pack("{s:s, s:s, s:s}", "did", verb, "name", name, "text", text));
        return;
    }
    if (failed)
        return;
    bool record =
        strcmp(verb, "publish") == 0 || strcmp(verb, "remove") == 0 || strcmp(verb, "add") == 0;
    printf("%-9s %s", verb, name);
    printf(record ? ". IN TXT (" : ": %s\n", text);
    for (struct span rest = span_text(text); record && rest.n;) {
        size_t n = rest.n < PIECE ? rest.n : PIECE;
        printf(" \"%.*s\"", (int)n, (const char *)rest.p);
        rest = span_from(rest, n);
    }
    if (record)
        puts(" )");
}

// Where nobody listens no relay runs, and the next one begins with what is on disk.
static int key_rotate_reload(void *arg)
{
    struct key_rotate *k = arg;
    int status;
    if (!k->config->control[0]) {
        fputs("waxwing key: without a control socket (control:) a relay cannot be told\n", stderr);
        return -1;
    }
    json_t *answer =
        control_ask_quietly(k->config->control, json_pack("{s:s}", "verb", "reload"), &status);
    if (!answer && (errno == ENOENT || errno == ECONNREFUSED))
        return 0;
    if (!answer)
        fprintf(stderr, "waxwing key: %s: %s\n", k->config->control, strerror(errno));
    json_decref(answer);
    return answer && status == EXIT_YES ? 0 : -1;
}

static void key_rotate_show(const struct key_rotate *k, const char *domain,
                            const struct rotation *r, int status)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const struct rotation_key *key = &r->keys[i];
        const char *phase = rotation_phase_word(key->phase);
        char since[40];
        clock_rfc3339(key->since_ms, since);
        json_array_append_new(keys, json_pack("{s:s, s:s, s:s, s:s}", "selector", key->selector,
                                              "type", key->type == KEY_RSA ? "rsa" : "ed25519",
                                              "phase", phase, "since", since));
        if (!k->json)
            printf("%-9s %s._domainkey.%s since %s\n", phase, key->selector, domain, since);
    }
    if (k->json)
        json_array_append_new(k->all, json_pack("{s:s, s:o, s:O, s:i}", "domain", domain, "keys",
                                                keys, "steps", k->did, "exit", status));
    else
        json_decref(keys);
}

// One domain's trouble is not another's.
static int key_rotate_one(struct key_rotate *k, struct dns *dns,
                          const struct cfg_dkim_domain *domain)
{
    struct rotation r;
    k->did = k->json ? json_array() : NULL;
    const struct step_options o = {.config = k->config,
                                   .domain = domain,
                                   .dns = dns,
                                   .begin = !k->by_age,
                                   .publish =
                                       k->publish ? k->publish : k->config->signing.publish_command,
                                   .bits = k->bits ? (unsigned)atoi(k->bits) : 2048,
                                   .reload = key_rotate_reload,
                                   .tell = key_rotate_tell,
                                   .arg = k};
    int status = step_run(&o, &r);
    key_rotate_show(k, domain->domain, &r, status);
    rotation_free(&r);
    json_decref(k->did);
    k->did = NULL;
    return status;
}

static int key_rotate_worse(int a, int b)
{
    return a == EXIT_NO || b == EXIT_NO ? EXIT_NO : a == EXIT_YES ? b : a;
}

static int key_rotate_all(struct key_rotate *k, struct dns *dns)
{
    char wanted[IDN_NAME] = "";
    int status = EXIT_YES;
    bool found = !k->domain;
    if (k->domain)
        idn_domain(k->domain, wanted);
    for (size_t i = 0; i < k->config->ndkim; i++) {
        const struct cfg_dkim_domain *domain = &k->config->dkim[i];
        if (k->domain && strcmp(domain->domain, wanted) != 0)
            continue;
        if (!k->domain && !domain->found)
            continue;
        found = true;
        if (domain->found)
            status = key_rotate_worse(status, key_rotate_one(k, dns, domain));
        else
            fprintf(stderr,
                    "waxwing key: the keys of %s are named in dkim.domains; keys turn where "
                    "dkim.directory has them\n",
                    domain->domain);
        if (!domain->found)
            status = EXIT_CONFIG;
    }
    if (!found)
        fprintf(stderr, "waxwing key: there is no key of %s in dkim.directory\n", k->domain);
    return found ? status : EXIT_CONFIG;
}

static bool key_rotate_bits(const struct key_rotate *k)
{
    uint64_t n;
    return !k->bits || (span_number(span_text(k->bits), MAX_KEY_BITS, &n) && n >= 2048);
}

int command_key_rotate(int argc, char **argv)
{
    static const struct option_row rows[] = {
        {"domain", OPTION_TEXT, offsetof(struct key_rotate, domain), NULL},
        {"auto", OPTION_FLAG, offsetof(struct key_rotate, by_age), NULL},
        {"publish-command", OPTION_TEXT, offsetof(struct key_rotate, publish), NULL},
        {"bits", OPTION_TEXT, offsetof(struct key_rotate, bits), NULL},
        {"dns-file", OPTION_TEXT, offsetof(struct key_rotate, dns_file), NULL},
        {"resolver", OPTION_TEXT, offsetof(struct key_rotate, resolver), NULL},
        {"now", OPTION_CLOCK, 0, NULL},
        {"json", OPTION_FLAG, offsetof(struct key_rotate, json), NULL},
        {NULL, OPTION_TEXT, 0, NULL},
    };
    struct key_rotate k = {0};
    int status = command_table("key", argc, argv, rows, &k);
    if (status != EXIT_YES)
        return status;
    if (optind < argc || (!k.domain && !k.by_age))
        return command_usage_error("key", "rotate needs --domain D or --auto, and no file");
    if (!key_rotate_bits(&k))
        return command_usage_error("key", "--bits: new RSA keys have 2048 to %d bits",
                                   MAX_KEY_BITS);
    if (!(k.config = command_load_config(&status)))
        return status;
    struct dns *dns = command_dns("key", k.dns_file, k.resolver, &status);
    if (dns) {
        k.all = json_array();
        status = key_rotate_all(&k, dns);
        if (k.json)
            json_dumpf(k.all, stdout, JSON_INDENT(1)), putchar('\n');
        json_decref(k.all);
    }
    dns_close(dns);
    config_unref(k.config);
    return status;
}
