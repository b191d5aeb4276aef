// SPDX-License-Identifier: ISC
// `waxwing dane match`: one chain against TLSA records, as a delivery would judge it; the options of both
// verbs. `waxwing dane lookup` is relay/command/dane_lookup.c.
#include "relay/command/dane.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "tls/dane.h"

enum {
    OPT_CHAIN = 256,
    OPT_HOST,
    OPT_ALT,
    OPT_TLSA,
    OPT_PORT,
    OPT_FILE,
    OPT_RESOLVER,
    OPT_NOW,
    OPT_JSON
};

static const struct option long_options[] = {
    {"chain", required_argument, NULL, OPT_CHAIN},
    {"host", required_argument, NULL, OPT_HOST},
    {"alt-name", required_argument, NULL, OPT_ALT},
    {"tlsa", required_argument, NULL, OPT_TLSA},
    {"port", required_argument, NULL, OPT_PORT},
    {"dns-file", required_argument, NULL, OPT_FILE},
    {"resolver", required_argument, NULL, OPT_RESOLVER},
    {"now", required_argument, NULL, OPT_NOW},
    {"json", no_argument, NULL, OPT_JSON},
    {NULL, 0, NULL, 0},
};

static int command_dane_failed(const struct why *why, int status)
{
    fprintf(stderr, "waxwing dane: %s\n", why->text);
    return status;
}

// The records in wire format, one behind the other; spans are taken when all are there.
static int read_tlsa(const struct dane_options *o, struct buf *wire, struct dns_tlsa *tlsa)
{
    size_t ends[MAX_TLSA];
    for (size_t i = 0; i < o->ntlsa; i++) {
        struct buf one;
        buf_init(&one, 65535);
        bool ok = rdata_tlsa_text(o->tlsa[i], &one);
        buf_addspan(wire, buf_span(&one));
        buf_free(&one);
        ends[i] = wire->len;
        if (!ok)
            return command_usage_error("dane", "'%.60s' is not a TLSA record", o->tlsa[i]);
    }
    for (size_t i = 0; i < o->ntlsa; i++)
        if (!rdata_tlsa(span_slice(buf_span(wire), i ? ends[i - 1] : 0, ends[i]), &tlsa[i]))
            return command_usage_error("dane", "'%.60s' is not a TLSA record", o->tlsa[i]);
    return EXIT_YES;
}

static int command_dane_judge(const struct dane_options *o, const struct span *chain, size_t nchain,
                              const struct dns_tlsa *tlsa)
{
    struct why why;
    enum tls_proof proof;
    size_t depth, usable = 0;
    for (size_t i = 0; i < o->ntlsa; i++)
        usable += dane_usable(&tlsa[i]);
    if (usable == 0) {
        puts("fail: no TLSA record is usable for SMTP (RFC 7672 section 3.1)");
        return EXIT_NO;
    }
    if (dane_verify(chain, nchain, tlsa, o->ntlsa, o->names, o->nnames, &proof, &depth, &why) < 0) {
        printf("fail: %s (%s)\n", why.text, why_tls_word(why.tls));
        return EXIT_NO;
    }
    printf("pass depth=%zu proof=%s\n", depth, tls_proof_word(proof));
    return EXIT_YES;
}

static int dane_match(const struct dane_options *o)
{
    struct buf memory = {0}, wire;
    struct span chain[MAX_CHAIN];
    struct dns_tlsa tlsa[MAX_TLSA];
    size_t nchain;
    struct why why;
    if (!o->chain || !o->nnames || !o->ntlsa)
        return command_usage_error("dane", "match needs --chain, --host and --tlsa");
    buf_init(&wire, MAX_TLSA * 65536);
    int rc = read_tlsa(o, &wire, tlsa);
    if (rc == EXIT_YES)
        rc = verify_load_chain(o->chain, &memory, chain, &nchain, &why) < 0
                 ? command_dane_failed(&why, EXIT_DATA)
                 : command_dane_judge(o, chain, nchain, tlsa);
    buf_free(&memory);
    buf_free(&wire);
    return rc;
}

static bool command_dane_add_name(struct dane_options *o, const char *name, bool first)
{
    if (o->nnames == DANE_NAMES_MAX)
        return false;
    if (first)
        memmove(o->names + 1, o->names, o->nnames * sizeof *o->names);
    o->names[first ? 0 : o->nnames] = name;
    o->nnames++;
    return true;
}

static bool command_dane_take_option(struct dane_options *o, int option, const char *value)
{
    uint64_t n;
    switch (option) {
    case OPT_CHAIN:
        o->chain = value;
        return true;
    case OPT_HOST:
        return command_dane_add_name(o, value, true);
    case OPT_ALT:
        return command_dane_add_name(o, value, false);
    case OPT_TLSA:
        if (o->ntlsa == MAX_TLSA)
            return false;
        o->tlsa[o->ntlsa++] = value;
        return true;
    case OPT_PORT:
        if (!span_number(span_text(value), 65535, &n) || n == 0)
            return false;
        o->port = (uint16_t)n;
        return true;
    case OPT_FILE:
        o->dns_file = value;
        return true;
    case OPT_RESOLVER:
        o->resolver = value;
        return true;
    case OPT_NOW:
        if (!span_number(span_text(value), INT64_MAX / 1000, &n))
            return false;
        clock_fix((int64_t)n * 1000);
        return true;
    default:
        return o->json = true;
    }
}

int command_dane(int argc, char **argv)
{
    struct dane_options o = {.port = 25};
    const char *verb = argc > 1 ? argv[1] : "";
    bool match = strcmp(verb, "match") == 0;
    if (!match && strcmp(verb, "lookup") != 0)
        return command_usage_error("dane", "one of match and lookup is needed");
    int option, which = 0;
    opterr = 0;
    optind = 2;
    while ((option = getopt_long(argc, argv, ":", long_options, &which)) != -1) {
        if (option == '?' || option == ':')
            return command_usage_error("dane", "%s '%s'",
                                       option == ':' ? "no value for" : "unknown option",
                                       argv[optind - 1]);
        if (!command_dane_take_option(&o, option, optarg))
            return command_usage_error("dane", "--%s cannot be '%s'", long_options[which].name,
                                       optarg);
    }
    for (; optind < argc && !match; optind++)
        command_dane_add_name(&o, argv[optind], false);
    if (optind < argc)
        return command_usage_error("dane", "'%s' is one argument too many", argv[optind]);
    if (match)
        return dane_match(&o);
    if (o.nnames != 1)
        return command_usage_error("dane", "lookup needs one HOST");
    return dane_lookup(&o);
}
