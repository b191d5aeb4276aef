// SPDX-License-Identifier: ISC
// The words of PLAIN and LOGIN, and proofs of passwords with their cache.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "relay/sasl/base64.h"
#include "config/setting.h"
#include "relay/login/prove.h"

static int decode(const char *text, struct buf *out)
{
    buf_reset(out);
    return sasl_base64(span_text(text), out);
}

static void base64_is_strict(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(decode("", &out), 0);
    assert_int_equal(decode("Zm9vYmFy", &out), 0);
    assert_string_equal(buf_text(&out), "foobar");
    assert_int_equal(decode("Zm9vYg==", &out), 0);
    assert_int_equal(decode("Zm9vYmE=", &out), 0);
    static const char *const bad[] = {
        "Zm9", "Zm9v=", "Zm9vYh==", "Zm9vYmF=", "Z===", "====", "Zm 9v", "Zm=vYmFy", "Zm9v\nYmFy"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(decode(bad[i], &out), -1);
    buf_free(&out);
}

static void case_39_plain_messages(void **state)
{
    (void)state;
    struct sasl_words w;
    struct why why;
    assert_int_equal(sasl_plain(span_of("\0app\0secret", 11), &w, &why), 0);
    assert_string_equal(w.user, "app");
    assert_string_equal(w.password, "secret");
    sasl_words_free(&w);
    assert_int_equal(sasl_plain(span_of("app\0app\0secret", 14), &w, &why), 0);
    sasl_words_free(&w);
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {{"", 0},
               {"\0app", 4},
               {"\0app\0", 5},
               {"\0\0secret", 8},
               {"root\0app\0secret", 15},
               {"\0app\0sec\0ret", 12},
               {"\0app\0sec\rret", 12},
               {"\0a\x7fp\0secret", 11}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sasl_plain(span_of(bad[i].p, bad[i].n), &w, &why), -1);
        assert_null(w.user);
    }
}

// ---- proofs

#define APP "app:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n" // "secret"

static struct limits *_Atomic slot;
static uv_loop_t loop;
static struct inbox *mail;
static struct auth *auth;
static struct config *config;
static int answers, proofs;

static int begin(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    mail = inbox_open(&loop);
    config = config_new();
    auth = auth_new(limits_shared(&slot), &loop, mail, config);
    answers = proofs = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    auth_free(auth);
    config_unref(config);
    limits_unref(slot);
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void answered(const struct auth_verdict *verdict, void *arg)
{
    (void)arg;
    answers++;
    proofs += verdict->result == LOGIN_OK;
}

static enum auth_answer ask(struct users *users, const char *user, const char *password)
{
    struct sasl_words words = {strdup(user), strdup(password)};
    struct auth_job *job;
    const struct auth_question question = {users, &words, "192.0.2.1", "192.0.2.2"};
    enum auth_answer answer = auth_prove(auth, &question, answered, NULL, &job);
    sasl_words_free(&words);
    return answer;
}

static void wait_for(int n)
{
    while (answers < n)
        uv_run(&loop, UV_RUN_ONCE);
}

static void proven_words_are_remembered_and_wrong_ones_never(void **state)
{
    (void)state;
    struct users *users = users_parse("users", span_text(APP), NULL);
    assert_int_equal(ask(users, "app", "secret"), AUTH_ASKED);
    assert_int_equal(ask(users, "app", "wrong"), AUTH_ASKED);
    assert_int_equal(ask(users, "nobody", "secret"), AUTH_ASKED);
    assert_int_equal(answers, 0); // never inside the call
    wait_for(3);
    assert_int_equal(proofs, 1);
    assert_int_equal(ask(users, "app", "secret"), AUTH_PROVEN);
    assert_int_equal(ask(users, "app", "wrong"), AUTH_ASKED);
    assert_int_equal(ask(users, "nobody", "secret"), AUTH_ASKED);
    wait_for(5);
    assert_int_equal(proofs, 1);
    users_unref(users);
}

// Another hash for the same name is another key: a changed password is proved anew.
static void a_changed_or_removed_user_is_not_in_the_cache(void **state)
{
    (void)state;
    struct users *users = users_parse("users", span_text(APP), NULL);
    ask(users, "app", "secret");
    wait_for(1);
    users_unref(users);
    users = users_parse("users", span_text("app:$1$othersal$9xy1btjgzLYfb7hivXtC//\n"), NULL);
    assert_int_equal(ask(users, "app", "secret"), AUTH_ASKED);
    users_unref(users);
    users = users_parse("users", span_text(""), NULL);
    assert_int_equal(ask(users, "app", "secret"), AUTH_ASKED);
    users_unref(users);
    wait_for(3);
    assert_int_equal(proofs, 1);
}

static void too_many_at_once_are_told_to_wait(void **state)
{
    (void)state;
    struct users *users = users_parse("users", span_text(APP), NULL);
    int asked = 0;
    while (ask(users, "app", "wrong") == AUTH_ASKED)
        asked++;
    assert_true(asked > LIMITS_WAITING);
    wait_for(asked);
    assert_int_equal(proofs, 0);
    assert_int_equal(ask(users, "app", "secret"), AUTH_ASKED);
    wait_for(asked + 1);
    assert_int_equal(proofs, 1);
    users_unref(users);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(case_39_plain_messages),
        STORY(proven_words_are_remembered_and_wrong_ones_never),
        STORY(a_changed_or_removed_user_is_not_in_the_cache),
        STORY(too_many_at_once_are_told_to_wait),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
