// SPDX-License-Identifier: ISC
// Stub mode against a server that lies to order (tests/unit/dns/server.py): what each lie becomes.
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "dns/dns.h"
#include "dns/rdata.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"

struct server {
    pid_t pid;
    int stop; // closing it ends the server
    unsigned port;
};

static struct server server;

static int start_server(const char *address, struct server *s)
{
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return -1;
    s->pid = fork();
    if (s->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        execl("/usr/bin/python3", "python3", "unit/dns/server.py", address, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    s->stop = to[1];
    FILE *out = fdopen(from[0], "r");
    int got = fscanf(out, "%u", &s->port);
    fclose(out);
    return got == 1 ? 0 : -1;
}

static void stop_server(struct server *s)
{
    close(s->stop);
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

static int start_all(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return start_server("127.0.0.1", &server);
}

static int stop_all(void **state)
{
    (void)state;
    stop_server(&server);
    return 0;
}

static struct cfg_dns_server at(const char *address, unsigned port)
{
    static char no_name[] = "";
    struct cfg_dns_server s = {.tls_name = no_name};
    struct sockaddr_in *in = (struct sockaddr_in *)&s.address;
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, address, &in->sin_addr);
    return s;
}

static struct dns *open_stub(struct cfg_dns_server *servers, size_t n, enum dns_trust trust)
{
    static char off[] = "", self_check[] = ".";
    struct cfg_dns config = {.mode = DNS_STUB,
                             .servers = servers,
                             .nservers = n,
                             .dnssec = trust,
                             .self_check = trust == DNS_TRUST_OFF ? self_check : off,
                             .trust_anchor = off,
                             .root_hints = off};
    struct dns_options options = {.config = &config};
    struct why why;
    struct dns *dns = dns_open(&options, &why);
    if (!dns)
        fail_msg("%s", why.text);
    return dns;
}

struct want {
    struct facts *facts;
    const char *const *names;
    uint16_t type;
};

static bool want_all(void *arg)
{
    struct want *w = arg;
    bool more = false;
    for (size_t i = 0; w->names[i]; i++)
        more = !facts_ask(w->facts, w->names[i], w->type) || more;
    return more;
}

static struct facts *ask(struct dns *dns, uint16_t type, const char *const *names)
{
    struct want want = {facts_new(), names, type};
    dns_evaluate_blocking(dns, want.facts, want_all, &want);
    return want.facts;
}

// Time goes faster while a lookup waits for servers that do not answer: a second in STEP_US. Not faster, since a
// resolver that seems not to turn for five seconds is another story.
#define STEP_US 150000

static void *hasten(void *arg)
{
    for (atomic_bool *over = arg; !atomic_load(over); clock_mono_advance(1000))
        usleep(STEP_US);
    return NULL;
}

static struct facts *ask_in_haste(struct dns *dns, uint16_t type, const char *const *names)
{
    atomic_bool over = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hasten, &over), 0);
    struct facts *f = ask(dns, type, names);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    return f;
}

static const struct dns_answer *expect(struct facts *facts, const char *name, uint16_t type,
                                       enum dns_outcome outcome, enum dns_proof proof)
{
    const struct dns_answer *a = facts_ask(facts, name, type);
    assert_non_null(a);
    if (a->outcome != outcome || a->proof != proof)
        fail_msg("%s: outcome %d, %s: %s", name, a->outcome, dns_proof_word(a->proof), a->why.text);
    assert_int_equal(why_is_set(&a->why), outcome == DNS_FAILED);
    return a;
}

static void each_lie_becomes_what_it_is(void **state)
{
    (void)state;
    struct cfg_dns_server one = at("127.0.0.1", server.port);
    struct dns *dns = open_stub(&one, 1, DNS_TRUST_AUTO);
    static const char *const names[] = {
        "secure.test",  "insecure.test", "nx.test",    "nodata.test", "servfail.test",
        "refused.test", "bogus.test",    "alias.test", "chain.test",  "loop.test",
        "Secure.TEST.", "a..test",       NULL};
    struct facts *f = ask(dns, DNS_A, names);
    const struct dns_answer *a = expect(f, "secure.test", DNS_A, DNS_FOUND, DNS_SECURE);
    assert_int_equal(a->nrecords, 1);
    assert_memory_equal(a->records[0].rdata.p, "\xc0\0\2\1", 4);
    assert_int_equal(a->ttl, 60);
    expect(f, "insecure.test", DNS_A, DNS_FOUND, DNS_INSECURE);
    a = expect(f, "nx.test", DNS_A, DNS_ABSENT, DNS_SECURE);
    assert_true(a->nxdomain);
    assert_int_equal(a->ttl, 20); // the SOA's last field
    a = expect(f, "nodata.test", DNS_A, DNS_ABSENT, DNS_SECURE);
    assert_false(a->nxdomain);
    a = expect(f, "servfail.test", DNS_A, DNS_FAILED, DNS_UNPROVEN);
    assert_non_null(strstr(a->why.text, "SERVFAIL"));
    expect(f, "refused.test", DNS_A, DNS_FAILED, DNS_UNPROVEN);
    a = expect(f, "bogus.test", DNS_A, DNS_FAILED, DNS_BOGUS);
    assert_int_equal(a->nrecords, 0);
    a = expect(f, "alias.test", DNS_A, DNS_FOUND, DNS_INSECURE);
    assert_true(a->alias && a->alias_secure);
    assert_string_equal(a->canonical, "insecure.test");
    a = expect(f, "chain.test", DNS_A, DNS_FOUND, DNS_SECURE);
    assert_true(a->alias && a->alias_secure);
    assert_string_equal(a->canonical, "secure.test");
    expect(f, "loop.test", DNS_A, DNS_FAILED, DNS_UNPROVEN);
    expect(f, "a..test", DNS_A, DNS_ABSENT, DNS_INSECURE);
    facts_free(f);
    static const char *const late[] = {"lost.test", "garbage.test", "silent.test", NULL};
    f = ask_in_haste(dns, DNS_A, late);
    expect(f, "lost.test", DNS_A, DNS_FOUND, DNS_SECURE);
    expect(f, "garbage.test", DNS_A, DNS_FAILED, DNS_UNPROVEN);
    a = expect(f, "silent.test", DNS_A, DNS_FAILED, DNS_UNPROVEN);
    assert_non_null(strstr(a->why.text, "no answer in time"));
    facts_free(f);
    static const char *const mx[] = {"secure.test", NULL};
    f = ask(dns, DNS_MX, mx);
    a = expect(f, "secure.test", DNS_MX, DNS_FOUND, DNS_SECURE);
    struct dns_mx first;
    assert_int_equal(a->nrecords, 2);
    for (size_t i = 0; i < 2; i++) { // the server shuffles them
        assert_true(rdata_mx(a->records[i].rdata, &first));
        assert_string_equal(first.host, first.preference == 10 ? "mx.secure.test" : "");
    }
    facts_free(f);
    dns_close(dns);
}

static void a_cut_reply_is_asked_for_over_tcp(void **state)
{
    (void)state;
    struct cfg_dns_server one = at("127.0.0.1", server.port);
    struct dns *dns = open_stub(&one, 1, DNS_TRUST_AUTO);
    static const char *const names[] = {"big.test", "cut.test", NULL};
    struct facts *f = ask(dns, DNS_TXT, names);
    const struct dns_answer *a = expect(f, "big.test", DNS_TXT, DNS_FOUND, DNS_SECURE);
    assert_int_equal(a->nrecords, 100);
    expect(f, "cut.test", DNS_TXT, DNS_FAILED, DNS_UNPROVEN);
    facts_free(f);
    dns_close(dns);
}

static void a_dead_server_is_passed_over(void **state)
{
    (void)state;
    struct cfg_dns_server two[] = {at("127.0.0.1", 9), at("127.0.0.1", server.port)};
    struct dns *dns = open_stub(two, 2, DNS_TRUST_AUTO);
    static const char *const names[] = {"secure.test", "nx.test", "servfail.test", NULL};
    struct facts *f = ask_in_haste(dns, DNS_A, names);
    expect(f, "secure.test", DNS_A, DNS_FOUND, DNS_SECURE);
    expect(f, "nx.test", DNS_A, DNS_ABSENT, DNS_SECURE);
    expect(f, "servfail.test", DNS_A, DNS_FAILED, DNS_UNPROVEN);
    facts_free(f);
    dns_close(dns);
}

static unsigned questions(struct dns *dns, const char *about)
{
    char *name = mem_printf("count.%s.test", about);
    const char *names[] = {name, NULL};
    struct facts *f = ask(dns, DNS_TXT, names);
    const struct dns_answer *a = facts_ask(f, name, DNS_TXT);
    struct buf text;
    buf_init(&text, 20);
    assert_int_equal(a->outcome, DNS_FOUND);
    assert_true(rdata_txt(a->records[0].rdata, &text));
    unsigned n = (unsigned)atoi(buf_text(&text));
    buf_free(&text);
    facts_free(f);
    free(name);
    return n;
}

// The downgrade that a fallback would be: whoever silences the trusted server decides.
static void an_untrusted_server_is_no_fallback_for_a_trusted_one(void **state)
{
    (void)state;
    struct server other;
    assert_int_equal(start_server("127.0.0.2", &other), 0);
    struct cfg_dns_server two[] = {at("127.0.0.1", 9), at("127.0.0.2", other.port)};
    struct dns *dns = open_stub(two, 2, DNS_TRUST_AUTO);
    static const char *const names[] = {"secure.test", NULL};
    struct facts *f = ask_in_haste(dns, DNS_A, names);
    expect(f, "secure.test", DNS_A, DNS_FAILED, DNS_UNPROVEN);
    facts_free(f);
    dns_close(dns);
    // Alone it is asked, and proves nothing; where the operator says so it does.
    dns = open_stub(two + 1, 1, DNS_TRUST_AUTO);
    f = ask(dns, DNS_A, names);
    expect(f, "secure.test", DNS_A, DNS_FOUND, DNS_INSECURE);
    facts_free(f);
    dns_close(dns);
    dns = open_stub(two + 1, 1, DNS_TRUST_AD);
    f = ask(dns, DNS_A, names);
    expect(f, "secure.test", DNS_A, DNS_FOUND, DNS_SECURE);
    facts_free(f);
    dns_close(dns);
    stop_server(&other);
}

static struct dns_state checked(struct dns *dns)
{
    struct dns_state s;
    do {
        usleep(10000);
        dns_get_state(dns, &s);
    } while (s.health == DNS_HEALTH_UNKNOWN);
    return s;
}

static void the_self_check_says_what_is_wrong(void **state)
{
    (void)state;
    struct cfg_dns_server one = at("127.0.0.1", server.port);
    struct dns *dns = open_stub(&one, 1, DNS_TRUST_OFF);
    struct dns_state s = checked(dns);
    assert_int_equal(s.health, DNS_HEALTH_BROKEN);
    assert_non_null(strstr(s.text, "no DNS server is trusted"));
    dns_close(dns);
    struct dns_options options = {.resolver = mem_printf("127.0.0.1:%u", server.port)};
    struct why why;
    assert_non_null(dns = dns_open(&options, &why));
    s = checked(dns);
    assert_int_equal(s.health, DNS_HEALTH_OK);
    assert_int_equal(s.text[0], 0);
    dns_close(dns);
    free((char *)options.resolver);
    static const char *const wrong[] = {"",       "nonsense",  "127.0.0.1:x", "127.0.0.1:70000",
                                        "[::1]x", "127.0.0.1:"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options.resolver = wrong[i];
        assert_null(dns_open(&options, &why));
        assert_true(why_is_set(&why));
    }
}

static void one_lookup_serves_many_and_is_kept(void **state)
{
    (void)state;
    struct cfg_dns_server one = at("127.0.0.1", server.port);
    struct dns *dns = open_stub(&one, 1, DNS_TRUST_AUTO);
    unsigned before = questions(dns, "insecure");
    static const char *const names[] = {"insecure.once.test", NULL};
    for (int i = 0; i < 5; i++)
        facts_free(ask(dns, DNS_A, names));
    struct dns_state s;
    dns_get_state(dns, &s);
    assert_int_equal(s.cache_hits, 4);
    dns_forget(dns, "test");
    assert_int_equal(questions(dns, "insecure"), before + 1);
    facts_free(ask(dns, DNS_A, names));
    dns_forget(dns, "test");
    assert_int_equal(questions(dns, "insecure"), before + 2);
    dns_close(dns);
}

// A burst far above every bound: all are answered, and names of one zone do not starve.
static void a_burst_is_answered(void **state)
{
    (void)state;
    struct cfg_dns_server one = at("127.0.0.1", server.port);
    struct dns *dns = open_stub(&one, 1, DNS_TRUST_AUTO);
    enum { N = 600 };
    const char *names[N + 1] = {NULL};
    for (int i = 0; i < N; i++)
        names[i] = mem_printf("secure.n%d.zone%d.test", i, i % 50);
    struct facts *f = ask(dns, DNS_A, names);
    for (int i = 0; i < N; i++) {
        expect(f, names[i], DNS_A, DNS_FOUND, DNS_SECURE);
        free((char *)names[i]);
    }
    facts_free(f);
    dns_close(dns);
}

static void first_of_two(const struct dns_answer *answer, void *arg)
{
    uint16_t *first = arg;
    if (!*first)
        *first = answer->type;
    assert_int_equal(answer->outcome, DNS_FAILED);
}

// A host whose A is there does not wait as long for its AAAA as for an answer that nothing goes without.
static void case_62_a_late_aaaa_is_given_up_before_an_a(void **state)
{
    (void)state;
    struct cfg_dns_server one = at("127.0.0.1", server.port);
    struct dns *dns = open_stub(&one, 1, DNS_TRUST_AUTO);
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct inbox *mail = inbox_open(&loop);
    uint16_t first = 0;
    struct dns_request *a = dns_ask(dns, mail, "silent.test", DNS_A, first_of_two, &first);
    dns_ask(dns, mail, "silent.test", DNS_AAAA, first_of_two, &first);
    while (!first)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(first, DNS_AAAA);
    dns_cancel(a);
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    dns_close(dns);
}

static void closing_does_not_wait_for_lookups(void **state)
{
    (void)state;
    struct cfg_dns_server one = at("127.0.0.1", server.port);
    struct dns *dns = open_stub(&one, 1, DNS_TRUST_AUTO);
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct inbox *mail = inbox_open(&loop);
    struct dns_request *r = dns_ask(dns, mail, "silent.test", DNS_A, NULL, NULL);
    usleep(100000);
    dns_cancel(r); // a callback would crash
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    dns_close(dns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lie_becomes_what_it_is),
        cmocka_unit_test(a_cut_reply_is_asked_for_over_tcp),
        cmocka_unit_test(a_dead_server_is_passed_over),
        cmocka_unit_test(an_untrusted_server_is_no_fallback_for_a_trusted_one),
        cmocka_unit_test(the_self_check_says_what_is_wrong),
        cmocka_unit_test(one_lookup_serves_many_and_is_kept),
        cmocka_unit_test(a_burst_is_answered),
        cmocka_unit_test(case_62_a_late_aaaa_is_given_up_before_an_a),
        cmocka_unit_test(closing_does_not_wait_for_lookups),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
