// SPDX-License-Identifier: ISC
// Stories of the queue: spool, routes, lanes, sessions and reports together, with MX hosts on loopback.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/spool/files.h"
#include "tests/unit/queue_story.h"

#define QUEUE_SECOND_LOOK 10000 // ms; the first step of `retry` is an hour here

static struct queue_story s;

static int begin(void **state)
{
    (void)state;
    queue_story_begin(&s, "  retry: [1h]\n  warn_after: 0s", ", postmaster: admin@us.test");
    return 0;
}

static int end(void **state)
{
    (void)state;
    queue_story_end(&s);
    return 0;
}

static bool empty(struct queue_story *story)
{
    return story->relay.counters.queued_now == 0 && queue_story_do(story, QUEUE_LIST, 0, NULL) == 0;
}

static bool deferred(struct queue_story *story)
{
    return story->relay.counters.deferred > 0;
}

static bool told_home(struct queue_story *story)
{
    return mx_count(story->home) > 0 && empty(story);
}

static bool contains(const struct mx_message *m, const char *text)
{
    return strstr(m->data, text);
}

static void a_message_is_delivered_once_and_for_all(void **state)
{
    (void)state;
    queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, empty);
    assert_string_equal(
        mx_message(s.mx, 0)->data,
        "Received: by relay.test\r\nSubject: hello\r\nFrom: a@us.test\r\n\r\nhi\r\n.dot\r\n");
    assert_int_equal(s.relay.counters.delivered, 1);
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 0);
    assert_int_equal(s.relay.counters.memory_now, 0);
}

static void every_domain_of_a_message_is_served(void **state)
{
    (void)state;
    queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", "c@other.test",
                                               "d@example.test", NULL));
    queue_story_until(&s, empty);
    assert_int_equal(s.relay.counters.delivered, 3);
}

static void case_46_deferred_times_survive(void **state)
{
    (void)state;
    mx_next(s.mx, "rcpt", "451 4.7.1 greylisted");
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    uint64_t id = queue_story_accept(&s, m);
    queue_story_until(&s, deferred);
    struct queue_row row;
    assert_int_equal(queue_story_do(&s, QUEUE_LIST, id, &row), 1);
    assert_int_equal(row.state, QUEUE_WAITING);
    assert_int_equal(row.attempts, 1);
    assert_non_null(strstr(row.reason, "greylisted"));
    assert_in_range(row.next_ms - clock_ms(), 50 * 60000, 70 * 60000);
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 1);
    assert_int_equal(s.found[0]->env.rcpts[0].attempts, 1);
    queue_story_adopt(&s);
    struct queue_row again;
    queue_story_do(&s, QUEUE_LIST, id, &again);
    assert_int_equal(again.next_ms, row.next_ms);
    assert_int_equal(queue_story_do(&s, QUEUE_RETRY, id, NULL), 1);
    queue_story_until(&s, empty);
    assert_true(contains(mx_message(s.mx, 0), "hi\r\n.dot\r\n"));
}

static void case_45_failures_of_one_message_are_one_report(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "550 5.1.1 no such user");
    queue_story_accept(&s,
                       queue_story_message("a@us.test", "b@example.test", "c@other.test", NULL));
    queue_story_until(&s, told_home);
    assert_int_equal(mx_count(s.home), 1);
    const struct mx_message *m = mx_message(s.home, 0);
    assert_non_null(strstr(m->mail, "MAIL FROM:<>"));
    assert_string_equal(m->rcpts[0], "RCPT TO:<a@us.test> NOTIFY=NEVER");
    assert_true(contains(m, "Final-Recipient: rfc822; b@example.test"));
    assert_true(contains(m, "Final-Recipient: rfc822; c@other.test"));
    assert_int_equal(s.relay.counters.failed, 2);
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 0);
}

static void case_45_the_null_sender_is_told_nothing(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "550 5.1.1 no such user");
    queue_story_accept(&s, queue_story_message("", "b@example.test", NULL));
    queue_story_until(&s, empty);
    assert_int_equal(mx_count(s.home), 0);
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 0);
}

static void what_is_too_old_expires_and_is_told(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "451 4.2.1 later");
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    m->env.expire_ms = clock_ms() - 1;
    queue_story_accept(&s, m);
    queue_story_until(&s, told_home);
    assert_true(contains(mx_message(s.home, 0), "Action: failed\r\nStatus: 4.4.7\r\n"));
    assert_int_equal(s.relay.counters.expired, 1);
}

static int begin_warning(void **state)
{
    (void)state;
    queue_story_begin(&s, "  retry: [1h]\n  warn_after: 4h\n  tls_warn_after: 30m", "");
    return 0;
}

static bool told_of_delay(struct queue_story *story)
{
    return mx_count(story->home) == 1;
}

static void a_delay_is_told_once(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "451 4.2.1 later");
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    m->env.created_ms -= 3600000; // an hour: nothing is said yet, and the next try comes in time
    queue_story_accept(&s, m);
    queue_story_until(&s, deferred);
    assert_int_equal(mx_count(s.home), 0);
    struct message *old = queue_story_message("a@us.test", "b@example.test", NULL);
    old->env.created_ms -= 5 * 3600000;
    uint64_t id = queue_story_accept(&s, old);
    queue_story_until(&s, told_of_delay);
    assert_true(contains(mx_message(s.home, 0), "Action: delayed\r\nStatus: 4.2.1\r\n"));
    uint64_t before = s.relay.counters.deferred;
    assert_int_equal(queue_story_do(&s, QUEUE_RETRY, id, NULL), 1);
    while (s.relay.counters.deferred == before)
        queue_story_turn(&s);
    queue_story_restart(&s); // a stop waits for reports on their way
    assert_int_equal(mx_count(s.home), 1);
    for (size_t i = 0; i < s.nfound; i++)
        assert_int_equal(s.found[i]->env.rcpts[0].delay_warned, s.found[i]->env.id == id);
}

// A host's class 5 is for another day: what is delayed is not permanent (RFC 3463 section 2).
static void case_58_what_is_delayed_has_a_status_of_class_4(void **state)
{
    (void)state;
    mx_on(s.mx, "connect", "554 5.3.2 no service here");
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    m->env.created_ms -= 5 * 3600000;
    uint64_t id = queue_story_accept(&s, m);
    queue_story_until(&s, told_of_delay);
    const struct mx_message *told = mx_message(s.home, 0);
    assert_true(contains(told, "Action: delayed\r\nStatus: 4.3.2\r\n"));
    assert_true(contains(told, "Diagnostic-Code: smtp; 554 5.3.2 no service here"));
    struct queue_row row = {0};
    assert_int_equal(queue_story_do(&s, QUEUE_LIST, id, &row), 1);
}

static void case_64_a_long_reply_keeps_the_address_at_its_end(void **state)
{
    (void)state;
    static char reply[1600];
    size_t n = 0;
    for (int i = 0; i < 15; i++)
        n += (size_t)snprintf(reply + n, sizeof reply - n, "550-5.7.1 %090d\n", i);
    snprintf(reply + n, sizeof reply - n, "550 5.7.1 see https://example.test/why");
    mx_on(s.mx, "rcpt", reply);
    queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, told_home);
    assert_true(contains(mx_message(s.home, 0), "https://example.test/why"));
}

static bool ended(struct queue_story *story)
{
    return story->relay.counters.failed + story->relay.counters.deferred > 0;
}

static void large(void)
{
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    queue_story_large(&s, m, 20000000); // more than sockets hold
    queue_story_accept(&s, m);
    queue_story_until(&s, ended);
}

static void a_refusal_inside_a_body_is_the_answer(void **state)
{
    (void)state;
    mx_on(s.mx, "data", "354 go\n" MX_WAIT "\n552 5.3.4 too much");
    large();
    queue_story_until(&s, told_home);
    assert_true(contains(mx_message(s.home, 0), "Status: 5.3.4\r\n"));
    assert_int_equal(mx_count(s.mx), 0);
}

static void a_success_inside_a_body_is_none(void **state)
{
    (void)state;
    mx_on(s.mx, "data", "354 go\n" MX_WAIT "\n250 2.0.0 fine");
    large();
    assert_int_equal(s.relay.counters.delivered, 0);
    assert_int_equal(s.relay.counters.deferred, 1);
}

// Policies are looked up again before TLS makes anything final.
static void a_tls_failure_has_a_second_look_before_it_bounces(void **state)
{
    (void)state;
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    m->env.requiretls = true;
    uint64_t id = queue_story_accept(&s, m);
    queue_story_until(&s, ended);
    assert_int_equal(s.relay.counters.failed, 0);
    assert_int_equal(s.relay.counters.deferred, 1);
    assert_int_equal(mx_count(s.home), 0);
    struct queue_row row = {0};
    assert_int_equal(queue_story_do(&s, QUEUE_LIST, id, &row), 1);
    assert_true(row.next_ms <= clock_ms() + QUEUE_SECOND_LOOK); // soon, not after an hour
    queue_story_do(&s, QUEUE_RETRY, id, NULL);
    queue_story_until(&s, told_home);
    assert_int_equal(s.relay.counters.failed, 1);
    assert_int_equal(s.relay.counters.deferred, 1);
}

static void success_is_told_where_the_next_hop_will_not(void **state)
{
    (void)state;
    mx_extensions(s.mx, "PIPELINING");
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    m->env.rcpts[0].notify = NOTIFY_SUCCESS;
    queue_story_accept(&s, m);
    queue_story_until(&s, told_home);
    assert_true(contains(mx_message(s.home, 0), "Action: relayed\r\n"));
    assert_true(contains(mx_message(s.home, 0), "Remote-MTA: dns; 127.0.0.1\r\n"));
    assert_true(contains(mx_message(s.home, 0), "Diagnostic-Code: smtp; 250 2.0.0 taken\r\n"));
    assert_true(contains(mx_message(s.home, 0), "handed on to the host 127.0.0.1,\r\n"));
    mx_hang_up(s.mx);
    mx_extensions(s.mx, "DSN");
    m = queue_story_message("a@us.test", "b@example.test", NULL);
    m->env.rcpts[0].notify = NOTIFY_SUCCESS;
    queue_story_turn(&s);
    queue_story_accept(&s, m);
    queue_story_until(&s, empty);
    assert_int_equal(mx_count(s.home), 1);
}

static void a_report_that_fails_is_dropped_with_a_copy_for_the_postmaster(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "550 5.1.1 no such user");
    mx_next(s.home, "rcpt", "550 5.1.1 no such sender");
    queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, told_home);
    assert_int_equal(mx_count(s.home), 1);
    assert_string_equal(mx_message(s.home, 0)->rcpts[0], "RCPT TO:<admin@us.test> NOTIFY=NEVER");
    assert_true(contains(mx_message(s.home, 0), "A delivery report was dropped"));
}

static void what_is_held_stays_held_over_a_restart(void **state)
{
    (void)state;
    mx_next(s.mx, "rcpt", "451 4.2.1 later");
    uint64_t id = queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, deferred);
    assert_int_equal(queue_story_do(&s, QUEUE_HOLD, id, NULL), 1);
    queue_story_restart(&s);
    queue_story_adopt(&s);
    struct queue_row row;
    assert_int_equal(queue_story_do(&s, QUEUE_LIST, id, &row), 1);
    assert_int_equal(row.state, QUEUE_HELD);
    assert_int_equal(queue_story_do(&s, QUEUE_RETRY, id, NULL), 0);
    assert_int_equal(queue_story_do(&s, QUEUE_RELEASE, id, NULL), 1);
    queue_story_until(&s, empty);
    assert_int_equal(mx_count(s.mx), 1);
}

static void what_is_removed_is_gone_without_a_word(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "451 4.2.1 later");
    uint64_t id = queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, deferred);
    assert_int_equal(queue_story_do(&s, QUEUE_REMOVE, id, NULL), 1);
    assert_true(empty(&s));
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 0);
    assert_int_equal(mx_count(s.home), 0);
}

static void what_is_bounced_is_told(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "451 4.2.1 later");
    uint64_t id = queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, deferred);
    assert_int_equal(queue_story_do(&s, QUEUE_BOUNCE, id, NULL), 1);
    queue_story_until(&s, told_home);
    assert_true(contains(mx_message(s.home, 0), "the operator of this relay returned"));
    assert_true(contains(mx_message(s.home, 0), "It was the operator of this relay who took"));
    assert_false(contains(mx_message(s.home, 0), "receiving system turned the message down"));
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 0);
}

static bool twenty(struct queue_story *story)
{
    return mx_count(story->mx) == 20 && empty(story);
}

static void many_messages_share_few_connections(void **state)
{
    (void)state;
    queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, empty);
    for (int i = 0; i < 19; i++) {
        queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
        queue_story_until(&s, empty);
    }
    queue_story_until(&s, twenty);
    assert_int_equal(mx_connections(s.mx), 1);
}

static void a_large_body_comes_from_its_file(void **state)
{
    (void)state;
    struct message *m = queue_story_message("a@us.test", "b@example.test", NULL);
    queue_story_large(&s, m, 3000000);
    uint64_t size = message_size(m);
    queue_story_accept(&s, m);
    queue_story_until(&s, empty);
    const struct mx_message *got = mx_message(s.mx, 0);
    assert_int_equal(got->n, size);
    assert_true(contains(got, "\r\n.line 7 of a large body\r\nline 8 of"));
    mx_hang_up(s.mx);
    mx_extensions(s.mx, "CHUNKING\nPIPELINING");
    queue_story_turn(&s);
    m = queue_story_message("a@us.test", "b@example.test", NULL);
    queue_story_large(&s, m, 3000000);
    queue_story_accept(&s, m);
    queue_story_until(&s, empty);
    assert_true(mx_message(s.mx, 1)->bdat);
    assert_int_equal(mx_message(s.mx, 1)->n, size);
    assert_memory_equal(mx_message(s.mx, 1)->data, got->data, size);
}

static void a_stop_cuts_what_hangs_and_loses_nothing(void **state)
{
    (void)state;
    mx_on(s.mx, "dot", MX_SILENT);
    queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    struct queue_row row = {0};
    while (row.state != QUEUE_ACTIVE || mx_lines(s.mx, "DATA") == 0) {
        queue_story_turn(&s);
        assert_int_equal(queue_story_do(&s, QUEUE_LIST, 0, &row), 1);
    }
    queue_story_restart(&s); // stops with a grace of one second
    assert_int_equal(s.nfound, 1);
    assert_int_equal(s.found[0]->env.rcpts[0].attempts, 0); // due at once
}

static bool dead_letter(struct queue_story *story)
{
    return story->relay.counters.failed > 0 && told_home(story);
}

static void a_domain_that_does_not_exist_bounces(void **state)
{
    (void)state;
    queue_story_accept(&s, queue_story_message("a@us.test", "b@nowhere.invalid", NULL));
    queue_story_until(&s, dead_letter);
    assert_true(contains(mx_message(s.home, 0), "Final-Recipient: rfc822; b@nowhere.invalid"));
}

static void case_110_a_clock_that_was_ahead_leaves_nothing_waiting_for_days(void **state)
{
    (void)state;
    mx_on(s.mx, "rcpt", "451 4.2.1 later");
    queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    queue_story_until(&s, deferred);
    int64_t now = clock_ms();
    clock_fix(now + 3 * 86400000LL);
    uint64_t id = queue_story_accept(&s, queue_story_message("a@us.test", "c@example.test", NULL));
    struct queue_row row = {0};
    while (queue_story_do(&s, QUEUE_LIST, id, &row) != 1 || row.attempts == 0)
        queue_story_turn(&s);
    clock_release();
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        queue_reload(s.workers[i].queue); // looks, as every tick does
    assert_int_equal(queue_story_do(&s, QUEUE_LIST, id, &row), 1);
    assert_in_range(row.next_ms - clock_ms(), 0, 3600000);
    queue_story_restart(&s); // what is on disk says days
    assert_int_equal(s.nfound, 2);
    queue_story_adopt(&s);
    assert_int_equal(queue_story_do(&s, QUEUE_LIST, id, &row), 1);
    assert_in_range(row.next_ms - clock_ms(), 0, 3600000);
}

static void hold_and_defer(uint64_t *held, uint64_t *other)
{
    mx_on(s.mx, "rcpt", "451 4.2.1 later");
    *held = queue_story_accept(&s, queue_story_message("a@us.test", "b@example.test", NULL));
    *other = queue_story_accept(&s, queue_story_message("", "c@other.test", "d@other.test", NULL));
    while (s.relay.counters.deferred < 3)
        queue_story_turn(&s);
    assert_int_equal(queue_story_do(&s, QUEUE_HOLD, *held, NULL), 1);
}

static void the_queue_filters(void **state)
{
    (void)state;
    uint64_t held, other;
    hold_and_defer(&held, &other);
    const struct {
        struct queue_filter filter;
        size_t n;
    } cases[] = {
        {{.state = -1}, 3},
        {{.state = QUEUE_HELD}, 1},
        {{.state = QUEUE_WAITING}, 2},
        {{.state = QUEUE_ACTIVE}, 0},
        {{.state = -1, .domain = "OTHER.test"}, 2},
        {{.state = -1, .domain = "test"}, 0},
        {{.state = -1, .sender = "A@us.test"}, 1},
        {{.state = -1, .sender = ""}, 2},
        {{.state = QUEUE_HELD, .sender = ""}, 0},
        {{.state = -1, .older_ms = 3600000}, 0},
        {{.state = -1, .ids = &held, .nids = 1}, 1},
        {{.state = QUEUE_WAITING, .ids = &held, .nids = 1}, 0},
        {{.state = -1, .newest = held}, 1},
        {{.state = -1, .site = "127.0.0.1"}, 3},
        {{.state = -1, .site = "127.0.0.2"}, 0},
        {{.state = -1, .class = "tls"}, 0},
        {{.state = -1, .class = "mailbox-busy"}, 0},
        {{.state = -1, .class = "address-closed"}, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(queue_story_filter(&s, QUEUE_LIST, &cases[i].filter, NULL), cases[i].n);
    int64_t now = clock_ms();
    clock_fix(now + 3600001);
    struct queue_filter older = {.state = -1, .older_ms = 3600000};
    assert_int_equal(queue_story_filter(&s, QUEUE_LIST, &older, NULL), 3);
    clock_release();
}

// Deliveries come and go while an operator's scan stands still between two pieces.
static void a_scan_survives_what_happens_around_it(void **state)
{
    (void)state;
    uint64_t held, other;
    hold_and_defer(&held, &other);
    struct queue *q = NULL;
    struct queue_scan scan = {.verb = QUEUE_REMOVE, .dry = true, .filter = {.state = -1}};
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS && !q; i++)
        if (queue_scan_on(s.workers[i].queue, &scan, 1))
            q = s.workers[i].queue;
    assert_non_null(q);
    assert_true(queue_story_do(&s, QUEUE_REMOVE, 0, NULL) == 3);
    assert_true(queue_idle(q));
    assert_false(queue_scan_on(q, &scan, 10));
    scan.dry = false;
    assert_false(queue_scan_on(q, &scan, 10));
    queue_story_until(&s, empty);
}

static void where_an_operator_sent_it_is_on_disk(void **state)
{
    (void)state;
    uint64_t held, other;
    hold_and_defer(&held, &other);
    s.next_hop = "[127.0.0.2]:26";
    assert_int_equal(queue_story_do(&s, QUEUE_REDIRECT, held, NULL), 1);
    assert_int_equal(queue_story_do(&s, QUEUE_REDIRECT, held, NULL), 0); // it goes there already
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 2);
    const struct recipient *r = s.found[0]->env.rcpts;
    assert_string_equal(r->next_hop, "[127.0.0.2]:26");
    assert_true(r->next_ms == INT64_MAX); // what is held stays held
    assert_null(s.found[1]->env.rcpts[0].next_hop);
    queue_story_adopt(&s);
    s.next_hop = "";
    assert_int_equal(queue_story_do(&s, QUEUE_REDIRECT, held, NULL), 1);
    queue_story_restart(&s);
    assert_null(s.found[0]->env.rcpts[0].next_hop);
}

static _Atomic int broken; // every write of the spool fails

static ssize_t queue_on_write(void *self, int fd, const struct iovec *pieces, int n,
                              uint64_t offset)
{
    if (broken) {
        errno = EIO;
        return -1;
    }
    return spool_files_system.pwritev(self, fd, pieces, n, offset);
}

// The recipient failed for good, its report could not be stored: it comes back, and is told later.
static void case_125_a_bounce_that_could_not_be_stored_brings_its_recipients_back(void **state)
{
    (void)state;
    static struct spool_files files;
    files = spool_files_system;
    files.pwritev = queue_on_write;
    s.files = &files;
    queue_story_restart(&s);
    mx_on(s.mx, "rcpt", "550 5.1.1 no such user");
    uint64_t id = queue_story_accept(
        &s, queue_story_message("a@us.test", "b@example.test", "c@example.test", NULL));
    broken = 1; // before the session begins
    while (s.relay.counters.failed < 2)
        queue_story_turn(&s);
    struct queue_row row = {0};
    while (queue_story_do(&s, QUEUE_LIST, id, &row) < 2) // not lost: they wait again
        queue_story_turn(&s);
    assert_int_equal(row.state, QUEUE_WAITING);
    assert_in_range(row.next_ms - clock_ms(), 1000, 60000);
    assert_int_equal(s.relay.counters.queued_now, 2);
    assert_int_equal(mx_count(s.home), 0);
    assert_false(spool_healthy(s.relay.spool));
    broken = 0;
    while (!spool_healthy(s.relay.spool))
        queue_story_turn(&s);
    assert_int_equal(queue_story_do(&s, QUEUE_RETRY, id, NULL), 2);
    queue_story_until(&s, told_home);
    assert_non_null(strstr(mx_message(s.home, 0)->data, "Final-Recipient: rfc822; b@example.test"));
    queue_story_restart(&s);
    assert_int_equal(s.nfound, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_message_is_delivered_once_and_for_all),
        STORY(every_domain_of_a_message_is_served),
        STORY(case_46_deferred_times_survive),
        STORY(case_45_failures_of_one_message_are_one_report),
        STORY(case_45_the_null_sender_is_told_nothing),
        STORY(what_is_too_old_expires_and_is_told),
        cmocka_unit_test_setup_teardown(a_delay_is_told_once, begin_warning, end),
        cmocka_unit_test_setup_teardown(case_58_what_is_delayed_has_a_status_of_class_4,
                                        begin_warning, end),
        STORY(case_64_a_long_reply_keeps_the_address_at_its_end),
        STORY(a_tls_failure_has_a_second_look_before_it_bounces),
        STORY(a_refusal_inside_a_body_is_the_answer),
        STORY(a_success_inside_a_body_is_none),
        STORY(success_is_told_where_the_next_hop_will_not),
        STORY(a_report_that_fails_is_dropped_with_a_copy_for_the_postmaster),
        STORY(what_is_held_stays_held_over_a_restart),
        STORY(what_is_removed_is_gone_without_a_word),
        STORY(what_is_bounced_is_told),
        STORY(many_messages_share_few_connections),
        STORY(a_large_body_comes_from_its_file),
        STORY(a_stop_cuts_what_hangs_and_loses_nothing),
        STORY(a_domain_that_does_not_exist_bounces),
        STORY(case_110_a_clock_that_was_ahead_leaves_nothing_waiting_for_days),
        STORY(the_queue_filters),
        STORY(where_an_operator_sent_it_is_on_disk),
        STORY(case_125_a_bounce_that_could_not_be_stored_brings_its_recipients_back),
        STORY(a_scan_survives_what_happens_around_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
