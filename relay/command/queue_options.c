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
#include "relay/log/json.h"
#include "relay/smtp/reply_class.h"

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

static int queue_options_take_login(struct queue_call *call, const char *value)
{
    call->filter.login = value;
    return 0;
}

static int queue_options_take_site(struct queue_call *call, const char *value)
{
    if (!value[0])
        return command_usage_error("queue", "--site: '' is no site");
    call->filter.site = value;
    return 0;
}

static int queue_options_take_class(struct queue_call *call, const char *value)
{
    if (reply_class_parse(value) == REPLY_CLASSES)
        return command_usage_error("queue", "--class: '%s' is no class of replies", value);
    call->filter.class = value;
    return 0;
}

static int take_age(const char *option, const char *value, int64_t *out)
{
    uint64_t ms;
    struct why why;
    if (value_duration(span_text(value), &ms, &why) < 0)
        return command_usage_error("queue", "%s: %s", option, why.text);
    if (ms == 0 || ms > INT64_MAX / 2)
        return command_usage_error("queue", "%s: '%s' says nothing; --all is everything", option,
                                   value);
    *out = (int64_t)ms;
    return 0;
}

static int queue_options_take_older(struct queue_call *call, const char *value)
{
    return take_age("--older", value, &call->filter.older_ms);
}

static int queue_options_take_newer(struct queue_call *call, const char *value)
{
    return take_age("--newer", value, &call->filter.newer_ms);
}

static int take_size(const char *option, const char *value, uint64_t *out)
{
    struct why why;
    if (value_size(span_text(value), out, &why) < 0)
        return command_usage_error("queue", "%s: %s", option, why.text);
    if (*out == 0 || *out > INT64_MAX)
        return command_usage_error("queue", "%s: '%s' says nothing; --all is everything", option,
                                   value);
    return 0;
}

static int queue_options_take_larger(struct queue_call *call, const char *value)
{
    return take_size("--larger", value, &call->filter.larger);
}

static int queue_options_take_smaller(struct queue_call *call, const char *value)
{
    return take_size("--smaller", value, &call->filter.smaller);
}

static int queue_options_take_next_hop(struct queue_call *call, const char *value)
{
    call->next_hop = value;
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
    {"--domain", queue_options_take_domain, true},
    {"--sender", queue_options_take_sender, true},
    {"--state", queue_options_take_state, true},
    {"--older", queue_options_take_older, true},
    {"--login", queue_options_take_login, true},
    {"--newer", queue_options_take_newer, true},
    {"--site", queue_options_take_site, true},
    {"--larger", queue_options_take_larger, true},
    {"--smaller", queue_options_take_smaller, true},
    {"--to", queue_options_take_to, false},
    {"--class", queue_options_take_class, true},
    {"--to-next-hop", queue_options_take_next_hop, false},
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
    {"--fleet", offsetof(struct queue_call, fleet)},
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
    call->filter.ids = call->ids; // in order when all are read
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
    queue_filter_sort(call->ids, call->filter.nids);
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
    const char *state = f->state >= 0 ? queue_state_word((enum queue_state)f->state) : NULL;
    const struct {
        const char *key, *text;
        int64_t number;
    } words[] = {
        {"domain", f->domain, 0},
        {"sender", f->sender, 0},
        {"login", f->login, 0},
        {"site", f->site, 0},
        {"class", f->class, 0},
        {"state", state, 0},
        {"next_hop", call->next_hop, 0},
        {"older_ms", NULL, f->older_ms},
        {"newer_ms", NULL, f->newer_ms},
        {"larger", NULL, (int64_t)f->larger},
        {"smaller", NULL, (int64_t)f->smaller},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].text)
            json_object_set_new(request, words[i].key, json_text(words[i].text));
        if (words[i].number)
            json_object_set_new(request, words[i].key, json_integer(words[i].number));
    }
    return request;
}
