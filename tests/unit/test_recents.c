// SPDX-License-Identifier: ISC
// What hosts met: the order of things whatever the clock shows, changes since mail went well, records that a chain
// matches, bounds, and what outlives a restart or a database that is away.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/recent/recent_json.h"
#include "tests/unit/certs.h"
#include "tests/unit/state_story.h"

#define NOON INT64_C(1795780800000)

static struct cert authority, leaf, other;
static struct route_host hosts[2];
static struct route route;

static int begin(void **state)
{
    (void)state;
    if (folder_begin(NOON) < 0)
        return -1;
    hosts[0] = (struct route_host){.host = (char *)"mx1.example", .preference = 10, .policy = -1};
    hosts[1] = (struct route_host){.host = (char *)"mx2.example", .preference = 20, .policy = -1};
    route = (struct route){.domain = (char *)"d.example", .hosts = hosts, .nhosts = 2};
    return 0;
}

static int end(void **state)
{
    (void)state;
    return folder_end();
}

static struct recents_attempt attempt_at(int host, const struct shown *shown)
{
    return (struct recents_attempt){.domain = "d.example",
                                    .route = &route,
                                    .host = host < 0 ? NULL : &hosts[host],
                                    .ip = "192.0.2.1",
                                    .tls = shown ? "TLSv1.3" : "none",
                                    .proof = "none",
                                    .shown = shown,
                                    .clear = !shown};
}

static void took(struct recents *r, int host, const struct shown *shown)
{
    struct recents_attempt a = attempt_at(host, shown);
    recents_took(r, &a);
}

static void failed(struct recents *r, int host)
{
    struct recents_attempt a = attempt_at(host, NULL);
    a.clear = false;
    why_say(&why, HOST_SILENT, 300ULL, "command", "");
    recents_failed(r, &a, &why);
}

static struct shown *show(const struct cert *one)
{
    struct span chain[] = {cert_span(one), cert_span(&authority)};
    struct tls_session_info info = {.protocol = "TLSv1.3",
                                    .cipher = "TLS_AES_128_GCM_SHA256",
                                    .group = "X25519",
                                    .chain = chain,
                                    .nchain = 2};
    return shown_of(&info);
}

// "failing mx1:good,bad:host-silent mx2:bad" and the changed things behind a "|".
static const char *told(struct recents *r)
{
    static char text[512];
    size_t i, n;
    const json_t *one;
    json_t *j = recent_json_of(r, "d.example", NULL);
    n = (size_t)snprintf(text, sizeof text, "%s", json_string_value(json_object_get(j, "state")));
    json_array_foreach (json_object_get(j, "hosts"), i, one)
        n += (size_t)snprintf(text + n, sizeof text - n, " %.3s:%s%s%s",
                              json_string_value(json_object_get(one, "host")),
                              json_is_null(json_object_get(one, "delivered")) ? "" : "good",
                              json_is_true(json_object_get(one, "failing")) ? " bad:" : "",
                              json_is_true(json_object_get(one, "failing"))
                                  ? json_string_value(json_object_get(one, "why"))
                                  : "");
    json_array_foreach (json_object_get(j, "changed"), i, one)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? "," : " |",
                              json_string_value(json_object_get(one, "what")));
    json_decref(j);
    return text;
}

static void the_last_attempt_counts_whatever_the_clock_shows(void **state)
{
    (void)state;
    struct recents *r = recents_new(NULL);
    assert_string_equal(told(r), "none");
    took(r, 0, NULL);
    assert_string_equal(told(r), "ok mx1:good");
    clock_fix(NOON - 86400000); // somebody set it back
    failed(r, 0);
    assert_string_equal(told(r), "failing mx1:good bad:host-silent");
    clock_fix(NOON + 86400000);
    took(r, 1, NULL);
    assert_string_equal(told(r), "ok mx1:good bad:host-silent mx2:good");
    clock_fix(NOON);
    failed(r, -1); // before a host was chosen
    assert_string_equal(told(r), "failing :good bad:host-silent mx1:good bad:host-silent mx2:good");
    took(r, 0, NULL);
    assert_string_equal(told(r), "ok :good mx1:good mx2:good");
    recents_free(r);
}

// It is the host's last word, and says nothing of how the host is.
static void case_530_a_refused_recipient_is_remembered_and_no_failure(void **state)
{
    (void)state;
    struct recents *r = recents_new(NULL);
    struct recents_attempt a = attempt_at(0, NULL);
    why_say(&why, RCPT_REFUSED, "RCPT TO");
    why_reply(&why, "550 5.1.1 no such user");
    recents_told(r, &a, &why);
    assert_string_equal(told(r), "none mx1:");
    json_t *j = recent_json_of(r, "d.example", NULL);
    const json_t *one =
        json_object_get(json_array_get(json_object_get(j, "hosts"), 0), "recipient");
    assert_string_equal(json_string_value(json_object_get(one, "reply")), "550 5.1.1 no such user");
    assert_string_equal(json_string_value(json_object_get(one, "class")), "address-unknown");
    assert_int_equal(json_integer_value(json_object_get(one, "at")), NOON / 1000);
    json_decref(j);
    failed(r, 0);
    recents_told(r, &a, &why); // what fails goes on failing
    assert_string_equal(told(r), "failing mx1: bad:host-silent");
    took(r, 0, NULL);
    assert_string_equal(told(r), "ok mx1:good");
    a.host = NULL;
    recents_told(r, &a, &why); // nobody said it
    recents_told(NULL, &a, &why);
    assert_string_equal(told(r), "ok mx1:good");
    recents_free(r);
}

static void a_change_is_told_until_mail_goes_well_with_it(void **state)
{
    (void)state;
    struct recents *r = recents_new(NULL);
    struct shown *one = show(&leaf), *two = show(&other);
    took(r, 0, one);
    struct recents_attempt bad = attempt_at(0, two);
    why_say(&why, TLSA_MISMATCH);
    recents_failed(r, &bad, &why);
    assert_string_equal(told(r), "failing mx1:good bad:tlsa-mismatch |certificate");
    hosts[1].preference = 30;
    failed(r, 0);
    assert_string_equal(told(r), "failing mx1:good bad:host-silent |mx,certificate");
    took(r, 0, two);
    assert_string_equal(told(r), "ok mx1:good");
    shown_unref(one);
    shown_unref(two);
    recents_free(r);
}

// The order in which the DNS gives them says nothing.
static void records_in_another_order_are_the_same(void **state)
{
    (void)state;
    struct recents *r = recents_new(NULL);
    took(r, 0, NULL);
    struct route_host swapped[2] = {hosts[1], hosts[0]};
    struct route turned = route;
    turned.hosts = swapped;
    struct recents_attempt a = attempt_at(0, NULL);
    a.route = &turned;
    a.host = &swapped[1];
    recents_took(r, &a);
    assert_string_equal(told(r), "ok mx1:good");
    assert_int_equal(trait_digest(&route, &hosts[0]), trait_digest(&turned, &swapped[1]));
    struct buf text;
    buf_init(&text, 4096);
    assert_true(trait_mx(&turned, &text)); // where a record is new, too
    assert_string_equal(buf_text(&text), "10 mx1.example, 20 mx2.example");
    buf_free(&text);
    recents_free(r);
}

static void the_records_that_match_are_known(void **state)
{
    (void)state;
    unsigned char digests[3][32];
    struct shown *shown = show(&leaf);
    struct shown_certificate c;
    shown_certificate(shown, 0, &c);
    memcpy(digests[0], c.key, 32);
    memset(digests[1], 0, 32);
    shown_certificate(shown, 1, &c);
    memcpy(digests[2], c.fingerprint, 32);
    struct dns_tlsa tlsa[] = {{3, 1, 1, span_of(digests[0], 32)},
                              {3, 1, 1, span_of(digests[1], 32)},
                              {2, 0, 1, span_of(digests[2], 32)}};
    hosts[0].demand = (struct demand){.tlsa = tlsa, .ntlsa = 3, .ntlsa_usable = 3};
    int64_t anchor_ends_s, matched = trait_matched(&hosts[0], shown, &anchor_ends_s);
    struct buf text;
    buf_init(&text, 4096);
    assert_true(trait_tlsa(&hosts[0], &text));
    // Sorted: the authority's, zeros, the key's.
    assert_memory_equal(buf_text(&text), "2 0 1 ", 6);
    assert_non_null(strstr(buf_text(&text), "\n3 1 1 0000"));
    assert_int_equal(matched, 1 | 4);
    assert_int_equal(anchor_ends_s, c.not_after_s);
    buf_free(&text);
    shown_unref(shown);
}

static void what_happened_outlives_a_restart(void **state)
{
    (void)state;
    struct shown *shown = show(&leaf);
    struct state *s = open_state();
    struct recents *r = recents_new(s);
    took(r, 0, shown);
    failed(r, 1);
    recents_free(r);
    state_close(s);
    s = open_state();
    r = recents_new(s);
    assert_string_equal(told(r), "failing mx1:good mx2: bad:host-silent");
    failed(r, 0); // its turn is behind those of before
    took(r, 1, NULL);
    assert_string_equal(told(r), "ok mx1:good bad:host-silent mx2:good");
    recents_free(r);
    state_close(s);
    json_t *j = recent_json_file(path, "d.example", NULL);
    assert_string_equal(json_string_value(json_object_get(j, "state")), "ok");
    json_decref(j);
    shown_unref(shown);
}

static void a_database_that_cannot_be_written_gets_it_later(void **state)
{
    (void)state;
    struct state *s = open_state();
    struct recents *r = recents_new(s);
    char away[160];
    // A folder stands there: what is written goes nowhere until it is away. In one step, as the state's thread makes a
    // file where there is none.
    snprintf(away, sizeof away, "%s.away", path);
    assert_int_equal(mkdir(away, 0700), 0);
    assert_int_equal(renameat2(AT_FDCWD, path, AT_FDCWD, away, RENAME_EXCHANGE), 0);
    took(r, 0, NULL);
    recents_keep(r, true);
    state_settle(s);
    assert_int_equal(renameat2(AT_FDCWD, path, AT_FDCWD, away, RENAME_EXCHANGE), 0);
    assert_int_equal(rmdir(away), 0);
    recents_keep(r, true); // it was marked again
    state_settle(s);
    recents_free(r);
    state_close(s);
    json_t *j = recent_json_file(path, "d.example", NULL);
    assert_string_equal(json_string_value(json_object_get(j, "state")), "ok");
    json_decref(j);
}

static void count_row(const struct recent_row *row, void *arg)
{
    (void)row;
    ++*(size_t *)arg;
}

static void count_failed(const struct recent_row *row, void *arg)
{
    *(size_t *)arg += row->bad.ms != 0;
}

static void there_is_a_bound_and_the_unused_go_first(void **state)
{
    (void)state;
    struct state *s = open_state();
    struct recents *r = recents_new(s);
    char name[32];
    size_t n = 0, old = 0;
    for (int i = 0; i < RECENTS_ROWS; i++) {
        snprintf(name, sizeof name, "d%d.example", i);
        struct recents_attempt a = attempt_at(0, NULL);
        a.domain = name;
        clock_advance(1);
        recents_took(r, &a);
        if (i == 10)
            recents_keep(r, true);
        a.domain = "d1.example"; // goes on being used, and what it met first is not forgotten
        if (i == 0)
            recents_failed(r, &a, &why);
        recents_took(r, &a);
    }
    recents_each(r, NULL, count_row, &n);
    assert_int_equal(n, RECENTS_ROWS);
    recents_each(r, "d0.example", count_row, &old);
    assert_int_equal(old, 0);
    recents_each(r, "d1.example", count_failed, &old);
    assert_int_equal(old, 1);
    recents_free(r);
    state_close(s);
    n = old = 0;
    assert_int_equal(state_recent_read(path, NULL, count_row, &n, &why), 0);
    assert_int_equal(state_recent_read(path, "d0.example", count_row, &old, &why), 0);
    assert_int_equal(n, RECENTS_ROWS);
    assert_int_equal(old, 0); // its row went with it
    clock_fix(NOON + STATE_RECENT_MS + 86400000);
    s = open_state();
    r = recents_new(s);
    n = 0;
    recents_each(r, NULL, count_row, &n);
    assert_int_equal(n, 0); // all of it is too old
    recents_free(r);
    state_close(s);
}

// An explanation may say what is so now, which no attempt has met yet.
static void the_plan_is_held_against_what_was_good(void **state)
{
    (void)state;
    struct recents *r = recents_new(NULL);
    took(r, 0, NULL);
    json_t *plan = json_pack("{s:[{s:s,s:i,s:s,s:[s]},{s:s,s:i,s:s,s:[]}],s:{s:s,s:s}}", "mx",
                             "host", "mx1.example", "preference", 10, "demand", "dane", "tlsa",
                             "3 1 1 00", "host", "mx2.example", "preference", 20, "demand",
                             "refuse", "tlsa", "sts", "mode", "enforce", "id", "7");
    json_t *j = recent_json_of(r, "d.example", plan), *changed = json_object_get(j, "changed");
    assert_int_equal(json_array_size(changed), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(changed, 0), "now")),
                        "enforce, id 7");
    assert_true(json_is_null(json_object_get(json_array_get(changed, 0), "seen")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(changed, 1), "what")),
                        "tlsa");
    json_decref(j);
    json_decref(plan);
    recents_free(r);
}

// It comes over a socket, from whoever may ask.
static void an_explanation_that_is_none_is_borne(void **state)
{
    (void)state;
    struct recents *r = recents_new(NULL);
    took(r, 0, NULL);
    static const char *const odd[] = {"7", "[]", "{\"mx\":{},\"sts\":7,\"connect\":\"x\"}",
                                      "{\"mx\":[7,null,{\"host\":7,\"tlsa\":[7,null]},{\"host\":"
                                      "\"mx1.example\",\"tlsa\":[7,null,{}]}],"
                                      "\"sts\":{\"mode\":7,\"id\":[]},\"connect\":[null,{\"host\":"
                                      "7},{\"host\":\"mx1.example\",\"leaf\":7}]}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        json_t *plan = json_loads(odd[i], JSON_DECODE_ANY, NULL);
        json_t *j = recent_json_of(r, "d.example", plan);
        assert_non_null(json_object_get(j, "changed"));
        json_decref(j);
        json_decref(plan);
    }
    recents_free(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_attempt_counts_whatever_the_clock_shows),
        TEST(case_530_a_refused_recipient_is_remembered_and_no_failure),
        TEST(a_change_is_told_until_mail_goes_well_with_it),
        TEST(records_in_another_order_are_the_same),
        TEST(the_records_that_match_are_known),
        TEST(what_happened_outlives_a_restart),
        TEST(a_database_that_cannot_be_written_gets_it_later),
        TEST(there_is_a_bound_and_the_unused_go_first),
        TEST(the_plan_is_held_against_what_was_good),
        TEST(an_explanation_that_is_none_is_borne),
    };
    cert_make(&authority, &(struct cert_spec){.cn = "An Authority", .ca = true});
    cert_make(&leaf, &(struct cert_spec){.cn = "mx", .san = {"mx1.example"}, .issuer = &authority});
    cert_make(&other,
              &(struct cert_spec){.cn = "mx", .san = {"mx1.example"}, .issuer = &authority});
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    cert_free(&authority);
    cert_free(&leaf);
    cert_free(&other);
    return rc;
}
