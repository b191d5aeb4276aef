// SPDX-License-Identifier: ISC
// `waxwing key`: makes signing keys and says what to publish for them.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/command.h"
#include "sign/key.h"

#define MAX_RECORD 16384 // bytes of a TXT record with its name

struct key_options {
    const char *domain, *selector, *file, *out;
    enum key_type type;
    unsigned bits;
    bool json;
};

static int failed(const struct why *why, int status)
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
    if (!o->out)
        return command_usage_error("key", "new needs --out FILE");
    struct why why;
    struct sign_key *key = sign_key_new(o->type, o->bits, &why);
    if (!key)
        return failed(&why, EXIT_FAULT);
    int rc = sign_key_save(key, o->out, &why) < 0 ? failed(&why, EXIT_DATA) : print_record(o, key);
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
        return failed(&why, EXIT_DATA);
    int rc = print_record(o, key);
    sign_key_unref(key);
    return rc;
}

enum { OPT_DOMAIN = 256, OPT_SELECTOR, OPT_TYPE, OPT_BITS, OPT_OUT, OPT_JSON };
static const struct option long_options[] = {
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"selector", required_argument, NULL, OPT_SELECTOR},
    {"type", required_argument, NULL, OPT_TYPE},
    {"bits", required_argument, NULL, OPT_BITS},
    {"out", required_argument, NULL, OPT_OUT},
    {"json", no_argument, NULL, OPT_JSON},
    {NULL, 0, NULL, 0},
};

// False: the value cannot be read.
static bool set_option(struct key_options *o, int option, const char *value)
{
    uint64_t n = 0;
    switch (option) {
    case OPT_DOMAIN:
        o->domain = value;
        return true;
    case OPT_SELECTOR:
        o->selector = value;
        return true;
    case OPT_TYPE:
        o->type = strcmp(value, "ed25519") == 0 ? KEY_ED25519 : KEY_RSA;
        return o->type == KEY_ED25519 || strcmp(value, "rsa") == 0;
    case OPT_BITS:
        if (!span_number(span_text(value), 65536, &n))
            return false;
        o->bits = (unsigned)n;
        return true;
    case OPT_OUT:
        o->out = value;
        return true;
    default:
        return o->json = true;
    }
}

static int read_options(int argc, char **argv, struct key_options *o)
{
    int option;
    int which = 0;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":", long_options, &which)) != -1) {
        if (option == '?' || option == ':')
            return command_usage_error("key", "%s '%s'",
                                       option == ':' ? "no value for" : "unknown option",
                                       argv[optind - 1]);
        if (!set_option(o, option, optarg))
            return command_usage_error("key", "--%s cannot be '%s'", long_options[which].name,
                                       optarg);
    }
    if (optind + 1 < argc)
        return command_usage_error("key", "one FILE at most");
    o->file = argv[optind];
    if (!o->domain || !o->selector)
        return command_usage_error("key", "--domain and --selector are needed");
    return EXIT_YES;
}

int command_key(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(const struct key_options *o);
    } verbs[] = {{"new", key_new}, {"show", key_show}};
    if (argc < 2)
        return command_usage_error("key", "new, show or test?");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[1], verbs[i].word) != 0)
            continue;
        struct key_options o = {.type = KEY_RSA, .bits = 2048};
        int rc = read_options(argc - 1, argv + 1, &o);
        return rc == EXIT_YES ? verbs[i].run(&o) : rc;
    }
    return command_usage_error("key", "there is no verb '%s'", argv[1]);
}
