// SPDX-License-Identifier: ISC
// `waxwing sts get`: what is printed, and what it exits with, for each thing that a policy host may do.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/command/command.h"

static char output[65536];

// Runs the command with its standard output in `output`.
static int run(const char *domain, const char *more)
{
    char *argv[] = {(char *)"sts",
                    (char *)"get",
                    (char *)"--dns-file",
                    (char *)"unit/data/sts.json",
                    (char *)(uintptr_t)domain,
                    (char *)(uintptr_t)more,
                    NULL};
    FILE *file = tmpfile();
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    int status = command_sts(more ? 6 : 5, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    fclose(file);
    return status;
}

static void a_policy_is_printed(void **state)
{
    (void)state;
    assert_int_equal(run("good.example", NULL), EXIT_YES);
    assert_string_equal(output, "mode: enforce\nmx: mx1.good.example\nmx: *.mail.example\n"
                                "max_age: 604800\nid: 20261121\n");
}

static void a_program_reads_it_as_json(void **state)
{
    (void)state;
    assert_int_equal(run("GOOD.example", "--json"), EXIT_YES);
    json_t *j = json_loads(output, 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "mode")), "enforce");
    assert_string_equal(json_string_value(json_object_get(j, "id")), "20261121");
    assert_int_equal(json_integer_value(json_object_get(j, "max_age")), 604800);
    assert_int_equal(json_array_size(json_object_get(j, "mx")), 2);
    json_decref(j);
}

static void what_is_wrong_has_its_type_and_its_exit_status(void **state)
{
    (void)state;
    const struct {
        const char *domain, *type;
        int status;
    } all[] = {
        {"none.example", "there is no MTA-STS record", EXIT_NO},
        {"doubled.example", "sts-policy-invalid: ", EXIT_NO},
        {"torn.example", "sts-policy-invalid: ", EXIT_NO},
        {"expired.example", "sts-webpki-invalid: ", EXIT_NO},
        {"slow.example", "sts-policy-fetch-error: ", EXIT_TEMP},
        {"moved.example", "sts-policy-fetch-error: ", EXIT_TEMP},
        {"servfail.example", "sts-policy-fetch-error: ", EXIT_TEMP},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(run(all[i].domain, NULL), all[i].status);
        if (strncmp(output, all[i].type, strlen(all[i].type)) != 0)
            fail_msg("%s: %s", all[i].domain, output);
    }
}

static void what_is_no_domain_is_a_usage_error(void **state)
{
    (void)state;
    assert_int_equal(run("a..b", NULL), EXIT_USAGE);
    assert_int_equal(run("good.example", "more.example"), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_is_printed),
        cmocka_unit_test(a_program_reads_it_as_json),
        cmocka_unit_test(what_is_wrong_has_its_type_and_its_exit_status),
        cmocka_unit_test(what_is_no_domain_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
