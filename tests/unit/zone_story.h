// SPDX-License-Identifier: ISC
// A zone for tests of evaluations: an answer file in a string, with ' for ".
#ifndef TESTS_ZONE_STORY_H
#define TESTS_ZONE_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns/answers.h"
#include "dns/facts.h"
#include "relay/base/mem.h"

struct zone {
    struct answers *answers;
    struct facts *facts;
    unsigned asked, rounds;
};

static inline struct zone zone_open(const char *json)
{
    struct why why = {0};
    char *text = mem_dup(json);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    struct zone zone = {.answers = answers_parse(text, strlen(text), &why), .facts = facts_new()};
    if (!zone.answers)
        fail_msg("%s: %s", why.text, text);
    free(text);
    return zone;
}

// Answers all that is wanted.
static inline void zone_serve(struct zone *zone)
{
    const char *name;
    uint16_t type;
    assert_true(facts_count_wanted(zone->facts) > 0); // an evaluation that waits has asked
    while (facts_wanted(zone->facts, 0, &name, &type)) {
        struct dns_answer *answer = answers_ask(zone->answers, name, type);
        facts_put(zone->facts, answer);
        zone->asked++;
    }
    zone->rounds++;
}

static inline void zone_close(struct zone *zone)
{
    facts_free(zone->facts);
    answers_free(zone->answers);
}

#endif
