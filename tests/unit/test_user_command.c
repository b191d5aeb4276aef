// SPDX-License-Identifier: ISC
// `waxwing user` as a script calls it: a password on standard input, the answer in the exit status.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/command/command.h"
#include "relay/setup/users.h"

const char *command_config_file;

int command_usage_error(const char *name, const char *format, ...)
{
    assert_string_equal(name, "user");
    assert_non_null(format);
    return EXIT_USAGE;
}

static char folder[] = "/tmp/waxwing-user-XXXXXX";
static char users_path[64], config_path[64];

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

// Runs the command with `input` as its standard input.
static int run(const char *input, const char *verb, const char *name)
{
    char input_path[64], self[] = "user";
    char *argv[] = {self, (char *)verb, (char *)name, NULL};
    snprintf(input_path, sizeof input_path, "%s/input", folder);
    write_file(input_path, input);
    int saved = dup(STDIN_FILENO), fd = open(input_path, O_RDONLY);
    assert_true(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    int status = command_user(name ? 3 : 2, argv);
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
    close(fd);
    return status;
}

static bool may_log_in(const char *name, const char *password)
{
    struct why why;
    struct users *users = users_load(users_path, NULL, &why);
    assert_non_null(users);
    bool yes = users_check(users, name, password);
    users_unref(users);
    return yes;
}

static void a_user_comes_changes_and_goes(void **state)
{
    (void)state;
    write_file(config_path, "users: people\n");
    assert_int_equal(run("first\n", "add", "app"), EXIT_YES);
    assert_true(may_log_in("app", "first"));
    assert_int_equal(run("other\n", "add", "app"), EXIT_NO);
    assert_true(may_log_in("app", "first"));
    assert_int_equal(run("second", "passwd", "app"), EXIT_YES); // without a line's end
    assert_true(may_log_in("app", "second"));
    assert_false(may_log_in("app", "first"));
    assert_int_equal(run("third\r\nmore\n", "passwd", "app"), EXIT_YES);
    assert_true(may_log_in("app", "third"));
    assert_int_equal(run("", "list", NULL), EXIT_YES);
    assert_int_equal(run("", "remove", "app"), EXIT_YES);
    assert_false(may_log_in("app", "third"));
    assert_int_equal(run("", "remove", "app"), EXIT_NO);
    assert_int_equal(run("x\n", "passwd", "app"), EXIT_NO);
}

static void what_is_no_password_makes_no_user(void **state)
{
    (void)state;
    write_file(config_path, "users: people\n");
    write_file(users_path, "");
    char longer[USERS_PASSWORD + 3];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(run("", "add", "app"), EXIT_DATA);
    assert_int_equal(run("\n", "add", "app"), EXIT_DATA);
    assert_int_equal(run(longer, "add", "app"), EXIT_DATA);
    assert_false(may_log_in("app", ""));
}

static void wrong_calls_and_wrong_configurations(void **state)
{
    (void)state;
    write_file(config_path, "hostname: a.example\n");
    assert_int_equal(run("x\n", "add", NULL), EXIT_USAGE);
    assert_int_equal(run("x\n", "add", "a:b"), EXIT_USAGE);
    assert_int_equal(run("x\n", "adduser", "app"), EXIT_USAGE);
    assert_int_equal(run("x\n", "list", "app"), EXIT_USAGE);
    assert_int_equal(run("x\n", "add", "app"), EXIT_CONFIG); // no users file named
    write_file(config_path, "bogus: 1\n");
    assert_int_equal(run("x\n", "add", "app"), EXIT_CONFIG);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(users_path, sizeof users_path, "%s/people", folder);
    snprintf(config_path, sizeof config_path, "%s/w.yaml", folder);
    command_config_file = config_path;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_comes_changes_and_goes),
        cmocka_unit_test(what_is_no_password_makes_no_user),
        cmocka_unit_test(wrong_calls_and_wrong_configurations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
