// SPDX-License-Identifier: ISC
// What `waxwing queue` prints: rows as they come, and what was done. Nothing that a peer wrote steers the terminal.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/advice.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/advice.h"
#include "relay/command/queue.h"
#include "relay/command/terminal.h"
#include "relay/log/json.h"
#include "relay/route/waits.h"

static void print_safe(const char *s)
{
    for (; *s; s++)
        putchar((unsigned char)*s < 32 || *s == 127 ? '?' : *s);
}

// Seconds from `from` to `to`; a clock that was set back makes no negative age.
static long long seconds(int64_t from, int64_t to)
{
    return to > from ? (long long)(to - from) : 0;
}

static void print_waits(const json_t *waits)
{
    size_t i;
    const json_t *wait;
    char text[WAITS_TEXT], line[WAITS_TEXT + 16];
    json_array_foreach (waits, i, wait) {
        waits_text(wait, text);
        snprintf(line, sizeof line, "waits for %s", text);
        fputs("               ", stdout);
        terminal_wrap(line, 15);
    }
}

static void print_reason(const json_t *row)
{
    const char *phrase = advice_phrase(row);
    if (!json_word(row, "reason")[0])
        return;
    char *named = json_word(row, "why")[0] ? mem_printf(" (why %s%s%s)", json_word(row, "why"),
                                                        phrase[0] ? "; " : "", phrase)
                                           : mem_dup("");
    char *reason = mem_printf("%s%s", json_word(row, "reason"), named);
    fputs("               ", stdout);
    terminal_wrap(reason, 15);
    free(reason);
    free(named);
}

// Of a first address; "" where there is none.
static const char *domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return at && !strpbrk(at, ", ") ? at + 1 : "";
}

// The reason of a delivery ends with " at HOST" where a host failed; "" where it does not. A time has colons.
static const char *host_of(const char *reason)
{
    const char *name = strrchr(reason, ' ');
    bool named = name && name - reason >= 3 && strncmp(name - 3, " at", 3) == 0;
    return named && strchr(name, '.') && !strchr(name, ':') ? name + 1 : "";
}

static void print_advice(const json_t *row)
{
    const struct advice_names names = {.domain = domain_of(json_word(row, "to")),
                                       .host = host_of(json_word(row, "reason")),
                                       .site = json_word(row, "site"),
                                       .sender_domain = domain_of(json_word(row, "from"))};
    struct buf advice;
    buf_init(&advice, 8192);
    buf_adds(&advice, "what to do: ");
    advice_fill(advice_text(row), &names, &advice);
    if (advice_text(row)[0]) {
        fputs("               ", stdout);
        terminal_wrap(buf_text(&advice), 15);
    }
    buf_free(&advice);
}

// `whole`: of one message, so that there is room for advice.
static void print_text(const json_t *row, bool whole)
{
    long long age = seconds(json_integer_value(json_object_get(row, "created")), clock_s());
    const json_t *next = json_object_get(row, "next");
    char text[TERMINAL_AGE], size[TERMINAL_AGE];
    printf("%s  %-7s %7s %10s  ", json_word(row, "id"), json_word(row, "state"),
           terminal_age(age, text),
           terminal_size((uint64_t)json_integer_value(json_object_get(row, "size")), size));
    print_safe(json_word(row, "from"));
    fputs(" -> ", stdout);
    print_safe(json_word(row, "to"));
    if (json_is_integer(next))
        printf("  (try %lld %s)",
               (long long)json_integer_value(json_object_get(row, "attempts")) + 1,
               terminal_until(json_integer_value(next) - clock_s(), text));
    if (json_word(row, "next_hop")[0])
        printf("  (to %s)", json_word(row, "next_hop"));
    putchar('\n');
    print_waits(json_object_get(row, "waits_for"));
    print_reason(row);
    if (whole)
        print_advice(row);
}

void queue_print_row(const struct queue_call *call, const json_t *row, size_t n)
{
    if (!call->json) {
        print_text(row, strcmp(call->verb, "show") == 0);
        return;
    }
    fputs(n ? ",\n " : "[\n ", stdout);
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER);
}

void queue_print_end(const struct queue_call *call, size_t n)
{
    if (call->json)
        puts(n ? "\n]" : "[]");
    else
        printf("%zu recipient%s in the queue\n", n, n == 1 ? "" : "s");
}

// "3 recipients held", in the words of the verb.
static void print_what(const struct queue_call *call, uint64_t recipients)
{
    static const struct {
        const char *verb, *done;
    } words[] = {{"retry", "tried again now"}, {"hold", "held"},      {"release", "released"},
                 {"redirect", "redirected"},   {"remove", "removed"}, {"bounce", "bounced"}};
    const char *done = "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].verb, call->verb) == 0)
            done = words[i].done;
    printf("%" PRIu64 " recipient%s %s%s", recipients, recipients == 1 ? "" : "s",
           call->dry ? "would be " : "", done);
    if (call->next_hop && call->next_hop[0])
        printf(" to %s", call->next_hop);
    else if (call->next_hop)
        fputs(" to where their domains lead", stdout);
}

void queue_print_done(const struct queue_call *call, const struct queue_done *done)
{
    if (call->json) {
        printf("{\"recipients\": %" PRIu64 ", \"active\": %" PRIu64 ", \"unknown\": %" PRIu64
               ", \"dry_run\": %s}\n",
               done->recipients, done->active, done->unknown, call->dry ? "true" : "false");
        return;
    }
    print_what(call, done->recipients);
    if (done->active)
        printf("; %" PRIu64 " in a session at this moment %s left alone", done->active,
               done->active == 1 ? "is" : "are");
    if (done->unknown)
        printf("; %" PRIu64 " more %s no known site or class since the start and %s left alone",
               done->unknown, done->unknown == 1 ? "has" : "have",
               done->unknown == 1 ? "is" : "are");
    putchar('\n');
}

void queue_print_envelope(const json_t *envelope)
{
    printf("\nid %s, accepted %s from ", json_word(envelope, "id"),
           json_word(envelope, "accepted"));
    print_safe(json_word(envelope, "principal"));
    putchar(' ');
    print_safe(json_word(envelope, "client"));
    fputs("\nsender <", stdout);
    print_safe(json_word(envelope, "from"));
    printf(">, %lld bytes\n\n", (long long)json_integer_value(json_object_get(envelope, "size")));
}

bool queue_tell_frozen(const json_t *answer)
{
    json_int_t n = json_number_of(answer, "frozen");
    if (n)
        fprintf(stderr,
                "waxwing: %lld message%s frozen until the fleet's database answers, as the journal "
                "may have %s, and %s not shown\n",
                n, n == 1 ? " is" : "s are", n == 1 ? "it" : "them", n == 1 ? "is" : "are");
    return n > 0;
}
