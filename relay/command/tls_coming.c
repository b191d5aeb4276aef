// SPDX-License-Identifier: ISC
// `waxwing tls coming` for people.
#include <stdio.h>
#include <string.h>
#include "relay/command/advice.h"
#include "relay/command/paragraph.h"
#include "relay/command/tls.h"
#include "relay/log/json.h"

static void coming_print(const json_t *one)
{
    const json_t *days = json_object_get(one, "days");
    long long more = json_number_of(one, "domains") - 1, left = json_integer_value(days);
    char when[64] = "", others[64] = "";
    if (json_is_integer(days) && left < 0)
        snprintf(when, sizeof when, " (over)");
    else if (json_is_integer(days))
        snprintf(when, sizeof when, " (in %lld day%s)", left, left == 1 ? "" : "s");
    if (more > 0)
        snprintf(others, sizeof others, " and %lld more domain%s", more, more == 1 ? "" : "s");
    const char *host = json_word(one, "host");
    paragraph(stdout, 0, "%s%s: %s%s%s%s", json_word(one, "what"), when, json_word(one, "domain"),
              others, host[0] ? ", " : "", host);
    paragraph(stdout, 2, "%s", json_word(one, "text"));
    paragraph(stdout, 2, "%s; who can mend it: %s; %s",
              strcmp(json_word(one, "sure"), "guess") == 0    ? "only a guess"
              : strcmp(json_word(one, "sure"), "likely") == 0 ? "likely"
                                                              : "certain",
              advice_actor(one), json_word(one, "advice"));
}

void tls_print_coming(const json_t *coming, int64_t days)
{
    size_t i;
    const json_t *one, *findings = json_object_get(coming, "findings");
    if (!json_array_size(findings))
        printf("Nothing that is known will break within %lld days.\n", (long long)days);
    json_array_foreach (findings, i, one)
        coming_print(one);
}
