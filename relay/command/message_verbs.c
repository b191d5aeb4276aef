// SPDX-License-Identifier: ISC
// `waxwing message`: the signing and verifying engines on one message file. This file reads the options;
// each verb has a file of its own.
#include "relay/command/message_verbs.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/command/options.h"
#include "relay/command/terminal.h"

enum {
    OPT_DOMAIN = 256,
    OPT_SELECTOR,
    OPT_KEY,
    OPT_AUTHSERV_ID,
    OPT_HEADERS,
    OPT_OVERSIGN,
    OPT_IP,
    OPT_HELO,
    OPT_MAIL_FROM,
    OPT_DNS_FILE,
    OPT_RESOLVER,
    OPT_NOW,
    OPT_CANON,
    OPT_MIN_RSA_BITS,
    OPT_TIME,
    OPT_EXPIRE,
    OPT_CV_FROM,
    OPT_FULL,
    OPT_JSON
};

static const struct option long_options[] = {
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"selector", required_argument, NULL, OPT_SELECTOR},
    {"key", required_argument, NULL, OPT_KEY},
    {"authserv-id", required_argument, NULL, OPT_AUTHSERV_ID},
    {"headers", required_argument, NULL, OPT_HEADERS},
    {"oversign", required_argument, NULL, OPT_OVERSIGN},
    {"ip", required_argument, NULL, OPT_IP},
    {"helo", required_argument, NULL, OPT_HELO},
    {"mail-from", required_argument, NULL, OPT_MAIL_FROM},
    {"dns-file", required_argument, NULL, OPT_DNS_FILE},
    {"resolver", required_argument, NULL, OPT_RESOLVER},
    {"now", required_argument, NULL, OPT_NOW},
    {"canon", required_argument, NULL, OPT_CANON},
    {"min-rsa-bits", required_argument, NULL, OPT_MIN_RSA_BITS},
    {"time", required_argument, NULL, OPT_TIME},
    {"expire", required_argument, NULL, OPT_EXPIRE},
    {"cv-from", required_argument, NULL, OPT_CV_FROM},
    {"full", no_argument, NULL, OPT_FULL},
    {"json", no_argument, NULL, OPT_JSON},
    {NULL, 0, NULL, 0},
};

static bool text_option(struct message_options *o, int option, const char *value)
{
    const struct {
        int option;
        const char **to;
    } table[] = {
        {OPT_DOMAIN, &o->domain},
        {OPT_SELECTOR, &o->selector},
        {OPT_KEY, &o->key},
        {OPT_AUTHSERV_ID, &o->authserv_id},
        {OPT_HEADERS, &o->headers},
        {OPT_OVERSIGN, &o->oversign},
        {OPT_IP, &o->ip},
        {OPT_HELO, &o->helo},
        {OPT_MAIL_FROM, &o->mail_from},
        {OPT_DNS_FILE, &o->dns_file},
        {OPT_RESOLVER, &o->resolver},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].option == option) {
            *table[i].to = value;
            return true;
        }
    return false;
}

static bool message_verbs_number(const char *text, int64_t *value)
{
    uint64_t v;
    if (!span_number(span_text(text), INT64_MAX / 1000, &v))
        return false;
    *value = (int64_t)v;
    return true;
}

static bool canon_word(struct span word, enum canon *canon)
{
    *canon = span_is_nocase(word, "simple") ? CANON_SIMPLE : CANON_RELAXED;
    return *canon == CANON_SIMPLE || span_is_nocase(word, "relaxed");
}

// "relaxed/simple"; one word stands for the header, the body is then simple (RFC 6376 section 3.5).
static bool canon_pair(const char *text, struct message_options *o)
{
    struct span header, body;
    if (!span_cut(span_text(text), '/', &header, &body)) {
        header = span_text(text);
        body = span_text("simple");
    }
    return canon_word(header, &o->header_canon) && canon_word(body, &o->body_canon);
}

// False: the value cannot be read.
static bool message_verbs_value_option(void *arg, int option, const char *value)
{
    struct message_options *o = arg;
    int64_t n;
    switch (option) {
    case OPT_NOW:
        return command_set_clock(value);
    case OPT_CANON:
        return canon_pair(value, o);
    case OPT_MIN_RSA_BITS:
        if (!message_verbs_number(value, &n) || n > 65536)
            return false;
        o->min_rsa_bits = (unsigned)n;
        return true;
    case OPT_TIME:
        return message_verbs_number(value, &o->time);
    case OPT_EXPIRE:
        return message_verbs_number(value, &o->expire);
    case OPT_CV_FROM:
        o->cv_from_results = strcmp(value, "ar") == 0;
        return o->cv_from_results || strcmp(value, "auto") == 0;
    case OPT_FULL:
        return o->full = true;
    case OPT_JSON:
        return o->json = true;
    default:
        return text_option(o, option, value);
    }
}

static int message_verbs_read_options(int argc, char **argv, struct message_options *o)
{
    int rc = command_options("message", argc, argv, long_options, message_verbs_value_option, o);
    if (rc != EXIT_YES)
        return rc;
    if (optind + 1 != argc)
        return command_usage_error("message", "one FILE is needed ('-': standard input)");
    o->file = argv[optind];
    return EXIT_YES;
}

int command_message(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(const struct message_options *o);
    } verbs[] = {{"verify", message_verify}, {"sign", message_sign}, {"seal", message_seal}};

    struct message_options o = {
        .header_canon = CANON_RELAXED, .body_canon = CANON_RELAXED, .time = -1};
    if (argc < 2)
        return command_usage_error("message", "verify, sign or seal?");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[1], verbs[i].word) != 0)
            continue;
        int rc = message_verbs_read_options(argc - 1, argv + 1, &o);
        if (rc != EXIT_YES)
            return rc;
        if (o.time < 0)
            o.time = clock_s();
        if (verbs[i].run != message_verify)
            terminal_bytes();
        rc = verbs[i].run(&o);
        if (fflush(stdout) != 0 && rc == EXIT_YES)
            rc = EXIT_FAULT;
        return rc;
    }
    return command_usage_error("message", "there is no verb '%s'", argv[1]);
}
