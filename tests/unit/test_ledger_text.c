// SPDX-License-Identifier: ISC
// What one node counted, as it stands in the fleet's database: it reads as it was written, and nonsense is none of it.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "relay/fleet/ledger_text.h"

static struct why why;

static struct ledger_entry *add(struct ledger_rows *rows, const char *host, enum why_tls result,
                                uint64_t count)
{
    struct ledger_entry *f = ledger_entry_new();
    ledger_entry_set(&f->domain, "dest.example");
    ledger_entry_set(&f->policy_domain, "dest.example");
    ledger_entry_set(&f->policy_string, "version: STSv1\nmode: enforce");
    ledger_entry_set(&f->mx_patterns, "*.dest.example\nb");
    ledger_entry_set(&f->mx_host, host);
    f->policy_type = POLICY_STS;
    f->result = result;
    f->time_ms = 12345;
    ledger_rows_add(rows, &(struct ledger_row){.entry = f, .day = 20000, .count = count});
    return f;
}

static void rows_read_as_they_were_written(void **unused)
{
    (void)unused;
    struct ledger_rows rows = {0}, back = {0};
    add(&rows, "mx1.dest.example", WHY_TLS_NONE, 7);
    struct ledger_entry *f = add(&rows, "mx2.dest.example", WHY_CERTIFICATE_EXPIRED, 2);
    f->refused = f->shadow = true;
    ledger_entry_set(&f->reason, "caf\xe9 \x01 said"); // no UTF-8
    ledger_entry_set(&f->mx_ip, "192.0.2.1");
    f = add(&rows, "mx3.dest.example", WHY_TLS_NONE, 1);
    ledger_entry_set(&f->policy_string, "another");
    char *text = ledger_text(&rows);
    assert_int_equal(ledger_text_read(text, 20000, "dest.example", &back, &why), 0);
    assert_int_equal(back.n, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct ledger_entry *a = rows.at[i].entry, *b = back.at[i].entry;
        assert_int_equal(back.at[i].count, rows.at[i].count);
        assert_int_equal(back.at[i].day, 20000);
        assert_string_equal(a->domain, b->domain);
        assert_string_equal(a->mx_host, b->mx_host);
        assert_string_equal(a->policy_string, b->policy_string);
        assert_string_equal(a->mx_patterns, b->mx_patterns);
        assert_int_equal(a->policy_type, b->policy_type);
        assert_int_equal(a->result, b->result);
        assert_int_equal(a->time_ms, b->time_ms);
        assert_int_equal(a->refused, b->refused);
        assert_int_equal(a->shadow, b->shadow);
        assert_string_equal(a->mx_ip, b->mx_ip);
    }
    assert_string_equal(back.at[1].entry->reason, "caf? \x01 said");
    free(text);
    ledger_rows_free(&rows);
    ledger_rows_free(&back);
}

#define POLICY "[1,\"d\",\"p\",\"\"]"
#define ROW(place, host, result, refused, count, last)                                             \
    "[" place "," host "," result "," refused ",false,\"\",\"\",\"\"," count "," last              \
    ",\"\",\"\",\"\",\"\"]"
#define BODY(row) "{\"s\":[" POLICY "],\"r\":[" row "]}"

static void nonsense_is_no_row(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {
        "",
        "[",
        "[]",
        "{}",
        "{\"s\":[],\"r\":7}",
        BODY("[]"),
        BODY("7"),
        BODY(ROW("1", "\"\"", "\"\"", "true", "1", "1")),  // a policy that is not there
        BODY(ROW("-1", "\"\"", "\"\"", "true", "1", "1")), // or cannot be
        BODY(ROW("0", "7", "\"\"", "true", "1", "1")),
        BODY(ROW("0", "\"\"", "null", "true", "1", "1")),
        BODY(ROW("0", "\"\"", "\"\"", "1", "1", "1")),
        BODY(ROW("0", "\"\"", "\"\"", "true", "0", "1")),
        BODY(ROW("0", "\"\"", "\"\"", "true", "-1", "1")),
        BODY(ROW("0", "\"\"", "\"\"", "true", "1e3", "1")),
        BODY(ROW("0", "\"\"", "\"\"", "true", "1099511627777", "1")), // sums of such would not fit
        BODY(ROW("0", "\"\"", "\"\"", "true", "1", "-1")),
        BODY(ROW("0", "\"a\\u0000b\"", "\"\"", "true", "1", "1")),
        BODY(ROW("0", "\"\"", "\"\"", "true", "1", "1") ",7"), // one that is none spoils all
    };
    struct ledger_rows rows = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ledger_text_read(wrong[i], 1, "d", &rows, &why), -1);
        assert_int_equal(rows.n, 0);
    }
    assert_int_equal(ledger_text_read(BODY(ROW("0", "\"\"", "\"a-new-type\"", "true", "3", "1")), 1,
                                      "d", &rows, &why),
                     0);
    assert_int_equal(rows.n, 1);
    assert_int_equal(rows.at[0].entry->result, WHY_VALIDATION_FAILURE);
    ledger_rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_read_as_they_were_written),
        cmocka_unit_test(nonsense_is_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
