// SPDX-License-Identifier: ISC
// A configuration as an operator writes it: the page of the interface, defaults, printing and reading
// back, and the questions to a loaded one.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/idn.h"
#include "config/load.h"
#include "config/login.h"
#include "config/schema_manual.h"
#include "config/setting.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"

static struct config_load load;

static struct config *load_yaml(const char *yaml)
{
    config_load_free(&load);
    config_load_init(&load);
    load.hostname = "relay.example.org";
    return config_load_text("/etc/waxwing/w.yaml", yaml, strlen(yaml), &load);
}

static struct config *must_load(const char *yaml)
{
    struct config *config = load_yaml(yaml);
    if (!config)
        fail_msg("%s", buf_text(&load.errors));
    return config;
}

static char *read_file(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    return text;
}

// In which line of the interface's page the text stands.
static size_t line_of(const char *text)
{
    const char *page = read_file("unit/data/interface.yaml"), *end = strstr(page, text);
    size_t line = 1;
    assert_non_null(end);
    for (; page < end; page++)
        line += *page == '\n';
    return line;
}

static void make_file(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static char *make_folder(void)
{
    static const char *const names[] = {"tls/fullchain.pem",
                                        "tls/clients.pem",
                                        "tls/key.pem",
                                        "users",
                                        "dkim/example.org.r2026.pem",
                                        "dkim/example.org.e2026.pem",
                                        "partner-ca.pem",
                                        "partner.secret",
                                        "srs.key",
                                        "verp.key",
                                        "hook.secret",
                                        "hook-ca.pem",
                                        "suppressed",
                                        "fleet.secret",
                                        "fleet-ca.pem"};
    char *folder = mem_dup("/tmp/waxwing-config-XXXXXX"), path[512];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tls", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/dkim", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/conf.d", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        make_file(folder, names[i]);
    return folder;
}

static void remove_folder(char *folder)
{
    char command[512];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    free(folder);
}

static struct config *load_interface(const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s/waxwing.yaml", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(read_file("unit/data/interface.yaml"), f);
    fclose(f);
    config_load_free(&load);
    config_load_init(&load);
    load.check_files = true;
    return config_load_file(path, &load);
}

static void a_fleet_is_there(const struct config *c, const char *folder)
{
    char expected[512];
    snprintf(expected, sizeof expected, "%s/fleet.secret", folder);
    assert_string_equal(c->fleet.name, "node-1");
    assert_string_equal(c->fleet.password_file, expected);
    assert_string_equal(c->fleet.database,
                        "postgresql://waxwing@db1.example.org,db2.example.org/waxwing");
}

static void filters_are_there(const struct config *c)
{
    assert_int_equal(c->nmilters, 2);
    assert_int_equal(c->milters[0].on_failure, MILTER_ACCEPT);
    assert_int_equal(c->milters[1].socket.address.ss_family, AF_UNIX);
    assert_int_equal(c->milters[1].content, 120000);
    assert_int_equal(c->milters[1].connections, 20);
    assert_true(config_filters(&c->senders[0], &c->milters[0]));
    assert_false(config_filters(&c->senders[2], &c->milters[0]));
    assert_true(config_filters(&c->senders[2], &c->milters[1]));
}

static void the_page_of_the_interface_loads(void **state)
{
    (void)state;
    char *folder = make_folder(), expected[512];
    struct config *c = load_interface(folder);
    if (!c)
        fail_msg("%s", buf_text(&load.errors));
    assert_string_equal(c->hostname, "relay.example.org");
    assert_int_equal(c->nlisten, 4);
    assert_true(c->listen[1].implicit_tls);
    assert_int_equal(c->listen[2].proxy.n, 1);
    assert_int_equal(c->listen[3].address.ss_family, AF_UNIX);
    assert_int_equal(c->nsenders, 4);
    assert_true(c->senders[3].has_uid && c->senders[3].uid == 0);
    assert_int_equal(c->senders[0].nfrom, 3);
    assert_int_equal(c->senders[0].from[1].kind, SENDER_BELOW);
    assert_string_equal(c->senders[0].from[1].text, "example.org");
    assert_int_equal(c->senders[0].messages.count, 1000);
    assert_int_equal(c->senders[0].messages.per_ms, 3600000);
    assert_int_equal(c->senders[1].tls_required_no, 0);
    assert_int_equal(c->senders[0].tls_required_no, -1);
    assert_true(c->senders[2].tls_required);
    assert_string_equal(c->senders[0].verp.domain, "bounces.example.org");
    assert_string_equal(c->senders[0].strip_headers.at[1], "X-Internal-*");
    assert_int_equal(c->senders[1].srs.max_age, 21LL * 86400 * 1000);
    assert_true(c->senders[1].returns);
    assert_int_equal(c->senders[2].nrewrites, 2);
    assert_int_equal(c->senders[2].rewrites[1].from.kind, SENDER_BELOW);
    assert_int_equal(c->senders[2].rewrites[1].to.kind, SENDER_DOMAIN);
    assert_string_equal(c->senders[2].force_from, "alerts@example.org");
    assert_string_equal(c->senders[3].archive, "");
    filters_are_there(c);
    a_fleet_is_there(c, folder);
    assert_int_equal(c->ndkim, 1);
    assert_int_equal(c->dkim[0].nkeys, 2);
    snprintf(expected, sizeof expected, "%s/dkim/example.org.r2026.pem", folder);
    assert_string_equal(c->dkim[0].keys[0].file, expected);
    assert_string_equal(c->arc.file, expected);
    assert_int_equal(c->delivery.nretry, 7);
    assert_int_equal(c->delivery.retry[6], 4 * 3600 * 1000);
    assert_int_equal(c->delivery.expire, 5LL * 86400 * 1000);
    assert_int_equal(c->delivery.nsources, 2);
    assert_true(c->delivery.refuse_default);
    assert_int_equal(c->delivery.ndestinations, 2);
    const struct cfg_destination *legacy = &c->delivery.destinations[0];
    assert_int_equal(legacy->until, 1806537599); // 2027-03-31T23:59:59Z
    assert_int_equal(legacy->tls, TLS_OPPORTUNISTIC);
    assert_int_equal(legacy->line, line_of("- domain: legacy.example"));
    const struct cfg_destination *partner = &c->delivery.destinations[1];
    assert_int_equal(partner->until, 0);
    assert_int_equal(partner->next_hops[0].kind, HOP_HOST);
    assert_int_equal(partner->next_hops[1].kind, HOP_MX);
    assert_int_equal(partner->next_hops[1].port, 25);
    assert_string_equal(partner->login.user, "relay");
    assert_int_equal(c->limits.message_size, 50 << 20);
    assert_string_equal(c->http, "127.0.0.1:9587");
    assert_int_equal(load.errors.len, 0);
    config_unref(c);
    remove_folder(folder);
}

static void a_provider_fills_in_what_is_left_open(void **state)
{
    (void)state;
    char *folder = make_folder();
    struct config *c = load_interface(folder);
    assert_non_null(c);
    const struct cfg_sender *row = &c->senders[3];
    assert_int_equal(row->nnext_hops + row->nsources, 2);
    assert_int_equal(login_kind(&row->login), LOGIN_BY_CLIENT);
    assert_string_equal(row->login.oauth.token_endpoint,
                        "https://login.microsoftonline.com/example.net/oauth2/v2.0/token");
    config_unref(c);
    remove_folder(folder);
}

static void what_is_served_is_not_called_unserved(void **state)
{
    (void)state;
    struct config *c =
        must_load("delivery:\n  destinations:\n    - domain: a.example\n      tls: dane\n"
                  "      next_hop: b.example\n"
                  "      oauth: {user: u, token_command: c}\n");
    assert_null(strstr(buf_text(&load.warnings), "token_command"));
    config_unref(c);
    char *folder = make_folder();
    c = load_interface(folder);
    assert_non_null(c);
    assert_null(strstr(buf_text(&load.warnings), "tls_report"));
    assert_null(strstr(buf_text(&load.warnings), "send: reports")); // they are sent
    assert_null(strstr(buf_text(&load.warnings), "xclient"));       // written, but false
    config_unref(c);
    remove_folder(folder);
}

static void reports_have_a_window_and_a_list_of_the_quiet(void **state)
{
    (void)state;
    struct config *c = must_load("hostname: relay.example.org\n");
    assert_int_equal(c->tls_report.spread, 6 * 3600 * 1000);
    assert_int_equal(c->tls_report.suppress.n, 0);
    config_unref(c);
    c = must_load("tls_report: {spread: 0, suppress: [A.example, '*.b.example', '*']}\n");
    assert_int_equal(c->tls_report.spread, 0);
    assert_int_equal(c->tls_report.suppress.n, 3);
    assert_string_equal(c->tls_report.suppress.at[0], "a.example");
    assert_string_equal(c->tls_report.suppress.at[1], "*.b.example");
    config_unref(c);
}

// Printing a configuration and loading that gives what prints the same.
static void round_trip(const char *path, struct config *c)
{
    struct buf first, second;
    buf_init(&first, CONFIG_FILE_SIZE);
    buf_init(&second, CONFIG_FILE_SIZE);
    config_print(c, &first);
    config_load_free(&load);
    config_load_init(&load);
    struct config *again = config_load_text(path, first.data, first.len, &load);
    if (!again)
        fail_msg("%s\n%s", buf_text(&load.errors), buf_text(&first));
    config_print(again, &second);
    assert_string_equal(buf_text(&first), buf_text(&second));
    struct buf fixed;
    buf_init(&fixed, 1000);
    config_fixed_changes(c, again, &fixed);
    assert_string_equal(buf_text(&fixed), "");
    buf_free(&fixed);
    config_unref(again);
    buf_free(&first);
    buf_free(&second);
}

static void what_is_printed_loads_to_the_same(void **state)
{
    (void)state;
    char *folder = make_folder();
    struct config *c = load_interface(folder);
    assert_non_null(c);
    round_trip("/elsewhere/w.yaml", c);
    config_unref(c);
    c = must_load("");
    round_trip("/elsewhere/w.yaml", c);
    config_unref(c);
    c = must_load("dns: {self_check: off, servers: [{address: 9.9.9.9, tls_name: dns.quad9.net}]}\n"
                  "delivery: {refuse_addresses: [], families: [ipv4], tls_warn_after: 0,\n"
                  "  destinations: [{domain: a.example, tls: opportunistic, until: never,\n"
                  "    reason: \"a \\\"quoted\\\" \\\\ word: # and b\\u00fccher\"}]}\n"
                  "log: {level: debug}\nuser: \"\"\nhttp:\n");
    round_trip("/elsewhere/w.yaml", c);
    config_unref(c);
    remove_folder(folder);
}

static void an_empty_file_has_the_defaults(void **state)
{
    (void)state;
    struct config *c = must_load("# nothing\n");
    assert_string_equal(c->hostname, "relay.example.org");
    assert_string_equal(c->authserv_id, "relay.example.org");
    assert_string_equal(c->dsn_from, "MAILER-DAEMON@relay.example.org");
    assert_int_equal(c->nlisten, 1);
    assert_string_equal(c->listen[0].text, "127.0.0.1:587");
    assert_int_equal(c->delivery.tls, TLS_ENCRYPT);
    assert_int_equal(c->delivery.families[0], AF_INET6);
    assert_int_equal(c->delivery.families[1], AF_INET);
    assert_int_equal(c->delivery.memory, MEMORY_TLS);
    assert_int_equal(c->delivery.memory_days, 30);
    assert_true(c->require_published);
    assert_string_equal(c->dns.self_check, ".");
    assert_int_equal(c->log_level, 2);
    assert_string_equal(c->user, "waxwing");
    assert_string_equal(c->file, "/etc/waxwing/w.yaml");
    config_unref(c);
}

static void a_certificate_opens_the_submission_port_to_all(void **state)
{
    (void)state;
    struct config *c = must_load("certificate: {chain: c.pem, key: k.pem}\n");
    assert_int_equal(c->nlisten, 2);
    assert_string_equal(c->listen[1].text, "[::]:587");
    assert_string_equal(c->certificates[0].chain, "/etc/waxwing/c.pem");
    config_unref(c);
}

static void dns_servers_get_the_port_of_their_kind(void **state)
{
    (void)state;
    struct config *c = must_load("dns: {mode: stub, servers: [127.0.0.1, \"[::1]:5353\", "
                                 "{address: 9.9.9.9, tls_name: dns.quad9.net}]}\n");
    assert_int_equal(c->dns.nservers, 3);
    assert_int_equal(ntohs(((struct sockaddr_in *)&c->dns.servers[0].address)->sin_port), 53);
    assert_int_equal(ntohs(((struct sockaddr_in6 *)&c->dns.servers[1].address)->sin6_port), 5353);
    assert_int_equal(ntohs(((struct sockaddr_in *)&c->dns.servers[2].address)->sin_port), 853);
    config_unref(c);
}

static void the_nearest_destination_rule_counts(void **state)
{
    (void)state;
    struct config *c = must_load("delivery:\n  destinations:\n"
                                 "    - {domain: '*', tls: encrypt}\n"
                                 "    - {domain: '*.example.org', tls: encrypt}\n"
                                 "    - {domain: '*.deep.example.org', tls: encrypt}\n"
                                 "    - {domain: mail.deep.example.org, tls: encrypt}\n"
                                 "    - {domain: bücher.example, tls: encrypt}\n");
    assert_string_equal(config_destination(c, "mail.deep.example.org")->domain,
                        "mail.deep.example.org");
    assert_string_equal(config_destination(c, "A.deep.Example.org")->domain, "*.deep.example.org");
    assert_string_equal(config_destination(c, "deep.example.org")->domain, "*.example.org");
    assert_string_equal(config_destination(c, "example.org")->domain, "*");
    assert_string_equal(config_destination(c, "notexample.org")->domain, "*");
    assert_string_equal(config_destination(c, "xn--bcher-kva.example")->domain,
                        "xn--bcher-kva.example");
    config_unref(c);
    c = must_load("delivery: {destinations: [{domain: a.example, tls: encrypt}]}\n");
    assert_null(config_destination(c, "b.example"));
    config_unref(c);
}

static void a_subdomain_is_signed_by_its_nearest_parent_that_says_so(void **state)
{
    (void)state;
    struct config *c =
        must_load("dkim:\n  domains:\n"
                  "    - {domain: example.org, subdomains: true, keys: [{selector: a, file: a}]}\n"
                  "    - {domain: b.example.org, keys: [{selector: b, file: b}]}\n"
                  "    - {domain: c.example, keys: [{selector: c, file: c}]}\n");
    assert_string_equal(config_dkim_for(c, "example.org")->domain, "example.org");
    assert_string_equal(config_dkim_for(c, "b.example.org")->domain, "b.example.org");
    assert_string_equal(config_dkim_for(c, "x.b.example.org")->domain, "example.org");
    assert_null(config_dkim_for(c, "x.c.example"));
    assert_null(config_dkim_for(c, "notexample.org"));
    config_unref(c);
}

static bool contains(const char *network, const char *address)
{
    struct network one;
    struct networks list = {&one, 1};
    struct sockaddr_storage at = {0};
    assert_true(network_parse(network, &one));
    if (strchr(address, ':')) {
        at.ss_family = AF_INET6;
        inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&at)->sin6_addr);
    } else {
        at.ss_family = AF_INET;
        inet_pton(AF_INET, address, &((struct sockaddr_in *)&at)->sin_addr);
    }
    return network_contains(&list, (struct sockaddr *)&at);
}

static void networks_contain_what_they_say(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/24", "10.0.0.255"));
    assert_false(contains("10.0.0.0/24", "10.0.1.0"));
    assert_true(contains("10.0.0.128/25", "10.0.0.200"));
    assert_false(contains("10.0.0.128/25", "10.0.0.127"));
    assert_true(contains("0.0.0.0/0", "192.0.2.1"));
    assert_false(contains("0.0.0.0/0", "2001:db8::1"));
    assert_true(contains("2001:db8::/32", "2001:db8:ffff::1"));
    assert_true(contains("192.0.2.1", "::ffff:192.0.2.1")); // a client of a listener on [::]
    assert_false(contains("192.0.2.1", "::ffff:192.0.2.2"));
    struct network n;
    assert_false(network_parse("10.0.0.1/8", &n));
    assert_false(network_parse("10.0.0.0/33", &n));
    assert_false(network_parse("10.0.0/8", &n));
    assert_false(network_parse("fe80::%eth0", &n));
    assert_false(network_parse("", &n));
}

static void a_reference_outlives_the_loader(void **state)
{
    (void)state;
    struct config *c = must_load(""), *session = config_ref(c);
    config_unref(c);
    assert_string_equal(session->hostname, "relay.example.org");
    config_unref(session);
    config_unref(NULL);
    assert_null(config_ref(NULL));
}

static void a_reload_knows_what_it_cannot_change(void **state)
{
    (void)state;
    struct config *a = must_load("spool: /a\nworkers: 2\nhostname: a.example\n");
    struct config *b = must_load("spool: /b\nworkers: 3\nhostname: b.example\n");
    struct buf names;
    buf_init(&names, 1000);
    config_fixed_changes(a, b, &names);
    assert_string_equal(buf_text(&names), "spool, workers");
    buf_free(&names);
    config_unref(a);
    config_unref(b);
}

static void international_names_become_a_labels(void **state)
{
    (void)state;
    char out[IDN_NAME];
    assert_int_equal(idn_to_ascii("B\xc3\xbc"
                                  "cher.Example",
                                  out),
                     0);
    assert_string_equal(out, "xn--bcher-kva.example");
    assert_int_equal(idn_to_ascii("stra\xc3\x9f"
                                  "e.example.",
                                  out),
                     0);
    assert_string_equal(out, "xn--strae-oqa.example"); // non-transitional: not "strasse"
    assert_int_equal(idn_to_ascii("_dmarc.EXAMPLE.org.", out), 0);
    assert_string_equal(out, "_dmarc.example.org");
    static const char *const no[] = {"",           ".",           "a..b",  "-a.example",
                                     "a-.example", "a b",         "a.b..", "\xff",
                                     "a\xc3",      "a/b.example", "a@b.c", ".a.example"};
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_int_equal(idn_to_ascii(no[i], out), -1);
    char label[70];
    memset(label, 'a', 64);
    label[64] = 0;
    assert_int_equal(idn_to_ascii(label, out), -1);
    label[63] = 0;
    assert_int_equal(idn_to_ascii(label, out), 0);
}

static void the_manual_has_every_key(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    config_manual(&out);
    const char *text = buf_text(&out);
    assert_non_null(strstr(text, ".It Cm delivery.destinations.until\n"));
    assert_non_null(strstr(text, ".It Cm senders.limits.messages\n"));
    assert_non_null(strstr(text, "\nsenders: [{limits: {messages: 1000/h}}]\n"));
    assert_non_null(strstr(text, "0s to 100d; default: 4h"));
    assert_false(out.full);
    buf_free(&out);
}

static void example_is_a_value(const struct schema_key *key, const char *path)
{
    unsigned char field[4096] = {0};
    struct span rest = manual_value(key, path), head;
    struct why why = {.text = "no value"};
    struct schema_key one[2] = {*key, END_OF_KEYS};
    const struct schema_group alone = {one, NULL};
    one[0].offset = 0;
    one[0].list = false;
    one[0].flags &= ~(unsigned)KEY_SECOND;
    one[0].written = one[0].word_field = SCHEMA_NONE;
    assert_true(rest.n > 0);
    for (bool more = true; more;) {
        more = key->list && span_cut(rest, ' ', &head, &rest);
        if (setting_parse(&one[0], more ? head : rest, "/etc/waxwing", field, &why) < 0)
            fail_msg("%s: the example %.*s: %s", path, (int)rest.n, (const char *)rest.p, why.text);
        setting_release(&alone, field);
        memset(field, 0, sizeof field);
    }
}

static void examples_of(const struct schema_group *group, const char *above)
{
    for (const struct schema_key *key = group->keys; key->name; key++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s%s", above, above[0] ? "." : "", key->name);
        if (key->group)
            examples_of(key->group, path);
        else
            example_is_a_value(key, path);
    }
}

static void the_example_of_each_key_is_one(void **state)
{
    (void)state;
    examples_of(&schema_top, "");
}

static int close_load(void **state)
{
    (void)state;
    config_load_free(&load);
    return 0;
}

int main(void)
{
    clock_fix(1790000000000); // September 2026: before the page's exception ends
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_of_the_interface_loads),
        cmocka_unit_test(a_provider_fills_in_what_is_left_open),
        cmocka_unit_test(what_is_served_is_not_called_unserved),
        cmocka_unit_test(reports_have_a_window_and_a_list_of_the_quiet),
        cmocka_unit_test(what_is_printed_loads_to_the_same),
        cmocka_unit_test(an_empty_file_has_the_defaults),
        cmocka_unit_test(a_certificate_opens_the_submission_port_to_all),
        cmocka_unit_test(dns_servers_get_the_port_of_their_kind),
        cmocka_unit_test(the_nearest_destination_rule_counts),
        cmocka_unit_test(a_subdomain_is_signed_by_its_nearest_parent_that_says_so),
        cmocka_unit_test(networks_contain_what_they_say),
        cmocka_unit_test(a_reference_outlives_the_loader),
        cmocka_unit_test(a_reload_knows_what_it_cannot_change),
        cmocka_unit_test(international_names_become_a_labels),
        cmocka_unit_test(the_manual_has_every_key),
        cmocka_unit_test(the_example_of_each_key_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, close_load);
}
