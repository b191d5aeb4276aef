// SPDX-License-Identifier: ISC
// `waxwing spf`: one SPF evaluation, for people and for conformance suites.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/command/dns.h"
#include "relay/command/options.h"
#include "sign/spf.h"

struct evaluation {
    struct spf_input in;
    struct facts *facts;
    struct spf_result result;
};

struct options {
    const char *ip, *helo, *mail_from, *receiver, *dns_file, *resolver;
    bool json;
};

static bool command_spf_again(void *arg)
{
    struct evaluation *e = arg;
    return spf_evaluate(&e->in, e->facts, &e->result);
}

static int command_spf_read_options(int argc, char **argv, struct options *o)
{
    static const struct option_row rows[] = {
        {"ip", OPTION_TEXT, offsetof(struct options, ip), NULL},
        {"helo", OPTION_TEXT, offsetof(struct options, helo), NULL},
        {"mail-from", OPTION_TEXT, offsetof(struct options, mail_from), NULL},
        {"receiver", OPTION_TEXT, offsetof(struct options, receiver), NULL},
        {"dns-file", OPTION_TEXT, offsetof(struct options, dns_file), NULL},
        {"resolver", OPTION_TEXT, offsetof(struct options, resolver), NULL},
        {"json", OPTION_FLAG, offsetof(struct options, json), NULL},
        {"now", OPTION_CLOCK, 0, NULL},
        {0},
    };
    int rc = command_table("spf", argc, argv, rows, o);
    if (rc != EXIT_YES)
        return rc;
    if (optind != argc)
        return command_usage_error("spf", "'%s' is too much", argv[optind]);
    if (!o->ip || (!o->helo && !o->mail_from))
        return command_usage_error("spf", "--ip and one of --helo and --mail-from are needed");
    return EXIT_YES;
}

static void print(const struct spf_result *r, bool json)
{
    const char *word = auth_result_word(r->result);
    if (!json) {
        printf("%s%s%s\n", word, *r->explanation ? " " : "", r->explanation);
        return;
    }
    json_t *all = json_pack("{s:s, s:s, s:s}", "result", word, "reason", r->reason, "explanation",
                            r->explanation);
    json_dumpf(all, stdout, 0);
    putchar('\n');
    json_decref(all);
}

int command_spf(int argc, char **argv)
{
    struct options o = {0};
    struct sockaddr_storage client = {0};
    int status = command_spf_read_options(argc, argv, &o);
    if (status != EXIT_YES)
        return status;
    if (!command_read_address(o.ip, &client))
        return command_usage_error("spf", "--ip cannot be '%s'", o.ip);
    struct dns *dns = command_dns("spf", o.dns_file, o.resolver, &status);
    if (!dns)
        return status;
    struct evaluation e = {.in = {.client = (const struct sockaddr *)&client,
                                  .helo = o.helo,
                                  .mail_from = o.mail_from,
                                  .receiver = o.receiver,
                                  .now_s = clock_s()},
                           .facts = facts_new()};
    dns_evaluate_blocking(dns, e.facts, command_spf_again, &e);
    print(&e.result, o.json);
    facts_free(e.facts);
    dns_close(dns);
    return EXIT_YES;
}
