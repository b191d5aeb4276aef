// SPDX-License-Identifier: ISC
// An own domain as receivers see it: what is found fault with, and what to publish instead.
#include "tests/unit/zone_story.h"
#include <arpa/inet.h>
#include "relay/audit/audit.h"
#include "relay/base/buf.h"
#include "tls/sts.h"

static struct sign_key *key;
static char *record; // of the key
static char selector[] = "k1", key_file[] = "k1.pem", domain[] = "example.org";
static char covering[] = "mx.example.org", other_host[] = "mail.example.org",
            below[] = "sub.example.org";
static struct cfg_key key_rows[] = {{.selector = selector, .file = key_file}};
static struct cfg_dkim_domain key_config = {
    .domain = domain, .subdomains = true, .keys = key_rows, .nkeys = 1};
static struct setup_domain keys = {.config = &key_config, .keys = &key};

static int make_key(void **state)
{
    (void)state;
    struct why why;
    struct buf text;
    key = sign_key_new(KEY_RSA, 2048, &why);
    assert_non_null(key);
    buf_init(&text, 4096);
    assert_int_equal(sign_key_record(key, &text), 0);
    record = buf_take(&text);
    return 0;
}

static int free_key(void **state)
{
    (void)state;
    sign_key_unref(key);
    free(record);
    return 0;
}

static char *pattern = covering;
static struct sts_view enforced = {
    .mode = STS_ENFORCE, .mx = &pattern, .nmx = 1, .fetched_s = 0, .expires_s = 2419200};

struct subject {
    const char *ip;
    const struct setup_domain *keys;
    const struct sts_view *sts;
    bool private_address, smarthost;
};

static struct audit run(const char *json, const struct subject *subject)
{
    struct zone zone = zone_open(json);
    struct audit_addresses addresses = {0};
    struct sockaddr_storage address = {.ss_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, subject->ip, &((struct sockaddr_in *)&address)->sin_addr),
                     1);
    audit_addresses_add(&addresses, &address, !subject->private_address);
    struct audit_input in = {.domain = "example.org",
                             .keys = subject->keys,
                             .helo = "relay.example.org",
                             .addresses = &addresses,
                             .smarthost = subject->smarthost,
                             .sts = subject->sts,
                             .now_s = 1795292940};
    struct audit audit;
    while (audit_evaluate(&in, zone.facts, &audit)) {
        assert_int_equal(audit.n, 0);
        zone_serve(&zone);
    }
    assert_true(zone.rounds <= 3); // asks all it can at once
    zone_close(&zone);
    audit_addresses_free(&addresses);
    return audit;
}

// The first finding about something of this severity; NULL: none.
static const struct audit_finding *find(const struct audit *audit, const char *about,
                                        enum audit_severity severity)
{
    for (size_t i = 0; i < audit->n; i++)
        if (strcmp(audit->at[i].about, about) == 0 && audit->at[i].severity == severity)
            return &audit->at[i];
    return NULL;
}

// A zone in which all is well, with `changed` records in the place of the usual ones.
static char *zone_with(const char *txt, const char *dkim, const char *dmarc, const char *more)
{
    char *cut = dkim ? mem_dup(dkim) : mem_printf("[['%.200s','%s']]", record, record + 200);
    char *json = mem_printf(
        "{'records':{'example.org':{'TXT':[%s],'MX':[[10,'mx.example.org']]},"
        "'mx.example.org':{'A':['192.0.2.25']},"
        "'k1._domainkey.example.org':{'TXT':%s},"
        "'_dmarc.example.org':{'TXT':[%s]},"
        "'_mta-sts.example.org':{'TXT':['v=STSv1; id=1']},"
        "'_smtp._tls.example.org':{'TXT':['v=TLSRPTv1; rua=mailto:t@example.org']}"
        "%s}}",
        txt ? txt : "'v=spf1 ip4:192.0.2.1 -all'", cut,
        dmarc ? dmarc : "'v=DMARC1; p=reject; rua=mailto:d@example.org'", more ? more : "");
    free(cut);
    return json;
}

static const struct subject usual = {"192.0.2.1", &keys, &enforced, false, false};

static void where_all_is_well_nothing_is_to_be_published(void **state)
{
    (void)state;
    char *json = zone_with(NULL, NULL, NULL, NULL);
    struct audit audit = run(json, &usual);
    for (size_t i = 0; i < audit.n; i++)
        if (audit.at[i].severity != AUDIT_OK || audit.at[i].name)
            fail_msg("%s", audit.at[i].text);
    assert_int_equal(audit_worst(&audit), AUDIT_OK);
    static const char *const topics[] = {"spf", "dkim", "dmarc", "mta-sts", "tls-rpt"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        assert_non_null(find(&audit, topics[i], AUDIT_OK));
    audit_free(&audit);
    free(json);
}

static void spf_without_this_relay(void **state)
{
    (void)state;
    char *json = zone_with("'v=spf1 mx ~all'", NULL, NULL, NULL);
    struct audit audit = run(json, &usual);
    const struct audit_finding *f = find(&audit, "spf", AUDIT_PROBLEM);
    assert_non_null(f);
    assert_string_equal(f->name, "example.org");
    assert_string_equal(f->record, "v=spf1 ip4:192.0.2.1 mx ~all"); // what is there stays
    assert_int_equal(audit_worst(&audit), AUDIT_PROBLEM);
    audit_free(&audit);
    // A private address may be another one outside, and a smarthost sends from its own.
    for (int i = 0; i < 2; i++) {
        struct subject s = usual;
        s.private_address = i == 0;
        s.smarthost = i == 1;
        audit = run(json, &s);
        assert_null(find(&audit, "spf", AUDIT_PROBLEM));
        assert_non_null(find(&audit, "spf", AUDIT_ADVICE));
        audit_free(&audit);
    }
    free(json);
}

static void spf_that_lets_everybody_send(void **state)
{
    (void)state;
    char *json = zone_with("'v=spf1 +all'", NULL, NULL, NULL);
    struct audit audit = run(json, &usual);
    assert_non_null(find(&audit, "spf", AUDIT_PROBLEM));
    audit_free(&audit);
    free(json);
    json = zone_with("'v=spf1 ip4:192.0.2.1'", NULL, NULL, NULL);
    audit = run(json, &usual);
    assert_string_equal(find(&audit, "spf", AUDIT_ADVICE)->record, "v=spf1 ip4:192.0.2.1 -all");
    audit_free(&audit);
    free(json);
    // A record nobody can read is replaced whole.
    json = zone_with("'v=spf1 ipv4:192.0.2.1 -all'", NULL, NULL, NULL);
    audit = run(json, &usual);
    assert_string_equal(find(&audit, "spf", AUDIT_PROBLEM)->record, "v=spf1 ip4:192.0.2.1 -all");
    audit_free(&audit);
    free(json);
}

static void keys_held_are_not_the_keys_published(void **state)
{
    (void)state;
    const char *const wrong[] = {"['v=DKIM1; p=']", "['v=DKIM1; k=rsa; p=AAAA']", "['x']"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *json = zone_with(NULL, wrong[i], NULL, NULL);
        struct audit audit = run(json, &usual);
        const struct audit_finding *f = find(&audit, "dkim", AUDIT_PROBLEM);
        assert_non_null(f);
        assert_string_equal(f->name, "k1._domainkey.example.org");
        assert_string_equal(f->record, record);
        audit_free(&audit);
        free(json);
    }
    struct subject s = usual;
    s.keys = NULL;
    char *json = zone_with(NULL, NULL, NULL, NULL);
    struct audit audit = run(json, &s);
    assert_non_null(find(&audit, "dkim", AUDIT_PROBLEM));
    audit_free(&audit);
    free(json);
}

static void dmarc_that_holds_nothing_together(void **state)
{
    (void)state;
    const char *const wrong[] = {"'x'", "'v=DMARC1; p=none','v=DMARC1; p=none'",
                                 "'v=DMARC1; p=rej'"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *json = zone_with(NULL, NULL, wrong[i], NULL);
        struct audit audit = run(json, &usual);
        const struct audit_finding *f = find(&audit, "dmarc", AUDIT_PROBLEM);
        assert_non_null(f);
        assert_string_equal(f->name, "_dmarc.example.org");
        audit_free(&audit);
        free(json);
    }
    char *json = zone_with(NULL, NULL, "'v=DMARC1; p=none; t=y'", NULL);
    struct audit audit = run(json, &usual);
    assert_null(find(&audit, "dmarc", AUDIT_PROBLEM));
    assert_non_null(find(&audit, "dmarc", AUDIT_ADVICE));
    audit_free(&audit);
    free(json);
}

static void signatures_that_are_not_aligned(void **state)
{
    (void)state;
    struct cfg_dkim_domain above = key_config;
    above.domain = below;
    struct setup_domain others = {.config = &above, .keys = &key};
    struct subject s = usual;
    s.keys = &others;
    char *json =
        zone_with(NULL, NULL, "'v=DMARC1; p=reject; adkim=s; rua=mailto:d@example.org'", NULL);
    struct audit audit = run(json, &s);
    assert_non_null(find(&audit, "dmarc", AUDIT_PROBLEM));
    audit_free(&audit);
    free(json);
}

static void mta_sts_that_does_not_cover_an_mx(void **state)
{
    (void)state;
    char *json = zone_with(NULL, NULL, NULL, NULL);
    char *other = other_host;
    struct sts_view view = enforced;
    struct subject s = usual;
    view.mx = &other;
    s.sts = &view;
    struct audit audit = run(json, &s);
    assert_non_null(find(&audit, "mta-sts", AUDIT_PROBLEM));
    audit_free(&audit);
    view = (struct sts_view){.mode = -1};
    why_set(&view.error, WHY_DOMAIN, "4.7.5", "status 404");
    audit = run(json, &s);
    const struct audit_finding *f = find(&audit, "mta-sts", AUDIT_PROBLEM);
    assert_non_null(strstr(f->text, "status 404"));
    audit_free(&audit);
    free(json);
}

static void tlsa_records_are_signed_and_usable(void **state)
{
    (void)state;
    const struct {
        const char *tlsa, *marks;
        enum audit_severity severity;
    } cases[] = {
        {"3 1 1", "'secure':['*']", AUDIT_OK},
        {"0 0 1", "'secure':['*']", AUDIT_PROBLEM},
        {"3 1 1", "'secure':['*'],'insecure':['_25._tcp.mx.example.org']", AUDIT_PROBLEM},
        {"3 1 1", "'secure':['*'],'insecure':['mx.example.org']", AUDIT_ADVICE},
        {"3 1 1", "'secure':['*'],'errors':{'_25._tcp.mx.example.org|TLSA':'SERVFAIL'}",
         AUDIT_PROBLEM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = mem_printf("{'records':{'example.org':{'MX':[[1,'mx.example.org']]},"
                                "'mx.example.org':{'A':['192.0.2.25']},'_25._tcp.mx.example.org':"
                                "{'TLSA':['%.5s %064d']}},%s}",
                                cases[i].tlsa, 0, cases[i].marks);
        struct audit audit = run(json, &usual);
        if (!find(&audit, "tlsa", cases[i].severity))
            fail_msg("%s %s", cases[i].tlsa, cases[i].marks);
        audit_free(&audit);
        free(json);
    }
}

static void a_domain_without_anything(void **state)
{
    (void)state;
    struct subject s = {"192.0.2.1", NULL, NULL, false, false};
    struct audit audit = run("{'records':{'example.org':{'MX':[[0,'.']]}}}", &s);
    assert_string_equal(find(&audit, "spf", AUDIT_PROBLEM)->record, "v=spf1 ip4:192.0.2.1 -all");
    assert_non_null(find(&audit, "mx", AUDIT_OK)); // null MX: it takes no mail
    assert_string_equal(find(&audit, "tls-rpt", AUDIT_ADVICE)->name, "_smtp._tls.example.org");
    audit_free(&audit);
}

static void a_dead_dns_is_no_verdict(void **state)
{
    (void)state;
    struct audit audit =
        run("{'errors':{'example.org|*':'TIMEOUT','_dmarc.example.org|*':'SERVFAIL',"
            "'k1._domainkey.example.org|*':'TIMEOUT',"
            "'_smtp._tls.example.org|*':'TIMEOUT','org|*':'TIMEOUT'}}",
            &usual);
    assert_true(audit_temporary(&audit));
    assert_int_equal(audit_worst(&audit), AUDIT_OK);
    audit_free(&audit);
}

static void what_strangers_write_is_made_harmless(void **state)
{
    (void)state;
    struct subject s = usual;
    struct audit audit = run("{'records':{'example.org':{'TXT':['v=spf1 \\u001b[2J -all']}}}", &s);
    for (size_t i = 0; i < audit.n; i++)
        for (const char *c = audit.at[i].text; *c; c++)
            assert_true(*c >= ' ' && *c <= '~');
    audit_free(&audit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_all_is_well_nothing_is_to_be_published),
        cmocka_unit_test(spf_without_this_relay),
        cmocka_unit_test(spf_that_lets_everybody_send),
        cmocka_unit_test(keys_held_are_not_the_keys_published),
        cmocka_unit_test(dmarc_that_holds_nothing_together),
        cmocka_unit_test(signatures_that_are_not_aligned),
        cmocka_unit_test(mta_sts_that_does_not_cover_an_mx),
        cmocka_unit_test(tlsa_records_are_signed_and_usable),
        cmocka_unit_test(a_domain_without_anything),
        cmocka_unit_test(a_dead_dns_is_no_verdict),
        cmocka_unit_test(what_strangers_write_is_made_harmless),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
