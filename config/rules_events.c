// SPDX-License-Identifier: ISC
// The sections `events` and `event_log`: names where none are given, and what a sink must be.
#include <stdlib.h>
#include <string.h>
#include "config/rules.h"
#include "config/setting.h"
#include "config/webhook.h"
#include "relay/base/mem.h"

static const char *target_of(const struct cfg_sink *sink)
{
    return sink->url[0] ? sink->url : sink->file[0] ? sink->file : sink->socket;
}

// The directory of that name, where the configuration names none.
static void beside_state(const struct config *c, char **directory, const char *name)
{
    const char *slash = strrchr(c->state, '/');
    if (slash)
        setting_fill_in(directory, mem_printf("%.*s/%s", (int)(slash - c->state), c->state, name));
}

void rules_complete_events(struct config *c)
{
    for (size_t i = 0; i < c->nsinks; i++) {
        struct cfg_sink *sink = &c->sinks[i];
        if (!sink->name[0]) {
            free(sink->name);
            sink->name = mem_dup(target_of(sink));
        }
    }
    if (c->nsinks)
        beside_state(c, &c->event_log.directory, "events");
    beside_state(c, &c->trace.directory, "trace");
}

static const char *rules_events_name(const void *rows, size_t i)
{
    return ((const struct cfg_sink *)rows)[i].name;
}

static void check_url(const struct cfg_sink *sink, const struct node *row, struct messages *m)
{
    struct webhook hook;
    struct why why;
    if (webhook_parse(span_text(sink->url), &hook, &why) < 0) {
        messages_error(m, node_get(row, "url"), "url: %s", why.text);
        return;
    }
    if (!node_has(row, "secret_file"))
        messages_warning(m, node_key(row, "url"),
                         "url: without a 'secret_file' the receiver cannot tell these events from "
                         "forged ones");
    if (hook.clear && node_has(row, "ca_file"))
        messages_warning(m, node_key(row, "ca_file"), "ca_file: has no effect with http://");
    webhook_free(&hook);
}

static void check_idle(const struct node *row, struct messages *m)
{
    static const char *const keys[] = {"secret_file", "ca_file"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (node_get(row, keys[i]))
            messages_warning(m, node_key(row, keys[i]), "%s: has no effect without 'url'", keys[i]);
}

static void check_socket(const struct cfg_sink *sink, const struct node *row, struct messages *m)
{
    struct sockaddr_storage address;
    struct why why;
    if (value_unix(span_text(sink->socket), &address, &why) < 0)
        messages_error(m, node_get(row, "socket"), "socket: %s", why.text);
}

void rules_check_events(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *rows = node_get(root, "events");
    rules_unique(rows, c->nsinks, "name", c->sinks, rules_events_name, m);
    for (size_t i = 0; i < c->nsinks; i++) {
        const struct cfg_sink *sink = &c->sinks[i];
        const struct node *row = node_row(rows, i);
        bool url = node_has(row, "url"), file = node_has(row, "file");
        if (!row || row->kind != NODE_MAP)
            continue;
        if (url + file + node_has(row, "socket") != 1)
            messages_error(m, row, "events: a row has one of 'url', 'file' and 'socket'");
        else if (url)
            check_url(sink, row, m);
        else
            check_idle(row, m);
        if (!url && !file)
            check_socket(sink, row, m);
        else if (sink->acknowledge)
            messages_error(m, node_get(row, "acknowledge"),
                           "acknowledge: a socket's reader alone can");
    }
}
