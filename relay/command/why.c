// SPDX-License-Identifier: ISC
// `waxwing why`: the catalogue of reasons, one of them or all.
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include "relay/base/reasons.h"
#include "relay/command/command.h"
#include "relay/command/paragraph.h"

#define SENTENCE_MAX 512

static json_t *why_json(const struct reason_row *row)
{
    char sentence[SENTENCE_MAX];
    reason_sentence(row, sentence, sizeof sentence);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "why", row->name, "scope",
                     scope_word(row->scope), "status", row->status, "type", why_tls_word(row->tls),
                     "act", act_word(row->act), "sentence", sentence, "means", row->means, "advice",
                     row->advice);
}

static void why_put(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
}

static void why_print(const struct reason_row *row)
{
    char sentence[SENTENCE_MAX];
    reason_sentence(row, sentence, sizeof sentence);
    printf("%s: %s\n\n", row->name, sentence);
    paragraph(stdout, 2, "%s", row->means);
    printf("\n  who must act:  %s (%s)\n", act_text(row->act), act_word(row->act));
    printf("  what to do:\n");
    paragraph(stdout, 4, "%s", row->advice);
    printf("\n  it concerns:   %s; status %s%s%s\n", scope_word(row->scope), row->status,
           row->tls ? "; TLS-RPT type " : "", why_tls_word(row->tls));
}

static void why_list(bool json)
{
    json_t *all = json_array();
    for (size_t i = 1; i < reason_count(); i++) {
        const struct reason_row *row = reason_row((enum reason)i);
        char sentence[SENTENCE_MAX];
        reason_sentence(row, sentence, sizeof sentence);
        if (json)
            json_array_append_new(all, why_json(row));
        else
            printf("%-24s %-13s %s\n", row->name, act_word(row->act), sentence);
    }
    if (json)
        why_put(all);
    json_decref(all);
}

static int no_reason(const char *name)
{
    fprintf(stderr, "waxwing why: there is no reason '%s'; waxwing why lists them\n", name);
    return EXIT_NO;
}

int command_why(int argc, char **argv)
{
    bool json = false;
    const char *name = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] == '-' || name)
            return command_usage_error("why", "unexpected argument '%s'", argv[i]);
        else
            name = argv[i];
    }
    if (!name) {
        why_list(json);
        return EXIT_YES;
    }
    const struct reason_row *row = reason_row(reason_named(name));
    if (!row->name[0])
        return no_reason(name);
    if (json) {
        json_t *j = why_json(row);
        why_put(j);
        json_decref(j);
    } else {
        why_print(row);
    }
    return EXIT_YES;
}
