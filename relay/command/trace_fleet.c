// SPDX-License-Identifier: ISC
// `waxwing trace --fleet`: which nodes have the story of a message, and the story. Each node reads its own files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/command/terminal.h"
#include "relay/command/trace.h"
#include "relay/fleet/question.h"
#include "relay/log/json.h"

// One message at one node.
struct place {
    const json_t *node, *message;
};

struct places {
    struct place at[255 * QUESTION_MOST];
    size_t n;
};

static void find_places(const json_t *nodes, struct places *out)
{
    const json_t *node, *message;
    size_t i, k;
    out->n = 0;
    json_array_foreach (nodes, i, node)
        json_array_foreach (json_object_get(node, "messages"), k, message)
            if (out->n < sizeof out->at / sizeof *out->at)
                out->at[out->n++] = (struct place){node, message};
}

static int trace_fleet_by_time(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    json_int_t at = json_number_of(x->message, "at"), other = json_number_of(y->message, "at");
    return at != other ? (at < other ? -1 : 1)
                       : strcmp(json_word(x->node, "node"), json_word(y->node, "node"));
}

// Whether all are one message: another node may have taken it over.
static bool are_one(const struct places *p)
{
    for (size_t i = 1; i < p->n; i++)
        if (strcmp(json_word(p->at[i].message, "id"), json_word(p->at[0].message, "id")) != 0)
            return false;
    return p->n > 0;
}

static void print_story(const struct trace_options *o, const struct place *place)
{
    struct trace_telling t = {0};
    const struct story_options options = {.full = o->full, .line = trace_on_line, .arg = &t};
    struct story *story = story_new(&options);
    const json_t *record;
    size_t i;
    printf("at %s%s\n", json_word(place->node, "node"),
           json_says(place->node, "self") ? " (this node)" : "");
    json_array_foreach (json_object_get(place->message, "records"), i, record)
        story_add(record, story);
    story_free(story);
    if (json_says(place->message, "cut"))
        printf("what follows is too much for an answer: ask at %s\n",
               json_word(place->node, "node"));
}

static void print_records(const struct place *place)
{
    json_t *record;
    size_t i;
    json_array_foreach (json_object_get(place->message, "records"), i, record) {
        json_object_set(record, "node", json_object_get(place->node, "node"));
        json_dumpf(record, stdout, JSON_COMPACT);
        putchar('\n');
    }
}

static void print_places(const struct trace_options *o, const struct places *p)
{
    bool one = are_one(p);
    for (size_t i = 0; i < p->n; i++) {
        const json_t *m = p->at[i].message;
        if (o->json) {
            print_records(&p->at[i]);
        } else if (one) {
            print_story(o, &p->at[i]);
        } else {
            printf("%s  ", json_word(p->at[i].node, "node"));
            trace_print_brief(json_number_of(m, "at"), json_word(m, "id"), json_word(m, "event"),
                              json_word(m, "from"), json_word(m, "to"));
        }
    }
}

// ---- what is missing, on stderr

static void tell_node(const json_t *node)
{
    char silent[TERMINAL_AGE];
    const char *name = json_word(node, "node"), *trouble = json_word(node, "trouble");
    if (!json_says(node, "live"))
        fprintf(stderr, "waxwing trace: %s is silent for %s; what it knows is on its disk\n", name,
                terminal_age(json_number_of(node, "silent"), silent));
    else if (!json_says(node, "answered"))
        fprintf(stderr, "waxwing trace: %s lives, and has not answered in %d s\n", name,
                QUESTION_WAIT_S);
    else if (trouble[0])
        fprintf(stderr, "waxwing trace: %s has no traces to look at: %s\n", name, trouble);
    else if (json_says(node, "masked"))
        fprintf(stderr, "waxwing trace: %s masks addresses (log.mask), and finds nothing by one\n",
                name);
    else if (json_says(node, "more"))
        fprintf(stderr, "waxwing trace: %s has others before these; --limit N shows more\n", name);
}

// An id says who gave it.
static void tell_giver(const json_t *nodes, uint64_t id)
{
    const json_t *node;
    size_t i;
    unsigned number = (unsigned)(id & 255);
    json_array_foreach (nodes, i, node)
        if (json_number_of(node, "number") == number) {
            fprintf(stderr, "waxwing trace: that id was given by %s\n", json_word(node, "node"));
            return;
        }
    if (number)
        fprintf(stderr,
                "waxwing trace: that id was given by a node of the number %u, and this "
                "fleet has none\n",
                number);
    else
        fputs("waxwing trace: that id was given by a relay without a fleet\n", stderr);
}

static int trace_fleet_tell(const struct trace_options *o, const json_t *nodes, const uint64_t *id)
{
    static struct places places;
    const json_t *node;
    size_t i;
    find_places(nodes, &places);
    qsort(places.at, places.n, sizeof places.at[0], trace_fleet_by_time);
    print_places(o, &places);
    json_array_foreach (nodes, i, node)
        tell_node(node);
    if (places.n)
        return EXIT_YES;
    fputs("waxwing trace: no node that answered knows of it (any more): traces are kept for "
          "trace.keep, up to trace.size\n",
          stderr);
    if (id)
        tell_giver(nodes, *id);
    return EXIT_NO;
}

static bool has_any(const json_t *nodes)
{
    const json_t *node;
    size_t i, n = 0;
    json_array_foreach (nodes, i, node)
        n += json_array_size(json_object_get(node, "messages"));
    return n > 0;
}

// What has no brackets may be an address, or else a Message-ID.
static json_t *trace_fleet_ask(const struct config *config, const struct trace_options *o,
                               const char *what, bool named, int *status, struct why *why)
{
    enum trace_key kind = named            ? TRACE_KEY_ID
                          : what[0] == '<' ? TRACE_KEY_MESSAGE_ID
                                           : TRACE_KEY_ADDRESS;
    json_t *nodes = question_ask(config, kind, what, o->limit, status, why);
    if (!nodes || kind != TRACE_KEY_ADDRESS || has_any(nodes))
        return nodes;
    int other;
    struct why quiet; // the first answer stands
    json_t *more = question_ask(config, TRACE_KEY_MESSAGE_ID, what, o->limit, &other, &quiet);
    if (more && has_any(more)) {
        json_decref(nodes);
        return more;
    }
    json_decref(more);
    return nodes;
}

int trace_fleet(const struct config *config, const struct trace_options *o, const char *what)
{
    int status;
    struct why why;
    uint64_t id;
    bool named = id_parse(what, &id);
    json_t *nodes = trace_fleet_ask(config, o, what, named, &status, &why);
    if (!nodes) {
        fprintf(stderr, "waxwing trace: %s\n", why.text);
        return status;
    }
    status = trace_fleet_tell(o, nodes, named ? &id : NULL);
    json_decref(nodes);
    return status;
}
