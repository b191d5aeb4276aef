// SPDX-License-Identifier: ISC
// What a dashboard and a load balancer are told about a relay in good and in bad days.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "relay/http/metrics.h"

static struct counters counters;
static struct tally alarms;
static struct histogram times;
static struct buf text;

// A relay that runs and is well.
static struct metrics well(void)
{
    memset(&counters, 0, sizeof counters);
    return (struct metrics){.stage = RELAY_RUNNING,
                            .started_ms = 1795300129542,
                            .workers = 2,
                            .counters = &counters,
                            .alarms_by = &alarms,
                            .sync_times = &times,
                            .dns_times = &times,
                            .spool = {.healthy = true, .room = true},
                            .dns = {.health = DNS_HEALTH_OK},
                            .state = {.writable = true}};
}

static const char *printed(const struct metrics *m)
{
    buf_free(&text);
    buf_init(&text, METRICS_MAX);
    metrics_print(m, &text);
    assert_false(text.full);
    return buf_text(&text);
}

static const char *health(const struct metrics *m, bool expected)
{
    buf_free(&text);
    buf_init(&text, METRICS_MAX);
    assert_int_equal(metrics_ready(m, &text), expected);
    return buf_text(&text);
}

static void has_line(const char *all, const char *line)
{
    char whole[256];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    if (!strstr(all, whole))
        fail_msg("no line '%s' in:\n%s", line, all);
}

static void counters_and_gauges_have_their_values(void **state)
{
    (void)state;
    struct metrics m = well();
    counters.delivered = 7;
    counters.auth_failed = 3;
    counters.queued_now = 12;
    m.alarms = 2;
    m.certificate_expires = 1800000000;
    m.spool.stored = 9;
    m.dns.lookups = UINT64_MAX;
    const char *all = printed(&m);
    has_line(all, "waxwing_delivered_total 7");
    has_line(all, "waxwing_auth_total{result=\"failed\"} 3");
    has_line(all, "waxwing_queued_recipients 12");
    has_line(all, "waxwing_alarms_total 2");
    has_line(all, "waxwing_certificate_expiry_timestamp_seconds 1800000000");
    has_line(all, "waxwing_spool_stored_total 9");
    has_line(all, "waxwing_dns_lookups_total 18446744073709551615");
    has_line(all, "waxwing_start_time_seconds 1795300129.542");
    has_line(all, "waxwing_stage{stage=\"running\"} 1");
    has_line(all, "waxwing_stage{stage=\"stopping\"} 0");
}

static void without_a_certificate_there_is_no_expiry(void **state)
{
    (void)state;
    struct metrics m = well();
    assert_null(strstr(printed(&m), "certificate_expiry"));
}

// Of the name of one of its series, that of the histogram.
static void histogram_name(char *word)
{
    static const char *const ends[] = {"_bucket", "_sum", "_count"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(word), end = strlen(ends[i]);
        if (n > end && strcmp(word + n - end, ends[i]) == 0) {
            word[n - end] = 0;
            return;
        }
    }
    fail_msg("%s is no series of a histogram", word);
}

// The grammar of the text format: HELP, TYPE, then the series of that name and no other, each name once.
static void every_series_is_described_before_it(void **state)
{
    (void)state;
    struct metrics m = well();
    m.certificate_expires = 1;
    char name[100] = "", type[20] = "", word[100];
    char *all = (char *)(uintptr_t)printed(&m);
    size_t series = 0;
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "# HELP %99s", word) == 1) {
            assert_string_not_equal(word, name);
            strcpy(name, word);
            type[0] = 0;
        } else if (line[0] == '#') {
            assert_int_equal(sscanf(line, "# TYPE %99s %19s", word, type), 2);
            assert_string_equal(word, name);
        } else {
            assert_int_equal(sscanf(line, "%99[a-z0-9_]", word), 1);
            if (strcmp(type, "histogram") == 0)
                histogram_name(word);
            assert_string_equal(word, name);
            assert_true(type[0] &&
                        (strncmp(name, "waxwing_", 8) == 0 || strncmp(name, "process_", 8) == 0));
            bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
            assert_int_equal(total, strcmp(type, "counter") == 0);
            series++;
        }
    }
    assert_true(series > 30);
}

// One byte that is no UTF-8, or a quote, and a collector refuses the whole page.
static void case_201_names_of_the_configuration_do_not_break_the_page(void **state)
{
    (void)state;
    struct metrics m = well();
    m.logins = true;
    tally_add(&counters.logins, "a\"b\\c\nd", LOGIN_MESSAGES, 1);
    tally_add(&counters.logins, "J\xc3\xb8rn", LOGIN_MESSAGES, 2);
    tally_add(&counters.logins, "J\xf8rn", LOGIN_REFUSED, 3);
    const char *all = printed(&m);
    has_line(all, "waxwing_login_messages_total{login=\"a\\\"b\\\\c?d\"} 1");
    has_line(all, "waxwing_login_messages_total{login=\"J\xc3\xb8rn\"} 2");
    has_line(all, "waxwing_login_refused_total{login=\"J?rn\"} 3");
    tally_clear(&counters.logins);
}

static void logins_are_told_only_where_that_was_asked(void **state)
{
    (void)state;
    struct metrics m = well();
    tally_add(&counters.logins, "app", LOGIN_MESSAGES, 1);
    assert_null(strstr(printed(&m), "waxwing_login"));
    tally_clear(&counters.logins);
}

static void as_many_logins_as_there_can_be_have_room(void **state)
{
    (void)state;
    struct metrics m = well();
    m.logins = true;
    char name[65];
    for (int i = 0; i < 2 * TALLY_NAMES; i++) {
        snprintf(name, sizeof name, "%064d", i);
        tally_add(&counters.logins, name, LOGIN_RECIPIENTS, UINT64_MAX / 4);
        tally_add(&counters.listeners, name, 0, 1);
        tally_add(&alarms, name, 0, 1);
    }
    has_line(printed(&m), "waxwing_listener_connections_total{listener=\"other\"} 100");
    tally_clear(&counters.logins);
    tally_clear(&counters.listeners);
    tally_clear(&alarms);
}

static void what_is_counted_by_kind_has_its_words(void **state)
{
    (void)state;
    struct metrics m = well();
    counters.settled_by[SETTLED_DEFERRED][STATUS_LATER] = 4;
    counters.tls_by_type[WHY_CERTIFICATE_EXPIRED][1] = 5;
    counters.sessions_by[SOURCE_STS][PROOF_WEBPKI] = 6;
    counters.delivered_by[PROTECTION_DANE] = 7;
    counters.refused_by[STATUS_NEVER] = 8;
    m.spool.oldest_ms = 1795300129500;
    const char *all = printed(&m);
    has_line(all, "waxwing_attempts_total{result=\"deferred\",class=\"4xx\"} 4");
    has_line(all, "waxwing_tls_results_total{type=\"certificate-expired\",result=\"refused\"} 5");
    has_line(all, "waxwing_sessions_by_policy_total{source=\"mta-sts\",proof=\"webpki\"} 6");
    has_line(all, "waxwing_delivered_by_proof_total{proof=\"dane\"} 7");
    has_line(all, "waxwing_refused_by_class_total{class=\"5xx\"} 8");
    has_line(all, "waxwing_queue_oldest_timestamp_seconds 1795300129.500");
}

static void a_failed_self_check_is_a_number_and_a_warning(void **state)
{
    (void)state;
    struct metrics m = well();
    has_line(printed(&m), "waxwing_dns_self_check_failed 0");
    m.dns.health = DNS_HEALTH_BROKEN;
    strcpy(m.dns.text, "the trust anchor is out of date\r\nok");
    has_line(printed(&m), "waxwing_dns_self_check_failed 1");
    has_line(printed(&m), "waxwing_dns_validation{state=\"broken\"} 1");
    assert_string_equal(health(&m, true), "ok\nwarning: DNSSEC validation does not work: the trust "
                                          "anchor is out of date  ok\n");
}

static void a_relay_that_is_well_says_ok(void **state)
{
    (void)state;
    struct metrics m = well();
    assert_string_equal(health(&m, true), "ok\n");
    m.dns.health = DNS_HEALTH_OFF;
    assert_string_equal(health(&m, true), "ok\n");
}

static void what_stops_the_mail_is_one_line(void **state)
{
    (void)state;
    struct metrics m = well();
    m.spool.healthy = false;
    assert_string_equal(health(&m, false), "the spool cannot be written: no mail is delivered\n");
    m = well();
    m.spool.room = false;
    assert_string_equal(health(&m, false), "the disk of the spool is full: new mail is refused\n");
    m = well();
    m.dns.stuck = true;
    assert_string_equal(health(&m, false), "the resolver is stuck: mail is deferred\n");
    m = well();
    m.stage = RELAY_STOPPING;
    assert_string_equal(health(&m, false), "the relay is stopping\n");
    m.stage = RELAY_DRAINING;
    assert_string_equal(health(&m, false), "the relay is draining: it takes no new mail\n");
}

// Whoever restarts what is not alive must not restart a relay whose disk is full.
static void alive_is_not_ready(void **state)
{
    (void)state;
    struct metrics m = well();
    m.spool.room = false;
    buf_free(&text);
    buf_init(&text, METRICS_MAX);
    metrics_alive(&m, &text);
    assert_string_equal(buf_text(&text),
                        "ok\nwarning: the disk of the spool is full: new mail is refused\n");
    m = well();
    m.dns.health = DNS_HEALTH_BROKEN;
    assert_memory_equal(health(&m, true), "ok\n", 3);
    m.dns_defers = true;
    assert_non_null(strstr(health(&m, false), "mail is deferred (dns.on_failure)\n"));
}

static void a_lost_state_database_is_a_warning(void **state)
{
    (void)state;
    struct metrics m = well();
    m.state.writable = false;
    m.state.lost_ms = 1;
    strcpy(m.state.lost, "policies and memory lost at noon");
    assert_string_equal(
        health(&m, true),
        "ok\nwarning: the state database cannot be written\n"
        "warning: the state database was replaced: policies and memory lost at noon\n");
}

static int clean_up(void **state)
{
    (void)state;
    buf_free(&text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_have_their_values),
        cmocka_unit_test(without_a_certificate_there_is_no_expiry),
        cmocka_unit_test(every_series_is_described_before_it),
        cmocka_unit_test(case_201_names_of_the_configuration_do_not_break_the_page),
        cmocka_unit_test(logins_are_told_only_where_that_was_asked),
        cmocka_unit_test(as_many_logins_as_there_can_be_have_room),
        cmocka_unit_test(what_is_counted_by_kind_has_its_words),
        cmocka_unit_test(a_failed_self_check_is_a_number_and_a_warning),
        cmocka_unit_test(a_relay_that_is_well_says_ok),
        cmocka_unit_test(what_stops_the_mail_is_one_line),
        cmocka_unit_test(alive_is_not_ready),
        cmocka_unit_test(a_lost_state_database_is_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
