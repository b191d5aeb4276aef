// SPDX-License-Identifier: ISC
// Stories of outbound sessions over TLS: what is demanded is proved before any MAIL, or the mail waits.
#include "tests/unit/deliver_tls_story.h"

static void a_good_certificate_proves_webpki(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    send_letter();
    assert_delivered("webpki");
    assert_true(mx_message(mx, 0)->tls);
    assert_string_equal(s.attempt.tls, "TLSv1.3");
    assert_int_equal(mx_lines(mx, "EHLO"), 2);
}

static void bad_certificates_are_refused_each_for_its_reason(void **state)
{
    (void)state;
    const struct {
        const struct cert *leaf;
        enum why_tls type;
    } all[] = {{&wrong, WHY_CERTIFICATE_HOST_MISMATCH},
               {&expired, WHY_CERTIFICATE_EXPIRED},
               {&foreign, WHY_CERTIFICATE_NOT_TRUSTED}};
    host(&wrong, TLS_WEBPKI);
    for (size_t i = 0; i < 3; i++) {
        mx_tls(mx, all[i].leaf, NULL, false);
        send_letter();
        assert_refused(all[i].type);
    }
}

static void any_certificate_will_do_for_encrypt(void **state)
{
    (void)state;
    host(&foreign, TLS_ENCRYPT);
    send_letter();
    assert_delivered("none");
    assert_true(mx_message(mx, 0)->tls);
}

static void sends_twelve_certificates(void)
{
    const struct cert *chain[12] = {&good, &ca};
    for (size_t i = 2; i < 12; i++)
        chain[i] = &stranger;
    mx_tls_chain(mx, chain, 12, false);
}

static void case_72_a_long_chain_is_no_reason_for_clear_text_nor_for_waiting(void **state)
{
    (void)state;
    static const enum tls_level levels[] = {TLS_OPPORTUNISTIC, TLS_ENCRYPT, TLS_WEBPKI};
    struct route_host *h = host(&good, TLS_OPPORTUNISTIC);
    sends_twelve_certificates();
    for (size_t i = 0; i < 3; i++) {
        h->demand.level = h->demand.observe = levels[i];
        story_demand_key(h, tls_level_word(levels[i]));
        send_letter();
        assert_delivered("webpki"); // the surplus is cut, what is left proves what it proves
        assert_true(mx_message(mx, i)->tls);
        assert_int_equal(mx_connections(mx), i + 1);
    }
}

// Some servers end a handshake for a name that they do not know.
static void case_73_what_only_a_proof_would_need_costs_no_encryption(void **state)
{
    (void)state;
    static const enum tls_level levels[] = {TLS_OPPORTUNISTIC, TLS_ENCRYPT, TLS_WEBPKI};
    mx_knows_no_names(mx);
    struct route_host *h = host(&good, TLS_OPPORTUNISTIC);
    for (size_t i = 0; i < 3; i++) {
        h->demand.level = h->demand.observe = levels[i];
        story_demand_key(h, tls_level_word(levels[i]));
        send_letter();
        assert_int_equal(s.ends[0].standing, i < 2 ? STANDING_DELIVERED : STANDING_REFUSED);
    }
    assert_int_equal(mx_count(mx), 2);
    assert_true(mx_message(mx, 0)->tls && mx_message(mx, 1)->tls);
    assert_int_equal(s.relay.counters.tls_refused, 1);
}

static void case_73_a_broken_handshake_is_tried_again_before_clear_text(void **state)
{
    (void)state;
    host(&good, TLS_OPPORTUNISTIC);
    mx_next(mx, "starttls", MX_CLOSE);
    send_letter();
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_true(mx_message(mx, 0)->tls);
    assert_int_equal(s.relay.counters.tls_failure, 0);
}

static void without_starttls_a_demand_is_never_met_in_clear(void **state)
{
    (void)state;
    host(NULL, TLS_ENCRYPT);
    send_letter();
    assert_refused(WHY_STARTTLS_NOT_SUPPORTED);
    mx_on(mx, "ehlo", "502 5.5.1 unknown");
    send_letter();
    assert_refused(WHY_STARTTLS_NOT_SUPPORTED);
    assert_int_equal(mx_lines(mx, "HELO"), 0);
}

static void starttls_that_is_refused_is_no_starttls(void **state)
{
    (void)state;
    host(&good, TLS_ENCRYPT);
    mx_on(mx, "starttls", "454 4.7.0 not now");
    send_letter();
    assert_refused(WHY_STARTTLS_NOT_SUPPORTED);
}

static void case_57_ehlo_refused_inside_tls_is_answered_by_helo(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    mx_next(mx, "ehlo", "250-mx.test\n250 STARTTLS");
    mx_next(mx, "ehlo", "502 5.5.1 what?");
    send_letter();
    assert_delivered("webpki");
    assert_true(mx_message(mx, 0)->tls);
    assert_int_equal(mx_lines(mx, "HELO"), 1);
}

static void case_64_who_demands_tls_is_named(void **state)
{
    (void)state;
    static const struct {
        enum demand_source source;
        const char *text;
    } rows[] = {
        {SOURCE_DEFAULT, "the host does not offer STARTTLS, and TLS is demanded by this relay for "
                         "all mail (delivery.tls)"},
        {SOURCE_STS,
         "the host does not offer STARTTLS, and TLS is demanded by the receiving domain (MTA-STS)"},
        {SOURCE_REQUIRETLS,
         "the host does not offer STARTTLS, and TLS is demanded by the message (REQUIRETLS)"},
    };
    struct route_host *h = host(NULL, TLS_ENCRYPT);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        h->demand.source = rows[i].source;
        send_letter();
        assert_string_equal(s.ends[0].why.text, rows[i].text);
    }
}

// Refused before any MAIL, the attempt is told all the same.
static void case_59_a_refusal_has_the_facts_of_its_attempt(void **state)
{
    (void)state;
    host(&wrong, TLS_WEBPKI);
    send_letter();
    assert_refused(WHY_CERTIFICATE_HOST_MISMATCH);
    assert_string_equal(s.attempt.host, "mx1.test");
    assert_string_equal(s.attempt.ip, "127.0.0.1");
    assert_string_equal(s.attempt.tls, "TLSv1.3");
    assert_string_equal(s.attempt.demand, "webpki");
    assert_string_equal(s.attempt.source, "default");
    assert_string_equal(s.attempt.proof, "none");
    assert_string_equal(s.attempt.reply, "");
}

static void one_bad_host_leaves_the_next(void **state)
{
    (void)state;
    host(&wrong, TLS_WEBPKI);
    mx_tls(other, &good, NULL, false);
    story_host(&s, other, "mx2.test", TLS_WEBPKI);
    send_letter();
    assert_delivered("webpki");
    assert_int_equal(mx_lines(mx, "MAIL"), 0);
    assert_string_equal(s.attempt.host, "mx2.test");
}

static void opportunistic_goes_on_in_clear_when_tls_breaks(void **state)
{
    (void)state;
    host(&good, TLS_OPPORTUNISTIC);
    mx_on(mx, "starttls", MX_CLOSE);
    send_letter();
    assert_delivered("none");
    assert_false(mx_message(mx, 0)->tls);
}

static struct connection *neighbour;

// Another session takes the only place at the first host, between its broken TLS and the retry in clear.
static void take_the_place(struct story *story)
{
    if (!neighbour)
        neighbour = connection_open(story->pool, (void *)&story->route->hosts[0].addresses[0]);
}

static void clear_text_for_one_host_is_none_for_the_next(void **state)
{
    (void)state;
    story_end(&s);
    story_begin(&s, "connections: {per_host: 1}", &ca);
    host(&good, TLS_OPPORTUNISTIC);
    mx_on(mx, "starttls", MX_CLOSE);
    mx_tls(other, &good, NULL, false);
    story_host(&s, other, "mx2.test", TLS_WEBPKI);
    neighbour = NULL;
    s.opening = take_the_place;
    send_letter();
    connection_close(neighbour, true);
    assert_delivered("webpki");
    assert_string_equal(s.attempt.host, "mx2.test");
    assert_true(mx_message(other, 0)->tls);
}

static void opportunistic_takes_a_bad_certificate(void **state)
{
    (void)state;
    host(&foreign, TLS_OPPORTUNISTIC);
    send_letter();
    assert_delivered("none");
    assert_true(mx_message(mx, 0)->tls);
}

static void case_38_bytes_behind_the_220_are_dropped(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    // Were they kept, they would be read as the answer to the EHLO inside TLS, and offer no PIPELINING.
    mx_on(mx, "starttls", "220 go\n250 mx.evil");
    send_letter();
    assert_delivered("webpki");
    assert_true(mx_heard(mx, "SIZE="));
}

static void a_pin_must_match_whatever_else_is_proved(void **state)
{
    (void)state;
    struct route_host *h = host(&good, TLS_WEBPKI);
    char *pins[] = {(char *)"sha256:"
                            "0000000000000000000000000000000000000000000000000000000000000000"};
    h->demand.pins = pins;
    h->demand.npins = 1;
    send_letter();
    assert_int_equal(s.ends[0].standing, STANDING_REFUSED);
    assert_int_equal(mx_lines(mx, "MAIL"), 0);
    h->demand.npins = 0;
    send_letter();
    assert_delivered("webpki");
}

static void tlsa_of(struct route_host *h, const struct cert *c)
{
    unsigned char digest[32];
    struct span spki = cert_spki(c);
    gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.p, spki.n, digest);
    struct demand *d = &h->demand;
    buf_init(&d->tlsa_data, 64);
    buf_add(&d->tlsa_data, digest, 32);
    d->tlsa = mem_new(sizeof *d->tlsa);
    d->tlsa[0] = (struct dns_tlsa){3, 1, 1, buf_span(&d->tlsa_data)};
    d->ntlsa = d->ntlsa_usable = 1;
    d->source = SOURCE_DANE;
}

static void dane_holds_a_host_to_its_key(void **state)
{
    (void)state;
    struct route_host *h = host(&foreign, TLS_DANE);
    tlsa_of(h, &foreign);
    send_letter();
    assert_delivered("dane-ee");
    assert_string_equal(s.attempt.source, "dane");
}

static void case_32_a_good_certificate_does_not_mend_a_wrong_key(void **state)
{
    (void)state;
    struct route_host *h = host(&good, TLS_DANE);
    tlsa_of(h, &foreign);
    send_letter();
    assert_int_equal(s.ends[0].standing, STANDING_REFUSED);
    assert_int_not_equal(s.ends[0].why.tls, WHY_TLS_NONE);
    assert_int_equal(mx_lines(mx, "MAIL"), 0);
}

static void a_resumed_session_carries_the_proof_it_had(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    send_letter();
    mx_hang_up(mx);
    story_turn(&s);
    send_letter();
    assert_delivered("webpki");
    assert_int_equal(mx_connections(mx), 2);
    assert_int_equal(mx_resumed(mx), 1);
}

static void drop_the_ticket(void)
{
    struct route_host *h = &s.route->hosts[0];
    struct pool_key key = pool_key(s.pool, h, (void *)&h->addresses[0], NULL);
    pool_drop_tickets(s.pool, &key);
}

static void hang_up(void)
{
    mx_hang_up(mx);
}

static void on_timer(uv_timer_t *timer)
{
    void (*meanwhile)(void);
    memcpy(&meanwhile, timer->data, sizeof meanwhile);
    if (!mx_holds(mx))
        return;
    meanwhile();
    mx_hold(mx, false);
    uv_close((uv_handle_t *)timer, NULL);
}

// A second letter to the same host; `meanwhile` happens once the host has the ticket and is still to answer.
static void send_with_ticket(enum tls_level level, void (*meanwhile)(void))
{
    static uv_timer_t timer;
    host(&good, level);
    send_letter();
    mx_hang_up(mx);
    story_turn(&s);
    mx_hold(mx, true);
    uv_timer_init(&s.worker.loop, &timer);
    timer.data = &meanwhile;
    uv_timer_start(&timer, on_timer, 1, 1);
    send_letter();
    assert_int_equal(s.relay.counters.tls_refused, 0);
    assert_int_equal(s.relay.counters.tls_failure, 0);
}

static void case_70_a_ticket_keeps_its_proof_though_another_session_drops_it(void **state)
{
    (void)state;
    send_with_ticket(TLS_WEBPKI, drop_the_ticket);
    assert_delivered("webpki");
    assert_int_equal(mx_resumed(mx), 1);
    assert_int_equal(mx_connections(mx), 2);
    // Nor is the next ticket lost, though the first one's place in the pool is empty.
    mx_hang_up(mx);
    story_turn(&s);
    send_letter();
    assert_delivered("webpki");
    assert_int_equal(mx_resumed(mx), 2);
}

static void case_71_a_host_that_stumbles_over_a_ticket_is_asked_without(void **state)
{
    (void)state;
    send_with_ticket(TLS_WEBPKI, hang_up);
    assert_delivered("webpki");
    assert_int_equal(mx_resumed(mx), 0);
    assert_int_equal(mx_connections(mx), 3);
}

static void case_71_nor_does_a_ticket_lead_to_clear_text(void **state)
{
    (void)state;
    send_with_ticket(TLS_OPPORTUNISTIC, hang_up);
    assert_int_equal(s.ends[0].standing, STANDING_DELIVERED);
    assert_true(mx_message(mx, 1)->tls);
}

// The tickets come with the first answer inside TLS: whoever connects next need not wait for a message's end.
static void case_629_a_ticket_is_kept_though_its_connection_is_lost(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    mx_next(mx, "mail", MX_CLOSE);
    send_letter();
    send_letter();
    assert_delivered("webpki");
    assert_int_equal(mx_connections(mx), 2);
    assert_int_equal(mx_resumed(mx), 1);
}

// A route is looked up anew as often as its records say; where that demands the same, the proof is the same.
static void case_629_a_ticket_outlives_the_route_it_came_with(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    s.route->expires_ms = clock_mono_ms();
    send_letter();
    mx_hang_up(mx);
    story_turn(&s);
    s.route->expires_ms = clock_mono_ms() + 1000;
    send_letter();
    assert_delivered("webpki");
    assert_int_equal(mx_resumed(mx), 1);
}

static void case_629_but_not_its_certificate(void **state)
{
    (void)state;
    struct cert brief;
    cert_make(&brief,
              &(struct cert_spec){.san = {"mx1.test"}, .issuer = &ca, .ends = clock_s() + 60});
    clock_fix(clock_ms());
    host(&brief, TLS_WEBPKI);
    send_letter();
    mx_hang_up(mx);
    story_turn(&s);
    clock_advance(61000);
    send_letter();
    clock_release();
    assert_int_equal(s.ends[0].standing, STANDING_REFUSED);
    assert_int_equal(s.ends[0].why.tls, WHY_CERTIFICATE_EXPIRED);
    assert_int_equal(mx_resumed(mx), 0);
    cert_free(&brief);
}

static void case_629_nor_a_change_of_what_is_published(void **state)
{
    (void)state;
    struct route_host *h = host(&good, TLS_DANE);
    tlsa_of(h, &good);
    send_letter();
    assert_delivered("dane-ee");
    mx_hang_up(mx);
    story_turn(&s);
    free(h->demand.tlsa);
    buf_free(&h->demand.tlsa_data);
    tlsa_of(h, &foreign);
    story_demand_key(h, "another set");
    send_letter();
    assert_int_equal(s.ends[0].standing, STANDING_REFUSED);
    assert_int_equal(mx_resumed(mx), 0);
}

static void case_31_a_ticket_serves_no_other_demand(void **state)
{
    (void)state;
    struct route_host *h = host(&good, TLS_ENCRYPT);
    send_letter();
    mx_hang_up(mx);
    story_turn(&s);
    h->demand.level = h->demand.observe = TLS_WEBPKI;
    story_demand_key(h, "webpki");
    send_letter();
    assert_delivered("webpki");
    assert_int_equal(mx_resumed(mx), 0);
}

static void what_is_only_watched_is_delivered_and_told(void **state)
{
    (void)state;
    struct route_host *h = host(&wrong, TLS_OPPORTUNISTIC);
    h->demand.observe = TLS_WEBPKI;
    h->demand.observe_source = SOURCE_STS;
    send_letter();
    assert_delivered("none");
    assert_int_equal(s.relay.counters.tls_failure, 1);
    assert_int_equal(s.relay.counters.tls_refused, 0);
}

static void implicit_tls_has_its_greeting_inside(void **state)
{
    (void)state;
    mx_tls(mx, &good, NULL, true);
    story_host(&s, mx, "mx1.test", TLS_WEBPKI)->implicit_tls = true;
    send_letter();
    assert_delivered("webpki");
    assert_int_equal(mx_lines(mx, "STARTTLS"), 0);
}

static void requiretls_is_asked_of_a_host_that_proved_itself(void **state)
{
    (void)state;
    host(&good, TLS_WEBPKI);
    struct message *m = story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    m->env.requiretls = true;
    story_run(&s);
    assert_delivered("webpki");
    assert_true(mx_heard(mx, " REQUIRETLS"));
}

static void requiretls_bounces_where_every_certificate_is_bad(void **state)
{
    (void)state;
    host(&wrong, TLS_WEBPKI);
    struct message *m = story_message(&s, "a@us.test", LETTER, "b@example.test", NULL);
    m->env.requiretls = true;
    story_run(&s);
    assert_string_equal(s.ends[0].why.status, "5.7.10");
    assert_int_equal(s.ends[0].why.scope, WHY_DOMAIN);
}

// Logging in

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_good_certificate_proves_webpki),
        STORY(bad_certificates_are_refused_each_for_its_reason),
        STORY(any_certificate_will_do_for_encrypt),
        STORY(case_72_a_long_chain_is_no_reason_for_clear_text_nor_for_waiting),
        STORY(case_73_what_only_a_proof_would_need_costs_no_encryption),
        STORY(case_73_a_broken_handshake_is_tried_again_before_clear_text),
        STORY(without_starttls_a_demand_is_never_met_in_clear),
        STORY(starttls_that_is_refused_is_no_starttls),
        STORY(case_57_ehlo_refused_inside_tls_is_answered_by_helo),
        STORY(case_64_who_demands_tls_is_named),
        STORY(case_59_a_refusal_has_the_facts_of_its_attempt),
        STORY(one_bad_host_leaves_the_next),
        STORY(opportunistic_goes_on_in_clear_when_tls_breaks),
        STORY(clear_text_for_one_host_is_none_for_the_next),
        STORY(opportunistic_takes_a_bad_certificate),
        STORY(case_38_bytes_behind_the_220_are_dropped),
        STORY(a_pin_must_match_whatever_else_is_proved),
        STORY(dane_holds_a_host_to_its_key),
        STORY(case_32_a_good_certificate_does_not_mend_a_wrong_key),
        STORY(a_resumed_session_carries_the_proof_it_had),
        STORY(case_70_a_ticket_keeps_its_proof_though_another_session_drops_it),
        STORY(case_71_a_host_that_stumbles_over_a_ticket_is_asked_without),
        STORY(case_71_nor_does_a_ticket_lead_to_clear_text),
        STORY(case_629_a_ticket_is_kept_though_its_connection_is_lost),
        STORY(case_629_a_ticket_outlives_the_route_it_came_with),
        STORY(case_629_but_not_its_certificate),
        STORY(case_629_nor_a_change_of_what_is_published),
        STORY(case_31_a_ticket_serves_no_other_demand),
        STORY(what_is_only_watched_is_delivered_and_told),
        STORY(implicit_tls_has_its_greeting_inside),
        STORY(requiretls_is_asked_of_a_host_that_proved_itself),
        STORY(requiretls_bounces_where_every_certificate_is_bad),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
