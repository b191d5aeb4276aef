// SPDX-License-Identifier: ISC
// An own domain as receivers see it: what is found fault with, and what to publish instead.
#include "tests/unit/zone_story.h"
#include "relay/audit/audit.h"
#include "relay/base/address.h"
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
    const struct config *config;
    int64_t ends_s, made_s;
    const char *fault;
};

static struct audit run(const char *json, const struct subject *subject)
{
    struct zone zone = zone_open(json);
    struct audit_addresses addresses = {0};
    struct sockaddr_storage address;
    assert_true(address_read(span_text(subject->ip), 0, &address));
    audit_addresses_add(&addresses, &address, !subject->private_address);
    struct audit_input in = {.domain = "example.org",
                             .keys = subject->keys,
                             .helo = "relay.example.org",
                             .addresses = &addresses,
                             .smarthost = subject->smarthost,
                             .sts = subject->sts,
                             .config = subject->config,
                             .certificate_ends_s = subject->ends_s,
                             .certificate_fault = subject->fault,
                             .key_made_s = subject->made_s ? &subject->made_s : NULL,
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
        "'relay.example.org':{'A':['192.0.2.1'],'TXT':['v=spf1 a -all']},"
        "'1.2.0.192.in-addr.arpa':{'PTR':['relay.example.org']},"
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

static const struct subject usual = {.ip = "192.0.2.1", .keys = &keys, .sts = &enforced};

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
    struct subject s = {.ip = "192.0.2.1"};
    struct audit audit = run("{'records':{'example.org':{'MX':[[0,'.']]}}}", &s);
    assert_string_equal(find(&audit, "spf", AUDIT_PROBLEM)->record, "v=spf1 ip4:192.0.2.1 -all");
    assert_non_null(find(&audit, "mx", AUDIT_OK)); // null MX: it takes no mail
    assert_string_equal(find(&audit, "tls-rpt", AUDIT_ADVICE)->name, "_smtp._tls.example.org");
    audit_free(&audit);
}

static void a_dead_dns_is_no_verdict(void **state)
{
    (void)state;
    struct audit audit = run("{'errors':{'example.org|*':'TIMEOUT','relay.example.org|*':'TIMEOUT',"
                             "'1.2.0.192.in-addr.arpa|*':'TIMEOUT',"
                             "'_dmarc.example.org|*':'SERVFAIL',"
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

// ---- addresses

static char listed_zone[] = "bl.test", refusing_zone[] = "refuses.test", odd_zone[] = "odd.test",
            silent_zone[] = "silent.test", clean_zone[] = "clean.test";
static char *zones[] = {listed_zone, refusing_zone, odd_zone, silent_zone, clean_zone};
static char host_name[] = "relay.example.org";
static const struct config asking = {.hostname = host_name, .audit = {.dnsbl = {zones, 5}}},
                           plain = {.hostname = host_name};

// The finding whose text has this; NULL: none.
static const struct audit_finding *said(const struct audit *audit, const char *text)
{
    for (size_t i = 0; i < audit->n; i++)
        if (strstr(audit->at[i].text, text))
            return &audit->at[i];
    return NULL;
}

#define RELAY_A "'relay.example.org':{'A':['192.0.2.1'],'AAAA':['2001:db8::7']}"

static void case_393_an_address_has_a_name_that_leads_back(void **state)
{
    (void)state;
    const struct {
        const char *zone, *text;
        enum audit_severity severity;
        bool temporary;
    } cases[] = {
        {"{'records':{" RELAY_A "}}", "192.0.2.1 has no name in the DNS", AUDIT_PROBLEM, false},
        {"{'records':{" RELAY_A ",'1.2.0.192.in-addr.arpa':{'PTR':['relay.example.org']}}}",
         "192.0.2.1 is called relay.example.org, and that leads back", AUDIT_OK, false},
        {"{'records':{" RELAY_A ",'1.2.0.192.in-addr.arpa':{'PTR':['host1.isp.test']},"
         "'host1.isp.test':{'A':['192.0.2.9']}}}",
         "192.0.2.1 is called host1.isp.test, and that name does not lead back", AUDIT_PROBLEM,
         false},
        {"{'records':{" RELAY_A ",'1.2.0.192.in-addr.arpa':{'PTR':['host1.isp.test']},"
         "'host1.isp.test':{'A':['192.0.2.1']}}}",
         "192.0.2.1 is called host1.isp.test, and the relay says relay.example.org", AUDIT_ADVICE,
         false},
        {"{'records':{" RELAY_A "},'errors':{'1.2.0.192.in-addr.arpa|PTR':'SERVFAIL'}}",
         "is not known", AUDIT_PROBLEM, true},
        {"{'records':{" RELAY_A ",'1.2.0.192.in-addr.arpa':{'PTR':['host1.isp.test']}},"
         "'errors':{'host1.isp.test|A':'TIMEOUT'}}",
         "is not known", AUDIT_PROBLEM, true},
        {"{'records':{'relay.example.org':{'A':['192.0.2.3']}}}",
         "the name relay.example.org that the relay says does not lead to 192.0.2.1", AUDIT_ADVICE,
         false},
        {"{'errors':{'relay.example.org|A':'TIMEOUT'}}",
         "whether relay.example.org leads to 192.0.2.1 is not known", AUDIT_ADVICE, true},
        {"{'records':{'relay.example.org':{'A':['192.0.2.1'],'TXT':['v=spf1 -all']}}}",
         "SPF of relay.example.org, which notifications are judged by, says fail of 192.0.2.1",
         AUDIT_PROBLEM, false},
        {"{'records':{" RELAY_A "}}", "says none of 192.0.2.1", AUDIT_ADVICE, false},
    };
    struct subject s = {.ip = "192.0.2.1", .config = &plain};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit audit = run(cases[i].zone, &s);
        const struct audit_finding *f = said(&audit, cases[i].text);
        if (!f || f->severity != cases[i].severity || f->temporary != cases[i].temporary ||
            !f->relay)
            fail_msg("%s: %s", cases[i].zone, f ? f->text : "not said");
        if (f->severity == AUDIT_PROBLEM)
            assert_non_null(f->prevents);
        audit_free(&audit);
    }
}

static void case_394_ipv6_is_asked_for_by_its_nibbles(void **state)
{
    (void)state;
    struct subject s = {.ip = "2001:db8::7", .config = &asking};
    struct audit audit =
        run("{'records':{" RELAY_A
            ",'7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa':"
            "{'PTR':['relay.example.org']},"
            "'7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test':"
            "{'A':['127.0.0.4']}}}",
            &s);
    assert_non_null(said(&audit, "2001:db8::7 is called relay.example.org, and that leads back"));
    assert_non_null(said(&audit, "2001:db8::7 is listed in bl.test (127.0.0.4)"));
    audit_free(&audit);
}

static void case_395_only_a_listing_is_one(void **state)
{
    (void)state;
    struct subject s = {.ip = "192.0.2.1", .config = &asking};
    const char *zone =
        "{'records':{" RELAY_A ",'1.2.0.192.bl.test':{'A':['127.0.0.2','127.255.255.254'],"
        "'TXT':['see https://bl.test/\\u001b[2J']},"
        "'1.2.0.192.refuses.test':{'A':['127.255.255.254']},"
        "'1.2.0.192.odd.test':{'A':['198.51.100.1']}},"
        "'errors':{'1.2.0.192.silent.test|A':'TIMEOUT'}}";
    struct audit audit = run(zone, &s);
    const struct audit_finding *f =
        said(&audit, "is listed in bl.test (127.0.0.2): see https://bl.test/?[2J");
    assert_true(f && f->severity == AUDIT_PROBLEM && !f->temporary && f->prevents);
    assert_true(said(&audit, "refuses this resolver")->temporary);
    assert_true(said(&audit, "198.51.100.1, which is no listing")->temporary);
    assert_true(said(&audit, "in silent.test is not known")->temporary);
    assert_int_equal(said(&audit, "is not listed in clean.test")->severity, AUDIT_OK);
    assert_true(audit_temporary(&audit));
    audit_free(&audit);
    // Lists alone are no reason to look again soon: here DKIM, DMARC and SPF are answered.
    char *json = zone_with(NULL, NULL, NULL, ",'1.2.0.192.refuses.test':{'A':['127.255.255.254']}");
    struct subject known = usual;
    known.config = &asking;
    audit = run(json, &known);
    assert_true(audit_temporary(&audit) && !audit_worth_repeating(&audit));
    audit_free(&audit);
    free(json);
    s.config = &plain; // none by default
    audit = run(zone, &s);
    assert_null(find(&audit, "dnsbl", AUDIT_PROBLEM));
    audit_free(&audit);
    s.config = &asking; // others see the smarthost, or an address that is not known here
    s.smarthost = true;
    audit = run(zone, &s);
    assert_null(said(&audit, "bl.test"));
    audit_free(&audit);
}

// ---- records of DMARC, keys, certificates

static void case_396_tags_that_are_no_more_and_what_holds_below(void **state)
{
    (void)state;
    static const struct {
        const char *record, *text, *publish;
    } cases[] = {
        {"'v=DMARC1; p=reject; pct=50; rua=mailto:d@example.org; ri=3600;rf=afrf'",
         "do nothing: pct=50; ri=3600; rf=afrf", "v=DMARC1; p=reject; rua=mailto:d@example.org"},
        {"'v=DMARC1; p=reject; sp=none; rua=mailto:d@example.org'", "(sp=none)", NULL},
        {"'v=DMARC1; p=reject; np=none; rua=mailto:d@example.org'", "(np=none)", NULL},
        {"'v=DMARC1; p=reject; psd=y; rua=mailto:d@example.org'", "(psd=y)", NULL},
        {"'v=DMARC1; p=reject; psd=n; rua=mailto:d@example.org'", "(psd=n)", NULL},
        {"'v=DMARC1; p=reject; t=y; rua=mailto:d@example.org'", "(t=y)", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = zone_with(NULL, NULL, cases[i].record, NULL);
        struct audit audit = run(json, &usual);
        const struct audit_finding *f = said(&audit, cases[i].text);
        if (!f || (cases[i].publish && strcmp(f->record, cases[i].publish) != 0))
            fail_msg("%s", cases[i].record);
        audit_free(&audit);
        free(json);
    }
    char *json =
        zone_with(NULL, NULL, "'v=DMARC1; p=reject; np=reject; rua=mailto:d@example.org'", NULL);
    struct audit audit = run(json, &usual);
    assert_null(find(&audit, "dmarc", AUDIT_ADVICE));
    audit_free(&audit);
    free(json);
}

static void case_397_keys_and_certificates_grow_old(void **state)
{
    (void)state;
    const int64_t now = 1795292940, day = 86400;
    char *json = zone_with(NULL, NULL, NULL, NULL);
    struct sts_view view = enforced;
    struct subject s = usual;
    s.made_s = now - 500 * day;
    s.ends_s = now - 3 * day - 1;
    s.sts = &view;
    view.certificate_ends_s = now + 10 * day;
    struct audit audit = run(json, &s);
    assert_int_equal(said(&audit, "the key k1 is 500 days old")->severity, AUDIT_ADVICE);
    const struct audit_finding *f = said(&audit, "the relay's certificate has ended 3 days ago");
    assert_true(f && f->severity == AUDIT_PROBLEM && f->relay);
    f = said(&audit, "the certificate of mta-sts.example.org is valid for 10 more days");
    assert_true(f && f->severity == AUDIT_ADVICE && !f->relay &&
                strstr(f->prevents, "sts-webpki-invalid"));
    audit_free(&audit);
    s.made_s = now - 300 * day;
    s.ends_s = now + 60 * day;
    view.certificate_ends_s = now + 2 * day;
    audit = run(json, &s);
    assert_null(said(&audit, "days old"));
    assert_int_equal(said(&audit, "the relay's certificate is valid for 60")->severity, AUDIT_OK);
    assert_int_equal(said(&audit, "mta-sts.example.org is valid for 2")->severity, AUDIT_PROBLEM);
    audit_free(&audit);
    free(json);
}

// A dead resolver and a certificate that has ended: the one is not known, the other is.
static void case_398_two_faults_at_once_are_told_apart(void **state)
{
    (void)state;
    struct sts_view view = {.mode = -1};
    struct subject s = {
        .ip = "192.0.2.1", .keys = &keys, .sts = &view, .config = &asking, .ends_s = 1};
    why_set(&view.error, WHY_DOMAIN, "4.7.5", "no address could be looked up");
    const char *dead = "{'records':{'_mta-sts.example.org':{'TXT':['v=STSv1; id=1']},"
                       "'example.org':{'MX':[[1,'mx.example.org']]}},"
                       "'errors':{'example.org|TXT':'TIMEOUT','relay.example.org|*':'TIMEOUT',"
                       "'1.2.0.192.in-addr.arpa|*':'TIMEOUT','mx.example.org|*':'TIMEOUT',"
                       "'_25._tcp.mx.example.org|*':'TIMEOUT','mta-sts.example.org|*':'TIMEOUT',"
                       "'1.2.0.192.bl.test|*':'TIMEOUT','1.2.0.192.refuses.test|*':'TIMEOUT',"
                       "'1.2.0.192.odd.test|*':'TIMEOUT','1.2.0.192.silent.test|*':'TIMEOUT',"
                       "'1.2.0.192.clean.test|*':'TIMEOUT',"
                       "'_dmarc.example.org|*':'SERVFAIL','k1._domainkey.example.org|*':'TIMEOUT',"
                       "'_smtp._tls.example.org|*':'TIMEOUT','org|*':'TIMEOUT'}}";
    struct audit audit = run(dead, &s);
    for (size_t i = 0; i < audit.n; i++) {
        const struct audit_finding *f = &audit.at[i];
        bool ended = strcmp(f->about, "certificate") == 0;
        if (f->severity == AUDIT_PROBLEM && f->temporary == ended)
            fail_msg("%s: %s", f->about, f->text);
        if (f->temporary && f->name)
            fail_msg("%s: what is not known is to be published", f->text);
    }
    assert_int_equal(audit_worst(&audit), AUDIT_PROBLEM);
    assert_true(audit_temporary(&audit) && audit_worth_repeating(&audit));
    audit_free(&audit);
    s.fault = "chain.pem: Permission denied";
    audit = run(dead, &s);
    assert_true(said(&audit, "the relay's certificate ends is not known: chain.pem")->temporary);
    assert_int_equal(audit_worst(&audit), AUDIT_OK);
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
        cmocka_unit_test(case_393_an_address_has_a_name_that_leads_back),
        cmocka_unit_test(case_394_ipv6_is_asked_for_by_its_nibbles),
        cmocka_unit_test(case_395_only_a_listing_is_one),
        cmocka_unit_test(case_396_tags_that_are_no_more_and_what_holds_below),
        cmocka_unit_test(case_397_keys_and_certificates_grow_old),
        cmocka_unit_test(case_398_two_faults_at_once_are_told_apart),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
