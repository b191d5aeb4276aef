// SPDX-License-Identifier: ISC
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>
#include "relay/base/replace.h"

static char folder[] = "/tmp/replace.XXXXXX", path[64];

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/replace.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); // which fails where something was left beside it
}

static size_t is(char *out, size_t room)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, room, f) : 0;
    if (f)
        fclose(f);
    return n;
}

static void a_file_is_new_or_another_and_private(void **state)
{
    (void)state;
    char found[16];
    struct stat st;
    assert_int_equal(replace_file(path, span_of("a\0b", 3), NULL), 0);
    assert_int_equal(is(found, sizeof found), 3);
    assert_memory_equal(found, "a\0b", 3);
    assert_int_equal(replace_file(path, span_text("second"), NULL), 0);
    assert_int_equal(is(found, sizeof found), 6);
    assert_memory_equal(found, "second", 6);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void rights_are_what_is_asked_whatever_the_mask(void **state)
{
    (void)state;
    struct replace_rights rights = {(uid_t)REPLACE_KEEP, (gid_t)REPLACE_KEEP, 0644};
    struct stat st;
    mode_t mask = umask(077);
    assert_int_equal(replace_file(path, span_text("x"), &rights), 0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(st.st_uid, geteuid());
    if (geteuid() != 0)
        return;
    rights = (struct replace_rights){65534, 65533, 0640};
    assert_int_equal(replace_file(path, span_text("x"), &rights), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 65534);
    assert_int_equal(st.st_gid, 65533);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void what_cannot_be_written_whole_changes_nothing(void **state)
{
    (void)state;
    char found[16], large[8192] = {0};
    struct rlimit was, small;
    assert_int_equal(replace_file(path, span_text("old"), NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = (struct rlimit){4096, was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    errno = 0;
    int rc = replace_file(path, span_of(large, sizeof large), NULL), error = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(error, EFBIG);
    assert_int_equal(is(found, sizeof found), 3);
    assert_memory_equal(found, "old", 3); // and `end` sees that nothing lies beside it
}

static void a_folder_in_its_place_or_none_above_it_is_told(void **state)
{
    (void)state;
    char below[80];
    snprintf(below, sizeof below, "%s/none/file", folder);
    assert_int_equal(replace_file(below, span_text("x"), NULL), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(replace_file(path, span_text("x"), NULL), -1);
    assert_int_equal(errno, EISDIR);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_new_or_another_and_private, begin, end),
        cmocka_unit_test_setup_teardown(rights_are_what_is_asked_whatever_the_mask, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_whole_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_in_its_place_or_none_above_it_is_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
