// SPDX-License-Identifier: ISC
// `waxwing queue list --fleet`: what waits at each node, as the nodes told the fleet's database.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/advice.h"
#include "relay/command/queue.h"
#include "relay/command/terminal.h"
#include "relay/fleet/queued.h"
#include "relay/log/json.h"

static bool is_wanted(const struct queue_call *call, const json_t *row)
{
    const struct queue_filter *f = &call->filter;
    if (f->domain && strcmp(f->domain, json_word(row, "domain")) != 0)
        return false;
    if (f->site && !queue_site_is(json_word(row, "site"), f->site))
        return false;
    return f->state < 0 ||
           strcmp(queue_state_word((enum queue_state)f->state), json_word(row, "state")) == 0;
}

// Leaves those rows in that were asked for.
static void choose(const struct queue_call *call, json_t *nodes)
{
    json_t *node, *rows;
    size_t i;
    json_array_foreach (nodes, i, node) {
        rows = json_object_get(node, "rows");
        for (size_t r = json_array_size(rows); r-- > 0;)
            if (!is_wanted(call, json_array_get(rows, r)))
                json_array_remove(rows, r);
    }
}

static long long age_of(const json_t *row)
{
    int64_t since = json_number_of(row, "oldest"), now = clock_s();
    return since && now > since ? (long long)(now - since) : 0;
}

static void queue_fleet_print_row(const json_t *row)
{
    char age[TERMINAL_AGE], next[TERMINAL_AGE];
    const char *phrase = advice_phrase(row);
    printf("    %-7s %8lld  %s", json_word(row, "state"), json_number_of(row, "recipients"),
           json_word(row, "domain"));
    if (json_word(row, "site")[0])
        printf(" at %s", json_word(row, "site"));
    printf(", oldest %s", terminal_age(age_of(row), age));
    if (json_number_of(row, "next"))
        printf(", next %s", terminal_until(json_number_of(row, "next") - clock_s(), next));
    putchar('\n');
    if (!json_word(row, "reason")[0] && !json_word(row, "why")[0])
        return;
    char *text = mem_printf("%s%s(why %s%s%s)", json_word(row, "reason"),
                            json_word(row, "reason")[0] ? " " : "", json_word(row, "why"),
                            phrase[0] ? "; " : "", phrase);
    fputs("                      ", stdout);
    terminal_wrap(text, 22);
    free(text);
}

static long long recipients_of(const json_t *node)
{
    const char *state;
    json_t *sum;
    long long n = 0;
    json_object_foreach (json_object_get(node, "states"), state, sum)
        n += json_number_of(sum, "recipients");
    return n;
}

static void queue_fleet_print_head(const json_t *node)
{
    char ago[TERMINAL_AGE], silent[TERMINAL_AGE];
    const json_t *age = json_object_get(node, "age");
    long long n = recipients_of(node);
    bool live = json_says(node, "live");
    terminal_tint(live ? TERMINAL_GOOD : TERMINAL_BAD);
    fputs(json_word(node, "node"), stdout);
    terminal_tint(TERMINAL_PLAIN);
    if (json_says(node, "self"))
        fputs(" (this one)", stdout);
    if (!live)
        printf(", silent for %s", terminal_age(json_number_of(node, "silent"), silent));
    if (json_is_integer(age))
        printf(": %lld recipient%s, as of %s\n", n, n == 1 ? "" : "s",
               terminal_since(json_integer_value(age), ago));
    else
        puts(": it has told nothing of its queue");
}

static void queue_fleet_print(const struct queue_call *call, const json_t *nodes)
{
    const json_t *node, *row;
    long long all = 0;
    size_t i, r;
    json_array_foreach (nodes, i, node) {
        const json_t *others = json_object_get(node, "others");
        queue_fleet_print_head(node);
        json_array_foreach (json_object_get(node, "rows"), r, row)
            queue_fleet_print_row(row);
        if (json_number_of(others, "recipients"))
            printf("    %lld more recipients of other domains and states%s\n",
                   json_number_of(others, "recipients"),
                   call->filtered ? ", whatever was asked for" : "");
        all += recipients_of(node);
    }
    printf("%lld recipient%s in the queues of %zu node%s\n", all, all == 1 ? "" : "s",
           json_array_size(nodes), json_array_size(nodes) == 1 ? "" : "s");
}

int queue_fleet(const struct queue_call *call, const struct config *config)
{
    int status;
    struct why why;
    json_t *nodes = queued_ask(config, &status, &why);
    if (!nodes) {
        fprintf(stderr, "waxwing queue: %s\n", why.text);
        return status;
    }
    choose(call, nodes);
    if (call->json) {
        json_dumpf(nodes, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else {
        queue_fleet_print(call, nodes);
    }
    json_decref(nodes);
    return status;
}
