// SPDX-License-Identifier: ISC
// The front over an answer file: several threads ask, some change their minds.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "dns/dns.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"

static char path[] = "/tmp/waxwing-dns-XXXXXX";

static int write_file(void **state)
{
    static const char json[] =
        "{\"records\":{\"a.example\":{\"A\":[\"192.0.2.1\"]},\"c.example\":{\"CNAME\":[\"a."
        "example\"]}},"
        "\"secure\":[\"a.example\"],\"errors\":{\"t.example|*\":\"TIMEOUT\"},"
        "\"https\":{\"mta-sts.a.example\":{\"status\":404}}}";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, json, sizeof json - 1) != (ssize_t)sizeof json - 1)
        return -1;
    close(fd);
    struct dns_options options = {.answers_file = path};
    struct why why;
    *state = dns_open(&options, &why);
    return *state ? 0 : -1;
}

static int remove_file(void **state)
{
    dns_close(*state);
    return unlink(path);
}

enum { ASKS = 300, THREADS = 4 };

struct asker {
    struct dns *dns;
    struct inbox *mail;
    struct dns_request *requests[ASKS];
    bool cancelled[ASKS];
    int answered, wanted;
    bool inside; // in dns_ask: no callback may come now
};

struct ask {
    struct asker *asker;
    int i;
};

static void answered(const struct dns_answer *a, void *arg)
{
    struct ask *ask = arg;
    struct asker *asker = ask->asker;
    assert_false(asker->inside);
    assert_false(asker->cancelled[ask->i]);
    assert_int_equal(a->outcome, ask->i % 3 == 0   ? DNS_FOUND
                                 : ask->i % 3 == 1 ? DNS_ABSENT
                                                   : DNS_FAILED);
    asker->requests[ask->i] = NULL;
    if (ask->i % 7 == 0 && ask->i > 0 && asker->requests[ask->i - 1]) { // the neighbour too late
        asker->cancelled[ask->i - 1] = true;
        dns_cancel(asker->requests[ask->i - 1]);
        asker->requests[ask->i - 1] = NULL;
        asker->wanted--;
    }
    if (++asker->answered == asker->wanted)
        inbox_close(asker->mail);
}

static void *ask_many(void *arg)
{
    static const char *const names[] = {"A.example.", "b.example", "t.example"};
    struct asker asker = {.dns = arg};
    struct ask asks[ASKS];
    uv_loop_t loop;
    uv_loop_init(&loop);
    asker.mail = inbox_open(&loop);
    for (int i = 0; i < ASKS; i++) {
        asks[i] = (struct ask){&asker, i};
        asker.inside = true;
        asker.requests[i] = dns_ask(asker.dns, asker.mail, names[i % 3], DNS_A, answered, &asks[i]);
        asker.inside = false;
    }
    asker.wanted = ASKS;
    for (int i = 0; i < ASKS; i += 5) {
        asker.cancelled[i] = true;
        dns_cancel(asker.requests[i]);
        asker.requests[i] = NULL;
        asker.wanted--;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return NULL;
}

static void threads_ask_and_change_their_minds(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ask_many, *state);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

struct walk {
    struct facts *facts;
    int rounds;
};

// Asks the second name only when the first is known, as evaluations do.
static bool again(void *arg)
{
    struct walk *w = arg;
    w->rounds++;
    const struct dns_answer *c = facts_ask(w->facts, "c.example", DNS_A);
    return !c || !facts_ask(w->facts, "mx.a.example", DNS_A);
}

static void an_evaluation_is_driven_to_its_end(void **state)
{
    struct walk w = {.facts = facts_new()};
    dns_evaluate_blocking(*state, w.facts, again, &w);
    assert_int_equal(w.rounds, 3); // the first says what it wants
    const struct dns_answer *c = facts_ask(w.facts, "c.example", DNS_A);
    assert_string_equal(c->canonical, "a.example");
    assert_int_equal(facts_ttl(w.facts, 1), 60);
    facts_free(w.facts);
}

struct eager_walk {
    struct facts *facts;
    uv_loop_t loop;
    int rounds, enough; // answers after which it is content
};

static bool again_eager(void *arg)
{
    static const char *const names[] = {"a.example", "c.example", "t.example"};
    struct eager_walk *w = arg;
    int known = 0;
    w->rounds++;
    for (size_t i = 0; i < 3; i++)
        known += facts_ask(w->facts, names[i], DNS_A) != NULL;
    return known < w->enough;
}

static void eager_end(void *arg)
{
    struct eager_walk *w = arg;
    uv_stop(&w->loop);
}

// An eager evaluation hears of every answer at once, and what it no longer needs is not waited for.
static void an_eager_evaluation_does_not_wait_for_the_slowest(void **state)
{
    for (int enough = 1; enough <= 3; enough++) {
        struct eager_walk w = {.facts = facts_new(), .enough = enough};
        uv_loop_init(&w.loop);
        struct inbox *mail = inbox_open(&w.loop);
        dns_evaluate_eager(*state, mail, w.facts, again_eager, eager_end, &w);
        uv_run(&w.loop, UV_RUN_DEFAULT);
        assert_int_equal(w.rounds, 1 + enough);
        assert_int_equal(facts_count_wanted(w.facts), 3 - enough);
        inbox_close(mail);
        uv_run(&w.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&w.loop), 0);
        facts_free(w.facts);
    }
}

static void ended(void *arg)
{
    (void)arg;
    fail_msg("a cancelled evaluation ended");
}

static void a_cancelled_drive_is_silent(void **state)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct inbox *mail = inbox_open(&loop);
    struct walk w = {.facts = facts_new()};
    dns_evaluation_cancel(dns_evaluate(*state, mail, w.facts, again, ended, &w));
    facts_ask(w.facts, "c.example", DNS_A);
    dns_evaluation_cancel(dns_evaluate(*state, mail, w.facts, again, ended, &w));
    dns_evaluation_cancel(NULL);
    dns_cancel(NULL);
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    assert_int_equal(w.rounds, 0);
    facts_free(w.facts);
}

static void the_file_has_no_self_check(void **state)
{
    struct dns_state s;
    dns_forget(*state, "example");
    dns_get_state(*state, &s);
    assert_int_equal(s.health, DNS_HEALTH_OFF);
    assert_false(s.stuck);
    int status;
    const char *type, *body, *error;
    assert_true(dns_file_https(*state, "mta-sts.a.example", &status, &type, &body, &error));
    assert_int_equal(status, 404);
    assert_false(dns_file_https(*state, "a.example", &status, &type, &body, &error));
}

static void a_missing_file_is_a_reason(void **state)
{
    (void)state;
    struct dns_options options = {.answers_file = "/nonexistent"};
    struct why why = {0};
    assert_null(dns_open(&options, &why));
    assert_true(why_is_set(&why));
    static char missing[] = "/nonexistent", off[] = "";
    struct cfg_dns config = {
        .mode = DNS_RECURSIVE, .self_check = off, .trust_anchor = missing, .root_hints = missing};
    options = (struct dns_options){.config = &config};
    assert_null(dns_open(&options, &why));
    assert_non_null(strstr(why.text, "trust anchor"));
    config.mode = DNS_STUB;
    assert_null(dns_open(&options, &why));
    assert_non_null(strstr(why.text, "dns.servers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_ask_and_change_their_minds),
        cmocka_unit_test(an_evaluation_is_driven_to_its_end),
        cmocka_unit_test(an_eager_evaluation_does_not_wait_for_the_slowest),
        cmocka_unit_test(a_cancelled_drive_is_silent),
        cmocka_unit_test(the_file_has_no_self_check),
        cmocka_unit_test(a_missing_file_is_a_reason),
    };
    return cmocka_run_group_tests(tests, write_file, remove_file);
}
