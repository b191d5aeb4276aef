// SPDX-License-Identifier: ISC
// Which keys sign: what is heard of them in the DNS, when it is believed, and what a reload keeps.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "relay/base/mem.h"
#include "relay/setup/publication.h"

#define HOUR UINT64_C(3600000)

static void the_first_answer_tells(void **state)
{
    (void)state;
    struct publication_key key = {0};
    assert_false(publication_hear(&key, PUBLISHED_UNKNOWN, 0));
    assert_int_equal(key.state, PUBLICATION_UNKNOWN);
    assert_true(publication_hear(&key, PUBLISHED_ABSENT, 1));
    assert_int_equal(key.state, PUBLICATION_MISSING);
    key = (struct publication_key){0};
    assert_true(publication_hear(&key, PUBLISHED_SAME, 1));
    assert_int_equal(key.state, PUBLICATION_SEEN);
}

static void two_answers_an_hour_apart_change_what_is_known(void **state)
{
    (void)state;
    struct publication_key key = {.state = PUBLICATION_SEEN};
    assert_false(publication_hear(&key, PUBLISHED_ABSENT, 10 * HOUR));
    assert_false(publication_hear(&key, PUBLISHED_ABSENT, 11 * HOUR - 1)); // too soon
    assert_false(publication_hear(&key, PUBLISHED_UNKNOWN, 12 * HOUR));    // says nothing
    assert_int_equal(key.state, PUBLICATION_SEEN);
    assert_true(publication_hear(&key, PUBLISHED_DIFFERENT, 12 * HOUR));
    assert_int_equal(key.state, PUBLICATION_MISSING);
    // And back, as slowly.
    assert_false(publication_hear(&key, PUBLISHED_SAME, 13 * HOUR));
    assert_true(publication_hear(&key, PUBLISHED_SAME, 14 * HOUR));
    assert_int_equal(key.state, PUBLICATION_SEEN);
}

static void an_answer_that_agrees_takes_the_doubt_away(void **state)
{
    (void)state;
    struct publication_key key = {.state = PUBLICATION_SEEN};
    assert_false(publication_hear(&key, PUBLISHED_BROKEN, 0));
    assert_false(publication_hear(&key, PUBLISHED_SAME, HOUR));
    assert_false(publication_hear(&key, PUBLISHED_ABSENT, 2 * HOUR)); // the first one again
    assert_int_equal(key.state, PUBLICATION_SEEN);
}

static void the_last_usable_key_always_signs(void **state)
{
    (void)state;
    struct cfg_key rows[2] = {{0}};
    struct cfg_dkim_domain config = {.keys = rows, .nkeys = 2};
    _Atomic unsigned char marks[2] = {PUBLICATION_UNKNOWN, PUBLICATION_UNKNOWN};
    struct setup_domain domain = {.config = &config};
    assert_true(publication_signs(&domain, 0)); // nobody looks
    domain.published = marks;
    assert_true(publication_signs(&domain, 0)); // nothing heard yet
    marks[0] = PUBLICATION_MISSING;
    assert_true(publication_signs(&domain, 0)); // the other one is not known to do
    marks[1] = PUBLICATION_SEEN;
    assert_false(publication_signs(&domain, 0));
    assert_true(publication_signs(&domain, 1));
    marks[1] = PUBLICATION_MISSING;
    assert_true(publication_signs(&domain, 0)); // none is to be found: all sign
    assert_true(publication_signs(&domain, 1));
}

// --- the checker on a loop, with two keys of which one is published ---

struct world {
    char folder[64];
    uv_loop_t loop;
    struct inbox *mail;
    struct dns *dns;
    struct setup *setup;
};

static char *path(const struct world *w, const char *name)
{
    return mem_printf("%s/%s", w->folder, name);
}

static void save(const struct world *w, const char *name, const char *text)
{
    char *file = path(w, name);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(file);
}

static char *make_key(const struct world *w, const char *name)
{
    struct why why;
    struct buf record;
    char *file = path(w, name);
    struct sign_key *key = sign_key_new(KEY_ED25519, 0, &why);
    buf_init(&record, 1024);
    assert_int_equal(sign_key_save(key, file, &why), 0);
    assert_int_equal(sign_key_record(key, &record), 0);
    sign_key_unref(key);
    free(file);
    return buf_take(&record);
}

static struct setup *load(const struct world *w, const char *keys)
{
    char *yaml = mem_printf("hostname: relay.example.org\n"

                            "dns: {trust_anchor: /dev/null, root_hints: /dev/null}\n"
                            "dkim:\n  domains:\n  - domain: example.org\n    keys: [%s]\n",
                            keys);
    char *file = path(w, "waxwing.yaml");
    struct config_load config_load;
    config_load_init(&config_load);
    struct config *config = config_load_text(file, yaml, strlen(yaml), &config_load);
    struct setup *setup = config ? setup_new(config, &config_load) : NULL;
    if (!setup)
        fail_msg("%s", buf_text(&config_load.errors));
    config_unref(config);
    config_load_free(&config_load);
    free(file);
    free(yaml);
    return setup;
}

#define TWO_KEYS "{selector: a, file: a.pem}, {selector: b, file: b.pem}"

static int begin(void **state)
{
    struct world *w = mem_new(sizeof *w);
    struct why why;
    snprintf(w->folder, sizeof w->folder, "/tmp/waxwing-publication-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    char *a = make_key(w, "a.pem"), *b = make_key(w, "b.pem");
    char *json = mem_printf("{\"records\":{\"a._domainkey.example.org\":{\"TXT\":[\"%s\"]}}}", a);
    save(w, "dns.json", json);
    char *file = path(w, "dns.json");
    struct dns_options options = {.answers_file = file};
    uv_loop_init(&w->loop);
    w->mail = inbox_open(&w->loop);
    w->dns = dns_open(&options, &why);
    assert_non_null(w->dns);
    w->setup = load(w, TWO_KEYS);
    free(file);
    free(json);
    free(a);
    free(b);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;
    static const char *const files[] = {"a.pem", "b.pem", "dns.json"};
    setup_unref(w->setup);
    inbox_close(w->mail);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    dns_close(w->dns);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *file = path(w, files[i]);
        unlink(file);
        free(file);
    }
    rmdir(w->folder);
    free(w);
    return 0;
}

static void run_until_known(struct world *w, const struct setup *setup, size_t key)
{
    while (setup->domains[0].published[key] == PUBLICATION_UNKNOWN)
        uv_run(&w->loop, UV_RUN_ONCE);
}

static void a_reload_keeps_what_is_known(void **state)
{
    struct world *w = *state;
    struct publication *p = publication_open(&w->loop, w->mail, w->dns, w->setup);
    assert_true(publication_signs(&w->setup->domains[0], 1)); // at the start all sign
    run_until_known(w, w->setup, 1);
    assert_true(publication_signs(&w->setup->domains[0], 0));
    assert_false(publication_signs(&w->setup->domains[0], 1));
    struct setup *next = load(w, TWO_KEYS);
    publication_reload(p, next);
    assert_true(publication_signs(&next->domains[0], 0));
    assert_false(publication_signs(&next->domains[0], 1)); // at once, before any lookup
    // Another key under the old name is another key.
    struct setup *other = load(w, "{selector: a, file: a.pem}, {selector: b, file: a.pem}");
    publication_reload(p, other);
    assert_int_equal(other->domains[0].published[0], PUBLICATION_SEEN);
    assert_int_equal(other->domains[0].published[1], PUBLICATION_UNKNOWN);
    run_until_known(w, other, 1);
    assert_int_equal(other->domains[0].published[1], PUBLICATION_MISSING);
    publication_close(p);
    setup_unref(next);
    setup_unref(other);
}

static void case_85_a_reload_in_the_middle_of_a_look_looks_again(void **state)
{
    struct world *w = *state;
    struct publication *p = publication_open(&w->loop, w->mail, w->dns, w->setup);
    uv_run(&w->loop, UV_RUN_NOWAIT); // questions are out
    struct setup *next = load(w, TWO_KEYS);
    publication_reload(p, next);
    run_until_known(w, next, 1);
    assert_int_equal(next->domains[0].published[0], PUBLICATION_SEEN);
    assert_int_equal(next->domains[0].published[1], PUBLICATION_MISSING);
    publication_close(p);
    setup_unref(next);
}

static void it_can_be_closed_while_it_looks(void **state)
{
    struct world *w = *state;
    struct publication *p = publication_open(&w->loop, w->mail, w->dns, w->setup);
    uv_run(&w->loop, UV_RUN_NOWAIT); // questions are out
    publication_close(p);
    publication_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_answer_tells),
        cmocka_unit_test(two_answers_an_hour_apart_change_what_is_known),
        cmocka_unit_test(an_answer_that_agrees_takes_the_doubt_away),
        cmocka_unit_test(the_last_usable_key_always_signs),
        cmocka_unit_test_setup_teardown(a_reload_keeps_what_is_known, begin, end),
        cmocka_unit_test_setup_teardown(case_85_a_reload_in_the_middle_of_a_look_looks_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(it_can_be_closed_while_it_looks, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
