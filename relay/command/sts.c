// SPDX-License-Identifier: ISC
// `waxwing sts`: one evaluation of MTA-STS text: a record or a policy from standard input, a match, or a
// domain's policy fetched now.
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/offline.h"
#include "relay/command/options.h"
#include "tls/sts.h"

static int command_sts_print_json(json_t *object)
{
    if (object)
        json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
    return EXIT_YES;
}

static int print_no(const struct why *why)
{
    command_sts_print_json(json_pack("{s:b, s:s}", "valid", 0, "reason", why->text));
    return EXIT_NO;
}

// One byte more than a policy may have, so that a larger one is seen to be.
static int read_input(struct buf *text)
{
    unsigned char *room;
    buf_init(text, STS_POLICY_MAX + 1);
    if (buf_reserve(text, STS_POLICY_MAX + 1, &room) == 0)
        text->len = fread(room, 1, STS_POLICY_MAX + 1, stdin);
    if (!ferror(stdin))
        return 0;
    perror("waxwing sts: standard input");
    return -1;
}

// One record a line: what the TXT lookup would give.
static int command_sts_record(struct buf *input)
{
    struct span txts[64], rest = buf_span(input), line;
    size_t n = 0;
    while (n < 64 && rest.n) {
        bool more = span_cut(rest, '\n', &line, &rest);
        if (!more) {
            line = rest;
            rest = span_of(NULL, 0);
        }
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n)
            txts[n++] = line;
    }
    char id[STS_ID_MAX + 1];
    bool found;
    struct why why;
    if (sts_record_parse(txts, n, id, &found, &why) < 0 || !found)
        return print_no(&why);
    return command_sts_print_json(json_pack("{s:b, s:s}", "valid", 1, "id", id));
}

static int command_sts_policy(struct buf *input)
{
    struct sts_policy p;
    struct why why;
    if (sts_policy_parse(buf_span(input), &p, &why) < 0)
        return print_no(&why);
    json_t *mx = json_array();
    for (size_t i = 0; i < p.mx.n; i++)
        json_array_append_new(mx, json_string(p.mx.at[i]));
    command_sts_print_json(json_pack("{s:b, s:s, s:o, s:I}", "valid", 1, "mode",
                                     sts_mode_word(p.mode), "mx", mx, "max_age",
                                     (json_int_t)p.max_age));
    sts_policy_free(&p);
    return EXIT_YES;
}

// ---- get

struct get_options {
    const char *domain, *dns_file, *resolver;
    bool json;
    char ascii[IDN_NAME];
};

static int command_sts_read_options(struct get_options *o, int argc, char **argv)
{
    static const struct option_row rows[] = {
        {"json", OPTION_FLAG, offsetof(struct get_options, json), NULL},
        {"dns-file", OPTION_TEXT, offsetof(struct get_options, dns_file), NULL},
        {"resolver", OPTION_TEXT, offsetof(struct get_options, resolver), NULL},
        {"now", OPTION_CLOCK, 0, NULL},
        {0},
    };
    int rc = command_table("sts", argc, argv, rows, o);
    if (rc != EXIT_YES)
        return rc;
    if (optind + 1 != argc)
        return command_usage_error("sts", "get needs one DOMAIN");
    o->domain = argv[optind];
    if (idn_to_ascii(o->domain, o->ascii) < 0)
        return command_usage_error("sts", "'%s' is not a domain", o->domain);
    return EXIT_YES;
}

static json_t *view_json(const struct get_options *o, const struct sts_view *view)
{
    if (view->mode < 0)
        return json_pack("{s:s, s:s, s:s}", "domain", o->ascii, "type",
                         why_tls_word(view->error.tls), "error",
                         why_is_set(&view->error) ? view->error.text : "no MTA-STS record");
    json_t *mx = json_array();
    for (size_t i = 0; i < view->nmx; i++)
        json_array_append_new(mx, json_string(view->mx[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:I}", "domain", o->ascii, "mode",
                     sts_mode_word((enum sts_mode)view->mode), "id", view->id, "mx", mx, "max_age",
                     (json_int_t)(view->expires_s - view->fetched_s));
}

static void command_sts_print_text(const json_t *j)
{
    size_t i;
    json_t *mx;
    const char *error = json_string_value(json_object_get(j, "error"));
    if (error) {
        const char *type = json_string_value(json_object_get(j, "type"));
        printf("%s%s%s\n", type, type[0] ? ": " : "", error);
        return;
    }
    printf("mode: %s\n", json_string_value(json_object_get(j, "mode")));
    json_array_foreach (json_object_get(j, "mx"), i, mx)
        printf("mx: %s\n", json_string_value(mx));
    printf("max_age: %lld\n", (long long)json_integer_value(json_object_get(j, "max_age")));
    printf("id: %s\n", json_string_value(json_object_get(j, "id")));
}

// A record or a policy that is wrong, or not there, is an answer; what could not be had may be had later.
static int view_status(const struct sts_view *view)
{
    if (view->mode >= 0)
        return EXIT_YES;
    return view->error.tls == WHY_STS_POLICY_FETCH_ERROR ? EXIT_TEMP : EXIT_NO;
}

static int get(int argc, char **argv)
{
    struct get_options o = {0};
    int status = command_sts_read_options(&o, argc, argv);
    if (status != EXIT_YES)
        return status;
    struct config *config = command_load_config_or_default(&status);
    if (!config)
        return status;
    struct why why;
    struct offline_options options = {
        .config = config, .dns_file = o.dns_file, .resolver = o.resolver};
    struct offline *offline = offline_open(&options, &why);
    if (!offline) {
        fprintf(stderr, "waxwing sts: %s\n", why.text);
        config_unref(config);
        return EXIT_TEMP;
    }
    struct sts_view view = {.mode = -1};
    offline_sts(offline, o.ascii, &view);
    json_t *j = view_json(&o, &view);
    if (o.json)
        command_sts_print_json(json_incref(j));
    else
        command_sts_print_text(j);
    json_decref(j);
    status = view_status(&view);
    sts_view_free(&view);
    offline_close(offline);
    config_unref(config);
    return status;
}

int command_sts(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "get") == 0)
        return get(argc - 1, argv + 1);
    if (strcmp(verb, "match") == 0) {
        if (argc != 4)
            return command_usage_error("sts", "match needs HOST and PATTERN");
        return sts_match(argv[3], argv[2]) ? EXIT_YES : EXIT_NO;
    }
    int (*run)(struct buf *) = strcmp(verb, "record") == 0   ? command_sts_record
                               : strcmp(verb, "policy") == 0 ? command_sts_policy
                                                             : NULL;
    if (!run || argc != 2)
        return command_usage_error("sts", "one of get, record, policy and match is needed");
    struct buf input;
    int rc = read_input(&input) < 0 ? EXIT_DATA : run(&input);
    buf_free(&input);
    return rc;
}
