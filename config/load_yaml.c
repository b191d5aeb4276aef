// SPDX-License-Identifier: ISC
// From YAML to a tree: the one door to libyaml. Takes the plain part of YAML (mappings, lists,
// scalars); aliases, anchors and tags are refused, so that what stands in the file is all there is.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "config/node.h"
#include "config/value.h"
#include "relay/base/mem.h"

struct reader {
    yaml_parser_t parser;
    struct messages *messages;
    struct span input;
    bool broken; // the rest of the file cannot be read
};

// The column of a tab that stands where a line is indented; 0: there is none.
static size_t tab_in_indent(const struct reader *r, size_t line)
{
    struct span rest = r->input, at = {0};
    for (size_t i = 0; i <= line && rest.n; i++) {
        struct span all = rest;
        if (!span_cut(all, '\n', &at, &rest)) {
            at = all;
            rest.n = 0;
        }
    }
    for (size_t i = 0; i < at.n && (at.p[i] == ' ' || at.p[i] == '\t'); i++)
        if (at.p[i] == '\t')
            return i + 1;
    return 0;
}

// The parser notices late: what is missing is here, or some lines above.
#define SYNTAX_HINT "; look here and just above for a bracket, quote, colon or space too few"

static void syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    char text[512];
    size_t line = p->problem_mark.line, tab = tab_in_indent(r, line);
    r->broken = true;
    if (tab) {
        messages_error_at(r->messages, line + 1, tab,
                          "a tab; in YAML lines are indented with spaces");
        return;
    }
    const char *problem = p->problem ? p->problem : "something else";
    if (p->context)
        snprintf(text, sizeof text, "not YAML: %s %s (line %zu)" SYNTAX_HINT, problem, p->context,
                 p->context_mark.line + 1);
    else
        snprintf(text, sizeof text, "not YAML: %s", problem);
    messages_error_at(r->messages, p->problem_mark.line + 1, p->problem_mark.column + 1, text);
}

static int next(struct reader *r, yaml_event_t *event)
{
    if (r->broken)
        return -1;
    if (!yaml_parser_parse(&r->parser, event)) {
        syntax_error(r);
        return -1;
    }
    return 0;
}

static void load_yaml_complain(struct reader *r, const yaml_mark_t *at, const char *text)
{
    messages_error_at(r->messages, at->line + 1, at->column + 1, text);
}

static struct node *node_new(const struct reader *r, enum node_kind kind, const yaml_mark_t *at)
{
    struct node *node = mem_new(sizeof *node);
    node->kind = kind;
    node->file = messages_now(r->messages);
    node->line = at->line + 1;
    node->column = at->column + 1;
    if (kind == NODE_SCALAR)
        node->text = mem_dup("");
    return node;
}

static struct node *take_scalar(struct reader *r, const yaml_event_t *event)
{
    struct node *node = node_new(r, NODE_SCALAR, &event->start_mark);
    const char *value = (const char *)event->data.scalar.value;
    if (memchr(value, 0, event->data.scalar.length))
        load_yaml_complain(r, &event->start_mark, "a NUL character is not accepted");
    if (event->data.scalar.tag)
        load_yaml_complain(r, &event->start_mark, "tags (!name) are not accepted");
    if (event->data.scalar.anchor)
        load_yaml_complain(r, &event->start_mark, "anchors (&name) are not accepted");
    free(node->text);
    node->text = mem_dup(value);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return node;
}

static struct node *read_value(struct reader *r, yaml_event_t *event, int depth);

// Reads on until the list's end. A map's keys and values come in turns.
static void read_children(struct reader *r, struct node *parent, int depth)
{
    for (;;) {
        yaml_event_t event;
        if (next(r, &event) < 0)
            return;
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return;
        }
        struct node *first = read_value(r, &event, depth), *second = NULL;
        if (parent->kind == NODE_MAP) {
            if (first && first->kind != NODE_SCALAR) {
                messages_error(r->messages, first, "a key must be a plain name");
                node_free(first);
                first = NULL;
            }
            if (next(r, &event) == 0)
                second = read_value(r, &event, depth);
            if (first && second) {
                node_append(parent, first, second);
                continue;
            }
            node_free(second);
            node_free(first);
        } else if (first) {
            node_append(parent, NULL, first);
        }
    }
}

static struct node *read_collection(struct reader *r, const yaml_event_t *event, int depth)
{
    bool map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor =
        map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag = map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (anchor)
        load_yaml_complain(r, &event->start_mark, "anchors (&name) are not accepted");
    if (tag)
        load_yaml_complain(r, &event->start_mark, "tags (!name) are not accepted");
    if (depth == NODE_DEPTH) {
        load_yaml_complain(r, &event->start_mark, "nested too deeply");
        r->broken = true;
        return NULL;
    }
    struct node *node = node_new(r, map ? NODE_MAP : NODE_LIST, &event->start_mark);
    read_children(r, node, depth + 1);
    return node;
}

// Takes the event over. NULL only when the file cannot be read on.
static struct node *read_value(struct reader *r, yaml_event_t *event, int depth)
{
    struct node *node = NULL;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node = take_scalar(r, event);
        break;
    case YAML_ALIAS_EVENT:
        load_yaml_complain(r, &event->start_mark, "aliases (*name) are not accepted");
        node = node_new(r, NODE_SCALAR, &event->start_mark);
        break;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        node = read_collection(r, event, depth);
        break;
    default:
        load_yaml_complain(r, &event->start_mark, "not expected here");
        r->broken = true;
        break;
    }
    yaml_event_delete(event);
    return node;
}

static struct node *read_stream(struct reader *r)
{
    struct node *root = NULL;
    for (size_t documents = 0;;) {
        yaml_event_t event;
        if (next(r, &event) < 0)
            return root;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && documents++ == 1) {
            load_yaml_complain(r, &event.start_mark,
                               "a second document; one file holds one configuration");
            r->broken = true;
        }
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT ||
            type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT)
            yaml_event_delete(&event);
        else
            root = read_value(r, &event, 0);
        if (type == YAML_STREAM_END_EVENT)
            return root;
    }
}

struct node *node_read(const void *text, size_t n, struct messages *m)
{
    struct reader r = {.messages = m, .input = span_of(text, n)};
    if (!yaml_parser_initialize(&r.parser))
        abort(); // only memory can be missing
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, text, n);
    struct node *root = read_stream(&r);
    yaml_parser_delete(&r.parser);
    if (r.broken) { // half a file would only bring errors that are not there
        node_free(root);
        root = NULL;
    }
    return root;
}
