// SPDX-License-Identifier: ISC
// The relay of the stories about filters.
#include "tests/unit/filter_story.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

struct story story;
struct fakefilter filter;

const char filter_senders[] =
    "senders:\n"
    "- {network: [127.0.0.1], tls: optional, from: [example.org]}\n"
    "- {network: [127.0.0.2], tls: optional, from: [example.org], milters: none}\n"
    "- {network: [127.0.0.3], tls: optional, from: [example.com], forward: true, xforward: true}\n";

const char *filter_patience = "30s", *filter_connect = "30s";

char *filter_yaml(const char *more)
{
    static char text[4096];
    snprintf(text, sizeof text,
             FILTER_REST "%smilters:\n- {name: fake, address: '127.0.0.1:%u',"
                         " timeouts: {connect: %s, command: %s, content: %s}%s}\n",
             filter_senders, filter.port, filter_connect, filter_patience, filter_patience, more);
    return text;
}

static void filter_start_with(const char *more)
{
    fakefilter_begin(&filter, NULL);
    story_begin(&story, filter_yaml(more));
    story.relay.milters = milter_book_new();
}

int filter_begin(void **state)
{
    (void)state;
    filter_start_with("");
    return 0;
}

int filter_end(void **state)
{
    (void)state;
    story_end(&story);
    milter_book_free(story.relay.milters);
    fakefilter_end(&filter);
    return 0;
}

void filter_mail_from(unsigned from, const char *message, const char *reply)
{
    struct client *c = client_open(&story, 0, from);
    client_expect(c, "220 ");
    client_say(c, "EHLO client.example", "250-");
    client_mail(c, from == 3 ? "x@else.example" : "a@example.org", message, reply);
    client_close(c);
}

void filter_mail(const char *reply)
{
    filter_mail_from(0, FILTER_LETTER, reply);
}

uint64_t filter_noted(enum milter_noted what)
{
    struct milter_row rows[MILTER_BOOK_ROWS];
    assert_int_equal(milter_book_read(story.relay.milters, rows), 1);
    return rows[0].n[what];
}

// The last packets may still be on their way.
void filter_saw(const char *line)
{
    for (int i = 0; i < 2000 && !fakefilter_saw(&filter, line); i++)
        story_turn(&story);
    if (!fakefilter_saw(&filter, line))
        fail_msg("'%s' is not in:\n%s", line, filter.seen);
}

int filter_begin_accepting(void **state)
{
    (void)state;
    filter_start_with(", default: accept");
    return 0;
}

int filter_begin_holding(void **state)
{
    (void)state;
    filter_start_with(", default: quarantine");
    return 0;
}

void filter_makes_large_body(void)
{
    static char piece[60001];
    for (size_t i = 0; i < 60000; i += 60)
        sprintf(piece + i, "%058zu\r\n", i);
    for (int i = 0; i < 15; i++)
        fakefilter_change(&filter, 'b', piece, 60000);
}
