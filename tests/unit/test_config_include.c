// SPDX-License-Identifier: ISC
// Configurations of several files: what is joined, in which order, and what is told of which file.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/mem.h"

static char folder[64];
static struct config_load load;

static int set_up(void **state)
{
    (void)state;
    char path[128];
    snprintf(folder, sizeof folder, "/tmp/waxwing-parts-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/conf.d", folder);
    config_load_init(&load);
    load.hostname = "relay.example.org";
    return mkdir(path, 0755);
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    config_load_free(&load);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct config *read_all(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/waxwing.yaml", folder);
    buf_reset(&load.errors);
    buf_reset(&load.warnings);
    return config_load_file(path, &load);
}

static struct config *must_read(void)
{
    struct config *c = read_all();
    if (!c)
        fail_msg("%s", buf_text(&load.errors));
    return c;
}

// The messages without the folder's name.
static void tells(const struct buf *lines, const char *expected)
{
    char *text = mem_dup(buf_text((struct buf *)lines)), *at;
    while ((at = strstr(text, folder)))
        memmove(at, at + strlen(folder), strlen(at + strlen(folder)) + 1);
    assert_string_equal(text, expected);
    free(text);
}

static void refuses(const char *expected)
{
    assert_null(read_all());
    tells(&load.errors, expected);
}

static void sections_and_rows_are_joined_in_the_order_of_the_names(void **state)
{
    (void)state;
    put("waxwing.yaml", "include: conf.d\nusers: u\nsenders: {user: first, from: [a.example]}\n"
                        "delivery: {tls: encrypt}\n");
    put("conf.d/20-b.yaml", "senders:\n  - {user: third, from: [a.example]}\nlimits:\n");
    put("conf.d/10-a.yaml", "senders:\n  - {user: second, from: [a.example]}\n"
                            "delivery:\n  expire: 3d\n  destinations:\n    - domain: b.example\n");
    put("conf.d/30-c.yaml", "delivery: {destinations: {domain: c.example}}\n"
                            "limits: {recipients: 7}\n# and no more\n");
    put("conf.d/40-empty.yaml", "# nothing\n");
    put("conf.d/.hidden.yaml", "nonsense: 1\n");
    put("conf.d/50-d.yaml.bak", "nonsense: 1\n");
    struct config *c = must_read();
    static const char *const users[] = {"first", "second", "third"};
    assert_int_equal(c->nsenders, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(c->senders[i].user, users[i]);
    assert_int_equal(c->delivery.ndestinations, 2);
    assert_string_equal(c->delivery.destinations[1].domain, "c.example");
    assert_int_equal(c->delivery.destinations[0].line, 6);
    assert_non_null(strstr(c->delivery.destinations[0].file, "/conf.d/10-a.yaml"));
    assert_int_equal(c->delivery.expire, 3 * 86400000LL);
    assert_int_equal(c->limits.recipients, 7);
    assert_int_equal(c->nfiles, 5);
    assert_null(strstr(buf_text(&load.warnings), ".bak"));
    config_unref(c);
}

static void what_is_given_twice_is_told_with_both_places(void **state)
{
    (void)state;
    put("waxwing.yaml", "include: conf.d\nreceived: full\nusers: u\ndelivery: {retry: [1m]}\n");
    put("conf.d/a.yaml", "received: full\nlimits: {recipients: 5}\nlimits: {connections: 5}\n");
    put("conf.d/b.yaml", "delivery:\n  retry: [2m]\nlimits: {recipients: 6}\n"
                         "senders: [{user: x, from: [a.example]}, {user: x, from: [b.example]}]\n");
    put("conf.d/c.yaml", "senders: {user: x, from: [c.example]}\nunheard: 1\n");
    refuses("/conf.d/a.yaml:1:1: received: given twice, first in /waxwing.yaml:2\n"
            "/conf.d/a.yaml:3:1: limits: given twice, first in line 2\n"
            "/conf.d/b.yaml:2:3: retry: given twice, first in /waxwing.yaml:4\n"
            "/conf.d/b.yaml:3:10: recipients: given twice, first in /conf.d/a.yaml:2\n"
            "/conf.d/b.yaml:4:48: user: 'x' has a row already, in line 4\n"
            "/conf.d/c.yaml:1:17: user: 'x' has a row already, in /conf.d/b.yaml:4\n"
            "/conf.d/c.yaml:2:1: unknown key 'unheard'\n");
}

static void a_file_that_is_gone_or_none_is_told(void **state)
{
    (void)state;
    char path[128], fifo[128];
    snprintf(path, sizeof path, "%s/conf.d/a.yaml", folder);
    snprintf(fifo, sizeof fifo, "%s/conf.d/c.yaml", folder);
    put("waxwing.yaml", "include: conf.d\n");
    assert_int_equal(symlink("/nowhere/at/all", path), 0);
    snprintf(path, sizeof path, "%s/conf.d/b.yaml", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0); // nobody waits for it
    put("conf.d/d.yaml", "senders: [\n");
    put("conf.d/e.yaml", "include: more\n");
    put("conf.d/f.yaml", "- a\n");
    put("conf.d/g.yml", "received: full\n");
    assert_null(read_all());
    const char *text = buf_text(&load.errors);
    assert_non_null(strstr(text, "/conf.d/a.yaml:1:1: cannot be read: No such file or directory; "
                                 "it was in the folder a moment ago, or is a link to nothing\n"));
    assert_non_null(strstr(text, "/conf.d/b.yaml:1:1: cannot be read: Is a directory\n"));
    assert_non_null(strstr(text, "/conf.d/c.yaml:1:1: cannot be read: Invalid argument (it is no "
                                 "file)\n"));
    assert_non_null(strstr(text, "/conf.d/d.yaml:2:1: not YAML: "));
    assert_non_null(strstr(text, "/conf.d/e.yaml:1:1: include: only the first file includes "));
    assert_non_null(strstr(text, "/conf.d/f.yaml:1:1: the file: keys and values belong here\n"));
    tells(&load.warnings, "/waxwing.yaml:1:10: include: /conf.d/g.yml is not read: names end in "
                          ".yaml\n");
}

static void a_folder_that_is_missing_is_told(void **state)
{
    (void)state;
    put("waxwing.yaml", "include: elsewhere\n");
    refuses("/waxwing.yaml:1:10: include: /elsewhere cannot be read: No such file or directory\n");
    put("waxwing.yaml", "include: [conf.d, more.d]\n");
    refuses("/waxwing.yaml:1:10: include: a list where one value belongs\n");
    put("waxwing.yaml", "include:\nreceived: full\n");
    config_unref(must_read());
}

static void paths_start_in_the_folder_of_their_file(void **state)
{
    (void)state;
    char expected[128];
    put("waxwing.yaml", "include: conf.d\nusers: users\n");
    put("conf.d/a.yaml", "arc: {domain: example.org, selector: s, file: seal.pem}\n");
    struct config *c = must_read();
    snprintf(expected, sizeof expected, "%s/conf.d/seal.pem", folder);
    assert_string_equal(c->arc.file, expected);
    const struct cfg_place *place = config_place(c, expected);
    assert_non_null(place);
    assert_non_null(strstr(place->file, "/conf.d/a.yaml"));
    snprintf(expected, sizeof expected, "%s/users", folder);
    assert_string_equal(c->users, expected);
    assert_non_null(strstr(config_place(c, expected)->file, "/waxwing.yaml"));
    config_unref(c);
}

static void all_of_it_is_printed_as_one_file(void **state)
{
    (void)state;
    struct buf first, second;
    put("waxwing.yaml", "include: conf.d\nusers: u\nsenders: {user: a, from: [a.example]}\n");
    put("conf.d/a.yaml", "senders: {user: b, from: [a.example]}\nreceived: no-client\n");
    struct config *c = must_read();
    buf_init(&first, CONFIG_PRINT_SIZE);
    buf_init(&second, CONFIG_PRINT_SIZE);
    config_print(c, &first);
    assert_null(strstr(buf_text(&first), "include"));
    struct config *again = config_load_text("/w.yaml", first.data, first.len, &load);
    assert_non_null(again);
    assert_false(config_differs(c, again, "senders"));
    config_print(again, &second);
    assert_string_equal(buf_text(&first), buf_text(&second));
    put("conf.d/a.yaml", "senders: {user: c, from: [a.example]}\nreceived: no-client\n");
    struct config *other = must_read();
    assert_true(config_differs(c, other, "senders"));
    assert_false(config_differs(c, other, "received"));
    config_unref(other);
    config_unref(again);
    config_unref(c);
    buf_free(&first);
    buf_free(&second);
}

static void too_many_files_are_refused(void **state)
{
    (void)state;
    char name[64];
    put("waxwing.yaml", "include: conf.d\n");
    for (int i = 0; i < CONFIG_INCLUDED; i++) {
        snprintf(name, sizeof name, "conf.d/%04d.yaml", i);
        put(name, "");
    }
    config_unref(must_read());
    put("conf.d/last.yaml", "");
    refuses("/waxwing.yaml:1:10: include: /conf.d has more than 1000 files, or 16 MiB in them\n");
}

static void too_much_in_them_is_refused(void **state)
{
    (void)state;
    char name[64], *text = mem_new(CONFIG_FILE_SIZE + 2);
    memset(text, '\n', CONFIG_FILE_SIZE);
    put("waxwing.yaml", "include: conf.d\n");
    for (int i = 0; i < CONFIG_ALL_SIZE / CONFIG_FILE_SIZE; i++) {
        snprintf(name, sizeof name, "conf.d/%04d.yaml", i);
        put(name, text);
    }
    config_unref(must_read());
    put("conf.d/last.yaml", "#");
    config_unref(
        must_read()); // it is the last, and its byte is over: what follows would not be read
    put("conf.d/more.yaml", "#");
    refuses("/waxwing.yaml:1:10: include: /conf.d has more than 1000 files, or 16 MiB in them\n");
    text[CONFIG_FILE_SIZE] = '\n';
    put("conf.d/0000.yaml", text);
    assert_null(read_all());
    assert_non_null(strstr(buf_text(&load.errors), "/conf.d/0000.yaml:1:1: larger than 1 MiB\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sections_and_rows_are_joined_in_the_order_of_the_names,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_given_twice_is_told_with_both_places, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_gone_or_none_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_is_missing_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_start_in_the_folder_of_their_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_of_it_is_printed_as_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_files_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_much_in_them_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
