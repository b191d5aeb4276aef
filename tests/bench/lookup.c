// SPDX-License-Identifier: ISC
// Looks names up as the relay does and says what came of it, a line each:
//
//     NAME TYPE found|nodata|nxdomain|failed secure|insecure|bogus|failed CANONICAL ALIAS TTL N # why
//
// ALIAS is none, alias or secure-alias. Then "health ..." of the self-check, and how long it took.
//
// usage: lookup [--trust-anchor FILE --root-hints FILE | --resolver IP:PORT | --tls IP4 PORT NAME]
//               [--repeat N] [--again] NAME/TYPE ...
//        --again: once more for every line on standard input
//        "-" takes NAME/TYPE from standard input, one a line; all are asked at once.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dns/dns.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"

struct question {
    char *name;
    uint16_t type;
};

struct questions {
    struct question *at;
    size_t n;
    struct facts *facts;
};

static void add(struct questions *qs, char *text)
{
    char *slash = strrchr(text, '/');
    qs->at = mem_grow(qs->at, qs->n + 1, sizeof *qs->at);
    qs->at[qs->n].type = slash ? dns_type_parse(slash + 1) : DNS_A;
    if (slash)
        *slash = '\0';
    qs->at[qs->n++].name = mem_dup(text);
}

static void add_lines(struct questions *qs)
{
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        add(qs, line);
    }
}

static bool again(void *arg)
{
    struct questions *qs = arg;
    bool more = false;
    for (size_t i = 0; i < qs->n; i++)
        more = !facts_ask(qs->facts, qs->at[i].name, qs->at[i].type) || more;
    return more;
}

static void print(const struct dns_answer *a)
{
    const char *outcome = a->outcome == DNS_FOUND    ? "found"
                          : a->outcome == DNS_FAILED ? "failed"
                          : a->nxdomain              ? "nxdomain"
                                                     : "nodata";
    const char *alias = !a->alias ? "none" : a->alias_secure ? "secure-alias" : "alias";
    printf("%s %s %s %s %s %s %u %zu # %s\n", a->name[0] ? a->name : ".", dns_type_word(a->type),
           outcome, dns_proof_word(a->proof), a->canonical[0] ? a->canonical : ".", alias, a->ttl,
           a->nrecords, a->why.text);
}

static void print_health(struct dns *dns)
{
    struct dns_state s;
    do {
        usleep(10000);
        dns_get_state(dns, &s);
    } while (s.health == DNS_HEALTH_UNKNOWN);
    printf("health %s # %s\n",
           s.health == DNS_HEALTH_OK       ? "ok"
           : s.health == DNS_HEALTH_BROKEN ? "broken"
                                           : "off",
           s.text);
}

static void look_up(struct dns *dns, struct questions *qs, int repeat)
{
    uint64_t began = clock_mono_ms();
    for (int i = 0; i < repeat; i++) {
        facts_free(qs->facts);
        qs->facts = facts_new();
        dns_evaluate_blocking(dns, qs->facts, again, qs);
    }
    uint64_t took = clock_mono_ms() - began;
    for (size_t i = 0; facts_at(qs->facts, i); i++)
        print(facts_at(qs->facts, i));
    print_health(dns);
    printf("%zu names, %d times, %llu ms\n", qs->n, repeat, (unsigned long long)took);
    fflush(stdout);
    facts_free(qs->facts);
    qs->facts = NULL;
}

struct how {
    struct cfg_dns config;
    struct cfg_dns_server server;
    struct dns_options options;
    struct questions qs;
    int repeat;
    bool again;
};

static void take_tls(struct how *how, char **three)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&how->server.address;
    in->sin_family = AF_INET;
    inet_pton(AF_INET, three[0], &in->sin_addr);
    in->sin_port = htons((uint16_t)atoi(three[1]));
    how->server.tls_name = three[2];
    how->config.mode = DNS_STUB;
    how->config.servers = &how->server;
    how->config.nservers = 1;
    how->options.config = &how->config;
}

static void take_arguments(struct how *how, int argc, char **argv)
{
    static char root[] = ".";
    how->config.self_check = root;
    how->repeat = 1;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--trust-anchor") == 0 && more) {
            how->config.trust_anchor = argv[++i];
        } else if (strcmp(argv[i], "--root-hints") == 0 && more) {
            how->config.root_hints = argv[++i];
        } else if (strcmp(argv[i], "--resolver") == 0 && more) {
            how->options.resolver = argv[++i];
        } else if (strcmp(argv[i], "--tls") == 0 && i + 3 < argc) {
            take_tls(how, argv + i + 1);
            i += 3;
        } else if (strcmp(argv[i], "--repeat") == 0 && more) {
            how->repeat = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--again") == 0) {
            how->again = true;
        } else if (strcmp(argv[i], "-") == 0) {
            add_lines(&how->qs);
        } else {
            add(&how->qs, argv[i]);
        }
    }
    if (how->config.trust_anchor && how->config.root_hints)
        how->options.config = &how->config;
}

int main(int argc, char **argv)
{
    struct how how = {0};
    take_arguments(&how, argc, argv);
    struct questions qs = how.qs;
    struct why why;
    struct dns *dns = dns_open(&how.options, &why);
    if (!dns) {
        fprintf(stderr, "lookup: %s\n", why.text);
        return 78;
    }
    char line[16];
    do
        look_up(dns, &qs, how.repeat);
    while (how.again && fgets(line, sizeof line, stdin));
    dns_close(dns);
    for (size_t i = 0; i < qs.n; i++)
        free(qs.at[i].name);
    free(qs.at);
    return 0;
}
