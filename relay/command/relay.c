// SPDX-License-Identifier: ISC
// `waxwing status`, `reload` and `drain`: short questions to the running relay.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "config/load.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/control/control.h"

static json_t *relay_ask(const char *verb, int *status)
{
    struct config *config = command_load_config(status);
    if (!config)
        return NULL;
    json_t *answer = control_ask(config->control, json_pack("{s:s}", "verb", verb), status);
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

static const char *relay_word(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

static void relay_told_reload(const json_t *answer)
{
    const char *restart = relay_word(answer, "restart");
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

static long long relay_number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static void print_certificate(const json_t *answer)
{
    time_t expires = (time_t)relay_number(answer, "certificate_expires");
    if (!expires)
        return;
    long long days = ((long long)expires - (long long)time(NULL)) / 86400;
    printf("certificate  valid for %lld more days\n", days);
}

static void print_state(const json_t *state)
{
    printf("state        %s, %lld facts wait, %lld dropped\n",
           json_is_true(json_object_get(state, "writable")) ? "healthy" : "CANNOT BE WRITTEN",
           relay_number(state, "waiting"), relay_number(state, "dropped"));
    if (relay_word(state, "lost")[0])
        printf("             %s\n", relay_word(state, "lost"));
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
           validation(relay_word(dns, "validation")), relay_number(dns, "lookups"),
           relay_number(dns, "cache_hits"), relay_number(dns, "failures"));
    if (relay_word(dns, "text")[0])
        printf("             %s\n", relay_word(dns, "text"));
}

static void print_troubles(const json_t *troubles)
{
    size_t i;
    const json_t *line;
    json_array_foreach (troubles, i, line)
        printf("%s %s\n", i ? "            " : "TROUBLE     ", json_string_value(line));
}

static void print_status(const json_t *answer)
{
    const json_t *c = json_object_get(answer, "counters");
    const json_t *spool = json_object_get(answer, "spool");
    const json_t *dns = json_object_get(answer, "dns");
    printf("waxwing %s on %s, %s since %s, %lld workers\n", relay_word(answer, "version"),
           relay_word(answer, "hostname"), relay_word(answer, "stage"),
           relay_word(answer, "started"), relay_number(answer, "workers"));
    printf("configuration %s\n\n", relay_word(answer, "configuration"));
    printf("in           %lld connections (%lld open), %lld accepted, %lld refused, "
           "%lld failed logins\n",
           relay_number(c, "connections"), relay_number(c, "connections_now"),
           relay_number(c, "accepted"), relay_number(c, "refused"), relay_number(c, "auth_failed"));
    printf("out          %lld delivered, %lld deferred, %lld failed, %lld expired, %lld DSNs\n",
           relay_number(c, "delivered"), relay_number(c, "deferred"), relay_number(c, "failed"),
           relay_number(c, "expired"), relay_number(c, "dsn"));
    printf("TLS          %lld refused, %lld failed and delivered all the same\n",
           relay_number(c, "tls_refused"), relay_number(c, "tls_failure"));
    printf("TLS reports  %lld sent, %lld given up\n", relay_number(c, "reports_sent"),
           relay_number(c, "reports_failed"));
    printf("queue        %lld recipients to serve, %lld of %lld bytes of memory; %lld bytes of "
           "messages in memory\n",
           relay_number(c, "queued"), relay_number(c, "queue_memory"),
           relay_number(answer, "queue_memory_limit"), relay_number(c, "memory"));
    printf("spool        %lld bytes in %lld segments, %lld syncs, %s, %s\n",
           relay_number(spool, "bytes"), relay_number(spool, "segments"),
           relay_number(spool, "syncs"),
           json_is_true(json_object_get(spool, "healthy")) ? "healthy" : "CANNOT WRITE",
           json_is_true(json_object_get(spool, "room")) ? "room left" : "DISK FULL");
    print_validation(dns);
    print_state(json_object_get(answer, "state"));
    print_certificate(answer);
    print_troubles(json_object_get(answer, "troubles"));
    printf("alarms       %lld\n", relay_number(c, "alarms"));
    if (relay_number(c, "log_lost"))
        printf("log          %lld lines lost: whoever reads it is too slow\n",
               relay_number(c, "log_lost"));
}

int command_status(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json)
        return command_usage_error("status", "unexpected argument '%s'", argv[1]);
    int status;
    json_t *answer = relay_ask("status", &status);
    if (answer && json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (answer && status == EXIT_YES)
        print_status(answer);
    json_decref(answer);
    return status;
}
