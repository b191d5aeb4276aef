// SPDX-License-Identifier: ISC
// Signing keys: made, saved, loaded, and signatures that the published half verifies.
#include "tests/unit/sign_story.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sign/dkim_record.h"

static bool holds(const char *record_text, const char *data, const char *base64)
{
    struct dkim_record record;
    char reason[128];
    assert_int_equal(dkim_record_parse(span_text(record_text), &record, reason), 0);
    struct verify_key *key = verify_key_new(&record, reason);
    assert_non_null(key);
    struct buf signature;
    buf_init(&signature, 4096);
    assert_true(base64_decode(span_text(base64), &signature));
    bool ok = verify_key_holds(key, span_text(data), buf_span(&signature));
    buf_free(&signature);
    verify_key_free(key);
    dkim_record_free(&record);
    return ok;
}

static void assert_signs(const struct sign_key *key)
{
    char *record = story_record(key);
    struct buf out;
    struct why why;
    buf_init(&out, 4096);
    assert_int_equal(sign_key_sign(key, "hello", 5, &out, &why), 0);
    assert_true(holds(record, "hello", buf_text(&out)));
    assert_false(holds(record, "hallo", buf_text(&out)));
    buf_free(&out);
    free(record);
}

static void a_key_survives_its_file(void **state)
{
    (void)state;
    const struct {
        enum key_type type;
        unsigned bits;
        const char *algorithm;
    } kinds[] = {{KEY_RSA, 1024, "rsa-sha256"}, {KEY_ED25519, 256, "ed25519-sha256"}};
    for (int i = 0; i < 2; i++) {
        struct why why;
        char *file = mem_printf("/tmp/waxwing-key-%d-%d.pem", (int)getpid(), i);
        struct sign_key *made = story_key(kinds[i].type, kinds[i].bits);
        assert_int_equal(sign_key_save(made, file, &why), 0);
        struct stat st;
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(sign_key_save(made, file, &why), -1); // never over another key
        struct sign_key *loaded = sign_key_load(file, &why);
        unlink(file);
        assert_non_null(loaded);
        assert_int_equal(sign_key_type(loaded), kinds[i].type);
        assert_int_equal(sign_key_bits(loaded), kinds[i].bits);
        assert_string_equal(sign_key_algorithm(loaded), kinds[i].algorithm);
        char *a = story_record(made), *b = story_record(loaded);
        assert_string_equal(a, b);
        assert_signs(loaded);
        free(a);
        free(b);
        free(file);
        sign_key_unref(made);
        sign_key_unref(loaded);
    }
}

static void what_is_no_key_is_told(void **state)
{
    (void)state;
    struct why why;
    assert_null(sign_key_load("/nonexistent", &why));
    assert_int_equal(why.scope, WHY_OURS);
    assert_non_null(strstr(why.text, "/nonexistent"));
    assert_null(sign_key_load("/dev/null", &why));
    assert_null(sign_key_load("/dev/zero", &why)); // as large as it likes
    assert_null(sign_key_new(KEY_RSA, 512, &why));
    assert_null(sign_key_new(KEY_RSA, 65536, &why));
    assert_non_null(strstr(why.text, "8192"));
}

static void *sign_many(void *arg)
{
    for (int i = 0; i < 20; i++)
        assert_signs(arg);
    return NULL;
}

static void several_threads_sign_with_one_key(void **state)
{
    (void)state;
    struct sign_key *key = story_key(KEY_RSA, 1024);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign_many, sign_key_ref(key)), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        sign_key_unref(key);
    }
    sign_key_unref(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_survives_its_file),
        cmocka_unit_test(what_is_no_key_is_told),
        cmocka_unit_test(several_threads_sign_with_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
