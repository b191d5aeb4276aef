// SPDX-License-Identifier: ISC
// What the message says that it contains, held against its bytes (RFC 2045, RFC 2046). Of the parts of a multipart only
// their limits are looked for.
#include <string.h>
#include "relay/preflight/inside.h"
#include "sign/comment.h"

#define BOUNDARY_MOST 70 // RFC 2046 section 5.1.1

struct content_type {
    struct span whole; // "type/subtype"
    bool multipart, text, message;
    char boundary[128]; // what of it fits; "" none
    size_t boundary_n;  // all of it
    bool has_boundary, has_charset;
    bool continued; // the boundary comes in pieces (RFC 2231), which are not put together here
};

static bool mime_is_token(unsigned char c)
{
    return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct span take_token(struct span *rest)
{
    size_t n = 0;
    while (n < rest->n && mime_is_token(rest->p[n]))
        n++;
    struct span token = span_of(rest->p, n);
    *rest = span_from(*rest, n);
    return token;
}

static bool mime_take(struct span *rest, unsigned char c)
{
    if (!comment_skip(rest) || !rest->n || rest->p[0] != c)
        return false;
    *rest = span_from(*rest, 1);
    return comment_skip(rest);
}

static void take_value(struct span *rest, char *out, size_t room, size_t *n)
{
    bool quoted = rest->n && rest->p[0] == '"';
    size_t length = quoted ? comment_enclosed(*rest, '"') : 0;
    struct span inner = length > 1 ? span_slice(*rest, 1, length - 1) : span_of(NULL, 0);
    if (quoted)
        *rest = span_from(*rest, length ? length : rest->n);
    else
        inner = take_token(rest);
    *n = 0;
    for (size_t i = 0; i < inner.n; i++) {
        if (quoted && inner.p[i] == '\\' && i + 1 < inner.n)
            i++;
        if (inner.p[i] == '\r' || inner.p[i] == '\n')
            continue;
        if (*n + 1 < room)
            out[*n] = (char)inner.p[i];
        ++*n;
    }
    out[*n + 1 < room ? *n : room - 1] = 0;
}

static bool read_type(struct span value, struct content_type *out)
{
    char other[2];
    size_t n;
    struct span rest = value;
    *out = (struct content_type){0};
    (void)comment_skip(&rest);
    struct span start = rest, type = take_token(&rest);
    if (!type.n || !mime_take(&rest, '/') || !take_token(&rest).n)
        return false;
    out->whole = span_of(start.p, (size_t)(rest.p - start.p));
    out->multipart = span_is_nocase(type, "multipart");
    out->text = span_is_nocase(type, "text");
    out->message = span_is_nocase(type, "message");
    while (mime_take(&rest, ';')) {
        struct span name = take_token(&rest);
        if (!name.n || !mime_take(&rest, '='))
            continue;
        bool boundary = span_is_nocase(name, "boundary");
        out->continued |= span_starts_nocase(name, "boundary*");
        out->has_charset |= span_is_nocase(name, "charset");
        if (boundary && !out->has_boundary) {
            take_value(&rest, out->boundary, sizeof out->boundary, &out->boundary_n);
            out->has_boundary = out->boundary_n > 0;
        } else {
            take_value(&rest, other, sizeof other, &n);
        }
    }
    return true;
}

static bool boundary_good(const struct content_type *t)
{
    const char *b = t->boundary;
    if (t->boundary_n > BOUNDARY_MOST || b[t->boundary_n - 1] == ' ')
        return false;
    for (; *b; b++)
        if (!ascii_is_alnum((unsigned char)*b) && !strchr("'()+_,-./:=? ", *b))
            return false;
    return true;
}

// A line that begins with "--", the boundary and `end`.
static bool has_delimiter(struct span body, const struct content_type *t, const char *end)
{
    char line[160];
    size_t n = strlen(t->boundary), m = strlen(end);
    memcpy(line, "\n--", 3);
    memcpy(line + 3, t->boundary, n);
    memcpy(line + 3 + n, end, m);
    n += 3 + m;
    return (body.n >= n - 1 && memcmp(body.p, line + 1, n - 1) == 0) ||
           (body.n && memmem(body.p, body.n, line, n));
}

static void look_at_boundary(struct look *l, const struct content_type *t)
{
    char quoted[PREFLIGHT_QUOTE];
    if (!t->has_boundary) {
        look_find(l, BOUNDARY_MISSING, preflight_quote(t->whole, quoted));
        return;
    }
    preflight_quote(span_text(t->boundary), quoted);
    if (!boundary_good(t)) {
        look_find(l, BOUNDARY_BAD, quoted);
        return;
    }
    if (!l->in->body_whole)
        return;
    if (!has_delimiter(l->in->body, t, ""))
        look_find(l, BOUNDARY_UNUSED, quoted);
    else if (!has_delimiter(l->in->body, t, "--"))
        look_find(l, BOUNDARY_UNCLOSED, quoted);
}

static bool mime_is_one_of(struct span word, const char *const *words)
{
    for (; *words; words++)
        if (span_is_nocase(word, *words))
            return true;
    return false;
}

static void look_at_encoding(struct look *l, const struct content_type *t)
{
    static const char *const plain[] = {"7bit", "8bit", "binary", NULL};
    static const char *const coded[] = {"quoted-printable", "base64", NULL};
    char quoted[PREFLIGHT_QUOTE], type[PREFLIGHT_QUOTE];
    struct span rest = l->at[KNOWN_ENCODING] ? l->at[KNOWN_ENCODING]->value : span_text("7bit");
    (void)comment_skip(&rest);
    struct span word = take_token(&rest);
    bool is_plain = mime_is_one_of(word, plain), is_coded = mime_is_one_of(word, coded);
    preflight_quote(word.n ? word : rest, quoted);
    if (!is_plain && !is_coded && !span_starts_nocase(word, "x-"))
        look_find(l, ENCODING_UNKNOWN, quoted);
    if (is_coded && (t->multipart || (t->message && !span_is_nocase(t->whole, "message/global"))))
        look_find(l, MULTIPART_ENCODED, preflight_quote(t->whole, type), quoted);
    if (span_is_nocase(word, "binary") && !l->in->binary)
        look_find(l, ENCODING_BINARY);
    if (l->in->eightbit && (is_coded || span_is_nocase(word, "7bit")) && !t->multipart)
        look_find(l, BODY_8BIT_UNSAID, quoted);
}

void look_at_mime(struct look *l)
{
    char quoted[PREFLIGHT_QUOTE];
    const struct field *version = l->at[KNOWN_MIME_VERSION], *type = l->at[KNOWN_CONTENT_TYPE],
                       *encoding = l->at[KNOWN_ENCODING];
    struct content_type t = {0};
    if (!version && (type || encoding))
        look_find(l, MIME_VERSION_MISSING, type ? "Content-Type" : "Content-Transfer-Encoding");
    if (!version && !type && !encoding && l->in->eightbit) {
        look_find(l, BODY_8BIT_NO_MIME);
        return;
    }
    if (version) {
        struct span rest = version->value;
        (void)comment_skip(&rest);
        if (!span_is(take_token(&rest), "1.0"))
            look_find(l, MIME_VERSION_ODD, preflight_quote(version->value, quoted));
    }
    if (type && !read_type(type->value, &t))
        look_find(l, CONTENT_TYPE_UNREADABLE, preflight_quote(type->value, quoted));
    if (t.multipart && !t.continued)
        look_at_boundary(l, &t);
    if ((t.text || !type) && l->in->eightbit && !t.has_charset)
        look_find(l, CHARSET_MISSING, t.text ? preflight_quote(t.whole, quoted) : "the message");
    look_at_encoding(l, &t);
}
