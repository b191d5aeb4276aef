// SPDX-License-Identifier: ISC
// What `waxwing tls` shows to people: 80 columns, and nothing that steers a terminal.
#include <stdio.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/command/tls.h"
#include "relay/command/terminal.h"
#include "relay/log/json.h"

#define COLUMNS 80

// Control characters, C1 (in UTF-8: C2 80 to C2 9F) too, become "?".
static void put_safe(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool c1 = c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0;
        putchar(c < 32 || c == 127 || c1 ? '?' : c);
        i += c1;
    }
}

// Columns that UTF-8 text takes, near enough: its characters.
static size_t width(const char *s, size_t n)
{
    size_t columns = 0;
    for (size_t i = 0; i < n; i++)
        columns += ((unsigned char)s[i] & 0xc0) != 0x80;
    return columns;
}

// Wrapped at blanks, each line indented; a word longer than a line stands alone.
static void print_wrapped(const char *text, size_t indent)
{
    size_t column = 0, screen = terminal_width(),
           most = screen && screen < COLUMNS ? screen : COLUMNS;
    for (const char *s = text; *s;) {
        size_t n = strcspn(s, " \n"), w = width(s, n);
        if (column && column + 1 + w > most) {
            putchar('\n');
            column = 0;
        }
        if (n) {
            column += column ? 1 : indent;
            printf("%*s", column == indent ? (int)indent : 1, "");
            put_safe(s, n);
            column += w;
        }
        s += n + (s[n] != '\0');
    }
    if (column)
        putchar('\n');
}

static void wrap(struct buf *text, size_t indent)
{
    print_wrapped(buf_text(text), indent);
    buf_free(text);
}

void tls_print_failure(const json_t *row)
{
    struct buf line;
    buf_init(&line, 65536);
    buf_addf(&line, "%.19sZ %s", json_word(row, "time"), json_word(row, "domain"));
    if (json_word(row, "host")[0])
        buf_addf(&line, " via %s", json_word(row, "host"));
    if (json_word(row, "ip")[0])
        buf_addf(&line, " [%s]", json_word(row, "ip"));
    wrap(&line, 0);
    buf_init(&line, 65536);
    buf_addf(&line, "%s: %s (", json_word(row, "type"),
             json_says(row, "refused")  ? "refused"
             : json_says(row, "shadow") ? "would have been refused; shadow mode let it go on"
                                        : "delivery was allowed to go on");
    if (json_word(row, "demand")[0]) // none where a policy could not be had
        buf_addf(&line, "demand %s, ", json_word(row, "demand"));
    buf_addf(&line, "source %s)", json_word(row, "source"));
    wrap(&line, 2);
    print_wrapped(json_word(row, "reason"), 2);
    if (json_word(row, "id")[0])
        printf("  message %s\n", json_word(row, "id"));
    long long sessions = json_number_of(row, "sessions");
    if (sessions > 1)
        printf("  %lld sessions, the last of them then\n", sessions);
}

void tls_print_summary(const json_t *sums)
{
    const json_t *row;
    size_t i;
    if (json_array_size(sums) == 0)
        puts("no session is recorded");
    else
        printf("%-10s %8s %8s  %-25s %s\n", "DAY", "SESSIONS", "REFUSED", "TYPE", "DOMAIN");
    json_array_foreach (sums, i, row) {
        printf("%-10s %8lld ", json_word(row, "day"), (long long)json_number_of(row, "sessions"));
        printf("%8lld  %-25s ", (long long)json_number_of(row, "refused"), json_word(row, "type"));
        put_safe(json_word(row, "domain"), strlen(json_word(row, "domain")));
        putchar('\n');
    }
}

void tls_print_policy(const json_t *policy)
{
    struct buf line;
    char fetched[40], expires[40];
    buf_init(&line, 262144);
    clock_rfc3339(json_number_of(policy, "fetched") * 1000, fetched);
    clock_rfc3339(json_number_of(policy, "expires") * 1000, expires);
    const char *mode = json_word(policy, "mode");
    buf_addf(&line, "%s: %s", json_word(policy, "domain"), mode[0] ? mode : "no policy");
    if (mode[0])
        buf_addf(&line, ", id %s, fetched %s, in force until %s", json_word(policy, "id"), fetched,
                 expires);
    wrap(&line, 0);
    const char *s = json_word(policy, "policy");
    for (size_t n; *s; s += n + (s[n] != '\0')) {
        n = strcspn(s, "\n");
        fputs("  ", stdout);
        put_safe(s, n > 0 && s[n - 1] == '\r' ? n - 1 : n);
        putchar('\n');
    }
    if (json_word(policy, "error")[0]) {
        buf_init(&line, 65536);
        buf_addf(&line, "last attempt: %s", json_word(policy, "error"));
        wrap(&line, 2);
    }
}

void tls_print_policies(const json_t *answer)
{
    const json_t *policies = json_object_get(answer, "policies"), *row;
    const json_t *memory = json_object_get(answer, "memory");
    size_t i;
    printf("%zu MTA-STS polic%s\n\n", json_array_size(policies),
           json_array_size(policies) == 1 ? "y" : "ies");
    json_array_foreach (policies, i, row)
        tls_print_policy(row);
    printf("%sMemory: %zu host%s\n\n", json_array_size(policies) ? "\n" : "",
           json_array_size(memory), json_array_size(memory) == 1 ? "" : "s");
    json_array_foreach (memory, i, row) {
        struct buf line;
        char seen[40];
        buf_init(&line, 65536);
        clock_rfc3339(json_number_of(row, "seen") * 1000, seen);
        buf_addf(&line, "%s via %s: proved %s%s, last on %.10s", json_word(row, "domain"),
                 json_word(row, "host"), json_word(row, "proved"),
                 json_says(row, "dane") ? ", had TLSA" : "", seen);
        wrap(&line, 0);
    }
}

void tls_print_exceptions(const json_t *exceptions)
{
    const json_t *row;
    size_t i;
    if (json_array_size(exceptions) == 0)
        puts("the configuration makes no exceptions");
    json_array_foreach (exceptions, i, row) {
        struct buf line;
        buf_init(&line, 65536);
        buf_addf(&line, "%s: %s until %s", json_word(row, "domain"), json_word(row, "tls"),
                 json_word(row, "until"));
        const json_t *left = json_object_get(row, "days_left");
        if (json_says(row, "expired"))
            buf_adds(&line, ": EXPIRED, it no longer counts");
        else if (json_is_integer(left))
            buf_addf(&line, ", %lld day%s left", (long long)json_integer_value(left),
                     json_integer_value(left) == 1 ? "" : "s");
        wrap(&line, 0);
        print_wrapped(json_word(row, "reason"), 2);
        print_wrapped(json_word(row, "conclusion"), 2);
    }
}

void tls_print_sending(const json_t *row)
{
    struct buf line;
    const char *to = json_word(row, "to"), *state = json_word(row, "state");
    const char *answer = json_word(row, "answer"), *next = json_word(row, "next");
    long long attempts = (long long)json_number_of(row, "attempts");
    buf_init(&line, 65536);
    buf_addf(&line, "%s %s: %s", json_word(row, "day"), json_word(row, "domain"),
             to[0] ? to : "the TLS-RPT record");
    wrap(&line, 0);
    buf_init(&line, 65536);
    buf_addf(&line, "%s %s", state, json_word(row, "changed"));
    if (json_word(row, "node")[0])
        buf_addf(&line, " by %s", json_word(row, "node"));
    if (next[0])
        buf_addf(&line, ", next at %s", next);
    if (attempts > 1)
        buf_addf(&line, ", %lld attempts", attempts);
    if (json_word(row, "id")[0])
        buf_addf(&line, ", message %s", json_word(row, "id"));
    wrap(&line, 2);
    if (answer[0])
        print_wrapped(answer, 2);
}
