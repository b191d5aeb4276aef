// SPDX-License-Identifier: ISC
// A client and a server that talk through memory: every cut of the bytes, resumption, the choice by SNI,
// and what must fail.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/unit/certs.h"
#include "tls/session.h"
#include "tls/creds_internal.h"

static char folder[64], least[] = "1.2", none[] = "";
static struct cert ec, rsa, star;
static struct creds *creds;

struct side {
    struct tls_session *ch;
    struct buf out, plain;
    enum tls_session_state state;
    struct why why;
};
struct pair {
    struct side client, server;
};

static char *at(const char *name)
{
    static char path[8][128];
    static int i;
    i = (i + 1) % 8;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static struct cfg_certificate files(const char *name, bool tickets)
{
    char chain[80], key[80];
    snprintf(chain, sizeof chain, "%s.pem", name);
    snprintf(key, sizeof key, "%s.key", name);
    return (struct cfg_certificate){at(chain), at(key), least, none, tickets};
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_tls_session.XXXXXX");
    assert_non_null(mkdtemp(folder));
    cert_make(&ec, &(struct cert_spec){.cn = "ec", .san = {"mx.example.org"}});
    cert_make(&rsa,
              &(struct cert_spec){.cn = "rsa", .san = {"mx.example.org"}, .pk = GNUTLS_PK_RSA});
    cert_make(&star, &(struct cert_spec){.cn = "star", .san = {"*.example.net"}});
    struct cert *one[] = {&ec}, *two[] = {&rsa}, *three[] = {&star};
    cert_save(at("ec.pem"), at("ec.key"), one, 1);
    cert_save(at("rsa.pem"), at("rsa.key"), two, 1);
    cert_save(at("star.pem"), at("star.key"), three, 1);
    struct cfg_certificate list[] = {files("ec", true), files("rsa", true), files("star", true)};
    struct why why;
    creds = creds_load(list, 3, &why);
    assert_non_null(creds);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    creds_unref(creds);
    cert_free(&ec);
    cert_free(&rsa);
    cert_free(&star);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void side_open(struct side *s, struct tls_session *ch)
{
    assert_non_null(ch);
    *s = (struct side){.ch = ch};
    buf_init(&s->out, 1 << 24);
    buf_init(&s->plain, 1 << 24);
}

static void pair_open(struct pair *p, struct creds *server, const struct tls_session_client *how)
{
    struct why why;
    side_open(&p->client, tls_session_client(how, &why));
    side_open(&p->server, tls_session_server(server));
}

static void pair_close(struct pair *p)
{
    struct side *sides[] = {&p->client, &p->server};
    for (int i = 0; i < 2; i++) {
        tls_session_free(sides[i]->ch);
        buf_free(&sides[i]->out);
        buf_free(&sides[i]->plain);
    }
}

// Carries what `from` wants to send, in pieces of at most `step` bytes.
static void carry(struct side *from, struct side *to, size_t step)
{
    struct buf wire;
    buf_init(&wire, from->out.max);
    buf_move(&wire, &from->out);
    for (size_t i = 0; i < wire.len || i == 0; i += step) {
        struct buf piece;
        buf_init(&piece, 1 << 24);
        size_t n = wire.len - i < step ? wire.len - i : step;
        buf_add(&piece, wire.data + i, n);
        to->state = tls_session_step(to->ch, &piece, &to->plain, &to->out, &to->why);
        assert_int_equal(piece.len, 0);
        buf_free(&piece);
    }
    buf_free(&wire);
}

static void talk(struct pair *p, size_t step)
{
    carry(&p->server, &p->client, step);
    for (int i = 0; i < 8; i++) {
        carry(&p->client, &p->server, step);
        carry(&p->server, &p->client, step);
    }
}

static void greet(struct pair *p, size_t step)
{
    talk(p, step);
    if (p->client.state == TLS_SESSION_FAILED || p->server.state == TLS_SESSION_FAILED)
        fail_msg("client: %s, server: %s", p->client.why.text, p->server.why.text);
    assert_int_equal(p->client.state, TLS_SESSION_OPEN);
    assert_int_equal(p->server.state, TLS_SESSION_OPEN);
}

static void say(struct side *s, const void *bytes, size_t n)
{
    assert_int_equal(tls_session_send(s->ch, bytes, n, &s->out, &s->why), 0);
}

static void both_sides_understand_each_other_however_the_bytes_are_cut(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 3, 5, 7, 100, 1000, 16384, 1 << 20};
    static char large[100000];
    memset(large, 'x', sizeof large);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct pair p;
        pair_open(&p, creds,
                  &(struct tls_session_client){.sni = "mx.example.org", .tls_min = "1.2"});
        greet(&p, steps[i]);
        say(&p.client, "EHLO me\r\n", 9);
        say(&p.server, large, sizeof large);
        talk(&p, steps[i]);
        assert_int_equal(p.server.plain.len, 9);
        assert_memory_equal(p.server.plain.data, "EHLO me\r\n", 9);
        assert_int_equal(p.client.plain.len, sizeof large);
        assert_memory_equal(p.client.plain.data, large, sizeof large);
        tls_session_bye(p.client.ch, &p.client.out);
        talk(&p, steps[i]);
        assert_int_equal(p.server.state, TLS_SESSION_CLOSED);
        assert_int_equal(p.client.state, TLS_SESSION_OPEN);
        pair_close(&p);
    }
}

static void the_facts_name_protocol_cipher_chain_and_sni(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, creds, &(struct tls_session_client){.sni = "mx.example.org", .tls_min = "1.2"});
    greet(&p, 4096);
    const struct tls_session_info *c = tls_session_info(p.client.ch),
                                  *s = tls_session_info(p.server.ch);
    assert_string_equal(c->protocol, "TLSv1.3");
    assert_string_equal(c->cipher, "TLS_AES_256_GCM_SHA384");
    assert_non_null(c->group);
    assert_true(c->group[0]);
    assert_string_equal(c->group, s->group);
    assert_false(c->resumed);
    assert_int_equal(c->nchain, 1);
    assert_true(span_equal(c->chain[0], cert_span(&ec)));
    assert_string_equal(s->sni, "mx.example.org");
    assert_int_equal(s->nchain, 0);
    pair_close(&p);
}

static void expect_certificate(const char *sni, const char *priority, const struct cert *expected)
{
    struct pair p;
    pair_open(&p, creds,
              &(struct tls_session_client){.sni = sni, .tls_min = "1.2", .priority = priority});
    greet(&p, 4096);
    assert_true(span_equal(tls_session_info(p.client.ch)->chain[0], cert_span(expected)));
    pair_close(&p);
}

static void the_certificate_is_chosen_by_name_then_by_key_type(void **state)
{
    (void)state;
    expect_certificate("mx.example.org", NULL, &ec);
    expect_certificate("a.example.net", NULL, &star);
    expect_certificate("unknown.example", NULL, &ec);
    expect_certificate(NULL, NULL, &ec);
    expect_certificate("mx.example.org", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-ECDHE-ECDSA", &rsa);
    expect_certificate(
        "mx.example.org",
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ECDSA-SHA256:-SIGN-ECDSA-SECP256R1-SHA256"
        ":-SIGN-ECDSA-SHA384:-SIGN-ECDSA-SHA512",
        &rsa);
}

static void expect_group(const char *priority_of_server, const char *expected)
{
    struct pair p;
    struct why why;
    struct cfg_certificate one[] = {files("ec", true)};
    one[0].tls_priority = (char *)(uintptr_t)priority_of_server;
    struct creds *served = creds_load(one, 1, &why);
    assert_non_null(served);
    pair_open(&p, served, &(struct tls_session_client){.sni = "mx.example.org", .tls_min = "1.2"});
    greet(&p, 4096);
    assert_string_equal(tls_session_info(p.client.ch)->group, expected);
    pair_close(&p);
    creds_unref(served);
}

static void the_cheapest_group_is_asked_for_first_and_others_serve_too(void **state)
{
    (void)state;
    expect_group("", "X25519");
    expect_group("NORMAL:-GROUP-X25519", "SECP256R1"); // that server asks for it
    expect_group("NORMAL:-GROUP-ALL:+GROUP-SECP384R1", "SECP384R1");
    expect_group("NORMAL:-VERS-ALL:+VERS-TLS1.2:-GROUP-X25519", "SECP256R1");
}

// How many tickets a session was given, and with each of them another one is resumed.
static unsigned resume(const char *priority)
{
    struct pair first, p;
    struct tls_session_client how = {
        .sni = "mx.example.org", .tls_min = "1.2", .priority = priority, .keep_tickets = true};
    struct buf ticket;
    unsigned tickets = 0;
    bool again;
    pair_open(&first, creds, &how);
    greet(&first, 4096);
    say(&first.server, "220 x\r\n", 7);
    talk(&first, 4096);
    while (tls_session_ticket(first.client.ch, &ticket, &again)) {
        tickets++;
        assert_int_equal(again, priority != NULL);
        how.ticket = ticket.data;
        how.ticket_bytes = ticket.len;
        pair_open(&p, creds, &how);
        greet(&p, 1);
        assert_true(tls_session_info(p.client.ch)->resumed);
        assert_true(tls_session_info(p.server.ch)->resumed);
        // Whose certificate it was is known from the first session, and proves nothing.
        assert_int_equal(tls_session_info(p.client.ch)->nchain, 0);
        assert_int_equal(tls_session_info(p.client.ch)->nearlier, 1);
        assert_true(span_equal(tls_session_info(p.client.ch)->chain[0], cert_span(&ec)));
        pair_close(&p);
        buf_free(&ticket);
    }
    pair_close(&first);
    return tickets;
}

static void case_626_each_ticket_of_a_session_resumes_another(void **state)
{
    (void)state;
    unsigned tickets = resume(NULL);
    assert_in_range(tickets, 2, TLS_SESSION_TICKETS); // GnuTLS gives two
    assert_int_equal(resume("NORMAL:-VERS-ALL:+VERS-TLS1.2"), 1);
}

static void without_tickets_nothing_is_resumed(void **state)
{
    (void)state;
    struct why why;
    struct cfg_certificate one = files("ec", false);
    struct creds *plain = creds_load(&one, 1, &why);
    struct pair p;
    struct buf ticket;
    bool again;
    pair_open(&p, plain, &(struct tls_session_client){.tls_min = "1.2", .keep_tickets = true});
    greet(&p, 4096);
    say(&p.server, "220 x\r\n", 7);
    talk(&p, 4096);
    assert_false(tls_session_ticket(p.client.ch, &ticket, &again));
    pair_close(&p);
    creds_unref(plain);
}

static void a_damaged_ticket_means_a_full_handshake(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, creds,
              &(struct tls_session_client){
                  .tls_min = "1.2", .ticket = "not a ticket", .ticket_bytes = 12});
    greet(&p, 4096);
    assert_false(tls_session_info(p.client.ch)->resumed);
    pair_close(&p);
}

static void versions_below_the_least_are_refused(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, creds, &(struct tls_session_client){.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.1"});
    talk(&p, 4096);
    assert_int_equal(p.server.state, TLS_SESSION_FAILED);
    assert_int_equal(p.client.state, TLS_SESSION_FAILED);
    assert_int_equal(p.client.why.tls, WHY_VALIDATION_FAILURE);
    assert_non_null(strstr(p.client.why.text, "alert"));
    pair_close(&p);
}

static void a_priority_string_that_is_none_is_told(void **state)
{
    (void)state;
    struct why why;
    assert_null(
        tls_session_client(&(struct tls_session_client){.priority = "NORMAL:+NONSENSE"}, &why));
    assert_non_null(strstr(why.text, "NONSENSE"));
}

static void clear_text_where_tls_belongs_fails_the_handshake(void **state)
{
    (void)state;
    struct side s;
    side_open(&s, tls_session_server(creds));
    struct buf in;
    buf_init(&in, 1000);
    buf_adds(&in, "EHLO me\r\nMAIL FROM:<a@b>\r\n");
    assert_int_equal(tls_session_step(s.ch, &in, &s.plain, &s.out, &s.why), TLS_SESSION_FAILED);
    assert_int_equal(in.len, 0);
    assert_int_equal(s.plain.len, 0);
    buf_free(&in);
    tls_session_free(s.ch);
    buf_free(&s.out);
}

static void a_flipped_bit_fails_the_session(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, creds, &(struct tls_session_client){.tls_min = "1.2"});
    greet(&p, 4096);
    say(&p.client, "QUIT\r\n", 6);
    p.client.out.data[p.client.out.len - 1] ^= 1;
    carry(&p.client, &p.server, 4096);
    assert_int_equal(p.server.state, TLS_SESSION_FAILED);
    assert_int_equal(p.server.plain.len, 0);
    pair_close(&p);
}

static void bytes_behind_the_handshake_wait_until_they_are_wanted(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, creds, &(struct tls_session_client){.tls_min = "1.2"});
    struct buf nothing = {0};
    carry(&p.server, &p.client, 4096);
    carry(&p.client, &p.server, 4096);
    carry(&p.server, &p.client, 1 << 20);
    assert_int_equal(p.client.state, TLS_SESSION_OPEN);
    say(&p.client, "EHLO me\r\n", 9);
    p.server.state =
        tls_session_step(p.server.ch, &p.client.out, NULL, &p.server.out, &p.server.why);
    assert_int_equal(p.server.state, TLS_SESSION_OPEN);
    tls_session_step(p.server.ch, &nothing, &p.server.plain, &p.server.out, &p.server.why);
    assert_int_equal(p.server.plain.len, 9);
    pair_close(&p);
}

static void a_key_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct why why;
    struct cfg_certificate mixed = {at("ec.pem"), at("rsa.key"), least, none, true};
    assert_null(creds_load(&mixed, 1, &why));
    assert_non_null(strstr(why.text, "does not belong"));
    mixed.key = at("none.key");
    assert_null(creds_load(&mixed, 1, &why));
    assert_non_null(strstr(why.text, "none.key"));
}

static void a_certificate_out_of_its_dates_is_served_and_told(void **state)
{
    (void)state;
    struct why why;
    struct cfg_certificate one = files("ec", true);
    struct creds *c = creds_load(&one, 1, &why);
    assert_non_null(c);
    assert_false(creds_doubtful(c, &why));
    clock_fix((clock_s() + 10 * 86400) * 1000);
    assert_true(creds_doubtful(c, &why));
    assert_non_null(strstr(why.text, "ec.pem: the certificate has expired"));
    struct creds *late = creds_load(&one, 1, &why);
    assert_non_null(late);
    clock_fix((clock_s() - 10000 * (int64_t)86400) * 1000);
    assert_true(creds_doubtful(late, &why));
    assert_non_null(strstr(why.text, "not valid yet"));
    clock_release();
    creds_unref(late);
    creds_unref(c);
}

static void changed_files_are_noticed(void **state)
{
    (void)state;
    struct why why;
    struct cert *one[] = {&ec};
    cert_save(at("change.pem"), at("change.key"), one, 1);
    struct cfg_certificate file = files("change", true);
    struct creds *c = creds_load(&file, 1, &why);
    assert_non_null(c);
    assert_false(creds_changed(c));
    assert_int_equal(creds_expires(c), gnutls_x509_crt_get_expiration_time(ec.crt));
    cert_save(at("change2.pem"), NULL, one, 1);
    assert_int_equal(rename(at("change2.pem"), at("change.pem")), 0);
    assert_true(creds_changed(c));
    creds_unref(c);
}

static void a_server_key_of_hostile_size_ends_the_handshake(void **state)
{
    (void)state;
    struct cert big, seed;
    struct why why;
    gnutls_datum_t pem;
    assert_int_equal(gnutls_load_file("unit/data/rsa-8448.key", &pem), 0);
    gnutls_x509_privkey_init(&seed.key);
    assert_int_equal(gnutls_x509_privkey_import(seed.key, &pem, GNUTLS_X509_FMT_PEM), 0);
    gnutls_free(pem.data);
    cert_make(&big, &(struct cert_spec){.cn = "big", .reuse = &seed});
    gnutls_x509_privkey_deinit(seed.key);
    struct cert *one[] = {&big};
    cert_save(at("big.pem"), at("big.key"), one, 1);
    struct cfg_certificate file = files("big", true);
    struct creds *c = creds_load(&file, 1, &why);
    assert_non_null(c);
    static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3",
                                           "NORMAL:-VERS-ALL:+VERS-TLS1.2",
                                           "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA"};
    for (int i = 0; i < 3; i++) {
        struct pair p;
        pair_open(&p, c, &(struct tls_session_client){.priority = versions[i]});
        talk(&p, 1 << 20);
        assert_int_equal(p.client.state, TLS_SESSION_FAILED);
        assert_non_null(strstr(p.client.why.text, "8192"));
        pair_close(&p);
        // Other clients bear it: where nothing is to be proved, it encrypts as well as any.
        pair_open(&p, c,
                  &(struct tls_session_client){.priority = versions[i], .care = TLS_SESSION_ANY});
        greet(&p, 1 << 20);
        pair_close(&p);
    }
    creds_unref(c);
    cert_free(&big);
}

static void a_prime_of_hostile_size_ends_the_handshake(void **state)
{
    (void)state;
    struct pair p;
    struct why why;
    struct cfg_certificate file = files("rsa", true);
    struct creds *c = creds_load(&file, 1, &why);
    pair_open(&p, c,
              &(struct tls_session_client){
                  .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:-GROUP-ALL:"
                              "+GROUP-FFDHE2048"});
    carry(&p.server, &p.client, 4096);
    carry(&p.client, &p.server, 4096);
    // ServerKeyExchange is in clear: the length of its prime, 256 bytes, becomes 65280.
    unsigned char *out = p.server.out.data;
    size_t at = 0;
    while (at + 6 < p.server.out.len &&
           !(out[at] == 12 && out[at + 1] == 0 && out[at + 4] == 1 && out[at + 5] == 0))
        at++;
    assert_true(at + 6 < p.server.out.len);
    out[at + 4] = 255;
    carry(&p.server, &p.client, 4096);
    assert_int_equal(p.client.state, TLS_SESSION_FAILED);
    assert_non_null(strstr(p.client.why.text, "prime"));
    pair_close(&p);
    creds_unref(c);
}

static void count(void *arg, const struct why *fault)
{
    assert_non_null(strstr(fault->text, "ec.key"));
    ++*(int *)arg;
}

static void case_140_pairs_are_renewed_one_by_one(void **state)
{
    (void)state;
    struct cfg_certificate list[] = {files("ec", false), files("star", false)};
    struct cert fresh, *two[] = {&fresh};
    struct why why;
    bool news;
    int faults = 0;
    struct creds *old = creds_load(list, 2, &why);
    assert_non_null(old);
    cert_make(&fresh, &(struct cert_spec){.cn = "fresh", .san = {"*.example.com"}});
    cert_save(at("star.pem"), at("star.key"), two, 1);
    cert_save(at("ec.pem"), at("unused.key"), two, 1); // a renewal that is half done
    struct creds *now = creds_renew(old, list, count, &faults, &news, &why);
    assert_non_null(now);
    assert_true(news);
    assert_int_equal(faults, 1);
    assert_true(creds_changed(now)); // the half is looked at again
    assert_ptr_not_equal(creds_for_name(now, "a.example.com"),
                         creds_for_name(now, "mx.example.org"));
    assert_ptr_equal(creds_for_name(now, "a.example.net"), creds_for_name(now, "mx.example.org"));
    creds_unref(old);
    struct creds *again = creds_renew(now, list, count, &faults, &news, &why);
    assert_false(news);
    creds_unref(now);
    struct pair p; // the pair that was held twice still serves
    pair_open(&p, again, &(struct tls_session_client){.sni = "mx.example.org", .tls_min = "1.2"});
    greet(&p, 4096);
    assert_true(span_equal(tls_session_info(p.client.ch)->chain[0], cert_span(&ec)));
    pair_close(&p);
    creds_unref(again);
    cert_free(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_understand_each_other_however_the_bytes_are_cut),
        cmocka_unit_test(the_facts_name_protocol_cipher_chain_and_sni),
        cmocka_unit_test(the_certificate_is_chosen_by_name_then_by_key_type),
        cmocka_unit_test(the_cheapest_group_is_asked_for_first_and_others_serve_too),
        cmocka_unit_test(case_626_each_ticket_of_a_session_resumes_another),
        cmocka_unit_test(without_tickets_nothing_is_resumed),
        cmocka_unit_test(a_damaged_ticket_means_a_full_handshake),
        cmocka_unit_test(versions_below_the_least_are_refused),
        cmocka_unit_test(a_priority_string_that_is_none_is_told),
        cmocka_unit_test(clear_text_where_tls_belongs_fails_the_handshake),
        cmocka_unit_test(a_flipped_bit_fails_the_session),
        cmocka_unit_test(bytes_behind_the_handshake_wait_until_they_are_wanted),
        cmocka_unit_test(a_key_that_does_not_fit_is_refused),
        cmocka_unit_test(a_certificate_out_of_its_dates_is_served_and_told),
        cmocka_unit_test(changed_files_are_noticed),
        cmocka_unit_test(a_server_key_of_hostile_size_ends_the_handshake),
        cmocka_unit_test(a_prime_of_hostile_size_ends_the_handshake),
        cmocka_unit_test(case_140_pairs_are_renewed_one_by_one), // the last: it spoils the files
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
