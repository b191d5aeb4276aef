// SPDX-License-Identifier: ISC
// `waxwing sts`: one evaluation of MTA-STS text: a record or a policy from standard input, or a match.
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/command.h"
#include "tls/sts.h"

static int print_json(json_t *object)
{
    if (object)
        json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
    return EXIT_YES;
}

static int print_no(const struct why *why)
{
    print_json(json_pack("{s:b, s:s}", "valid", 0, "reason", why->text));
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
static int record(struct buf *input)
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
    return print_json(json_pack("{s:b, s:s}", "valid", 1, "id", id));
}

static int policy(struct buf *input)
{
    struct sts_policy p;
    struct why why;
    if (sts_policy_parse(buf_span(input), &p, &why) < 0)
        return print_no(&why);
    json_t *mx = json_array();
    for (size_t i = 0; i < p.mx.n; i++)
        json_array_append_new(mx, json_string(p.mx.at[i]));
    print_json(json_pack("{s:b, s:s, s:o, s:I}", "valid", 1, "mode", sts_mode_word(p.mode), "mx",
                         mx, "max_age", (json_int_t)p.max_age));
    sts_policy_free(&p);
    return EXIT_YES;
}

int command_sts(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "match") == 0) {
        if (argc != 4)
            return command_usage_error("sts", "match needs HOST and PATTERN");
        return sts_match(argv[3], argv[2]) ? EXIT_YES : EXIT_NO;
    }
    int (*run)(struct buf *) = strcmp(verb, "record") == 0   ? record
                               : strcmp(verb, "policy") == 0 ? policy
                                                             : NULL;
    if (!run || argc != 2)
        return command_usage_error("sts", "one of record, policy and match is needed");
    struct buf input;
    int rc = read_input(&input) < 0 ? EXIT_DATA : run(&input);
    buf_free(&input);
    return rc;
}
