// SPDX-License-Identifier: ISC
// Milter packets, written and read. Knows no socket and no state.
#include "relay/milter/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int broken(struct why *why, const char *what)
{
    return why_set(why, WHY_OURS, "4.3.0", "it sent %s", what);
}

// ---- writing

static void protocol_put(unsigned char out[static 4], uint32_t n)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(n >> (24 - 8 * i));
}

static uint32_t protocol_get(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void milter_number(struct buf *out, uint32_t n)
{
    unsigned char bytes[4];
    protocol_put(bytes, n);
    buf_add(out, bytes, sizeof bytes);
}

size_t milter_open(struct buf *out, char command)
{
    size_t place = out->len;
    milter_number(out, 0);
    buf_addc(out, command);
    return place;
}

void milter_text(struct buf *out, struct span s)
{
    const unsigned char *end = s.n ? memchr(s.p, 0, s.n) : NULL;
    buf_add(out, s.p, end ? (size_t)(end - s.p) : s.n);
    buf_addc(out, '\0');
}

void milter_close(struct buf *out, size_t place)
{
    if (!out->full)
        protocol_put(out->data + place, (uint32_t)(out->len - place - 4));
}

// ---- reading

int milter_take(struct span in, struct milter_packet *out, size_t *used, struct why *why)
{
    if (in.n < 4)
        return 0;
    uint32_t n = protocol_get(in.p);
    if (n == 0 || n > MILTER_ANSWER_MAX)
        return why_set(why, WHY_OURS, "4.3.0", "it sent a packet of %u bytes", n);
    if (in.n - 4 < n)
        return 0;
    out->code = (char)in.p[4];
    out->data = span_slice(in, 5, 4 + (size_t)n);
    *used = 4 + (size_t)n;
    return 1;
}

// Cuts a text that ends in NUL off the front.
static bool take_text(struct span *data, struct span *text)
{
    return span_cut(*data, '\0', text, data);
}

static bool take_number(struct span *data, uint32_t *n)
{
    if (data->n < 4)
        return false;
    *n = protocol_get(data->p);
    *data = span_from(*data, 4);
    return true;
}

static int read_macros(struct span rest, struct milter_options *out, struct why *why)
{
    uint32_t stage;
    struct span names;
    while (rest.n) {
        if (!take_number(&rest, &stage) || !take_text(&rest, &names) || stage >= MILTER_STAGES ||
            names.n > MILTER_MACROS)
            return broken(why, "a list of macros that is none");
        free(out->macros[stage]);
        out->macros[stage] = span_dup(names);
    }
    return 0;
}

int milter_read_options(struct span data, struct milter_options *out, struct why *why)
{
    *out = (struct milter_options){0};
    if (!take_number(&data, &out->version) || !take_number(&data, &out->actions) ||
        !take_number(&data, &out->steps))
        return broken(why, "options that are cut short");
    if (out->version < MILTER_OLDEST || out->version > MILTER_VERSION)
        return why_set(why, WHY_OURS, "4.3.0", "it speaks version %u of the milter protocol",
                       out->version);
    out->actions &= MILTER_ACTIONS;
    out->steps &= MILTER_STEPS;
    if (read_macros(data, out, why) == 0)
        return 0;
    milter_options_free(out);
    return -1;
}

void milter_options_free(struct milter_options *options)
{
    for (size_t i = 0; i < MILTER_STAGES; i++)
        free(options->macros[i]);
    *options = (struct milter_options){0};
}

// ---- changes

uint32_t milter_action_of(char code)
{
    static const struct {
        char code;
        uint32_t action;
    } table[] = {
        {'+', MILTER_ADD_RCPT},       {'2', MILTER_ADD_RCPT_ARGS}, {'-', MILTER_DELETE_RCPT},
        {'e', MILTER_CHANGE_FROM},    {'h', MILTER_ADD_HEADERS},   {'i', MILTER_ADD_HEADERS},
        {'m', MILTER_CHANGE_HEADERS}, {'q', MILTER_HOLD},          {'b', MILTER_CHANGE_BODY}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == code)
            return table[i].action;
    return 0;
}

bool milter_is_field(char code)
{
    return code == 'h' || code == 'i' || code == 'm';
}

// RFC 5322 section 2.2: what a field's name is made of.
static bool is_field_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < 33 || name.p[i] > 126 || name.p[i] == ':')
            return false;
    return name.n > 0 && name.n <= 256;
}

static int read_field(struct span data, struct milter_change *out, struct why *why)
{
    if (out->code != 'h' && !take_number(&data, &out->index))
        return broken(why, "a change of the header that is cut short");
    if (!take_text(&data, &out->name) || !take_text(&data, &out->value))
        return broken(why, "a change of the header that is cut short");
    return is_field_name(out->name) ? 0 : broken(why, "a header field with a name that is none");
}

int milter_read_change(const struct milter_packet *packet, struct milter_change *out,
                       struct why *why)
{
    struct span data = packet->data;
    *out = (struct milter_change){.code = packet->code};
    if (milter_is_field(packet->code))
        return read_field(data, out, why);
    // Behind an address may stand ESMTP parameters, which are not for us to take from a filter.
    return take_text(&data, &out->value) ? 0 : broken(why, "a change that is cut short");
}

// ---- replies

// "5.7.1": a class, two numbers of at most three digits.
static size_t status_length(struct span s)
{
    size_t at = 0;
    for (int part = 0; part < 3; part++) {
        size_t digits = 0;
        while (at < s.n && ascii_is_digit(s.p[at]) && digits < 4)
            at++, digits++;
        if (!digits || digits > 3 || (part == 0 && digits != 1))
            return 0;
        if (part < 2 && (at >= s.n || s.p[at++] != '.'))
            return 0;
    }
    return at < s.n && s.p[at] != ' ' ? 0 : at;
}

// One line of a reply behind its code: a blank between lines, "%%" is a percent sign (libmilter's spelling), and
// what is no printable ASCII a question mark.
static void add_line(struct milter_reply *out, struct span line)
{
    size_t n = strlen(out->text);
    if (n && n + 1 < sizeof out->text)
        out->text[n++] = ' ';
    for (size_t i = 0; i < line.n && n + 1 < sizeof out->text; i++) {
        if (line.p[i] == '%' && i + 1 < line.n && line.p[i + 1] == '%')
            i++;
        out->text[n++] = line.p[i] < 32 || line.p[i] > 126 ? '?' : (char)line.p[i];
    }
    out->text[n] = 0;
}

static bool read_line(struct milter_reply *out, struct span line)
{
    uint64_t code;
    if (line.n < 3 || !span_number(span_slice(line, 0, 3), 599, &code) || code < 400 ||
        (out->code && (int)code != out->code) ||
        (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
        return false;
    out->code = (int)code;
    struct span text = span_from(line, line.n > 3 ? 4 : 3);
    size_t status = status_length(text);
    // RFC 2034 section 4: the classes of the two codes agree.
    if (status && status < sizeof out->status && text.p[0] == line.p[0]) {
        memcpy(out->status, text.p, status);
        out->status[status] = 0;
        text = span_from(text, status);
    }
    add_line(out, span_trim(text));
    return true;
}

int milter_read_reply(struct span data, struct milter_reply *out, struct why *why)
{
    struct span rest, line;
    *out = (struct milter_reply){0};
    if (!take_text(&data, &rest))
        return broken(why, "a reply that is cut short");
    do {
        if (!span_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = span_of("", 0);
        }
        if (!read_line(out, span_trim(line)))
            return broken(why, "a reply that is no 4xx or 5xx");
    } while (rest.n);
    if (!out->status[0])
        snprintf(out->status, sizeof out->status, "%d.7.1", out->code / 100);
    if (!out->text[0])
        snprintf(out->text, sizeof out->text, "The message is refused");
    if (out->code == 421)
        out->code = 451;
    return 0;
}
