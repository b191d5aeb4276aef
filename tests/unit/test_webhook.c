// SPDX-License-Identifier: ISC
// The URL of a webhook: https anywhere, http on this machine alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "config/webhook.h"
#include "relay/base/address.h"

static void expect(const char *text, const char *host, unsigned port, const char *path, size_t nat)
{
    struct webhook hook;
    struct why why;
    assert_int_equal(webhook_parse(span_text(text), &hook, &why), 0);
    assert_string_equal(hook.url.host, host);
    assert_int_equal(hook.url.port, port);
    assert_string_equal(hook.url.path, path);
    assert_int_equal(hook.nat, nat);
    assert_int_equal(hook.clear, nat > 0);
    for (size_t i = 0; i < nat; i++)
        assert_int_equal(address_port((struct sockaddr *)&hook.at[i]), port);
    webhook_free(&hook);
}

static void refuse(const char *text)
{
    struct webhook hook;
    struct why why;
    if (webhook_parse(span_text(text), &hook, &why) == 0)
        fail_msg("%s is taken", text);
}

static void https_goes_anywhere(void **state)
{
    (void)state;
    expect("https://app.example.org/hook?x=1", "app.example.org", 443, "/hook?x=1", 0);
    expect("https://app.example.org:8443", "app.example.org", 8443, "/", 0);
}

static void http_stays_on_this_machine(void **state)
{
    (void)state;
    expect("http://localhost:8080/hook", "localhost", 8080, "/hook", 2);
    expect("http://LOCALHOST", "localhost", 80, "/", 2);
    expect("http://127.0.0.1:9000/", "localhost", 9000, "/", 1);
    expect("http://[::1]:9000/a", "localhost", 9000, "/a", 1);
    static const char *const bad[] = {"http://app.example.org/",
                                      "http://192.0.2.1/",
                                      "http://127.0.0.1@evil.example/",
                                      "http://localhost.evil.example/",
                                      "http://localhost:99999/",
                                      "http://localhost:x/",
                                      "http://localhost:/",
                                      "http://[::2]/",
                                      "http://",
                                      "https://127.0.0.1/",
                                      "https://user@app.example.org/",
                                      "ftp://localhost/",
                                      "https://app.example.org/\r\nX: y",
                                      ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https_goes_anywhere),
        cmocka_unit_test(http_stays_on_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
