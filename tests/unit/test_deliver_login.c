// SPDX-License-Identifier: ISC
// Stories of logging in to next hops: what is said to whom, and what never is.
#include "tests/unit/deliver_tls_story.h"

static struct cfg_login login;
static char secret_file[] = "/tmp/waxwing-secret-XXXXXX";

static void log_in_as(const char *password, const char *command)
{
    strcpy(secret_file + strlen(secret_file) - 6, "XXXXXX");
    int fd = mkstemp(secret_file);
    assert_true(fd >= 0 && write(fd, password, strlen(password)) >= 0 && write(fd, "\n", 1) == 1);
    close(fd);
    login = (struct cfg_login){.user = (char *)"relay",
                               .password_file = command[0] ? NULL : secret_file,
                               .oauth.token_command = (char *)(uintptr_t)command};
    s.route->hosts[0].login = &login;
}

static void a_password_goes_to_a_proved_host(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    log_in_as("geheim", "");
    send_letter();
    assert_delivered("webpki");
    assert_true(mx_heard(mx, "AUTH PLAIN AHJlbGF5AGdlaGVpbQ=="));
    unlink(secret_file);
}

static void a_password_never_goes_to_a_host_that_proved_nothing(void **state)
{
    (void)state;
    host(&foreign, TLS_ENCRYPT);
    log_in_as("geheim", "");
    send_letter();
    assert_string_equal(s.ends[0].why.status, "4.7.0");
    assert_int_equal(mx_lines(mx, "AUTH"), 0);
    mx_stop(mx);
    mx = mx_start(FULL);
    s.route->hosts[0].demand.level = s.route->hosts[0].demand.observe = TLS_OPPORTUNISTIC;
    ((struct sockaddr_in *)s.route->hosts[0].addresses)->sin_port = htons(mx_port(mx));
    send_letter(); // in clear now
    assert_string_equal(s.ends[0].why.status, "4.7.0");
    assert_int_equal(mx_lines(mx, "AUTH"), 0);
    unlink(secret_file);
}

static void a_refused_password_makes_mail_wait(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    log_in_as("geheim", "");
    mx_on(mx, "auth", "535 5.7.8 no");
    send_letter();
    assert_int_equal(s.ends[0].why.scope, WHY_HOST);
    unlink(secret_file);
}

static void login_is_spoken_where_plain_is_not(void **state)
{
    (void)state;
    mx_extensions(mx, "AUTH LOGIN");
    host(&good, TLS_WEBPKI);
    log_in_as("geheim", "");
    mx_on(mx, "auth", "334 VXNlcm5hbWU6");
    mx_next(mx, "other", "334 UGFzc3dvcmQ6");
    mx_next(mx, "other", "235 2.7.0 welcome");
    send_letter();
    assert_delivered("webpki");
    assert_true(mx_heard(mx, "cmVsYXk=\nZ2VoZWlt"));
    unlink(secret_file);
}

// A part of a token is none: the host would only call it wrong.
static void a_token_that_is_too_long_is_not_cut(void **state)
{
    (void)state;
    mx_extensions(mx, "AUTH XOAUTH2");
    host(&good, TLS_WEBPKI);
    log_in_as("unused", "head -c 70000 /dev/zero | tr '\\0' x");
    send_letter();
    assert_non_null(strstr(s.ends[0].why.text, "gave more than a token can be"));
    assert_int_equal(mx_lines(mx, "AUTH"), 0);
    unlink(secret_file);
}

static void a_token_comes_from_its_command(void **state)
{
    (void)state;
    mx_extensions(mx, "AUTH XOAUTH2");
    host(&good, TLS_WEBPKI);
    log_in_as("unused", "echo t0k3n");
    send_letter();
    assert_delivered("webpki");
    assert_true(mx_heard(mx, "AUTH XOAUTH2 dXNlcj1yZWxheQFhdXRoPUJlYXJlciB0MGszbgEB"));
    log_in_as("unused", "exit 1");
    mx_hang_up(mx);
    story_turn(&s);
    send_letter();
    assert_string_equal(s.ends[0].why.status, "4.3.5");
    assert_int_equal(s.ends[0].why.scope, WHY_OURS);
    unlink(secret_file);
}

static void what_a_token_command_says_is_one_line_and_no_token(void **state)
{
    (void)state;
    static const char *const told[][2] = {
        {"echo one >&2; echo the vault is sealed >&2; exit 1",
         "gave no token: the vault is sealed"},
        {"echo t0k3n; echo not t0k3n >&2; exit 1", "gave no token: (its words hold the secret"},
        {"yes >&2", "said too much"},
        {"echo word >&2", "gave no token: word"},
    };
    mx_extensions(mx, "AUTH XOAUTH2");
    host(&good, TLS_WEBPKI);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        log_in_as("unused", told[i][0]);
        send_letter();
        assert_non_null(strstr(s.ends[0].why.text, told[i][1]));
        unlink(secret_file);
    }
    assert_int_equal(mx_lines(mx, "AUTH"), 0);
    log_in_as("unused", "echo a warning >&2; echo t0k3n");
    send_letter();
    assert_delivered("webpki");
    unlink(secret_file);
}

// A letter over a connection that ends when the host has said so many bytes; `said` gets how many it said.
static bool arrives(size_t cut, const char *ways, size_t *said)
{
    void *nobody = NULL;
    begin(&nobody);
    mx_extensions(mx, ways);
    if (strstr(ways, "LOGIN")) {
        mx_on(mx, "auth", "334 VXNlcm5hbWU6");
        mx_next(mx, "other", "334 UGFzc3dvcmQ6");
        mx_next(mx, "other", "235 2.7.0 welcome");
    }
    mx_cut(mx, cut);
    host(&good, TLS_WEBPKI);
    log_in_as("geheim", "");
    send_letter();
    bool delivered = s.ends[0].standing == STANDING_DELIVERED;
    assert_true(!delivered || mx_count(mx) == 1);
    assert_true(delivered || !why_permanent(&s.ends[0].why));
    assert_int_equal(mx_clear_mails(mx), 0);
    assert_false(mx_heard(mx, "MAIL") &&
                 !mx_heard(mx, strstr(ways, "LOGIN") ? "Z2VoZWlt" : "AUTH PLAIN"));
    *said = mx_said(mx);
    end(&nobody);
    unlink(secret_file);
    return delivered;
}

static void case_413_a_login_that_is_cut_at_any_byte_costs_time_and_nothing_else(void **state)
{
    (void)state;
    static const char *const ways[] = {"AUTH PLAIN\nENHANCEDSTATUSCODES", "AUTH LOGIN"};
    for (size_t i = 0; i < 2; i++) {
        size_t all, said, first = 0;
        assert_true(arrives(SIZE_MAX, ways[i], &all));
        for (size_t cut = 0; cut <= all; cut++) {
            bool delivered = arrives(cut, ways[i], &said);
            assert_true(delivered || !first); // once it arrives, a later cut harms nothing
            if (delivered && !first)
                first = cut;
        }
        assert_true(first > all / 2 && first <= all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_password_goes_to_a_proved_host),
        STORY(a_password_never_goes_to_a_host_that_proved_nothing),
        STORY(a_refused_password_makes_mail_wait),
        STORY(login_is_spoken_where_plain_is_not),
        STORY(a_token_that_is_too_long_is_not_cut),
        STORY(a_token_comes_from_its_command),
        STORY(what_a_token_command_says_is_one_line_and_no_token),
        cmocka_unit_test(case_413_a_login_that_is_cut_at_any_byte_costs_time_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
