// SPDX-License-Identifier: ISC
// Stories of what a token endpoint is asked and answers, and of the file that a refresh token lives in.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/oauth/answer.h"
#include "relay/oauth/grant.h"
#include "relay/oauth/secret_file.h"
#include "sign/base64.h"
#include "sign/key.h"

static char folder[] = "/tmp/waxwing-grant-XXXXXX";

static char *file_with(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static struct cfg_login login_of(const char *secret, const char *refresh, const char *account)
{
    return (struct cfg_login){.user = (char *)"a@example.org",
                              .oauth = {.client_id = (char *)"id",
                                        .scope = (char *)"a b/.default",
                                        .token_endpoint = (char *)"https://t.example/token",
                                        .client_secret_file = (char *)(uintptr_t)secret,
                                        .refresh_token_file = (char *)(uintptr_t)refresh,
                                        .service_account_file = (char *)(uintptr_t)account}};
}

static char *form_of(const struct cfg_login *login, struct why *why)
{
    struct buf form;
    buf_init(&form, GRANT_MAX);
    int rc = grant_form(login, 1700000000, &form, why);
    char *text = rc == 0 ? buf_take(&form) : NULL;
    buf_free(&form);
    return text;
}

static void each_grant_has_its_form(void **state)
{
    (void)state;
    struct why why;
    char *secret = file_with("secret", "s&cr=t+\n"), *refresh = file_with("refresh", "r/1\n");
    struct cfg_login login = login_of(secret, "", "");
    char *form = form_of(&login, &why);
    assert_string_equal(form, "grant_type=client_credentials&client_id=id&scope=a%20b%2F.default&"
                              "client_secret=s%26cr%3Dt%2B");
    free(form);
    login = login_of("", refresh, "");
    form = form_of(&login, &why);
    assert_string_equal(form, "grant_type=refresh_token&client_id=id&scope=a%20b%2F.default&"
                              "refresh_token=r%2F1");
    free(form);
    login = login_of("/nonexistent", "", "");
    assert_null(form_of(&login, &why));
    assert_non_null(strstr(why.text, "/nonexistent"));
    free(secret);
    free(refresh);
}

static json_t *part(const char *jwt, unsigned n)
{
    struct buf base64, bytes;
    buf_init(&base64, GRANT_MAX);
    buf_init(&bytes, GRANT_MAX);
    for (; n; n--)
        jwt = strchr(jwt, '.') + 1;
    for (; *jwt && *jwt != '.'; jwt++)
        buf_addc(&base64, *jwt == '-' ? '+' : *jwt == '_' ? '/' : *jwt);
    while (base64.len % 4)
        buf_addc(&base64, '=');
    assert_true(base64_decode(buf_span(&base64), &bytes));
    json_t *j = json_loadb((const char *)bytes.data, bytes.len, 0, NULL);
    buf_free(&base64);
    buf_free(&bytes);
    return j;
}

static char *pem_of(const struct sign_key *key)
{
    char *path = mem_printf("%s/key.pem", folder), *pem = mem_new(8192);
    struct why why;
    unlink(path);
    assert_int_equal(sign_key_save(key, path, &why), 0);
    FILE *f = fopen(path, "r");
    assert_true(fread(pem, 1, 8191, f) > 0);
    fclose(f);
    free(path);
    return pem;
}

static void a_service_account_signs_who_asks_for_whom(void **state)
{
    (void)state;
    struct why why;
    struct sign_key *key = sign_key_new(KEY_RSA, 2048, &why);
    char *pem = pem_of(key);
    json_t *account = json_pack("{s:s, s:s, s:s}", "client_email", "svc@p.example", "private_key",
                                pem, "private_key_id", "k1");
    char *text = json_dumps(account, 0);
    struct cfg_login login = login_of("", "", "account.json");
    struct buf jwt, signature;
    buf_init(&jwt, GRANT_MAX);
    buf_init(&signature, GRANT_MAX);
    assert_int_equal(grant_assertion(span_text(text), &login, 1700000000, &jwt, &why), 0);
    json_t *head = part(buf_text(&jwt), 0), *claims = part(buf_text(&jwt), 1);
    assert_string_equal(json_string_value(json_object_get(head, "alg")), "RS256");
    assert_string_equal(json_string_value(json_object_get(head, "kid")), "k1");
    assert_string_equal(json_string_value(json_object_get(claims, "iss")), "svc@p.example");
    assert_string_equal(json_string_value(json_object_get(claims, "sub")), "a@example.org");
    assert_string_equal(json_string_value(json_object_get(claims, "aud")),
                        "https://t.example/token");
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")), 1700003600);
    const char *last = strrchr(buf_text(&jwt), '.');
    assert_int_equal(
        sign_key_sign(key, jwt.data, (size_t)(last - buf_text(&jwt)), &signature, &why), 0);
    char *same = buf_take(&signature); // PKCS #1 v1.5 has no random part
    grant_base64url(same);
    assert_string_equal(last + 1, same);
    assert_int_equal(grant_assertion(span_text("{}"), &login, 1, &jwt, &why), -1);
    assert_int_equal(grant_assertion(span_text("no"), &login, 1, &jwt, &why), -1);
    json_decref(head);
    json_decref(claims);
    json_decref(account);
    free(text);
    free(pem);
    free(same);
    buf_free(&jwt);
    buf_free(&signature);
    sign_key_unref(key);
}

static void answers_are_read(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        int rc;
        bool revoked;
        uint64_t lives_s;
    } cases[] = {
        {200, "{\"access_token\":\"t\",\"expires_in\":3599}", 0, false, 3599},
        {200, "{\"access_token\":\"t\",\"expires_in\":\"3599\"}", 0, false, 3599},
        {200, "{\"access_token\":\"t\"}", 0, false, 3600},
        {200, "{\"access_token\":\"t\",\"expires_in\":-1}", 0, false, 3600},
        {200, "{\"access_token\":\"t\",\"expires_in\":1e30}", 0, false, 31536000},
        {200, "{\"access_token\":\"a b\"}", -1, false, 0}, // could end a line
        {200, "{\"access_token\":\"a\\r\\nRSET\"}", -1, false, 0},
        {200, "{\"access_token\":\"\"}", -1, false, 0},
        {200, "{}", -1, false, 0},
        {200, "<html>", -1, false, 0},
        {200, "", -1, false, 0},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"gone\"}", -1, true, 0},
        {401, "{\"error\":\"invalid_client\"}", -1, true, 0},
        {400, "{\"error\":\"temporarily_unavailable\"}", -1, false, 0},
        {429, "{\"error\":\"too_many\"}", -1, false, 0},
        {503, "{\"error\":\"invalid_grant\"}", -1, false,
         0}, // a proxy's word is not the provider's
        {502, "Bad gateway", -1, false, 0},
        {302, "", -1, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct oauth_answer a;
        struct why why;
        bool revoked;
        why_clear(&why);
        int rc = oauth_answer_read(cases[i].status, span_text(cases[i].body), &a, &revoked, &why);
        if (rc != cases[i].rc || revoked != cases[i].revoked ||
            (rc == 0 && a.lives_ms != cases[i].lives_s * 1000) || why_is_set(&why) != (rc < 0))
            fail_msg("%s: %d %d", cases[i].body, rc, revoked);
        oauth_answer_free(&a);
    }
}

static void a_new_refresh_token_is_whole_or_not_there(void **state)
{
    (void)state;
    struct why why;
    struct stat st;
    char *path = file_with("rotated", "old\n");
    chmod(path, 0644);
    assert_int_equal(secret_replace(path, "new", &why), 0);
    char *now = secret_read(path, &why);
    assert_string_equal(now, "new");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    secret_wipe(now);
    assert_int_equal(secret_replace("/nonexistent/token", "geheim", &why), -1);
    assert_non_null(strstr(why.text, "/nonexistent/token"));
    assert_null(strstr(why.text, "geheim")); // the secret
    free(path);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char *command = mem_printf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_grant_has_its_form),
        cmocka_unit_test(a_service_account_signs_who_asks_for_whom),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(a_new_refresh_token_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
