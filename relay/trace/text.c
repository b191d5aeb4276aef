// SPDX-License-Identifier: ISC
// Writes JSON members into a buffer. A member that does not fit leaves the buffer full, for its owner to see.
#include "relay/trace/text.h"

#include <string.h>
#include "relay/base/reasons.h"
#include "relay/base/utf8.h"
#include "relay/log/log.h"

#define KEY_MAX 32 // bytes of a member's name
// What stands before a value, in one piece: each message pays for it some hundred times.
static void text_begin(struct buf *out, const char *key)
{
    char head[KEY_MAX + 4];
    size_t n = 0;
    unsigned char last = out->len ? out->data[out->len - 1] : '{';
    if (last != '{' && last != '[')
        head[n++] = ',';
    if (key) {
        size_t length = strnlen(key, KEY_MAX);
        head[n++] = '"';
        memcpy(head + n, key, length);
        n += length;
        head[n++] = '"';
        head[n++] = ':';
    }
    buf_add(out, head, n);
}

static bool text_is_plain(unsigned char c)
{
    return c >= ' ' && c < 127 && c != '"' && c != '\\';
}

// One character that is not plain; returns how many bytes it takes of s.
static size_t character(struct buf *out, struct span s)
{
    size_t n = utf8_length(s);
    uint32_t point = n ? utf8_point(span_of(s.p, n)) : 0;
    if (!n)
        buf_adds(out, "\xef\xbf\xbd"); // U+FFFD
    else if (s.p[0] == '"' || s.p[0] == '\\')
        buf_addf(out, "\\%c", s.p[0]);
    else if (n == 1 || utf8_deceives(point) || point == UTF8_BYTE_ORDER_MARK)
        buf_addf(out, "\\u%04x", (unsigned)point);
    else
        buf_add(out, s.p, n);
    return n ? n : 1;
}

// A value that needs no escape, as most of them.
static void put_plain(struct buf *out, struct span value)
{
    unsigned char *room;
    if (buf_reserve(out, value.n + 2, &room) < 0)
        return;
    room[0] = '"';
    if (value.n)
        memcpy(room + 1, value.p, value.n);
    room[value.n + 1] = '"';
    out->len += value.n + 2;
}

void text_bytes(struct buf *out, const char *key, struct span value)
{
    size_t n = 0;
    text_begin(out, key);
    while (n < value.n && text_is_plain(value.p[n]))
        n++;
    if (n == value.n) {
        put_plain(out, value);
        return;
    }
    buf_addc(out, '"');
    while (value.n) {
        buf_add(out, value.p, n);
        value = span_from(value, n);
        if (value.n)
            value = span_from(value, character(out, value));
        n = 0;
        while (n < value.n && text_is_plain(value.p[n]))
            n++;
    }
    buf_addc(out, '"');
}

void text_string(struct buf *out, const char *key, const char *value)
{
    if (value && *value)
        text_bytes(out, key, span_text(value));
}

void text_number(struct buf *out, const char *key, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        digits[--at] = '-';
    text_begin(out, key);
    buf_add(out, digits + at, sizeof digits - at);
}

void text_true(struct buf *out, const char *key, bool value)
{
    if (value)
        text_raw(out, key, span_text("true"));
}

void text_raw(struct buf *out, const char *key, struct span json)
{
    text_begin(out, key);
    buf_addspan(out, json);
}

void text_address(struct buf *out, const char *key, const char *address)
{
    char masked[LOG_MASKED];
    text_bytes(out, key, span_text(log_masked(address, masked)));
}

void text_open(struct buf *out, const char *key, char bracket)
{
    text_begin(out, key);
    buf_addc(out, bracket);
}

void text_close(struct buf *out, char bracket)
{
    buf_addc(out, bracket);
}

void text_why(struct buf *out, const char *key, const struct why *why)
{
    if (!why || !why_is_set(why))
        return;
    text_open(out, key, '{');
    text_string(out, "name", reason_row(why->reason)->name);
    text_string(out, "status", why->status);
    text_string(out, "type", why_tls_word(why->tls));
    text_string(out, "act", act_word(why->act));
    text_string(out, "text", why->text);
    text_string(out, "host", why->host);
    text_string(out, "reply", why->reply);
    text_close(out, '}');
}
