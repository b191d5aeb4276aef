// SPDX-License-Identifier: ISC
// The one door: what is said of a message, whose word counts, and what is sealed.
#include "tests/unit/sign_story.h"

#include <arpa/inet.h>
#include "sign/message_auth.h"
#include "sign/dkim_sign.h"

#define MX "mx.example.com"
#define RECEIVED                                                                                   \
    "Received: from [192.0.2.9] (by evil.example)\r\n by " MX " (Postfix) with ESMTP id 1;\r\n"    \
    " Sat, 21 Nov 2026 20:49:00 +0000\r\n"
#define FOREIGN "Received: by elsewhere.example; Sat, 21 Nov 2026 20:48:00 +0000\r\n"
#define MESSAGE "From: a@example.org\r\nTo: b@c.example\r\nSubject: hello\r\n\r\nHello world\r\n"

static struct sign_key *rsa;
static char *trusted_ids[] = {(char *)(uintptr_t)MX};
static const struct strings trusted_list = {trusted_ids, 1};

struct story {
    struct header header;
    struct message_auth *auth;
    char *message;
};

static uint64_t hops;                           // of the stories that follow
static const char *mail_from = "a@example.org"; //
static const char *helo = "client.example.org"; //

static void begin(struct story *s, char *message, const struct strings *trust)
{
    s->message = message;
    s->header = story_header(message);
    struct message_auth_input in = {.header = &s->header,
                                    .authserv_id = "relay.example.com",
                                    .mail_from = mail_from,
                                    .helo = helo,
                                    .trust_results_of = trust,
                                    .trusted_hops = hops,
                                    .now_s = 1000};
    s->auth = message_auth_new(&in);
    story_feed(message_auth_hashes(s->auth), &s->header, message);
    struct facts *zone = facts_new();
    story_publish_key(zone, "s._domainkey.example.org", rsa);
    while (message_auth_evaluate(s->auth, zone))
        story_nothing_else(zone);
    facts_free(zone);
}

static void end(struct story *s)
{
    message_auth_free(s->auth);
    header_free(&s->header);
    free(s->message);
}

static char *results(const struct story *s)
{
    struct buf out;
    buf_init(&out, STORY_MAX);
    assert_int_equal(message_auth_results(s->auth, &out), 0);
    return buf_take(&out);
}

static char *seal(const struct story *s)
{
    struct buf out;
    struct why why;
    buf_init(&out, STORY_MAX);
    struct seal how = {.domain = "example.org", .selector = "s", .key = rsa, .time = 1000};
    assert_int_equal(message_auth_seal(s->auth, &how, &out, &why), 0);
    return buf_take(&out);
}

static void assert_says(const struct story *s, const char *what, bool says)
{
    char *field = results(s);
    if (!strstr(field, what) == says)
        fail_msg("'%s' %s: %s", what, says ? "missing" : "there", field);
    free(field);
}

// The message signed by d=, with fields on top.
static char *signed_message(const char *on_top, const char *domain)
{
    struct header h = story_header(MESSAGE);
    struct body_hashes *hashes = body_hashes_new();
    body_hashes_want(hashes, CANON_RELAXED, CANON_NO_LIMIT);
    story_feed(hashes, &h, MESSAGE);
    struct dkim_sign how = {.domain = domain,
                            .selector = "s",
                            .key = rsa,
                            .header_canon = CANON_RELAXED,
                            .body_canon = CANON_RELAXED};
    struct buf out;
    struct why why;
    buf_init(&out, STORY_MAX);
    assert_int_equal(dkim_sign(&how, &h, hashes, &out, &why), 0);
    char *whole = mem_printf("%s%s%s", on_top, buf_text(&out), MESSAGE);
    buf_free(&out);
    body_hashes_free(hashes);
    header_free(&h);
    return whole;
}

static void what_is_found_is_told(void **state)
{
    (void)state;
    struct story s;
    begin(&s, signed_message("", "example.org"), NULL);
    assert_says(&s, "Authentication-Results: relay.example.com;", true);
    assert_says(&s, "dkim=pass (1024-bit key) header.d=example.org header.s=s", true);
    assert_says(&s, "arc=none", true);
    assert_says(&s, "spf=", false); // no client, nothing to say
    assert_string_equal(message_auth_arc(s.auth), "none");
    struct buf summary;
    buf_init(&summary, 200);
    message_auth_summary(s.auth, &summary);
    assert_non_null(strstr(buf_text(&summary), "spf=none dkim=pass arc=none dmarc="));
    buf_free(&summary);
    end(&s);
    begin(&s, mem_dup(MESSAGE), NULL);
    assert_says(&s, "dkim=none", true);
    end(&s);
}

static void the_origin_test_wants_an_aligned_signature(void **state)
{
    (void)state;
    struct story s;
    begin(&s, signed_message("", "example.org"), NULL);
    assert_true(message_auth_dkim_aligned(s.auth, "example.org"));
    assert_true(message_auth_dkim_aligned(s.auth, "sub.example.org"));
    assert_false(message_auth_dkim_aligned(s.auth, "notexample.org"));
    assert_false(message_auth_dkim_aligned(s.auth, "org"));
    assert_false(message_auth_dkim_aligned(s.auth, "example.com"));
    end(&s);
    char *changed = signed_message("", "example.org");
    strstr(changed, "Hello world")[0] = 'J';
    begin(&s, changed, NULL);
    assert_false(message_auth_dkim_aligned(s.auth, "example.org"));
    end(&s);
}

#define AR(id, rest) "Authentication-Results: " id "; " rest "\r\n"

static void case_12_trusted_results_are_read_first(void **state)
{
    (void)state;
    struct story s;
    begin(&s,
          mem_printf("%s", AR(MX, "spf=pass smtp.mailfrom=a@example.org; dkim=fail (odd);"
                                  "\r\n auth=pass smtp.auth=joe; dmarc=pass") RECEIVED MESSAGE),
          &trusted_list);
    assert_true(message_auth_trusted_auth(s.auth));
    assert_int_equal(message_auth_spf(s.auth), AUTH_PASS);
    assert_int_equal(message_auth_dmarc(s.auth), AUTH_PASS);
    assert_says(&s, "spf=pass smtp.mailfrom=a@example.org;", true);
    assert_says(&s, "dkim=fail (odd)", true);
    assert_says(&s, "dkim=none", false);
    assert_says(&s, "auth=pass smtp.auth=joe", true);
    assert_says(&s, "arc=none", true); // of which nobody else spoke
    end(&s);
}

static bool trusted_auth(char *message)
{
    struct story s;
    begin(&s, message, &trusted_list);
    bool yes = message_auth_trusted_auth(s.auth);
    end(&s);
    return yes;
}

// A stranger writes any Received field he likes below the host's own, and any results below that.
static void case_90_results_count_above_the_topmost_received(void **state)
{
    (void)state;
    assert_true(trusted_auth(mem_dup(AR(MX, "auth=pass") RECEIVED FOREIGN MESSAGE)));
    assert_false(trusted_auth(mem_dup(RECEIVED AR(MX, "auth=pass") MESSAGE)));
    assert_false(trusted_auth(mem_dup(RECEIVED AR(MX, "auth=pass") RECEIVED MESSAGE)));
    assert_false(trusted_auth(mem_dup(RECEIVED FOREIGN AR(MX, "auth=pass") MESSAGE)));
    assert_false(trusted_auth(mem_dup(FOREIGN RECEIVED AR(MX, "auth=pass") MESSAGE)));
    hops = 1; // mail that is taken in again, or rspamd
    assert_true(trusted_auth(mem_dup(RECEIVED AR(MX, "auth=pass") RECEIVED FOREIGN MESSAGE)));
    assert_false(trusted_auth(mem_dup(RECEIVED FOREIGN AR(MX, "auth=pass") MESSAGE)));
    hops = 0;
}

static void case_91_dmarc_of_another_from_is_no_word_on_this_one(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        enum auth_result dmarc;
    } rows[] = {
        {"dmarc=pass header.from=example.org", AUTH_PASS},
        {"dmarc=pass header.from=EXAMPLE.org", AUTH_PASS},
        {"dmarc=pass", AUTH_PASS},
        {"dmarc=pass header.from=evil.example", AUTH_NONE},
        {"dmarc=pass header.from=evil.example; dmarc=fail header.from=example.org", AUTH_FAIL},
        {"dmarc=fail header.from=evil.example", AUTH_NONE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct story s;
        begin(&s, mem_printf("Authentication-Results: " MX "; %s\r\n" MESSAGE, rows[i].said),
              &trusted_list);
        assert_int_equal(message_auth_dmarc(s.auth), rows[i].dmarc);
        assert_says(&s, "header.from=evil.example", false);
        end(&s);
    }
    struct story s; // nor on one that cannot be read
    begin(&s,
          mem_dup(AR(MX, "dmarc=pass header.from=example.org") "From: ceo@ example.org;\r\n\r\n"),
          &trusted_list);
    assert_int_equal(message_auth_dmarc(s.auth), AUTH_PERMERROR);
    end(&s);
}

static void case_92_a_trusted_failure_vetoes_auth(void **state)
{
    (void)state;
    assert_false(
        trusted_auth(mem_dup(AR(MX, "auth=pass; dmarc=fail header.from=example.org") MESSAGE)));
    assert_false(trusted_auth(mem_dup(AR(MX, "auth=pass; dmarc=fail") MESSAGE)));
    assert_false(trusted_auth(
        mem_dup(AR(MX, "auth=pass") AR(MX, "spf=fail smtp.mailfrom=x@example.org") MESSAGE)));
    assert_false(trusted_auth(mem_dup(AR(MX, "auth=pass") AR(MX, "dmarc=fail (broken") MESSAGE)));
    assert_true(
        trusted_auth(mem_dup(AR(MX, "auth=pass; dmarc=fail header.from=other.example") MESSAGE)));
    assert_true(
        trusted_auth(mem_dup(AR(MX, "auth=pass; spf=fail smtp.mailfrom=x@other.example") MESSAGE)));
    assert_true(
        trusted_auth(mem_dup(AR(MX, "auth=pass; spf=softfail smtp.mailfrom=example.org") MESSAGE)));
    assert_true(
        trusted_auth(mem_dup(AR(MX, "auth=pass") AR(MX " 2", "dmarc=fail (broken") MESSAGE)));
}

// rspamd 3.4 copies the envelope sender raw, OpenDKIM the decoded i=: with either a stranger ends a result
// and begins one of his own, inside a field that the trusted host did write.
static void case_93_a_stranger_s_words_end_no_result(void **state)
{
    (void)state;
    static const char rspamd[] = "Authentication-Results: " MX ";\r\n\tspf=pass (" MX
                                 ": domain of \"x);\r\n\tauth=pass (y\"@evil.example"
                                 " designates 192.0.2.1 as permitted sender) "
                                 "smtp.mailfrom=\"x);\r\n\tauth=pass (y@evil.example\"\r\n" MESSAGE;
    assert_false(trusted_auth(mem_dup(rspamd)));
    mail_from = "\"x); auth=pass (y\"@evil.example";
    assert_false(trusted_auth(mem_dup(AR(MX, "spf=none (x); auth=pass (y)") MESSAGE)));
    mail_from = "a@example.org";
    helo = "h);auth=pass(y";
    assert_false(trusted_auth(mem_dup(AR(MX, "spf=none (h);auth=pass(y)") MESSAGE)));
    helo = "client.example.org";
    assert_false(trusted_auth(mem_dup(
        AR(MX, "spf=none smtp.helo=h;auth=pass") "Received: from h;auth=pass (unknown)\r\n by " MX
                                                 "; x\r\n" MESSAGE)));
    assert_false(trusted_auth(mem_dup(
        AR(MX, "spf=none smtp.helo=h;auth=pass") "Received: from h ;auth=pass (unknown)\r\n by " MX
                                                 "; x\r\n" MESSAGE)));
    assert_false(trusted_auth(mem_dup(AR(
        MX, "dkim=pass header.i=x;auth=pass smtp.auth=y@evil.example") "DKIM-Signature: v=1; "
                                                                       "d=evil.example; "
                                                                       "i=x=3Bauth=3Dpass=20smtp."
                                                                       "auth=3Dy@evil.example; s=a;"
                                                                       " a=rsa-sha256; b=; bh=; "
                                                                       "h=from\r\n" MESSAGE)));
    assert_false(trusted_auth(mem_dup(AR(
        MX, "spf=none smtp.helo=h;auth=pass") "Received: from x ([192.0.2.1] helo=h;auth=pass)\r\n "
                                              "by " MX "; x\r\n" MESSAGE)));
    assert_false(trusted_auth(mem_dup(
        AR(MX, "spf=none smtp.helo=h;auth=pass") "Received: from h by x;auth=pass (unknown "
                                                 "[192.0.2.1])\r\n by " MX "; x\r\n" MESSAGE)));
    assert_true(
        trusted_auth(mem_dup(AR(MX, "auth=pass") "Received: from x ([192.0.2.1] helo=h)\r\n by " MX
                                                 " with esmtpsa; x\r\n" MESSAGE)));
    assert_true(trusted_auth(mem_dup(
        AR(MX, "auth=pass") "DKIM-Signature: v=1; d=list.example; i=prvs=1234=joe@list.example;"
                            " s=a; a=rsa-sha256; b=; bh=; h=from\r\n" MESSAGE)));
    // The failure is still heard, and what nobody could have tampered with.
    struct story s;
    helo = "h);dmarc=pass(y";
    begin(&s, mem_dup(AR(MX, "dmarc=fail header.from=example.org") MESSAGE), &trusted_list);
    assert_int_equal(message_auth_dmarc(s.auth), AUTH_FAIL);
    end(&s);
    helo = "client.example.org";
}

static enum auth_result dmarc_of(struct facts *zone, const char *sender, const char *said,
                                 bool *open)
{
    struct story s = {.message = mem_printf("%s" MESSAGE, said)};
    s.header = story_header(s.message);
    struct message_auth_input in = {.header = &s.header,
                                    .authserv_id = "relay.example.com",
                                    .mail_from = sender,
                                    .trust_results_of = &trusted_list,
                                    .now_s = 1000};
    s.auth = message_auth_new(&in);
    story_feed(message_auth_hashes(s.auth), &s.header, s.message);
    while (message_auth_evaluate(s.auth, zone))
        story_nothing_else(zone);
    enum auth_result result = message_auth_dmarc(s.auth);
    *open = message_auth_dmarc_open(s.auth);
    end(&s);
    return result;
}

static void case_95_what_trusted_hosts_found_counts_for_dmarc(void **state)
{
    (void)state;
    bool open;
    struct facts *zone = facts_new();
    story_publish(zone, "_dmarc.example.org", "v=DMARC1; p=reject");
    static const struct {
        const char *sender, *said;
        enum auth_result dmarc;
        bool open;
    } rows[] = {
        {"l@list.example", AR(MX, "spf=fail; dkim=pass header.d=example.org"), AUTH_PASS, false},
        {"l@list.example",
         AR(MX, "spf=fail; dkim=fail header.d=example.org; dkim=pass header.i=@sub.example.org"),
         AUTH_PASS, false},
        {"l@list.example", AR(MX, "spf=fail; dkim=pass header.d=list.example"), AUTH_FAIL, false},
        {"", AR(MX, "spf=pass smtp.helo=mx.example.org"), AUTH_PASS, false},
        {"l@list.example", AR(MX, "spf=pass smtp.helo=mx.example.org"), AUTH_FAIL, false},
        {"l@list.example",
         AR(MX, "spf=pass smtp.helo=h.example; spf=pass smtp.mailfrom=b@example.org"), AUTH_PASS,
         false},
        {"l@list.example", "", AUTH_NONE, true}, // nobody looked at SPF
        {"l@list.example", AR(MX, "dmarc=fail header.from=example.org"), AUTH_FAIL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(dmarc_of(zone, rows[i].sender, rows[i].said, &open), rows[i].dmarc);
        assert_int_equal(open, rows[i].open);
    }
    facts_free(zone);
}

static void case_12_ids_are_compared_whole(void **state)
{
    (void)state;
    const char *strangers[] = {AR("mx.example.com.evil.example", "auth=pass"),
                               AR("x.mx.example.com", "auth=pass"),
                               AR("mx.example.co", "auth=pass"),
                               AR("mx", "auth=pass"),
                               AR("\"mx.example.com \"", "auth=pass"),
                               AR("mx.example.com", "auth=fail"),
                               AR("mx.example.com", "auth=pass; broken")};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        struct story s;
        begin(&s, mem_printf("%s%s", strangers[i], MESSAGE), &trusted_list);
        assert_false(message_auth_trusted_auth(s.auth));
        end(&s);
    }
    struct story s;
    begin(&s, mem_printf("%s", AR("MX.Example.COM", "auth=pass") MESSAGE), &trusted_list);
    assert_true(message_auth_trusted_auth(s.auth));
    end(&s);
    begin(&s, mem_printf("%s", AR(MX, "auth=pass") MESSAGE), NULL); // trusted by nobody
    assert_false(message_auth_trusted_auth(s.auth));
    end(&s);
}

static void case_12_what_claims_to_be_ours_is_left_out(void **state)
{
    (void)state;
    struct story s;
    begin(&s,
          mem_printf("%s", AR("relay.example.com", "dkim=pass") AR("relay.example.com.x", "none")
                               AR("(x) \"Relay.Example.Com\"", "broken") AR(MX, "none") MESSAGE),
          &trusted_list);
    size_t field;
    assert_true(message_auth_left_out(s.auth, 0, &field));
    assert_int_equal(field, 0);
    assert_true(message_auth_left_out(s.auth, 1, &field));
    assert_int_equal(field, 2);
    assert_false(message_auth_left_out(s.auth, 2, &field));
    assert_says(&s, "dkim=pass", false);
    assert_says(&s, "dkim=none", true);
    end(&s);
}

static void case_12_the_results_in_a_set(void **state)
{
    (void)state;
    struct story s;
    begin(&s, mem_dup(MESSAGE), NULL);
    char *set = seal(&s);
    const char *aar = strstr(set, "ARC-Authentication-Results:");
    assert_non_null(aar);
    assert_true(
        span_starts_nocase(span_text(aar), "ARC-Authentication-Results: i=1; relay.example.com;"));
    assert_non_null(strstr(aar, "dkim=none"));
    free(set);
    end(&s);
}

static void case_10_and_13_a_set_on_top_until_the_chain_is_closed(void **state)
{
    (void)state;
    struct story s;
    char *message = mem_dup(MESSAGE);
    const char *expect[] = {"pass", "pass", "fail"};
    for (int i = 0; i < 3; i++) {
        begin(&s, message, NULL);
        char *set = seal(&s);
        assert_true(span_starts_nocase(span_text(set), "ARC-Seal:"));
        message = mem_printf("%s%s", set, s.message);
        free(set);
        end(&s);
        if (i == 1)
            strstr(message, "hello")[0] = 'J';
        begin(&s, mem_dup(message), NULL);
        if (i < 2)
            assert_string_equal(message_auth_arc(s.auth), i == 1 ? "fail" : expect[i]);
        end(&s);
    }
    begin(&s, message, NULL);
    assert_string_equal(message_auth_arc(s.auth), "fail");
    char *set = seal(&s);
    assert_string_equal(set, "");
    free(set);
    end(&s);
}

// A trusted host that saw the chain before a list changed the subject has its word in cv=.
static void a_trusted_arc_result_is_sealed(void **state)
{
    (void)state;
    struct story s;
    begin(&s, mem_dup(MESSAGE), NULL);
    char *set = seal(&s);
    char *message = mem_printf("%s%s%s", AR(MX, "arc=pass"), set, s.message);
    free(set);
    end(&s);
    strstr(message, "hello")[0] = 'J';
    begin(&s, mem_dup(message), NULL);
    assert_string_equal(message_auth_arc(s.auth), "fail");
    end(&s);
    begin(&s, mem_dup(message), &trusted_list);
    assert_string_equal(message_auth_arc(s.auth), "pass");
    set = seal(&s);
    assert_non_null(strstr(set, "cv=pass"));
    free(set);
    end(&s);
    // But a set that is torn stays torn.
    memcpy(strstr(message, "ARC-Seal"), "XRC", 3);
    begin(&s, message, &trusted_list);
    assert_string_equal(message_auth_arc(s.auth), "fail");
    end(&s);
}

static void what_is_not_known_in_time_is_temporary(void **state)
{
    (void)state;
    struct story s = {.message = signed_message("", "example.org")};
    s.header = story_header(s.message);
    struct message_auth_input in = {.header = &s.header,
                                    .authserv_id = "relay.example.com",
                                    .has_client = true,
                                    .mail_from = "",
                                    .now_s = 1000};
    struct sockaddr_in *client = (struct sockaddr_in *)&in.client;
    client->sin_family = AF_INET;
    s.auth = message_auth_new(&in);
    story_feed(message_auth_hashes(s.auth), &s.header, s.message);
    struct facts *zone = facts_new();
    assert_true(message_auth_evaluate(s.auth, zone));
    message_auth_give_up(s.auth, zone);
    assert_says(&s, "dkim=temperror", true);
    assert_int_equal(message_auth_dmarc(s.auth), AUTH_TEMPERROR);
    facts_free(zone);
    end(&s);
}

// A message signed by the domain, whose key the DNS does not tell; example.org has a DMARC record.
static void begin_without_key(struct story *s, const char *domain, struct facts *zone)
{
    char key[64];
    s->message = signed_message("", domain);
    s->header = story_header(s->message);
    struct message_auth_input in = {.header = &s->header,
                                    .authserv_id = "relay.example.com",
                                    .has_client = true,
                                    .helo = "h.example.org",
                                    .mail_from = "a@example.org",
                                    .now_s = 1000};
    struct sockaddr_in *client = (struct sockaddr_in *)&in.client;
    client->sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.1", &client->sin_addr);
    s->auth = message_auth_new(&in);
    story_feed(message_auth_hashes(s->auth), &s->header, s->message);
    story_publish(zone, "_dmarc.example.org", "v=DMARC1; p=reject");
    snprintf(key, sizeof key, "s._domainkey.%s", domain);
    story_answer(zone, key, DNS_FAILED);
}

static void case_42_what_the_dns_kept_from_us_is_no_failure(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        enum auth_result dmarc;
    } rows[] = {{"example.org", AUTH_TEMPERROR}, {"elsewhere.example", AUTH_FAIL}};
    for (size_t i = 0; i < 2; i++) {
        struct story s;
        struct facts *zone = facts_new();
        begin_without_key(&s, rows[i].domain, zone);
        while (message_auth_evaluate(s.auth, zone))
            story_nothing_else(zone);
        assert_int_equal(message_auth_dmarc(s.auth), rows[i].dmarc);
        assert_false(message_auth_arc_temporary(s.auth));
        facts_free(zone);
        end(&s);
    }
}

// At the deadline one signature of a stranger is still open; what else is known decides.
static void the_deadline_takes_what_is_known(void **state)
{
    (void)state;
    struct story s;
    struct facts *zone = facts_new(), *known = facts_new();
    begin_without_key(&s, "elsewhere.example", zone);
    story_publish(known, "example.org", "v=spf1 ip4:192.0.2.1 -all");
    story_publish(known, "_dmarc.example.org", "v=DMARC1; p=reject");
    assert_true(message_auth_evaluate(s.auth, known));
    story_answer(known, "_dmarc.org", DNS_ABSENT);
    assert_true(message_auth_evaluate(s.auth, known)); // for the key alone
    assert_int_equal(facts_count_wanted(known), 1);
    message_auth_give_up(s.auth, known);
    assert_int_equal(message_auth_spf(s.auth), AUTH_PASS);
    assert_int_equal(message_auth_dmarc(s.auth), AUTH_PASS);
    assert_says(&s, "dkim=temperror", true);
    facts_free(known);
    facts_free(zone);
    end(&s);
}

static void from_fields_without_one_domain(void **state)
{
    (void)state;
    const char *bad[] = {"From: a@x.example, b@y.example\r\n\r\n", "To: x@y.example\r\n\r\n",
                         "From: a@x.example\r\nFrom: a@x.example\r\n\r\n", "From: joe\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct story s;
        begin(&s, mem_dup(bad[i]), NULL);
        assert_int_equal(message_auth_dmarc(s.auth), AUTH_PERMERROR);
        assert_says(&s, "dmarc=permerror", true);
        end(&s);
    }
}

static int make_keys(void **state)
{
    (void)state;
    rsa = story_key(KEY_RSA, 1024);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    sign_key_unref(rsa);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found_is_told),
        cmocka_unit_test(the_origin_test_wants_an_aligned_signature),
        cmocka_unit_test(case_12_trusted_results_are_read_first),
        cmocka_unit_test(case_90_results_count_above_the_topmost_received),
        cmocka_unit_test(case_91_dmarc_of_another_from_is_no_word_on_this_one),
        cmocka_unit_test(case_92_a_trusted_failure_vetoes_auth),
        cmocka_unit_test(case_93_a_stranger_s_words_end_no_result),
        cmocka_unit_test(case_95_what_trusted_hosts_found_counts_for_dmarc),
        cmocka_unit_test(case_12_ids_are_compared_whole),
        cmocka_unit_test(case_12_what_claims_to_be_ours_is_left_out),
        cmocka_unit_test(case_12_the_results_in_a_set),
        cmocka_unit_test(case_10_and_13_a_set_on_top_until_the_chain_is_closed),
        cmocka_unit_test(a_trusted_arc_result_is_sealed),
        cmocka_unit_test(what_is_not_known_in_time_is_temporary),
        cmocka_unit_test(case_42_what_the_dns_kept_from_us_is_no_failure),
        cmocka_unit_test(the_deadline_takes_what_is_known),
        cmocka_unit_test(from_fields_without_one_domain),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
