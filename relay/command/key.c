// SPDX-License-Identifier: ISC
// `waxwing key`: makes signing keys and says what to publish for them.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/command/command.h"
#include "relay/command/options.h"
#include "relay/command/config_file.h"
#include "relay/command/dns.h"
#include "sign/key.h"
#include "sign/published.h"
#include "sign/signature.h"

#define MAX_RECORD 16384 // bytes of a TXT record with its name

struct key_options {
    const char *domain, *selector, *file, *out;
    const char *dns_file, *resolver;
    enum key_type type;
    unsigned bits;
    bool json;
};

static int command_key_failed(const struct why *why, int status)
{
    fprintf(stderr, "waxwing key: %s\n", why->text);
    return status;
}

// The record as a zone file has it: a character string holds 255 bytes at most (RFC 1035 section 3.3.14).
static void print_zone_line(const struct key_options *o, struct span record)
{
    printf("%s._domainkey.%s. IN TXT (", o->selector, o->domain);
    while (record.n) {
        size_t n = record.n < 250 ? record.n : 250;
        printf(" \"%.*s\"", (int)n, (const char *)record.p);
        record = span_from(record, n);
    }
    puts(" )");
}

static int print_record(const struct key_options *o, const struct sign_key *key)
{
    struct buf record;
    buf_init(&record, MAX_RECORD);
    int rc = sign_key_record(key, &record) < 0 ? EXIT_FAULT : EXIT_YES;
    if (rc == EXIT_YES && o->json) {
        json_t *object = json_pack("{s:s+++, s:s, s:s, s:i}", "name", o->selector, "._domainkey.",
                                   o->domain, "", "record", buf_text(&record), "algorithm",
                                   sign_key_algorithm(key), "bits", (int)sign_key_bits(key));
        json_dumpf(object, stdout, 0);
        putchar('\n');
        json_decref(object);
    } else if (rc == EXIT_YES) {
        print_zone_line(o, buf_span(&record));
    }
    buf_free(&record);
    return rc;
}

static int key_new(const struct key_options *o)
{
    struct why why;
    if (!o->out)
        return command_usage_error("key", "new needs --out FILE");
    if (o->type == KEY_RSA && (o->bits < KEY_MIN_RSA_BITS || o->bits > MAX_KEY_BITS))
        return command_usage_error("key", "--bits: RSA keys have %d to %d bits", KEY_MIN_RSA_BITS,
                                   MAX_KEY_BITS);
    struct sign_key *key = sign_key_new(o->type, o->bits, &why);
    if (!key)
        return command_key_failed(&why, EXIT_FAULT);
    int rc = EXIT_YES;
    if (sign_key_save(key, o->out, &why) < 0) {
        rc = command_key_failed(&why, EXIT_DATA);
    } else {
        command_give_to_relay("key", o->out);
        rc = print_record(o, key);
    }
    sign_key_unref(key);
    return rc;
}

static int key_show(const struct key_options *o)
{
    if (!o->file)
        return command_usage_error("key", "show needs a FILE");
    struct why why;
    struct sign_key *key = sign_key_load(o->file, &why);
    if (!key)
        return command_key_failed(&why, EXIT_DATA);
    int rc = print_record(o, key);
    sign_key_unref(key);
    return rc;
}

struct key_test {
    const char *domain, *selector;
    struct sign_key *key;
    struct facts *facts;
    enum published result;
    char text[256];
};

static bool look_at_key(void *arg)
{
    struct key_test *t = arg;
    return published_check(t->domain, t->selector, t->key, t->facts, &t->result, t->text);
}

// The worse of two exit statuses: an answer that is missing says less than one that is no.
static int worse(int a, int b)
{
    return a == EXIT_NO || b == EXIT_NO ? EXIT_NO : a == EXIT_YES ? b : a;
}

static const char *published_word(enum published result)
{
    static const char *const words[] = {[PUBLISHED_SAME] = "same",
                                        [PUBLISHED_ABSENT] = "absent",
                                        [PUBLISHED_DIFFERENT] = "different",
                                        [PUBLISHED_BROKEN] = "broken",
                                        [PUBLISHED_UNKNOWN] = "unknown"};
    return words[result];
}

// A row of the answer, or a line of text where `rows` is NULL.
static int test_one(struct dns *dns, const char *domain, const char *selector, const char *file,
                    json_t *rows)
{
    struct why why;
    struct key_test t = {.domain = domain, .selector = selector};
    if (!(t.key = sign_key_load(file, &why)))
        return command_key_failed(&why, EXIT_DATA);
    t.facts = facts_new();
    dns_evaluate_blocking(dns, t.facts, look_at_key, &t);
    if (rows)
        json_array_append_new(rows, json_pack("{s:s+++, s:s, s:s, s:s}", "name", selector,
                                              "._domainkey.", domain, "", "file", file, "result",
                                              published_word(t.result), "text", t.text));
    else
        printf("%s._domainkey.%s: %s\n", selector, domain, t.text);
    facts_free(t.facts);
    sign_key_unref(t.key);
    return t.result == PUBLISHED_SAME      ? EXIT_YES
           : t.result == PUBLISHED_UNKNOWN ? EXIT_TEMP
                                           : EXIT_NO;
}

static int test_configured(struct dns *dns, json_t *rows)
{
    int status;
    struct config *config = command_load_config(&status);
    if (!config)
        return status;
    status = EXIT_YES;
    for (size_t i = 0; i < config->ndkim; i++)
        for (size_t k = 0; k < config->dkim[i].nkeys; k++)
            status = worse(status,
                           test_one(dns, config->dkim[i].domain, config->dkim[i].keys[k].selector,
                                    config->dkim[i].keys[k].file, rows));
    const struct cfg_arc *arc = &config->arc;
    if (*arc->domain)
        status = worse(status, test_one(dns, arc->domain, arc->selector, arc->file, rows));
    config_unref(config);
    return status;
}

// One key, or without a FILE every key of the configuration.
static int key_test(const struct key_options *o)
{
    int status;
    struct dns *dns = command_dns("key", o->dns_file, o->resolver, &status);
    if (!dns)
        return status;
    json_t *rows = o->json ? json_array() : NULL;
    status =
        o->file ? test_one(dns, o->domain, o->selector, o->file, rows) : test_configured(dns, rows);
    dns_close(dns);
    if (rows) {
        json_dumpf(rows, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(rows);
    }
    return status;
}

enum {
    OPT_DOMAIN = 256,
    OPT_SELECTOR,
    OPT_TYPE,
    OPT_BITS,
    OPT_OUT,
    OPT_JSON,
    OPT_DNS_FILE,
    OPT_RESOLVER
};
static const struct option long_options[] = {
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"selector", required_argument, NULL, OPT_SELECTOR},
    {"type", required_argument, NULL, OPT_TYPE},
    {"bits", required_argument, NULL, OPT_BITS},
    {"out", required_argument, NULL, OPT_OUT},
    {"dns-file", required_argument, NULL, OPT_DNS_FILE},
    {"resolver", required_argument, NULL, OPT_RESOLVER},
    {"json", no_argument, NULL, OPT_JSON},
    {NULL, 0, NULL, 0},
};

// As d= and s= carry it, and no longer than a name may be.
static bool is_name(const char *text)
{
    char name[256];
    return signature_name(span_text(text), name);
}

// False: the value cannot be read.
static bool command_key_set_option(void *arg, int option, const char *value)
{
    struct key_options *o = arg;
    uint64_t n = 0;
    switch (option) {
    case OPT_DOMAIN:
        o->domain = value;
        return is_name(value) && strchr(value, '.');
    case OPT_SELECTOR:
        o->selector = value;
        return is_name(value);
    case OPT_TYPE:
        o->type = strcmp(value, "ed25519") == 0 ? KEY_ED25519 : KEY_RSA;
        return o->type == KEY_ED25519 || strcmp(value, "rsa") == 0;
    case OPT_BITS:
        if (!span_number(span_text(value), 65536, &n))
            return false;
        o->bits = (unsigned)n;
        return true;
    case OPT_DNS_FILE:
        o->dns_file = value;
        return true;
    case OPT_RESOLVER:
        o->resolver = value;
        return true;
    case OPT_OUT:
        o->out = value;
        return true;
    default:
        return o->json = true;
    }
}

static int command_key_read_options(int argc, char **argv, bool all_allowed, struct key_options *o)
{
    int rc = command_options("key", argc, argv, long_options, command_key_set_option, o);
    if (rc != EXIT_YES)
        return rc;
    if (optind + 1 < argc)
        return command_usage_error("key", "one FILE at most");
    o->file = argv[optind];
    if ((!o->domain || !o->selector) && (o->file || !all_allowed))
        return command_usage_error("key", "--domain and --selector are needed");
    return EXIT_YES;
}

int command_key(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(const struct key_options *o);
    } verbs[] = {{"new", key_new}, {"show", key_show}, {"test", key_test}};
    if (argc < 2)
        return command_usage_error("key", "new, show, test or rotate?");
    if (strcmp(argv[1], "rotate") == 0)
        return command_key_rotate(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[1], verbs[i].word) != 0)
            continue;
        struct key_options o = {.type = KEY_RSA, .bits = 2048};
        int rc = command_key_read_options(argc - 1, argv + 1, verbs[i].run == key_test, &o);
        return rc == EXIT_YES ? verbs[i].run(&o) : rc;
    }
    return command_usage_error("key", "there is no verb '%s'", argv[1]);
}
