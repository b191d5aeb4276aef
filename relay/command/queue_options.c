// SPDX-License-Identifier: ISC
// The arguments of `waxwing queue`. A word that is not known, or a filter given twice, is an error: what is not
// understood must never widen what a verb is done to.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "config/value.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/queue.h"

#include <inttypes.h>

static int queue_options_take_domain(struct queue_call *call, const char *value)
{
    const char *at = strrchr(value, '@');
    const char *name = at ? at + 1 : value;
    char ascii[IDN_NAME];
    if (name[0] == '[')
        snprintf(call->domain, sizeof call->domain, "%s", name);
    else if (idn_to_ascii(name, ascii) < 0)
        return command_usage_error("queue", "--domain: '%s' is not a domain", value);
    else
        snprintf(call->domain, sizeof call->domain, "%s", ascii);
    call->filter.domain = call->domain;
    return 0;
}

// "<>" and "" are the null sender.
static int queue_options_take_sender(struct queue_call *call, const char *value)
{
    size_t n = strlen(value);
    bool angle = n >= 2 && value[0] == '<' && value[n - 1] == '>';
    if (n >= sizeof call->sender)
        return command_usage_error("queue", "--sender: '%s' is too long", value);
    snprintf(call->sender, sizeof call->sender, "%.*s", (int)(angle ? n - 2 : n), value + angle);
    call->filter.sender = call->sender;
    return 0;
}

static int queue_options_take_state(struct queue_call *call, const char *value)
{
    for (int s = QUEUE_ROUTING; s <= QUEUE_HELD; s++)
        if (strcmp(queue_state_word((enum queue_state)s), value) == 0)
            call->filter.state = s;
    if (call->filter.state >= 0)
        return 0;
    return command_usage_error(
        "queue", "--state: '%s' is no state (routing, waiting, ready, active, held)", value);
}

static int queue_options_take_older(struct queue_call *call, const char *value)
{
    uint64_t ms;
    struct why why;
    if (value_duration(span_text(value), &ms, &why) < 0)
        return command_usage_error("queue", "--older: %s", why.text);
    if (ms == 0 || ms > INT64_MAX / 2)
        return command_usage_error("queue", "--older: '%s' says nothing; --all is everything",
                                   value);
    call->filter.older_ms = (int64_t)ms;
    return 0;
}

static int queue_options_take_to(struct queue_call *call, const char *value)
{
    if (!strchr(value, '@'))
        return command_usage_error("queue", "--to: '%s' is not an address", value);
    call->to = mem_grow(call->to, call->nto + 1, sizeof *call->to);
    call->to[call->nto++] = value;
    return 0;
}

static const struct {
    const char *name;
    int (*take)(struct queue_call *call, const char *value);
    bool filter; // at most once
} valued[] = {
    {"--domain", queue_options_take_domain, true}, {"--sender", queue_options_take_sender, true},
    {"--state", queue_options_take_state, true},   {"--older", queue_options_take_older, true},
    {"--to", queue_options_take_to, false},
};
#define VALUED (sizeof valued / sizeof *valued)

static const struct {
    const char *name;
    size_t at;
} switches[] = {
    {"--json", offsetof(struct queue_call, json)},
    {"--all", offsetof(struct queue_call, all)},
    {"--yes", offsetof(struct queue_call, yes)},
    {"--dry-run", offsetof(struct queue_call, dry)},
    {"--offline", offsetof(struct queue_call, offline)},
    {"--envelope", offsetof(struct queue_call, envelope)},
};
#define SWITCHES (sizeof switches / sizeof *switches)

static bool take_switch(struct queue_call *call, const char *word)
{
    for (size_t i = 0; i < SWITCHES; i++)
        if (strcmp(word, switches[i].name) == 0) {
            *(bool *)(void *)((char *)call + switches[i].at) = true;
            return true;
        }
    return false;
}

static int take_option(struct queue_call *call, const char *option, const char *value,
                       bool seen[VALUED])
{
    for (size_t i = 0; i < VALUED; i++) {
        if (strcmp(option, valued[i].name) != 0)
            continue;
        if (!value)
            return command_usage_error("queue", "'%s' needs a value", option);
        if (seen[i] && valued[i].filter)
            return command_usage_error("queue", "'%s' is given twice", option);
        seen[i] = true;
        call->filtered |= valued[i].filter;
        return valued[i].take(call, value);
    }
    return command_usage_error("queue", "unknown option '%s'", option);
}

static int take_word(struct queue_call *call, const char *word)
{
    uint64_t id;
    if (strcmp(call->verb, "import") == 0) {
        if (call->file)
            return command_usage_error("queue", "import takes one file");
        call->file = word;
        return 0;
    }
    if (!id_parse(word, &id))
        return command_usage_error("queue", "'%s' is not a message id", word);
    if (call->filter.nids == QUEUE_IDS)
        return command_usage_error("queue", "more than %d message ids", QUEUE_IDS);
    call->ids[call->filter.nids++] = id;
    call->filter.ids = call->ids;
    return 0;
}

int queue_read_arguments(struct queue_call *call, int argc, char **argv)
{
    bool seen[VALUED] = {false};
    call->filter.state = -1;
    for (int i = 2; i < argc; i++) {
        int rc = 0;
        if (strcmp(argv[i], "-") == 0 || argv[i][0] != '-') {
            rc = take_word(call, argv[i]);
        } else if (!take_switch(call, argv[i])) {
            rc = take_option(call, argv[i], i + 1 < argc ? argv[i + 1] : NULL, seen);
            i++;
        }
        if (rc)
            return rc;
    }
    if (call->all && (call->filtered || call->filter.nids))
        return command_usage_error("queue", "--all and a choice of messages contradict each other");
    return EXIT_YES;
}

json_t *queue_request(const struct queue_call *call, const char *verb)
{
    const struct queue_filter *f = &call->filter;
    json_t *request = json_object(), *ids = json_array();
    for (size_t i = 0; i < f->nids; i++) {
        char id[ID_TEXT];
        id_text(f->ids[i], id);
        json_array_append_new(ids, json_string(id));
    }
    json_object_set_new(request, "verb", json_sprintf("queue-%s", verb));
    json_object_set_new(request, "ids", ids);
    json_object_set_new(request, "all", json_boolean(call->all));
    if (f->domain)
        json_object_set_new(request, "domain", json_string(f->domain));
    if (f->sender)
        json_object_set_new(request, "sender", json_string(f->sender));
    if (f->state >= 0)
        json_object_set_new(request, "state",
                            json_string(queue_state_word((enum queue_state)f->state)));
    if (f->older_ms)
        json_object_set_new(request, "older_ms", json_integer(f->older_ms));
    return request;
}

// Only a terminal is asked: a script has said what it wants.
bool queue_agreed(const struct queue_call *call, uint64_t recipients)
{
    char answer[16];
    if (call->yes || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s %" PRIu64 " recipient%s? [y/N] ", call->verb, recipients,
            recipients == 1 ? "" : "s");
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
