// SPDX-License-Identifier: ISC
// What is said to a filter, a packet at a time, in the order of the steps.
#include <stdio.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/milter/inside.h"

static enum milter_said say_send(struct milter_session *s)
{
    stream_write(s->stream, s->packet.data, s->packet.len);
    buf_reset(&s->packet);
    return SAID;
}

// Each of these steps says one thing.
static bool is_said(struct milter_session *s)
{
    return s->at++ > 0;
}

enum milter_said milter_say_options(struct milter_session *s)
{
    if (is_said(s))
        return NOTHING;
    size_t place = milter_open(&s->packet, 'O');
    milter_number(&s->packet, MILTER_VERSION);
    milter_number(&s->packet, MILTER_ACTIONS);
    milter_number(&s->packet, MILTER_STEPS);
    milter_close(&s->packet, place);
    return say_send(s);
}

// A program on this machine is a client at its own address.
enum milter_said milter_say_client(struct milter_session *s)
{
    const struct sockaddr *address = s->client->address;
    char text[ADDRESS_TEXT], host[ADDRESS_TEXT + 2];
    if (is_said(s))
        return NOTHING;
    bool six = address->sa_family == AF_INET6, local = !six && address->sa_family != AF_INET;
    const char *ip = local ? "127.0.0.1" : address_text(address, text);
    snprintf(host, sizeof host, "[%s]", ip);
    milter_macros(s, STAGE_CONNECT, 'C');
    size_t place = milter_open(&s->packet, 'C');
    milter_text(&s->packet, span_text(local              ? "localhost"
                                      : *s->client->name ? s->client->name
                                                         : host));
    buf_addc(&s->packet, six ? '6' : '4');
    uint16_t port = local ? 0 : address_port(address);
    unsigned char bytes[] = {(unsigned char)(port >> 8), (unsigned char)port};
    buf_add(&s->packet, bytes, sizeof bytes);
    // Sendmail's spelling of IPv6, which libmilter undoes.
    snprintf(host, sizeof host, "%s%s", six ? "IPv6:" : "", ip);
    milter_text(&s->packet, span_text(host));
    milter_close(&s->packet, place);
    return say_send(s);
}

static enum milter_said say_text(struct milter_session *s, enum milter_stage stage, char command,
                                 const char *text)
{
    milter_macros(s, stage, command);
    size_t place = milter_open(&s->packet, command);
    if (text)
        milter_text(&s->packet, span_text(text));
    milter_close(&s->packet, place);
    return say_send(s);
}

enum milter_said milter_say_helo(struct milter_session *s)
{
    return is_said(s) ? NOTHING : say_text(s, STAGE_HELO, 'H', s->client->helo);
}

static void add_path(struct milter_session *s, const char *address)
{
    buf_addc(&s->packet, '<');
    buf_adds(&s->packet, address);
    buf_adds(&s->packet, ">");
    buf_addc(&s->packet, '\0');
}

enum milter_said milter_say_sender(struct milter_session *s)
{
    const struct envelope *env = &s->mail->message->env;
    char size[40];
    if (is_said(s))
        return NOTHING;
    milter_macros(s, STAGE_MAIL, 'M');
    size_t place = milter_open(&s->packet, 'M');
    add_path(s, milter_mail_from(s->mail));
    snprintf(size, sizeof size, "SIZE=%llu", (unsigned long long)message_size(s->mail->message));
    milter_text(&s->packet, span_text(size));
    if (env->smtputf8)
        milter_text(&s->packet, span_text("SMTPUTF8"));
    milter_close(&s->packet, place);
    return say_send(s);
}

enum milter_said milter_say_recipient(struct milter_session *s)
{
    const struct milter_result *r = s->mail->result;
    while (s->at < r->nrcpts && r->rcpts[s->at].standing == RCPT_DELETED)
        s->at++;
    if (s->at >= r->nrcpts)
        return NOTHING;
    milter_macros(s, STAGE_RCPT, 'R');
    size_t place = milter_open(&s->packet, 'R');
    add_path(s, r->rcpts[s->at].address);
    milter_close(&s->packet, place);
    s->at++;
    return say_send(s);
}

enum milter_said milter_say_data(struct milter_session *s)
{
    return is_said(s) ? NOTHING : say_text(s, STAGE_DATA, 'T', NULL);
}

// Lines of a folded value are parted by LF alone, as sendmail does; longer than a packet it is cut.
static void add_field_value(struct milter_session *s, struct span value, size_t room)
{
    bool whole = s->options.steps & MILTER_LEADING_SPACE;
    if (!whole && value.n && value.p[0] == ' ')
        value = span_from(value, 1);
    for (size_t i = 0; i < value.n && i < room; i++)
        if (value.p[i] != '\r')
            buf_addc(&s->packet, (char)value.p[i]);
    buf_addc(&s->packet, '\0');
}

enum milter_said milter_say_header(struct milter_session *s)
{
    if (s->at >= s->header.n)
        return NOTHING;
    const struct field *field = &s->header.fields[s->at++];
    struct span name = span_slice(field->name, 0, field->name.n < 1000 ? field->name.n : 1000);
    size_t place = milter_open(&s->packet, 'L');
    milter_text(&s->packet, name);
    add_field_value(s, field->value, MILTER_PIECE - name.n - 2);
    milter_close(&s->packet, place);
    return say_send(s);
}

enum milter_said milter_say_header_end(struct milter_session *s)
{
    return is_said(s) ? NOTHING : say_text(s, STAGE_HEADER_END, 'N', NULL);
}

static enum milter_said say_piece(struct milter_session *s, struct span piece)
{
    size_t place = milter_open(&s->packet, 'B');
    buf_addspan(&s->packet, piece);
    milter_close(&s->packet, place);
    s->sent += piece.n;
    return say_send(s);
}

static struct span first_piece(struct span bytes)
{
    return span_slice(bytes, 0, bytes.n < MILTER_PIECE ? bytes.n : MILTER_PIECE);
}

enum milter_said milter_say_body(struct milter_session *s)
{
    const struct message *content = milter_mail_content(s->mail);
    if (!content->large) {
        struct span rest = span_from(buf_span(&content->body), (size_t)s->sent);
        return rest.n ? say_piece(s, first_piece(rest)) : NOTHING;
    }
    if (s->sent >= content->body_bytes)
        return NOTHING;
    if (!s->piece.len)
        return LATER;
    struct span piece = first_piece(buf_span(&s->piece));
    (void)say_piece(s, piece);
    buf_drop(&s->piece, piece.n);
    return SAID;
}

enum milter_said milter_say_end(struct milter_session *s)
{
    return is_said(s) ? NOTHING : say_text(s, STAGE_END, 'E', NULL);
}
