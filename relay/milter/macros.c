// SPDX-License-Identifier: ISC
// Macros: what sendmail called them, with our values. At each stage the ones that the filter asked for in the
// negotiation, else the usual ones (of Postfix, and what rspamd and OpenDKIM look at).
#include <stdio.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/id.h"
#include "relay/milter/inside.h"

static const char *const usual[MILTER_STAGES] = {
    [STAGE_CONNECT] = ("j _ v {daemon_name} {daemon_addr} {client_addr} {client_port} "
                       "{client_name} {client_ptr}"),
    [STAGE_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    [STAGE_MAIL] = "i {auth_type} {auth_authen} {mail_addr} {mail_host} {mail_mailer}",
    [STAGE_RCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    [STAGE_DATA] = "i",
    [STAGE_END] = "i",
    [STAGE_HEADER_END] = "i",
};

static const char *rcpt(const struct milter_session *s)
{
    const struct milter_result *r = s->mail->result;
    return s->state == MILTER_RECIPIENT && s->at < r->nrcpts ? r->rcpts[s->at].address : "";
}

static void macros_add_address(const struct milter_session *s, struct buf *out)
{
    char text[ADDRESS_TEXT];
    bool remote =
        s->client->address->sa_family == AF_INET || s->client->address->sa_family == AF_INET6;
    buf_adds(out, remote ? address_text(s->client->address, text) : "127.0.0.1");
}

// "TLSv1.3 TLS_AES_256_GCM_SHA384"
static void add_tls(const struct milter_session *s, bool cipher, struct buf *out)
{
    struct span tls = span_text(s->client->tls), version = tls, rest = {0};
    (void)span_cut(tls, ' ', &version, &rest);
    buf_addspan(out, cipher ? rest : version);
}

static void add_bits(const struct milter_session *s, struct buf *out)
{
    const char *tls = s->client->tls;
    if (strstr(tls, "256") || strstr(tls, "CHACHA20"))
        buf_adds(out, strstr(tls, "AES_128") || strstr(tls, "AES-128") ? "128" : "256");
    else if (strstr(tls, "128"))
        buf_adds(out, "128");
}

static void macros_add_domain(const char *address, struct buf *out)
{
    buf_adds(out, address_domain(address));
}

static void macros_add_name(const struct milter_session *s, struct buf *out)
{
    if (*s->client->name) {
        buf_adds(out, s->client->name);
        return;
    }
    buf_addc(out, '[');
    macros_add_address(s, out);
    buf_addc(out, ']');
}

static void add_id(const struct milter_session *s, struct buf *out)
{
    char id[ID_TEXT];
    id_text(s->mail->message->env.id, id);
    buf_adds(out, id);
}

static void macros_of_client(const struct milter_session *s, struct span name, struct buf *out)
{
    const struct milter_client *c = s->client;
    if (span_is(name, "j") || span_is(name, "daemon_name"))
        buf_adds(out, c->config->hostname);
    else if (span_is(name, "v"))
        buf_adds(out, "Waxwing " WAXWING_VERSION);
    else if (span_is(name, "daemon_addr"))
        buf_adds(out, c->listener);
    else if (span_is(name, "client_addr"))
        macros_add_address(s, out);
    else if (span_is(name, "client_port"))
        buf_addf(out, "%u", address_port(c->address));
    else if (span_is(name, "client_name"))
        macros_add_name(s, out);
    else if (span_is(name, "client_ptr"))
        buf_adds(out, *c->name ? c->name : "unknown");
    else if (span_is(name, "_")) {
        macros_add_name(s, out);
        buf_adds(out, " [");
        macros_add_address(s, out);
        buf_addc(out, ']');
    }
}

static void macros_of_session(const struct milter_session *s, struct span name, struct buf *out)
{
    const struct milter_client *c = s->client;
    if (span_is(name, "tls_version"))
        add_tls(s, false, out);
    else if (span_is(name, "cipher"))
        add_tls(s, true, out);
    else if (span_is(name, "cipher_bits"))
        add_bits(s, out);
    else if (span_is(name, "auth_type"))
        buf_adds(out, c->mechanism ? c->mechanism : "");
    else if (span_is(name, "auth_authen"))
        buf_adds(out, c->user ? c->user : "");
}

static void macros_of_message(const struct milter_session *s, struct span name, struct buf *out)
{
    if (span_is(name, "i"))
        add_id(s, out);
    else if (span_is(name, "mail_addr"))
        buf_adds(out, milter_mail_from(s->mail));
    else if (span_is(name, "mail_host"))
        macros_add_domain(milter_mail_from(s->mail), out);
    else if (span_is(name, "rcpt_addr"))
        buf_adds(out, rcpt(s));
    else if (span_is(name, "rcpt_host"))
        macros_add_domain(rcpt(s), out);
    else if (span_is(name, "mail_mailer") || span_is(name, "rcpt_mailer"))
        buf_adds(out, "smtp");
}

static void add_macro(struct milter_session *s, struct span name)
{
    struct buf value;
    bool braces = name.n > 2 && name.p[0] == '{' && name.p[name.n - 1] == '}';
    struct span bare = braces ? span_slice(name, 1, name.n - 1) : name;
    buf_init(&value, 1024);
    macros_of_client(s, bare, &value);
    macros_of_session(s, bare, &value);
    macros_of_message(s, bare, &value);
    if (value.len) {
        milter_text(&s->packet, name);
        milter_text(&s->packet, buf_span(&value));
    }
    buf_free(&value);
}

void milter_macros(struct milter_session *s, enum milter_stage stage, char command)
{
    const char *asked = s->options.macros[stage];
    struct span rest = span_text(asked ? asked : usual[stage]), name;
    size_t place = milter_open(&s->packet, 'D');
    buf_addc(&s->packet, command);
    while (rest.n) {
        if (!span_cut(rest, ' ', &name, &rest)) {
            name = rest;
            rest = span_of("", 0);
        }
        add_macro(s, name);
    }
    milter_close(&s->packet, place);
}
