// SPDX-License-Identifier: ISC
// Pieces that every chapter of a story is made of.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/log/json.h"
#include "relay/trace/story_inside.h"

#define REPLY_SHOWN 240 // bytes of a reply that a screen bears

// What may stand in front of the @ of an address (RFC 5322 section 3.2.3), or be part of a character that is not ASCII.
static bool in_local_part(unsigned char c)
{
    return ascii_is_alnum(c) || c >= 128 || (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
}

// Whatever looks like an address loses its local part, replies of hosts included.
static void mask(struct buf *text)
{
    struct buf out;
    buf_init(&out, text->max);
    for (size_t i = 0; i < text->len; i++) {
        size_t kept = out.len;
        while (text->data[i] == '@' && kept && in_local_part(out.data[kept - 1]))
            kept--;
        if (kept < out.len) {
            buf_cut(&out, kept);
            buf_adds(&out, "***");
        }
        buf_addc(&out, (char)text->data[i]);
    }
    buf_move(text, &out);
}

void story_say(struct story *s, const char *head, enum story_mood mood)
{
    if (s->options.mask)
        mask(&s->text);
    struct story_line line = {s->at_ms, head, mood, buf_text(&s->text)};
    if (s->text.len)
        s->options.line(&line, s->options.arg);
    buf_reset(&s->text);
}

void story_part(struct story *s, const char *format, ...)
{
    char part[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(part, sizeof part, format, args);
    va_end(args);
    buf_adds(&s->text, part);
}

void story_day(struct buf *out, int64_t seconds)
{
    char text[40];
    if (seconds < 0 || seconds > 253402300799) // year 9999
        seconds = 0;
    clock_rfc3339(seconds * 1000, text);
    buf_add(out, text, 10);
}

static int64_t within(int64_t n, int64_t most)
{
    return n < 0 ? 0 : n > most ? most : n;
}

int64_t story_moment(const json_t *record, const char *key)
{
    return within(json_number_of(record, key), INT64_C(253402300799999));
}

int64_t story_number(const json_t *record, const char *key)
{
    return within(json_number_of(record, key), STORY_MOST);
}

void story_address(struct story *s, const char *address)
{
    buf_adds(&s->text, address[0] ? address : "<>");
}

void story_reply(struct story *s, const char *reply)
{
    size_t n = strlen(reply), shown = s->options.full || n <= REPLY_SHOWN ? n : REPLY_SHOWN;
    while (shown < n && shown && ((unsigned char)reply[shown] & 0xc0) == 0x80)
        shown--; // not inside a character
    for (size_t i = 0; i < shown; i++)
        if (reply[i] == '\n')
            buf_adds(&s->text, " / ");
        else
            buf_addc(&s->text, reply[i]);
    if (shown < n)
        buf_adds(&s->text, " [...]");
}

void story_why(struct story *s, const json_t *why)
{
    const char *text = json_word(why, "text"), *reply = json_word(why, "reply");
    const char *name = json_word(why, "name");
    const char *phrase = act_phrase(act_named(json_word(why, "act")));
    buf_adds(&s->text, text);
    if (reply[0] && !strstr(text, reply)) {
        buf_adds(&s->text, ": ");
        story_reply(s, reply);
    }
    if (name[0])
        story_part(s, " (why %s%s%s)", name, phrase[0] ? "; " : "", phrase);
}
