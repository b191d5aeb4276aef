// SPDX-License-Identifier: ISC
// The users file: what is read of it, who may log in, and that editing it harms nothing.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "relay/setup/cost.h"
#include "relay/setup/users.h"

// "secret" as other programs hash it.
#define SHA512                                                                                     \
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc"                                           \
    "1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"
#define MD5      "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"
#define NO_GROUP ((gid_t)-1)

static char folder[] = "/tmp/waxwing-users-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/waxwing-users-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/users", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void write_users(const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static const char *read_users(void)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    return text;
}

static struct users *parse(const char *text, const char *complaints)
{
    struct buf said;
    buf_init(&said, 4096);
    struct users *users = users_parse("U", span_text(text), &said);
    assert_string_equal(buf_text(&said), complaints);
    buf_free(&said);
    return users;
}

static void the_right_password_alone_opens(void **state)
{
    (void)state;
    char hash[USERS_HASH], text[USERS_HASH + 64];
    struct why why;
    assert_int_equal(users_hash("pässword", hash, &why), 0);
    assert_int_equal(strncmp(hash, "$y$", 3), 0);
    assert_true(users_verify(hash, "pässword"));
    assert_false(users_verify(hash, "password"));
    assert_false(users_verify(hash, ""));
    assert_false(users_verify("", "pässword"));
    assert_false(users_verify("*0", "pässword"));
    assert_false(users_verify("$y$nonsense", "pässword"));
    snprintf(text, sizeof text, "app:%s\n", hash);
    struct users *users = parse(text, "");
    assert_true(users_check(users, "app", "pässword"));
    assert_false(users_check(users, "app", "x"));
    assert_false(users_check(users, "nobody", "pässword")); // the decoy is app's own hash
    assert_false(users_check(users, "", "pässword"));
    users_unref(users);
    users = parse("", "");
    assert_false(users_check(users, "app", "pässword"));
    users_unref(users);
}

static void hashes_of_other_programs_work(void **state)
{
    (void)state;
    struct users *users = parse("old:" SHA512 "\nmd5:" MD5 "\n", "");
    assert_int_equal(users_count(users), 2);
    assert_string_equal(users_name(users, 0), "md5");
    assert_true(users_check(users, "old", "secret"));
    assert_true(users_check(users, "md5", "secret"));
    assert_false(users_check(users, "old", "Secret"));
    users_unref(users);
}

static void an_empty_or_endless_password_gets_no_hash(void **state)
{
    (void)state;
    char hash[USERS_HASH], longest[USERS_PASSWORD + 2];
    struct why why;
    assert_int_equal(users_hash("", hash, &why), -1);
    memset(longest, 'x', sizeof longest);
    longest[USERS_PASSWORD + 1] = 0;
    assert_int_equal(users_hash(longest, hash, &why), -1);
    longest[USERS_PASSWORD] = 0;
    assert_int_equal(users_hash(longest, hash, &why), 0);
    assert_true(users_verify(hash, longest));
}

static void bad_lines_are_told_and_the_others_count(void **state)
{
    (void)state;
    struct users *users =
        parse("# people\n"
              "\n"
              "app:" SHA512 "\r\n"
              "no colon\n"
              ":" SHA512 "\n"
              "clear:plaintext-password\n"
              "locked:!\n"
              "ldap:{SSHA}abc\n"
              "app:" MD5 "\n"
              "bad\x01name:" SHA512 "\n"
              "latin\xe9:" SHA512 "\n"
              "last:" SHA512,
              "U:4: not a line of the form name:hash\n"
              "U:5: not a user name\n"
              "U:6: neither a hash that crypt(5) knows nor a SCRAM verifier behind the name\n"
              "U:7: neither a hash that crypt(5) knows nor a SCRAM verifier behind the name\n"
              "U:8: neither a hash that crypt(5) knows nor a SCRAM verifier behind the name\n"
              "U:10: not a user name\n"
              "U:11: not a user name\n"
              "U:9: this name has a line already\n");
    assert_int_equal(users_count(users), 2);
    assert_string_equal(users_find(users, "app"), SHA512);
    assert_non_null(users_find(users, "last"));
    assert_null(users_find(users, "APP"));
    assert_null(users_find(users, "clear"));
    users_unref(users);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    struct why why;
    assert_null(users_load(path, NULL, &why));
    assert_non_null(strstr(why.text, "No such file"));
    assert_null(users_load(folder, NULL, &why));
}

static void a_changed_file_is_stale(void **state)
{
    (void)state;
    struct why why;
    write_users("app:" SHA512 "\n", 0600);
    struct users *users = users_load(path, NULL, &why);
    assert_non_null(users);
    assert_false(users_stale(users));
    assert_int_equal(users_edit(path, USERS_ADD, "b", SHA512, NO_GROUP, &why), USERS_DONE);
    assert_true(users_stale(users));
    struct users *held = users_ref(users);
    users_unref(users);
    assert_null(users_find(held, "b")); // what was read stays as it was
    users_unref(held);
}

static void an_edit_touches_one_line(void **state)
{
    (void)state;
    struct why why;
    write_users("# people\na:H1\nodd line\nb:H2", 0640);
    assert_int_equal(users_edit(path, USERS_CHANGE, "a", "N", NO_GROUP, &why), USERS_DONE);
    assert_string_equal(read_users(), "# people\na:N\nodd line\nb:H2\n");
    assert_int_equal(users_edit(path, USERS_ADD, "c", "H3", NO_GROUP, &why), USERS_DONE);
    assert_int_equal(users_edit(path, USERS_REMOVE, "b", NULL, NO_GROUP, &why), USERS_DONE);
    assert_string_equal(read_users(), "# people\na:N\nodd line\nc:H3\n");
    assert_int_equal(users_edit(path, USERS_ADD, "a", "X", NO_GROUP, &why), USERS_THERE);
    assert_int_equal(users_edit(path, USERS_CHANGE, "b", "X", NO_GROUP, &why), USERS_ABSENT);
    assert_int_equal(users_edit(path, USERS_REMOVE, "b", NULL, NO_GROUP, &why), USERS_ABSENT);
    assert_string_equal(read_users(), "# people\na:N\nodd line\nc:H3\n");
}

static void mode_and_link_stay(void **state)
{
    (void)state;
    struct why why;
    struct stat st;
    char link[80];
    write_users("a:H\n", 0640);
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(users_edit(link, USERS_ADD, "b", "H", NO_GROUP, &why), USERS_DONE);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(chmod(path, 0666), 0); // more than anybody should have
    assert_int_equal(users_edit(path, USERS_REMOVE, "b", NULL, NO_GROUP, &why), USERS_DONE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void the_first_user_makes_the_file(void **state)
{
    (void)state;
    struct why why;
    struct stat st;
    assert_int_equal(users_edit(path, USERS_REMOVE, "a", NULL, NO_GROUP, &why), USERS_FAILED);
    assert_int_equal(users_edit(path, USERS_ADD, "a", "H", NO_GROUP, &why), USERS_DONE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_string_equal(read_users(), "a:H\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(users_edit(path, USERS_ADD, "a", "H", getgid(), &why), USERS_DONE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

// Four editors at once, each adding eight users: nobody's change is lost.
static void editors_wait_for_each_other(void **state)
{
    (void)state;
    struct why why;
    pid_t children[4];
    for (int c = 0; c < 4; c++) {
        children[c] = fork();
        assert_true(children[c] >= 0);
        if (children[c] > 0)
            continue;
        int bad = 0;
        for (int i = 0; i < 8; i++) {
            char name[16];
            snprintf(name, sizeof name, "u%d-%d", c, i);
            bad += users_edit(path, USERS_ADD, name, SHA512, NO_GROUP, &why) != USERS_DONE;
        }
        _exit(bad);
    }
    for (int c = 0; c < 4; c++) {
        int status;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    struct users *users = users_load(path, NULL, &why);
    assert_non_null(users);
    assert_int_equal(users_count(users), 32);
    users_unref(users);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

// Where schemes are mixed, the decoy is as costly as the costliest.
static void case_105_what_hashes_cost(void **state)
{
    (void)state;
    static const char *const rising[] = {"abJnggxhB/yWI",           "$1$salt$x",     "$5$salt$x",
                                         "$6$rounds=20000$salt$x",  "$y$j9T$salt$x", "$2b$12$salt",
                                         "$6$rounds=656000$salt$x", "$y$jET$salt$x"};
    for (size_t i = 1; i < sizeof rising / sizeof *rising; i++)
        assert_true(cost_of_hash(rising[i - 1]) < cost_of_hash(rising[i]));
    assert_int_equal(cost_of_hash("$y$"), 0);
    assert_int_equal(cost_of_hash("$2"), 0);
    (void)cost_of_hash("$7$");
}

// RFC 7677 section 3: the password is "pencil".
#define PENCIL                                                                                     \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                                                 \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void a_verifier_serves_as_a_hash(void **state)
{
    (void)state;
    struct verifier own, other;
    struct users *users = users_parse(
        "U", span_text("pen:" PENCIL "\napp:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n"), NULL);
    assert_int_equal(users_verifiers(users), 1);
    assert_true(users_check(users, "pen", "pencil"));
    assert_false(users_check(users, "pen", "pencil2"));
    assert_true(users_check(users, "app", "secret"));
    users_verifier(users, "pen", (const unsigned char *)"s", 1, &own);
    assert_int_equal(own.iterations, 4096);
    assert_true(verifier_check(&own, "pencil"));
    users_verifier(users, "app", (const unsigned char *)"s", 1, &other); // a hash is no verifier
    assert_int_equal(other.iterations, 4096);
    assert_int_equal(other.nsalt, own.nsalt);
    assert_false(verifier_check(&other, "secret"));
    users_unref(users);
    struct buf said;
    buf_init(&said, 1000);
    users = users_parse("U", span_text("pen:SCRAM-SHA-256$1:YWFhYWFhYWE=$x:y\n"), &said);
    assert_int_equal(users_count(users), 0);
    assert_non_null(strstr(buf_text(&said), "U:1: neither"));
    buf_free(&said);
    users_unref(users);
}

static void a_new_verifier_is_one(void **state)
{
    (void)state;
    char text[USERS_HASH], again[USERS_HASH];
    struct why why;
    assert_int_equal(users_scram("correct horse", text, &why), 0);
    assert_int_equal(users_scram("correct horse", again, &why), 0);
    assert_string_not_equal(text, again);
    assert_true(users_verify(text, "correct horse"));
    assert_int_equal(users_scram("", text, &why), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verifier_serves_as_a_hash),
        cmocka_unit_test(a_new_verifier_is_one),
        cmocka_unit_test(the_right_password_alone_opens),
        cmocka_unit_test(hashes_of_other_programs_work),
        cmocka_unit_test(an_empty_or_endless_password_gets_no_hash),
        cmocka_unit_test(bad_lines_are_told_and_the_others_count),
        STORY(a_file_that_cannot_be_read_says_why),
        STORY(a_changed_file_is_stale),
        STORY(an_edit_touches_one_line),
        STORY(mode_and_link_stay),
        STORY(the_first_user_makes_the_file),
        STORY(editors_wait_for_each_other),
        cmocka_unit_test(case_105_what_hashes_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
