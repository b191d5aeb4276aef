// SPDX-License-Identifier: ISC
// Everything that can be wrong in a configuration, each with the place where the operator looks.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/clock.h"

struct example {
    const char *yaml, *messages;
};

#define EXAMPLES(list) (sizeof(list) / sizeof(list)[0])
#define USERS          "users: u\ncertificate: {chain: c, key: k}\npostmaster: p@a.example\n"
#define DESTINATION    "delivery:\n  destinations:\n    - domain: a.example\n"

static void check(const struct example *e, bool errors)
{
    struct config_load load;
    config_load_init(&load);
    load.hostname = "relay.example.org";
    struct config *config = config_load_text("w", e->yaml, strlen(e->yaml), &load);
    const char *said = buf_text(errors ? &load.errors : &load.warnings);
    if (strcmp(said, e->messages) != 0)
        fail_msg("\n--- %s\n--- said\n%s--- instead of\n%s", e->yaml, said, e->messages);
    assert_true(errors ? config == NULL : config != NULL);
    config_unref(config);
    config_load_free(&load);
}

static void check_errors(const struct example *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&list[i], true);
}

static void check_warnings(const struct example *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&list[i], false);
}

#define HINT "; look here and just above for a bracket, quote, colon or space too few"
static void text_that_is_no_yaml_is_told_in_libyamls_words(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"hostname: a.example\n\tlog: {}\n",
         "w:2:1: a tab; in YAML lines are indented with spaces\n"},
        {"log:\n\tformat: json\n", "w:2:1: a tab; in YAML lines are indented with spaces\n"},
        {"log:\n  \tformat: json\n", "w:2:3: a tab; in YAML lines are indented with spaces\n"},
        {"log:\n  format: json\n\tlevel: debug\n",
         "w:3:1: a tab; in YAML lines are indented with spaces\n"},
        {"listen: [\n", "w:2:1: not YAML: did not find expected node content while parsing a "
                        "flow node (line 2)" HINT "\n"},
        {"a: 1\nb: \"x\n", "w:3:1: not YAML: found unexpected end of stream while scanning a "
                           "quoted scalar (line 2)" HINT "\n"},
        {"user: a\n--- \nuser: b\n",
         "w:2:1: a second document; one file holds one configuration\n"},
        {"user: \xff\n", "w:1:1: not YAML: invalid leading UTF-8 octet\n"},
        {"user: a\n? [x]\n: y\n", "w:2:3: a key must be a plain name\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void what_makes_a_bomb_is_refused(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"x: &a [1]\ny: [*a, *a]\n", "w:1:1: unknown key 'x'\n"
                                     "w:1:4: anchors (&name) are not accepted\n"
                                     "w:2:1: unknown key 'y'\n"
                                     "w:2:5: aliases (*name) are not accepted\n"
                                     "w:2:9: aliases (*name) are not accepted\n"},
        {"user: &me waxwing\n", "w:1:7: anchors (&name) are not accepted\n"},
        {"user: !!str waxwing\n", "w:1:7: tags (!name) are not accepted\n"},
        {"user: \"a\\0b\"\n", "w:1:7: a NUL character is not accepted\n"},
        {"listen: [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]\n", "w:1:24: nested too deeply\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void unknown_keys_are_told_with_what_was_meant(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"hostnam: a.example\n", "w:1:1: unknown key 'hostnam'; did you mean 'hostname'?\n"},
        {"delivery:\n  expires: 5d\n", "w:2:3: unknown key 'expires'; did you mean 'expire'?\n"},
        {"delivery:\n  warn-after: 5d\n",
         "w:2:3: unknown key 'warn-after'; did you mean 'warn_after'?\n"},
        {"tls_min: \"1.2\"\n", "w:1:1: unknown key 'tls_min' here; there is "
                               "'certificate.tls_min'\n"},
        {"listen:\n  - addres: 127.0.0.1:25\n",
         "w:2:5: unknown key 'addres'; did you mean 'address'?\n"
         "w:2:5: listen: \'address\' is missing\n"},
        {"zzzzzz: 1\n", "w:1:1: unknown key 'zzzzzz'\n"},
        {"\"\\e[31m\": 1\n", "w:1:1: unknown key '\\x1B[31m'\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void what_is_no_fleet_is_told(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"fleet: {name: a}\n", "w:1:8: fleet: 'database' is missing\n"},
        {"fleet: {database: mysql://a@b/c}\n", "w:1:19: database: begins with postgresql://\n"},
        {"fleet: {database: \"postgresql://me:pw@db/x\"}\n",
         "w:1:19: database: the password stands in a 'password_file'\n"},
        {"fleet: {database: \"postgresql://me@db/x?password=a\"}\n",
         "w:1:19: database: the password stands in a 'password_file'\n"},
        {"fleet: {database: \"postgresql://me@db/x\", name: \"a b\"}\n",
         "w:1:49: name: up to 63 letters, digits, dots, dashes and underscores\n"},
        {"fleet: {database: \"postgresql://me@db/x\", spool: both}\n",
         "w:1:50: spool: 'both' is not one of: off, required or preferred\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void a_key_given_twice_is_an_error(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"user: a\nlog: {}\nuser: b\n", "w:3:1: user: given twice, first in line 1\n"},
        {"log: {level: info, level: debug}\n", "w:1:20: level: given twice, first in line 1\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void the_wrong_kind_of_thing(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"- a\n", "w:1:1: the file: keys and values belong here\n"},
        {"hello\n", "w:1:1: the file: keys and values belong here\n"},
        {"hostname: [a.example]\n", "w:1:11: hostname: a list where one value belongs\n"},
        {"workers: {n: 1}\n", "w:1:10: workers: a mapping where one value belongs\n"},
        {"delivery: fast\n", "w:1:11: delivery: keys and values belong here\n"},
        {"delivery: {retry: {a: 5m}}\n", "w:1:19: retry: a mapping where a list belongs\n"},
        {"delivery: {retry: [5m, [10m]]}\n", "w:1:24: retry: a list where one value belongs\n"},
        {"senders: [app]\n", "w:1:11: senders: keys and values belong here\n"},
        {"workers:\n", "w:1:9: workers: has no value\n"},
        {"spool: ''\n", "w:1:8: spool: must not be empty\n"},
        {"delivery: {families: [ipv4, ipv6, ipv4]}\n", "w:1:35: families: at most 2 values\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void values_out_of_range_or_not_of_their_kind(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"workers: 257\n", "w:1:10: workers: '257' is out of range: 0 to 256\n"},
        {"workers: many\n", "w:1:10: workers: 'many' is not a whole number\n"},
        {"delivery: {port: 0}\n", "w:1:18: port: '0' is out of range: 1 to 65535\n"},
        {"delivery: {expire: 1000d}\n", "w:1:20: expire: '1000d' is out of range: 1m to 100d\n"},
        {"delivery: {expire: 5}\n",
         "w:1:20: expire: '5' is not a duration such as 90s, 15m, 4h or 5d\n"},
        {"limits: {message_size: 1B}\n",
         "w:1:24: message_size: '1B' is out of range: 1KiB to 4GiB\n"},
        {"limits: {memory: 1GB}\n",
         "w:1:18: memory: '1GB' is not a size such as 64KiB, 25MiB or 1GiB\n"},
        {"delivery: {tls: dane}\n",
         "w:1:17: tls: 'dane' is not one of: opportunistic, encrypt or webpki\n"},
        {"dns: {half_dane: maybe}\n", "w:1:18: half_dane: 'maybe' is not true or false\n"},
        {"hostname: a_b.example\n", "w:1:11: hostname: 'a_b.example' is not a host name\n"},
        {"hostname: 192.0.2.1\n", "w:1:11: hostname: '192.0.2.1' is not a host name\n"},
        {"postmaster: root\n",
         "w:1:13: postmaster: 'root' is not a mail address such as admin@example.org\n"},
        {"listen: [127.0.0.1]\n", "w:1:10: address: '127.0.0.1' is not an address and port: "
                                  "IP:PORT or [IP6]:PORT\n"},
        {"http: localhost:80\n", "w:1:7: http: 'localhost:80' is not an address and port: "
                                 "IP:PORT or [IP6]:PORT\n"},
        {"delivery: {refuse_addresses: [10.0.0.1/8]}\n",
         "w:1:31: refuse_addresses: '10.0.0.1/8' has address bits behind its prefix length\n"},
        {"delivery: {smarthost: 192.0.2.1}\n",
         "w:1:23: smarthost: '192.0.2.1': an address as next hop goes in brackets\n"},
        {"delivery: {smarthost: [mx.example:0]}\n",
         "w:1:24: smarthost: 'mx.example:0' is not a next hop: name, [host], [address], with or "
         "without :port\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void missing_keys_are_told_at_their_mapping(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"certificate:\n  chain: a\n", "w:2:3: certificate: 'key' is missing\n"},
        {"arc: {domain: a.example}\n", "w:1:6: arc: 'selector' is missing\n"
                                       "w:1:6: arc: 'file' is missing\n"},
        {"dkim: {domains: [{domain: a.example}]}\n", "w:1:18: domains: 'keys' is missing\n"},
        {"dkim: {domains: [{domain: a.example, keys: []}]}\n",
         "w:1:44: keys: a domain needs at least one key\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void all_errors_come_in_one_go_in_the_files_order(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"delivery:\n"
         "  destinations:\n"
         "    - domain: a.example\n"
         "      until: 2027-01-01\n"
         "  expire: x\n"
         "user: a\n"
         "bogus: 1\n"
         "user: b\n"
         "workers: -1\n",
         "w:4:7: until: needs a 'reason' beside it\n"
         "w:5:11: expire: 'x' is not a duration such as 90s, 15m, 4h or 5d\n"
         "w:7:1: unknown key 'bogus'\n"
         "w:8:1: user: given twice, first in line 6\n"
         "w:9:10: workers: '-1' is not a whole number\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void exceptions_are_made_of_three(void **state)
{
    (void)state;
    static const struct example list[] = {
        {DESTINATION "      tls: encrypt\n      until: never\n",
         "w:5:7: until: needs a 'reason' beside it\n"},
        {DESTINATION "      tls: encrypt\n      reason: x\n",
         "w:5:7: reason: needs an 'until' beside it\n"},
        {DESTINATION "      until: never\n      reason: x\n",
         "w:4:7: until: an exception says in 'tls' what is demanded instead\n"},
        {DESTINATION "      tls: encrypt\n      until: 2027-02-29\n      reason: x\n",
         "w:5:14: until: '2027-02-29' is not a date such as 2027-03-31, nor 'never'\n"},
        {DESTINATION "    - domain: A.example.\n", "w:4:15: domain: 'a.example' has a row already, "
                                                   "in line 3\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void a_password_is_told_only_to_who_has_proved_himself(void **state)
{
    (void)state;
    static const struct example list[] = {
        {DESTINATION "      next_hop: '[b.example]'\n      auth: {user: u, password_file: p}\n",
         "w:5:7: auth: needs 'tls: webpki', 'tls: dane' or a 'pin': a password is told to nobody "
         "who has not proved who he is\n"},
        {DESTINATION "      next_hop: '[b.example]'\n      tls: dane\n      auth: {user: u}\n",
         "w:6:7: auth: needs a 'password_file' or 'oauth'\n"},
        {DESTINATION "      next_hop: '[b.example]'\n      tls: dane\n"
                     "      auth: {password_file: p}\n",
         "w:6:7: auth: 'user' is missing\n"},
        {DESTINATION "      tls: encrypt\n      names: [b.example]\n",
         "w:5:7: names: count only with 'tls: webpki'\n"},
        {DESTINATION "      pin: sha256:abc\n",
         "w:4:12: pin: 'sha256:abc' is not a pin: sha256: and the SHA-256 of the public key, hex "
         "or base64\n"},
        // A level that did not parse brings no errors that would follow from it.
        {DESTINATION "      tls: webpky\n      names: [b.example]\n",
         "w:4:12: tls: 'webpky' is not one of: opportunistic, encrypt, webpki or dane\n"},
    };
    check_errors(list, EXAMPLES(list));
}

#define ROW(keys) "senders: [{network: 10.0.0.0/8, from: [a.example, x@c.example], " keys "}]\n"

static void a_row_writes_only_what_it_could_have_said(void **state)
{
    (void)state;
    static const struct example list[] = {
        {ROW("rewrite: [{from: root@printer, to: x@b.example}]"),
         "w:1:100: to: the row's 'from' does not let it send as x@b.example\n"},
        {ROW("rewrite: [{from: printer, to: sub.a.example}]"),
         "w:1:95: to: the row's 'from' does not let it send as sub.a.example\n"},
        {ROW("rewrite: [{from: printer, to: '*.a.example'}]"),
         "w:1:95: to: an address or a domain belongs here\n"},
        {ROW("rewrite: [{to: a.example}]"), "w:1:75: rewrite: 'from' is missing\n"},
        {ROW("force_from: y@c.example"),
         "w:1:77: force_from: the row's 'from' does not let it send as y@c.example\n"},
        {ROW("default_from: x@b.example"),
         "w:1:79: default_from: the row's 'from' does not let it send as x@b.example\n"},
        {ROW("strip_headers: [received]"),
         "w:1:80: strip_headers: 'received': ends mail loops; 'received: no-client' hides the "
         "client in ours\n"},
        {ROW("strip_headers: [X-A, '*']"),
         "w:1:80: strip_headers: '*': says who sends; 'force_from' replaces it\n"},
        {ROW("strip_headers: ['X-*-B']"),
         "w:1:80: strip_headers: 'X-*-B': a * stands at the end alone\n"},
        {ROW("strip_headers: ['X A']"),
         "w:1:80: strip_headers: 'X A' is no name of a header field\n"},
        {ROW("verp: {domain: c.example, key_file: k}"),
         "w:1:80: verp: c.example is not, and is not below, a domain in the row's 'from'\n"},
        {ROW("srs: {domain: a.example}"), "w:1:70: srs: 'key_file' is missing\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void senders_are_users_or_networks(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"senders:\n  - from: a.example\n",
         "w:2:5: senders: a row needs 'user', 'network' or 'unix_user'\n"},
        {"senders:\n  - unix_user: no-such-user\n    from: a.example\n"
         "listen: [{address: \"unix:/run/x\", tls: implicit}]\n"
         "certificate: {chain: /c, key: /k}\n",
         "w:2:16: unix_user: this machine has no user 'no-such-user'; a number stands for one that "
         "has no name here\nw:4:40: tls: a Unix socket has no TLS\n"},
        {"listen: [{address: \"unix:run/x\"}]\n",
         "w:1:20: address: 'run/x' is not an absolute path of at most 107 bytes\n"},
        {USERS "senders:\n  - user: a\n    network: 10.0.0.1\n    from: a.example\n",
         "w:5:5: senders: a row has one of 'user', 'network' and 'unix_user'\n"},
        {USERS "senders:\n  - {user: a, from: a.example}\n  - {user: a, from: b.example}\n",
         "w:6:12: user: 'a' has a row already, in line 5\n"},
        {"senders: [{user: a, from: a.example}]\n",
         "w:1:18: user: nobody can log in without a 'users' file, 'auth.dovecot', 'auth.command' "
         "or a "
         "'certificate' in the row\n"},
        {"auth: {dovecot: a, command: /bin/b}\n",
         "w:1:29: command: one of 'dovecot' and 'command' can prove logins\n"},
        {"auth: {command: [b]}\n", "w:1:17: command: the program needs its whole path\n"},
        {"auth: {timeout: 1ms}\n", "w:1:17: timeout: '1ms' is out of range: 1s to 5m\n"},
        {"senders: [{network: 10.0.0.0/8, tls: required, from: a.example}]\n",
         "w:1:38: tls: cannot be required without a 'certificate'\n"},
        {USERS "senders: [{user: a, from: ['x@y@z', 'a..b']}]\n",
         "w:4:28: from: 'x@y@z' is not a mail address\n"
         "w:4:37: from: 'a..b' is not a domain, '*.domain', an address or '*'\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void things_that_exclude_or_repeat_each_other(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"listen: [{address: '127.0.0.1:465', tls: implicit}]\n",
         "w:1:42: tls: implicit TLS needs a 'certificate'\n"},
        {"listen: ['127.0.0.1:25', '127.0.0.1:25']\n",
         "w:1:26: address: '127.0.0.1:25' has a row already, in line 1\n"},
        {"dkim: {domains: [{domain: a.example, keys: [{selector: s, file: a}, "
         "{selector: S, file: b}]}]}\n",
         "w:1:80: selector: 's' has a row already, in line 1\n"},
        {"limits: {message_size: 64KiB}\n", "w:1:24: header_size: is more than message_size\n"},
        {"delivery: {retry: []}\n", "w:1:19: retry: needs at least one wait\n"},
        {"delivery: {families: [ipv4, ipv4]}\n", "w:1:22: families: the same one twice\n"},
        {"delivery: {families: []}\n", "w:1:22: families: needs ipv6 or ipv4\n"},
    };
    check_errors(list, EXAMPLES(list));
}

static void what_is_doubtful_is_a_warning(void **state)
{
    (void)state;
    static const struct example list[] = {
        {"hostname: relay.example\ntls_report: {send: true}\n",
         "w:2:20: send: reports by mail come from tls-reports@relay.example unsigned, and "
         "receivers "
         "drop them; dkim.domains has no key for relay.example\n"},
        {"tls_report: {from: r@b.example, send: true}\n"
         "dkim: {domains: [{domain: a.example, keys: [{selector: s, file: a}]}]}\n",
         "w:1:20: from: reports by mail come from r@b.example unsigned, and receivers drop them; "
         "dkim.domains has no key for b.example\n"},
        {"tls_report: {from: r@a.example, send: true}\n"
         "dkim: {domains: [{domain: a.example, keys: [{selector: s, file: a}]}]}\n",
         ""},
        {"tls_report: {from: r@b.example, send: false}\n", ""},
        {DESTINATION "      tls: dane\n      next_hop: b.example\n"
                     "      auth: {user: u, oauth: {token_command: c}}\n",
         ""},
        {DESTINATION "      tls: dane\n      next_hop: b.example\n"
                     "      oauth: {user: u, token_command: c}\n",
         ""},
        {DESTINATION "      tls: dane\n      auth: {user: u, password_file: c}\n",
         "w:5:7: auth: whoever the DNS names as MX gets the password; name the 'next_hop'\n"},
        {DESTINATION "      tls: encrypt\n      until: 2026-09-20\n      reason: x\n",
         "w:5:14: until: the exception for a.example is over and does not count (x)\n"},
        {DESTINATION "      tls: encrypt\n      until: 2026-09-21\n      reason: x\n", ""},
        {USERS "senders: [{network: 10.0.0.1, forward: true}]\n",
         "w:4:40: forward: whoever has such an address may send mail from any domain\n"},
        {USERS "senders: [{user: a, from: a.example, own_networks: 10.0.0.1}]\n",
         "w:4:38: own_networks: has no effect without 'forward: true'\n"},
        {USERS "senders: [{user: a, from: a.example, srs: {domain: a.example, key_file: k}}]\n",
         "w:4:38: srs: has no effect without 'forward: true'\n"
         "w:4:38: srs: nothing comes back while no row has 'returns: true'\n"},
        {USERS "senders: [{user: a, from: a.example, returns: true}]\n",
         "w:4:38: returns: has no effect where no row has 'srs' or 'verp'\n"},
        {USERS "senders: [{user: a, from: a.example, returns: true,\n"
               "  verp: {domain: b.a.example, key_file: k}}]\n",
         ""},
        {USERS "senders: [{user: a}]\n",
         "w:4:11: senders: a row without 'from' may send nothing\n"},
        {"hostname: relay\n",
         "w:1:11: hostname: 'relay' is no full host name; many servers refuse mail from it\n"},
        {"delivery: {warn_after: 6d}\n", "w:1:24: warn_after: a message has expired by then\n"},
        {"users: u\npostmaster: a@b.example\nsenders: [{user: a, from: a.example}]\n",
         "w:3:18: user: cannot log in without a 'certificate': AUTH is offered only over TLS\n"},
    };
    check_warnings(list, EXAMPLES(list));
}

static void files_must_be_there_and_readable(void **state)
{
    (void)state;
    static const char yaml[] = "users: no-such-file\n"
                               "certificate:\n  chain: /tmp\n  key: /dev/null\n"
                               "dns: {mode: stub}\n"
                               "delivery: {ca_file: /dev/null}\n";
    struct config_load load;
    config_load_init(&load);
    load.hostname = "relay.example.org";
    load.check_files = true;
    assert_null(config_load_text("/nowhere/w.yaml", yaml, strlen(yaml), &load));
    assert_string_equal(buf_text(&load.errors),
                        "/nowhere/w.yaml:1:8: users: '/nowhere/no-such-file' cannot be read: No "
                        "such file or directory\n"
                        "/nowhere/w.yaml:3:10: chain: '/tmp' is a directory\n");
    config_load_free(&load);
    config_load_init(&load);
    assert_null(config_load_file("/nowhere/w.yaml", &load));
    assert_string_equal(buf_text(&load.errors), "/nowhere/w.yaml:1:1: cannot be read: No such file "
                                                "or directory; waxwing init lays one down\n");
    config_load_free(&load);
}

static void a_huge_file_is_refused(void **state)
{
    (void)state;
    size_t n = CONFIG_FILE_SIZE + 1;
    char *text = malloc(n), path[] = "/tmp/waxwing-huge-XXXXXX";
    assert_non_null(text);
    memset(text, '\n', n);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    struct config_load load;
    config_load_init(&load);
    load.hostname = "relay.example.org";
    assert_null(config_load_file(path, &load));
    assert_non_null(strstr(buf_text(&load.errors), ":1:1: larger than 1048576 bytes\n"));
    assert_int_equal(ftruncate(fd, CONFIG_FILE_SIZE), 0);
    buf_reset(&load.errors);
    struct config *config = config_load_file(path, &load);
    assert_non_null(config);
    config_unref(config);
    config_load_free(&load);
    close(fd);
    unlink(path);
    free(text);
}

static void no_end_of_errors_ends(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml, 100000);
    for (int i = 0; i < 1000; i++)
        buf_addf(&yaml, "unknown%d: 1\n", i);
    struct config_load load;
    config_load_init(&load);
    assert_null(config_load_text("w", yaml.data, yaml.len, &load));
    assert_non_null(strstr(buf_text(&load.errors), "w:1:1: 800 more like these\n"));
    config_load_free(&load);
    buf_free(&yaml);
}

int main(void)
{
    clock_fix(1789948800000 + 86399000); // the last second of 2026-09-21
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_no_yaml_is_told_in_libyamls_words),
        cmocka_unit_test(what_makes_a_bomb_is_refused),
        cmocka_unit_test(unknown_keys_are_told_with_what_was_meant),
        cmocka_unit_test(what_is_no_fleet_is_told),
        cmocka_unit_test(a_key_given_twice_is_an_error),
        cmocka_unit_test(the_wrong_kind_of_thing),
        cmocka_unit_test(values_out_of_range_or_not_of_their_kind),
        cmocka_unit_test(missing_keys_are_told_at_their_mapping),
        cmocka_unit_test(all_errors_come_in_one_go_in_the_files_order),
        cmocka_unit_test(exceptions_are_made_of_three),
        cmocka_unit_test(a_password_is_told_only_to_who_has_proved_himself),
        cmocka_unit_test(a_row_writes_only_what_it_could_have_said),
        cmocka_unit_test(senders_are_users_or_networks),
        cmocka_unit_test(things_that_exclude_or_repeat_each_other),
        cmocka_unit_test(what_is_doubtful_is_a_warning),
        cmocka_unit_test(files_must_be_there_and_readable),
        cmocka_unit_test(a_huge_file_is_refused),
        cmocka_unit_test(no_end_of_errors_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
