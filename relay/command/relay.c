// SPDX-License-Identifier: ISC
// `waxwing status`, `reload` and `drain`: short questions to the running relay.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/reasons.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/options.h"
#include "relay/command/progress.h"
#include "relay/command/terminal.h"
#include "relay/control/control.h"
#include "relay/log/json.h"

#define WATCH_S 2

struct status_options {
    bool json, watch;
};

static json_t *relay_ask(const char *verb, int *status)
{
    struct config *config = command_load_config(status);
    if (!config)
        return NULL;
    json_t *answer = control_ask(config->control, json_pack("{s:s}", "verb", verb), status);
    config_unref(config);
    return answer;
}

// The state, and what waits by who can mend it.
static json_t *ask_status(int *status)
{
    int ignored;
    struct config *config = command_load_config(status);
    if (!config)
        return NULL;
    json_t *answer = control_ask(config->control, json_pack("{s:s}", "verb", "status"), status),
           *queue = answer
                        ? control_ask_quietly(config->control,
                                              json_pack("{s:s}", "verb", "queue-summary"), &ignored)
                        : NULL;
    if (json_is_array(json_object_get(queue, "acts")))
        json_object_set(answer, "waits", json_object_get(queue, "acts"));
    json_decref(queue);
    config_unref(config);
    return answer;
}

static int simple(const char *verb, int argc, char **argv, void (*told)(const json_t *answer))
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json)
        return command_usage_error(verb, "unexpected argument '%s'", argv[1]);
    int status;
    json_t *answer = relay_ask(verb, &status);
    if (answer && json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (answer && status == EXIT_YES)
        told(answer);
    json_decref(answer);
    return status;
}

static void relay_told_reload(const json_t *answer)
{
    const char *restart = json_word(answer, "restart");
    if (restart[0])
        printf("the new configuration is in force, but for what only a restart changes: %s\n",
               restart);
    else
        puts("the new configuration is in force");
}

static void relay_told_drain(const json_t *answer)
{
    (void)answer;
    puts("no more is accepted; the relay ends when its queue is empty (held mail stays)");
}

int command_reload(int argc, char **argv)
{
    return simple("reload", argc, argv, relay_told_reload);
}

int command_drain(int argc, char **argv)
{
    return simple("drain", argc, argv, relay_told_drain);
}

static void print_certificate(const json_t *answer)
{
    time_t expires = (time_t)json_number_of(answer, "certificate_expires");
    if (!expires)
        return;
    long long days = ((long long)expires - (long long)time(NULL)) / 86400;
    printf("certificate  valid for %lld more days\n", days);
}

static void print_state(const json_t *state)
{
    printf("state        %s, %lld facts wait, %lld dropped\n",
           json_is_true(json_object_get(state, "writable")) ? "healthy" : "CANNOT BE WRITTEN",
           json_number_of(state, "waiting"), json_number_of(state, "dropped"));
    if (json_word(state, "lost")[0])
        printf("             %s\n", json_word(state, "lost"));
}

static const char *validation(const char *word)
{
    if (strcmp(word, "unchecked") == 0)
        return "on, not checked (dns.self_check is off)";
    return strcmp(word, "off") == 0 ? "off (no DNS server is trusted to validate)" : word;
}

static void print_validation(const json_t *dns)
{
    printf("DNS          validation %s, %lld lookups, %lld from the cache, %lld failed\n",
           validation(json_word(dns, "validation")), json_number_of(dns, "lookups"),
           json_number_of(dns, "cache_hits"), json_number_of(dns, "failures"));
    if (json_word(dns, "text")[0])
        printf("             %s\n", json_word(dns, "text"));
}

static void print_troubles(const json_t *troubles)
{
    size_t i;
    const json_t *line;
    json_array_foreach (troubles, i, line) {
        terminal_tint(TERMINAL_BAD);
        printf("%s ", i ? "            " : "TROUBLE     ");
        terminal_tint(TERMINAL_PLAIN);
        terminal_wrap(json_string_value(line), 13);
    }
}

static void print_milters(const json_t *milters)
{
    size_t i;
    const json_t *m;
    json_array_foreach (milters, i, m) {
        bool away = json_number_of(m, "away") != 0;
        printf("%s %s %s, %lld messages, %lld that it could not be asked about%s%s\n",
               i ? "            " : "filters     ", json_word(m, "name"),
               away ? "DOES NOT DO ITS WORK" : "answers", json_number_of(m, "messages"),
               json_number_of(m, "failed"), away ? ": " : "", json_word(m, "reason"));
    }
}

static void print_queue(const json_t *counters, const json_t *answer)
{
    char used[TERMINAL_AGE], most[TERMINAL_AGE], messages[TERMINAL_AGE];
    printf("queue        %lld recipients to serve, %s of %s of memory; %s of messages in memory\n",
           json_number_of(counters, "queued"),
           terminal_size((uint64_t)json_number_of(counters, "queue_memory"), used),
           terminal_size((uint64_t)json_number_of(answer, "queue_memory_limit"), most),
           terminal_size((uint64_t)json_number_of(counters, "memory"), messages));
}

// What waits after failing, by who can mend it.
static void print_waits(const json_t *acts)
{
    size_t i;
    const json_t *row;
    char age[TERMINAL_AGE];
    json_array_foreach (acts, i, row) {
        const char *act = json_word(row, "act");
        bool ours = strcmp(act, "us") == 0 || strcmp(act, "network") == 0;
        printf("%s ", i ? "            " : "waits       ");
        terminal_tint(ours ? TERMINAL_BAD : TERMINAL_PLAIN);
        long long recipients = json_number_of(row, "recipients"),
                  domains = json_number_of(row, "domains");
        printf("%lld recipient%s of %lld domain%s, the oldest for %s", recipients,
               recipients == 1 ? "" : "s", domains, domains == 1 ? "" : "s",
               terminal_age((long long)time(NULL) - json_number_of(row, "oldest"), age));
        terminal_tint(TERMINAL_PLAIN);
        printf(": %s\n", act[0] ? act_phrase(act_named(act)) : "for nobody known");
    }
}

// Those that are well need no line.
static void print_hops(const json_t *hops, const json_t *tokens)
{
    size_t i;
    const json_t *j;
    json_array_foreach (hops, i, j)
        if (strcmp(json_word(j, "state"), "up") != 0)
            printf("next hop     %s IS PASSED OVER, to be tried in %lld s: %s\n",
                   json_word(j, "hop"), json_number_of(j, "next"), json_word(j, "reason"));
    json_array_foreach (tokens, i, j)
        if (json_word(j, "reason")[0])
            printf("token        %s: FAILING, %lld s are left: %s\n", json_word(j, "user"),
                   json_number_of(j, "left"), json_word(j, "reason"));
}

static void print_status(const json_t *answer)
{
    const json_t *c = json_object_get(answer, "counters");
    const json_t *spool = json_object_get(answer, "spool");
    const json_t *dns = json_object_get(answer, "dns");
    printf("waxwing %s on %s, %s since %s, %lld workers\n", json_word(answer, "version"),
           json_word(answer, "hostname"), json_word(answer, "stage"), json_word(answer, "started"),
           json_number_of(answer, "workers"));
    printf("configuration %s\n\n", json_word(answer, "configuration"));
    printf("in           %lld connections (%lld open), %lld accepted, %lld refused, "
           "%lld failed logins\n",
           json_number_of(c, "connections"), json_number_of(c, "connections_now"),
           json_number_of(c, "accepted"), json_number_of(c, "refused"),
           json_number_of(c, "auth_failed"));
    printf("out          %lld delivered, %lld deferred, %lld failed, %lld expired, %lld DSNs\n",
           json_number_of(c, "delivered"), json_number_of(c, "deferred"),
           json_number_of(c, "failed"), json_number_of(c, "expired"), json_number_of(c, "dsn"));
    printf("TLS          %lld refused, %lld failed and delivered all the same\n",
           json_number_of(c, "tls_refused"), json_number_of(c, "tls_failure"));
    printf("TLS reports  %lld sent, %lld given up\n", json_number_of(c, "reports_sent"),
           json_number_of(c, "reports_failed"));
    print_queue(c, answer);
    print_waits(json_object_get(answer, "waits"));
    char size[TERMINAL_AGE];
    printf("spool        %s in %lld segments, %lld syncs, %s, %s\n",
           terminal_size((uint64_t)json_number_of(spool, "bytes"), size),
           json_number_of(spool, "segments"), json_number_of(spool, "syncs"),
           json_is_true(json_object_get(spool, "healthy")) ? "healthy" : "CANNOT WRITE",
           json_is_true(json_object_get(spool, "room")) ? "room left" : "DISK FULL");
    print_validation(dns);
    print_state(json_object_get(answer, "state"));
    print_certificate(answer);
    print_milters(json_object_get(answer, "milters"));
    print_hops(json_object_get(answer, "next_hops"), json_object_get(answer, "tokens"));
    print_troubles(json_object_get(answer, "troubles"));
    printf("alarms       %lld\n", json_number_of(c, "alarms"));
    if (json_number_of(c, "log_lost"))
        printf("log          %lld lines lost: whoever reads it is too slow\n",
               json_number_of(c, "log_lost"));
}

static int show_status(bool json, bool again)
{
    int status;
    json_t *answer = ask_status(&status);
    if (again)
        terminal_clear();
    if (answer && json)
        json_dumpf(answer, stdout, again ? JSON_COMPACT : JSON_INDENT(2)), putchar('\n');
    else if (answer && status == EXIT_YES)
        print_status(answer);
    json_decref(answer);
    return status;
}

// Until somebody interrupts it, or nobody answers; with --json a line each time.
static int watch_status(bool json)
{
    int status;
    progress_end();
    while ((status = show_status(json, true)) == EXIT_YES && fflush(stdout) == 0)
        sleep(WATCH_S);
    return status;
}

int command_status(int argc, char **argv)
{
    static const struct option_row rows[] = {
        {"json", OPTION_FLAG, offsetof(struct status_options, json), NULL},
        {"watch", OPTION_FLAG, offsetof(struct status_options, watch), NULL},
        {0},
    };
    struct status_options o = {0};
    int rc = command_table("status", argc, argv, rows, &o);
    if (rc != EXIT_YES)
        return rc;
    if (optind != argc)
        return command_usage_error("status", "unexpected argument '%s'", argv[optind]);
    return o.watch ? watch_status(o.json) : show_status(o.json, false);
}
