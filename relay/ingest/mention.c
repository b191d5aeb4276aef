// SPDX-License-Identifier: ISC
// The many ways in which a From that is no list of addresses may still show a reader one: mail programs
// decode encoded words where none may stand (RFC 2047 section 5), pass over blanks and comments inside an
// address, take a fullwidth "@" for one. Any such reading that finds an own domain counts.
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/maxima.h"
#include "relay/base/utf8.h"
#include "relay/ingest/inside.h"
#include "sign/base64.h"
#include "sign/comment.h"

#define MAX_NAMES 8000 // looked at in one From; nobody who means well writes more

struct reading {
    const struct cfg_sender *row;
    size_t names;
};

// ---- one name

static bool mention_is_own(const struct reading *r, const char *name)
{
    char domain[IDN_NAME];
    idn_domain(name, domain);
    if (!domain[0])
        return false;
    if (principal_own_domain(r->row, domain))
        return true;
    for (size_t i = 0; i < r->row->nfrom; i++) { // an address of ours has a domain too
        const char *at = strrchr(r->row->from[i].text, '@');
        if (at && strcmp(at + 1, domain) == 0)
            return true;
    }
    return false;
}

// Dots at the ends and doubled ones are passed over.
static bool mention_name(struct reading *r, struct span word, bool ascii_alone)
{
    char name[4 * MAX_DOMAIN + 1];
    size_t n = 0;
    for (size_t i = 0; i < word.n && n < sizeof name - 1; i++) {
        unsigned char c = word.p[i];
        if ((c > 127 && ascii_alone) || (c == '.' && (!n || name[n - 1] == '.')))
            continue;
        name[n++] = (char)c;
    }
    while (n && (name[n - 1] == '.' || name[n - 1] == '-'))
        n--;
    name[n] = 0;
    r->names++;
    return memchr(name, '.', n) && mention_is_own(r, name);
}

static bool mention_is_letter(unsigned char c)
{
    return ascii_is_alnum(c) || c > 127 || (c && strchr("-_.", c));
}

// A run of letters: as a whole, without what is not ASCII, and each part between such letters.
static bool mention_run(struct reading *r, struct span run)
{
    if (mention_name(r, run, false) || mention_name(r, run, true))
        return true;
    for (size_t i = 0, n; i < run.n; i += n + 1) {
        for (n = 0; i + n < run.n && run.p[i + n] < 128; n++) {
        }
        if (n && n < run.n && mention_name(r, span_of(run.p + i, n), false))
            return true;
    }
    return false;
}

static bool mention_in(struct reading *r, struct span text)
{
    for (size_t i = 0, n; i < text.n; i += n + 1) {
        if (r->names > MAX_NAMES)
            return true;
        for (n = 0; i + n < text.n && mention_is_letter(text.p[i + n]); n++) {
        }
        if (n && mention_run(r, span_of(text.p + i, n)))
            return true;
    }
    return false;
}

// ---- ways to read

// The code point of the character at the front and its length; of what is no UTF-8 one byte, as a blank.
static size_t mention_decode(struct span s, uint32_t *c)
{
    size_t n = utf8_length(s);
    *c = n == 1 ? s.p[0] : n == 2 ? s.p[0] & 0x1f : n == 3 ? s.p[0] & 0x0f : s.p[0] & 0x07;
    for (size_t i = 1; i < n; i++)
        *c = *c << 6 | (s.p[i] & 0x3f);
    if (!n)
        *c = ' ';
    return n ? n : 1;
}

// What readers see as an ASCII character, as a blank, or not at all (0); 128: something else.
static unsigned char mention_look(uint32_t c)
{
    if (c >= 0xff01 && c <= 0xff5e) // fullwidth forms
        return (unsigned char)(c - 0xff01 + '!');
    if (c == 0xfe6b)
        return '@';
    if (c == 0x3002 || c == 0xff61 || c == 0xfe52 || c == 0x2024)
        return '.';
    if (c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
        c == 0x202f || c == 0x205f || c == 0x3000)
        return ' ';
    if (c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
        (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfe00 && c <= 0xfe0f))
        return 0;
    return c < 128 ? (unsigned char)c : 128;
}

static void mention_normalize(struct span in, struct buf *out)
{
    for (size_t n; in.n; in = span_from(in, n)) {
        uint32_t c;
        n = mention_decode(in, &c);
        unsigned char look = mention_look(c);
        if (look == 128)
            buf_add(out, in.p, n);
        else if (look)
            buf_addc(out, (char)look);
    }
}

static int mention_hex(int c)
{
    return ascii_is_digit(c)                                ? c - '0'
           : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
                                                            : -1;
}

static void mention_add_q(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        int high = text.p[i] == '=' && i + 2 < text.n ? mention_hex(text.p[i + 1]) : -1;
        int low = high >= 0 ? mention_hex(text.p[i + 2]) : -1;
        buf_addc(out, low >= 0           ? (char)(high * 16 + low)
                      : text.p[i] == '_' ? ' '
                                         : (char)text.p[i]);
        i += low >= 0 ? 2 : 0;
    }
}

// Readers do not ask for the padding.
static void mention_add_b(struct span text, struct buf *out)
{
    struct buf padded;
    buf_init(&padded, text.n + 8);
    for (size_t i = 0; i < text.n; i++)
        if (ascii_is_alnum(text.p[i]) || text.p[i] == '+' || text.p[i] == '/')
            buf_addc(&padded, (char)text.p[i]);
    while (padded.len % 4)
        buf_addc(&padded, padded.len % 4 == 1 ? 'A' : '=');
    (void)base64_decode(buf_span(&padded), out);
    buf_free(&padded);
}

// The encoded word at the front (RFC 2047 section 2), decoded into out; its length, 0: none.
static size_t mention_encoded_word(struct span s, struct buf *out)
{
    struct span charset, rest, encoding, text, tail;
    if (s.n < 8 || s.p[0] != '=' || s.p[1] != '?' ||
        !span_cut(span_from(s, 2), '?', &charset, &rest) ||
        !span_cut(rest, '?', &encoding, &rest) || encoding.n != 1 ||
        !span_cut(rest, '?', &text, &tail) || !tail.n || tail.p[0] != '=')
        return 0;
    struct buf decoded;
    buf_init(&decoded, s.n + 8);
    if (span_is_nocase(encoding, "Q"))
        mention_add_q(text, &decoded);
    else if (span_is_nocase(encoding, "B"))
        mention_add_b(text, &decoded);
    buf_addspan(out, buf_span(&decoded));
    buf_free(&decoded);
    return (size_t)(tail.p + 1 - s.p);
}

static void mention_add_decoded(struct span in, struct buf *out)
{
    for (size_t n; in.n; in = span_from(in, n)) {
        n = mention_encoded_word(in, out);
        if (n)
            continue;
        buf_addc(out, (char)in.p[0]);
        n = 1;
    }
}

enum { WITHOUT_COMMENTS = 1, WITHOUT_BLANKS = 2, TIGHT_DOTS = 4, WAYS = 8 };

static bool mention_joins(unsigned char c)
{
    return c == '.' || c == '@';
}

// A run of blanks, kept as one unless it stands beside a dot or "@", where the obsolete syntax allows it
// inside an address (RFC 5322 section 4.4). Returns its length.
static size_t mention_add_blanks(struct span in, struct buf *out)
{
    size_t n = 0;
    while (n < in.n && in.p[n] <= ' ')
        n++;
    if (n && !(n < in.n && mention_joins(in.p[n])) &&
        !(out->len && mention_joins(out->data[out->len - 1])))
        buf_addc(out, ' ');
    return n;
}

static void mention_strip(struct span in, unsigned way, struct buf *out)
{
    for (size_t n; in.n; in = span_from(in, n)) {
        unsigned char c = in.p[0];
        n = (way & WITHOUT_COMMENTS) && c == '(' ? comment_length(in) : 0;
        if (n)
            continue;
        n = 1;
        if ((way & WITHOUT_BLANKS) && (c <= ' ' || strchr("\\\"'[]<>", c)))
            continue;
        if ((way & TIGHT_DOTS) && c <= ' ')
            n = mention_add_blanks(in, out);
        else
            buf_addc(out, (char)c);
    }
}

static bool mention_read(struct reading *r, struct span text)
{
    bool own = mention_in(r, text);
    for (unsigned way = 1; way < WAYS && !own; way++) {
        struct buf stripped;
        buf_init(&stripped, text.n + 1);
        mention_strip(text, way, &stripped);
        own = mention_in(r, buf_span(&stripped));
        buf_free(&stripped);
    }
    return own;
}

bool ingest_mentions_own(const struct cfg_sender *row, struct span from)
{
    struct reading r = {.row = row};
    struct buf decoded, plain;
    buf_init(&decoded, 2 * from.n + 64);
    buf_init(&plain, 2 * from.n + 64);
    mention_normalize(from, &plain);
    bool own = mention_read(&r, buf_span(&plain));
    if (!own && span_find(from, '?') >= 0) {
        mention_add_decoded(from, &decoded);
        buf_reset(&plain);
        mention_normalize(buf_span(&decoded), &plain);
        own = mention_read(&r, buf_span(&plain));
    }
    buf_free(&decoded);
    buf_free(&plain);
    return own;
}
