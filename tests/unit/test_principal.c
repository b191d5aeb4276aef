// SPDX-License-Identifier: ISC
// Rows of `senders` against users, clients and addresses.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/setup/principal.h"

static struct sender_pattern app_from[] = {{SENDER_DOMAIN, (char[]){"example.org"}},
                                           {SENDER_BELOW, (char[]){"below.example"}},
                                           {SENDER_ADDRESS, (char[]){"Alerts@example.net"}}};
static struct sender_pattern any[] = {{SENDER_ANY, (char[]){""}}};
static struct network ten = {AF_INET, {10}, 8};
static struct network ten_one = {AF_INET, {10, 1}, 16};
static struct cfg_sender rows[] = {
    {.user = (char[]){"app"}, .unix_user = (char[]){""}, .from = app_from, .nfrom = 3},
    {.user = (char[]){""},
     .unix_user = (char[]){""},
     .networks = {&ten_one, 1},
     .from = any,
     .nfrom = 1},
    {.user = (char[]){""},
     .unix_user = (char[]){""},
     .networks = {&ten, 1},
     .from = app_from,
     .nfrom = 3},
    {.user = (char[]){""}, .unix_user = (char[]){"*"}, .from = any, .nfrom = 1},
    {.user = (char[]){""},
     .unix_user = (char[]){"www-data"},
     .has_uid = true,
     .uid = 33,
     .from = app_from,
     .nfrom = 3},
};
static struct config config = {.senders = rows, .nsenders = 5};

static const struct sockaddr *client(const char *text)
{
    static struct sockaddr_in sin;
    sin.sin_family = AF_INET;
    inet_pton(AF_INET, text, &sin.sin_addr);
    return (struct sockaddr *)&sin;
}

static void case_211_local_users_have_rows_of_their_own(void **state)
{
    (void)state;
    struct principal p;
    struct sockaddr_storage local;
    char origin[PRINCIPAL_NAME];
    address_set_uid(&local, 33);
    principal_find(&config, NULL, (struct sockaddr *)&local, &p);
    assert_ptr_equal(p.row, &rows[4]);
    assert_string_equal(p.name, "unix:www-data");
    principal_origin(p.row, origin);
    assert_string_equal(origin, "example.org");
    address_set_uid(&local, 34);
    principal_find(&config, NULL, (struct sockaddr *)&local, &p);
    assert_ptr_equal(p.row, &rows[3]);
    assert_string_equal(p.name, "uid:34"); // and limits of its own
    assert_true(principal_trusts(&config, (struct sockaddr *)&local));
    // Root is nobody special: a row whose user is not known is not the row of 0.
    address_set_uid(&local, 0);
    struct config none = {.senders = rows, .nsenders = 3};
    principal_find(&none, NULL, (struct sockaddr *)&local, &p);
    assert_null(p.row);
    assert_false(principal_trusts(&none, (struct sockaddr *)&local));
    principal_find(&config, NULL, client("192.0.2.1"), &p);
    assert_null(p.row);
}

static void the_user_then_the_first_network(void **state)
{
    (void)state;
    struct principal p;
    principal_find(&config, "app", client("10.1.2.3"), &p);
    assert_ptr_equal(p.row, &rows[0]);
    assert_string_equal(p.name, "app");
    principal_find(&config, NULL, client("10.1.2.3"), &p);
    assert_ptr_equal(p.row, &rows[1]);
    assert_string_equal(p.name, "network:10.1.0.0/16");
    principal_find(&config, "stranger", client("10.2.2.3"), &p);
    assert_ptr_equal(p.row, &rows[2]);
    assert_string_equal(p.name, "stranger");
    principal_find(&config, NULL, client("192.0.2.1"), &p);
    assert_null(p.row);
    principal_find(&config, "", client("192.0.2.1"), &p);
    assert_null(p.row);
    assert_false(p.is_user);
    assert_true(principal_trusts(&config, client("10.9.9.9")));
    assert_false(principal_trusts(&config, client("11.9.9.9")));
}

static void patterns_mean_what_they_say(void **state)
{
    (void)state;
    const struct cfg_sender *app = &rows[0], *star = &rows[1];
    assert_true(principal_may_send(app, "x@example.org", "example.org"));
    assert_false(principal_may_send(app, "x@a.example.org", "a.example.org"));
    assert_false(principal_may_send(app, "x@below.example", "below.example"));
    assert_true(principal_may_send(app, "x@a.b.below.example", "a.b.below.example"));
    assert_false(principal_may_send(app, "x@notbelow.example", "notbelow.example"));
    assert_true(principal_may_send(app, "aLERTS@example.net", "example.net"));
    assert_true(principal_may_send(app, "\"alerts\"@example.net", "example.net"));
    assert_true(principal_may_send(app, "\"al\\erts\"@example.net", "example.net"));
    assert_false(principal_may_send(app, "\"alerts \"@example.net", "example.net"));
    assert_false(principal_may_send(app, "other@example.net", "example.net"));
    assert_true(principal_may_send(star, "x@any.example", "any.example"));
    assert_false(principal_owns(star, "x@any.example", "any.example")); // sending, never forwarding
    assert_true(principal_owns(app, "x@example.org", "example.org"));
    assert_false(principal_may_send(NULL, "x@example.org", "example.org"));
}

static void own_domains_reach_below(void **state)
{
    (void)state;
    const struct cfg_sender *app = &rows[0];
    assert_true(principal_own_domain(app, "example.org"));
    assert_true(principal_own_domain(app, "mail.example.org"));
    assert_true(principal_own_domain(app, "x.below.example"));
    assert_false(principal_own_domain(app, "example.net"));
    assert_false(principal_own_domain(app, "xexample.org"));
    assert_false(principal_own_domain(&rows[1], "any.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_then_the_first_network),
        cmocka_unit_test(case_211_local_users_have_rows_of_their_own),
        cmocka_unit_test(patterns_mean_what_they_say),
        cmocka_unit_test(own_domains_reach_below),
    };
    return cmocka_run_group_tests_name("principal", tests, NULL, NULL);
}
