// SPDX-License-Identifier: ISC
// `waxwing trace`: the story of a message, read from the ring files. Asks no relay, so that it works while none runs.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/options.h"
#include "relay/command/terminal.h"
#include "relay/command/trace.h"
#include "relay/log/json.h"
#include "relay/trace/brief.h"
#include "relay/trace/read.h"
#include "relay/trace/story.h"

#define TRACE_LIMIT     20   // messages of an address
#define TRACE_LIMIT_MAX 1000 // at most
#define TRACE_INDENT    24   // columns before the text of a line

// ---- one message

static enum terminal_tint tint_of(enum story_mood mood)
{
    static const enum terminal_tint tints[] = {[STORY_PLAIN] = TERMINAL_PLAIN,
                                               [STORY_GOOD] = TERMINAL_GOOD,
                                               [STORY_WAIT] = TERMINAL_WAIT,
                                               [STORY_BAD] = TERMINAL_BAD};
    return tints[mood];
}

void trace_on_line(const struct story_line *line, void *arg)
{
    struct trace_telling *t = arg;
    char time[40] = "", at[16] = "";
    if (line->at_ms) {
        clock_rfc3339(line->at_ms, time);
        snprintf(at, sizeof at, "%.8s.%03d", time + 11, (int)(line->at_ms % 1000));
        if (strncmp(t->day, time, 10) != 0) {
            snprintf(t->day, sizeof t->day, "%.10s", time);
            printf("%s, UTC\n", t->day);
        }
    }
    terminal_tint(tint_of(line->mood));
    printf("%-12s  %-9s ", at, line->head);
    terminal_wrap(line->text, TRACE_INDENT);
    terminal_tint(TERMINAL_PLAIN);
}

static bool trace_on_record(const json_t *record, void *arg)
{
    (void)arg;
    json_dumpf(record, stdout, JSON_COMPACT);
    return putchar('\n') != EOF;
}

static int trace_told(size_t n, const char *what)
{
    if (n)
        return EXIT_YES;
    fprintf(stderr,
            "waxwing trace: nothing is known of %s (any more): traces are kept for "
            "trace.keep, up to trace.size\n",
            what);
    return EXIT_NO;
}

static int trace_trouble(const struct why *why)
{
    fprintf(stderr, "waxwing trace: %s\n", why->text);
    return EXIT_TEMP;
}

static int trace_message(const struct config *config, const struct trace_options *o, const char *id)
{
    size_t n;
    struct why why;
    struct trace_telling t = {0};
    if (o->json)
        return read_message(config->trace.directory, id, trace_on_record, NULL, &n, &why) < 0
                   ? trace_trouble(&why)
                   : trace_told(n, id);
    struct story_options options = {.full = o->full, .line = trace_on_line, .arg = &t};
    struct story *story = story_new(&options);
    int rc = read_message(config->trace.directory, id, story_add, story, &n, &why);
    story_free(story);
    return rc < 0 ? trace_trouble(&why) : trace_told(n, id);
}

// ---- several

void trace_print_brief(int64_t at_ms, const char *id, const char *event, const char *from,
                       const char *to)
{
    char time[40] = "";
    clock_rfc3339(at_ms, time);
    printf("%.10s %.8s  %s  %-9s  %s -> %s\n", time, time + 11, id, event ? event : "",
           from ? from : "?", to ? to : "?");
}

static void trace_list(const struct config *config, const char *id)
{
    struct brief brief = {0};
    size_t n;
    struct why why;
    if (read_message(config->trace.directory, id, brief_add, &brief, &n, &why) == 0 && n)
        trace_print_brief(brief.at_ms, id, brief.event, brief.from, brief.to);
    brief_free(&brief);
}

// Oldest first, as everything that is told in time.
static void trace_all(const struct config *config, const struct trace_options *o,
                      const struct read_found *found)
{
    for (size_t i = found->n; i-- > 0;) {
        if (o->json)
            trace_message(config, o, found->ids[i]);
        else
            trace_list(config, found->ids[i]);
    }
    if (found->more)
        fprintf(stderr, "waxwing trace: there are others before these; --limit N shows more\n");
}

static int trace_find(const struct config *config, const struct trace_options *o, const char *text)
{
    struct read_found found = {0};
    struct why why;
    int rc = 0, status;
    bool bracketed = text[0] == '<';
    if (!bracketed)
        rc = read_find(config->trace.directory, TRACE_KEY_ADDRESS, text, (size_t)o->limit, &found,
                       &why);
    if (rc == 0 && !found.n)
        rc = read_find(config->trace.directory, TRACE_KEY_MESSAGE_ID, text, (size_t)o->limit,
                       &found, &why);
    if (rc < 0)
        return trace_trouble(&why);
    if (found.n == 1) {
        status = trace_message(config, o, found.ids[0]);
    } else {
        trace_all(config, o, &found);
        status = trace_told(found.n, text);
        if (!found.n && config->log_mask)
            fputs("waxwing trace: addresses are masked (log.mask), so nothing is found by one: ask "
                  "by the message's id or its Message-ID\n",
                  stderr);
    }
    read_found_free(&found);
    return status;
}

static bool trace_set_limit(void *options, const char *value)
{
    return span_number(span_text(value), TRACE_LIMIT_MAX,
                       &((struct trace_options *)options)->limit) &&
           ((struct trace_options *)options)->limit > 0;
}

static int trace_ask(const struct config *config, const struct trace_options *o, const char *what)
{
    uint64_t id;
    bool named = id_parse(what, &id);
    if (!named && !strchr(what, '@') && what[0] != '<')
        return command_usage_error(
            "trace", "'%s' is no id of a message, no address and no Message-ID", what);
    if (o->fleet)
        return trace_fleet(config, o, what);
    if (access(config->trace.directory, F_OK) != 0 && !config->trace.size) {
        fputs("waxwing trace: no traces are kept (trace.size is 0)\n", stderr);
        return EXIT_NO;
    }
    return named ? trace_message(config, o, what) : trace_find(config, o, what);
}

int command_trace(int argc, char **argv)
{
    static const struct option_row rows[] = {
        {"json", OPTION_FLAG, offsetof(struct trace_options, json), NULL},
        {"full", OPTION_FLAG, offsetof(struct trace_options, full), NULL},
        {"fleet", OPTION_FLAG, offsetof(struct trace_options, fleet), NULL},
        {"limit", OPTION_CALL, 0, trace_set_limit},
        {NULL, OPTION_TEXT, 0, NULL}};
    struct trace_options o = {.limit = TRACE_LIMIT};
    int status = command_table("trace", argc, argv, rows, &o);
    if (status != EXIT_YES)
        return status;
    if (argc - optind != 1)
        return command_usage_error("trace", "an id, an address or a Message-ID, and one of them");
    struct config *config = command_load_config(&status);
    if (!config)
        return status;
    status = trace_ask(config, &o, argv[optind]);
    config_unref(config);
    return status;
}
