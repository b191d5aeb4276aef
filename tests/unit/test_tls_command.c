// SPDX-License-Identifier: ISC
// `waxwing tls` without a relay: what the state database says, for people and for programs.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/command/command.h"
#include "relay/control/control.h"
#include "relay/state/state.h"

#define DAY  20000 // 2024-10-04
#define NOON (DAY * LEDGER_DAY_MS + LEDGER_DAY_MS / 2)

static char folder[64], state_path[96], config_path[96];
static char out[262144];

static void write_config(const char *more)
{
    FILE *f = fopen(config_path, "w");
    assert_non_null(f);
    fprintf(f,
            "hostname: relay.example.org\nstate: %s\ncontrol: %s/none.sock\n"
            "tls_report: {organization: Example Org, contact: 'mailto:p@example.org'}\n%s",
            state_path, folder, more);
    fclose(f);
    command_config_file = config_path;
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/waxwing-tls-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(state_path, sizeof state_path, "%s/state.db", folder);
    snprintf(config_path, sizeof config_path, "%s/waxwing.yaml", folder);
    clock_fix(NOON);
    write_config("");
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_release();
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

// Runs `waxwing tls …` (words parted by blanks); what it prints is in `out`.
static int run(const char *arguments)
{
    char words[512], *argv[24], name[] = "tls", path[128];
    int argc = 0;
    snprintf(words, sizeof words, "%s", arguments);
    argv[argc++] = name;
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    snprintf(path, sizeof path, "%s/out", folder);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
    int status = command_tls(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    ssize_t n = pread(fd, out, sizeof out - 1, 0);
    out[n > 0 ? n : 0] = '\0';
    close(fd);
    return status;
}

static json_t *run_json(const char *arguments)
{
    assert_int_equal(run(arguments), EXIT_YES);
    json_t *j = json_loads(out, 0, NULL);
    assert_non_null(j);
    return j;
}

static const char *text_of(const json_t *list, size_t i, const char *key)
{
    const char *s = json_string_value(json_object_get(json_array_get(list, i), key));
    assert_non_null(s);
    return s;
}

static int64_t number_of(const json_t *list, size_t i, const char *key)
{
    return json_integer_value(json_object_get(json_array_get(list, i), key));
}

static struct ledger_entry *entry(const char *domain, enum why_tls result)
{
    struct ledger_entry *f = ledger_entry_new();
    ledger_entry_set(&f->domain, domain);
    ledger_entry_set(&f->policy_domain, domain);
    ledger_entry_set(&f->mx_host, "mx.example");
    ledger_entry_set(&f->mx_ip, "192.0.2.1");
    ledger_entry_set(&f->demand, "webpki");
    ledger_entry_set(&f->source, "mta-sts");
    ledger_entry_set(&f->proof, result == WHY_TLS_NONE ? "webpki" : "none");
    f->result = result;
    f->refused = result != WHY_TLS_NONE;
    return f;
}

static struct state *open_state(void)
{
    struct why why;
    struct state *s = state_open(
        &(struct state_options){.path = state_path, .keep_ms = 30 * (uint64_t)LEDGER_DAY_MS}, &why);
    assert_non_null(s);
    return s;
}

// Three sessions of d.example, one of e.example, on two days.
static void make_history(void)
{
    struct state *s = open_state();
    state_ledger_add(s, entry("d.example", WHY_TLS_NONE));
    state_ledger_add(s, entry("d.example", WHY_TLS_NONE));
    struct ledger_entry *f = entry("d.example", WHY_CERTIFICATE_EXPIRED);
    ledger_entry_set(&f->reason, "the certificate ended on 2024-10-01\x1b[31m and nobody saw");
    state_ledger_add(s, f);
    clock_advance(LEDGER_DAY_MS);
    state_ledger_add(s, entry("e.example", WHY_STARTTLS_NOT_SUPPORTED));
    state_close(s);
}

static void failures_are_shown_newest_first_in_80_columns(void **state)
{
    (void)state;
    make_history();
    assert_int_equal(run("failures"), EXIT_YES);
    const char *e = strstr(out, "e.example"), *d = strstr(out, "d.example");
    assert_true(e && d && e < d);
    assert_non_null(strstr(out, "certificate-expired: refused (demand webpki, source mta-sts)"));
    assert_null(strchr(out, '\x1b'));
    for (const char *line = out; *line; line += strcspn(line, "\n") + 1)
        assert_in_range(strcspn(line, "\n"), 0, 80);
}

static void failures_as_json_and_by_filter(void **state)
{
    (void)state;
    make_history();
    json_t *all = run_json("failures --json");
    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(text_of(all, 0, "domain"), "e.example");
    assert_string_equal(text_of(all, 0, "type"), "starttls-not-supported");
    assert_string_equal(text_of(all, 1, "time"), "2024-10-04T12:00:00Z");
    json_decref(all);
    json_t *some = run_json("failures --json --domain D.EXAMPLE.");
    assert_int_equal(json_array_size(some), 1);
    json_decref(some);
    some = run_json("failures --json --type certificate-expired --domain x@d.example");
    assert_int_equal(json_array_size(some), 1);
    json_decref(some);
    some = run_json("failures --json --since 2h");
    assert_int_equal(json_array_size(some), 1);
    json_decref(some);
    some = run_json("failures --json --since 2024-10-06");
    assert_int_equal(json_array_size(some), 0);
    json_decref(some);
}

static void a_summary_is_by_day_domain_and_type(void **state)
{
    (void)state;
    make_history();
    json_t *sums = run_json("summary --json");
    assert_int_equal(json_array_size(sums), 3);
    assert_string_equal(text_of(sums, 0, "day"), "2024-10-05");
    uint64_t good = 0, bad = 0;
    for (size_t i = 1; i < 3; i++)
        *(strcmp(text_of(sums, i, "type"), "success") == 0 ? &good : &bad) +=
            (uint64_t)number_of(sums, i, "sessions");
    assert_int_equal(good, 2);
    assert_int_equal(bad, 1);
    json_decref(sums);
    assert_int_equal(run("summary"), EXIT_YES);
    assert_non_null(strstr(out, "2024-10-04        2        0  success"));
}

static void case_33_a_report_covers_one_utc_day_and_each_domain(void **state)
{
    (void)state;
    make_history();
    json_t *report = run_json("report --day 2024-10-04");
    json_int_t good, bad;
    const char *start, *end_time, *organization;
    assert_int_equal(json_unpack(report, "{s:s, s:{s:s, s:s}, s:[{s:{s:I, s:I}}!]}",
                                 "organization-name", &organization, "date-range", "start-datetime",
                                 &start, "end-datetime", &end_time, "policies", "summary",
                                 "total-successful-session-count", &good,
                                 "total-failure-session-count", &bad),
                     0);
    assert_string_equal(organization, "Example Org");
    assert_string_equal(start, "2024-10-04T00:00:00Z");
    assert_string_equal(end_time, "2024-10-04T23:59:59Z");
    assert_int_equal(good, 2);
    assert_int_equal(bad, 1);
    json_decref(report);
    json_decref(run_json("report --day 2024-10-05 --domain e.example --json"));
    char first[4096];
    snprintf(first, sizeof first, "%s", out);
    assert_int_equal(run("report --day 2024-10-05"), EXIT_YES);
    assert_string_equal(out, first); // the same rows, the same text
    assert_int_equal(run("report --day 2024-10-05 --domain d.example"), EXIT_NO);
}

static void policies_and_memory_are_listed(void **state)
{
    (void)state;
    struct state *s = open_state();
    char host[] = "mx.example";
    state_keep_policy(s,
                      &(struct sts_row){.domain = "d.example",
                                        .id = "42",
                                        .text = "version: STSv1\r\nmode: enforce\r\n"
                                                "mx: mx.example\r\nmax_age: 86400\r\n",
                                        .fetched_s = NOON / 1000,
                                        .expires_s = NOON / 1000 + 86400},
                      NULL, NULL, NULL);
    state_keep_memory(
        s, "d.example",
        &(struct memory_row){
            .host = host, .seen_s = NOON / 1000, .owes = OWES_CERTIFICATE, .dane = 1});
    state_close(s);
    assert_int_equal(run("policies"), EXIT_YES);
    assert_non_null(strstr(out, "d.example: enforce, id 42"));
    assert_non_null(strstr(out, "proved certificate, had TLSA"));
    json_t *j = run_json("policies --json");
    assert_string_equal(text_of(json_object_get(j, "policies"), 0, "mode"), "enforce");
    assert_string_equal(text_of(json_object_get(j, "memory"), 0, "host"), "mx.example");
    json_decref(j);
}

static void an_exception_that_is_not_needed_is_told(void **state)
{
    (void)state;
    write_config("delivery:\n  tls: encrypt\n  destinations:\n"
                 "    - {domain: d.example, tls: opportunistic, until: 2024-10-14, reason: t1}\n"
                 "    - {domain: e.example, tls: opportunistic, until: never, reason: t2}\n"
                 "    - {domain: f.example, tls: opportunistic, until: 2024-10-01, reason: t3}\n"
                 "    - {domain: '*.g.example', tls: encrypt, until: 2024-10-14, reason: t4}\n"
                 "    - {domain: h.example, tls: webpki}\n");
    struct state *s = open_state();
    for (int i = 0; i < 3; i++)
        state_ledger_add(s, entry("d.example", WHY_TLS_NONE));
    state_ledger_add(s, entry("e.example", WHY_TLS_NONE));
    state_ledger_add(s, entry("e.example", WHY_STARTTLS_NOT_SUPPORTED));
    struct ledger_entry *f = entry("x.g.example", WHY_TLS_NONE);
    f->policy_type = POLICY_STS;
    ledger_entry_set(&f->policy_string, "version: STSv1\nmode: enforce\nmax_age: 1");
    ledger_entry_set(&f->proof, "none");
    state_ledger_add(s, f);
    state_close(s);
    json_t *j = run_json("exceptions --json");
    assert_int_equal(json_array_size(j), 4);
    assert_string_equal(text_of(j, 0, "needed"), "no");
    assert_string_equal(text_of(j, 0, "until"), "2024-10-14");
    assert_int_equal(number_of(j, 0, "days_left"), 10);
    assert_string_equal(text_of(j, 1, "needed"), "yes");
    assert_string_equal(text_of(j, 1, "until"), "never");
    assert_string_equal(text_of(j, 2, "needed"), "unknown");
    assert_true(json_is_true(json_object_get(json_array_get(j, 2), "expired")));
    assert_string_equal(text_of(j, 3, "needed"), "unknown"); // no certificate was looked at
    assert_int_equal(number_of(j, 3, "sessions"), 1);
    json_decref(j);
    assert_int_equal(run("exceptions"), EXIT_YES);
    assert_non_null(strstr(out, "EXPIRED"));
    assert_non_null(strstr(out, "no longer needed"));
}

static void wrong_arguments_are_usage_errors(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "nonsense",
                                        "failures extra",
                                        "failures --type nonsense",
                                        "failures --since tomorrow",
                                        "failures --domain -.-",
                                        "failures --nonsense",
                                        "failures --domain",
                                        "report",
                                        "report --day 2024-02-30",
                                        "refresh",
                                        "forget a.example b.example"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(run(wrong[i]), EXIT_USAGE);
}

static void without_relay_or_database_it_is_temporary(void **state)
{
    (void)state;
    assert_int_equal(run("failures"), EXIT_TEMP);
    assert_int_equal(run("policies"), EXIT_TEMP);
    assert_int_equal(run("refresh d.example"), EXIT_TEMP);
    assert_int_equal(run("forget d.example"), EXIT_TEMP);
    assert_int_equal(run("failures --state /nonexistent"), EXIT_TEMP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(failures_are_shown_newest_first_in_80_columns),
        TEST(failures_as_json_and_by_filter),
        TEST(a_summary_is_by_day_domain_and_type),
        TEST(case_33_a_report_covers_one_utc_day_and_each_domain),
        TEST(policies_and_memory_are_listed),
        TEST(an_exception_that_is_not_needed_is_told),
        TEST(wrong_arguments_are_usage_errors),
        TEST(without_relay_or_database_it_is_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
