// SPDX-License-Identifier: ISC
// Types and parts.
#include "relay/returns/mime.h"

#include <string.h>
#include "sign/comment.h"

static bool is_token(unsigned char c)
{
    return c > 32 && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool mime_token(struct span *text, struct span *token)
{
    size_t n = 0;
    if (!comment_skip(text))
        return false;
    while (n < text->n && is_token(text->p[n]))
        n++;
    *token = span_slice(*text, 0, n);
    *text = span_from(*text, n);
    return n > 0 && comment_skip(text);
}

static bool mime_step(struct span *text, char c)
{
    if (!text->n || text->p[0] != (unsigned char)c)
        return false;
    *text = span_from(*text, 1);
    return comment_skip(text);
}

static bool mime_put(struct span from, bool quoted, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < from.n; i++) {
        if (quoted && from.p[i] == '\\' && i + 1 < from.n)
            i++;
        if (n + 1 >= room || !from.p[i]) {
            out[0] = 0;
            return false;
        }
        out[n++] = (char)from.p[i];
    }
    out[n] = 0;
    return true;
}

// The value of one parameter: a token or a quoted string.
static bool mime_value(struct span *text, const struct span name, struct mime_type *out)
{
    bool quoted = text->n && text->p[0] == '"';
    struct span value;
    if (quoted) {
        size_t n = comment_enclosed(*text, '"');
        if (n < 2)
            return false;
        value = span_slice(*text, 1, n - 1);
        *text = span_from(*text, n);
        if (!comment_skip(text))
            return false;
    } else if (!mime_token(text, &value)) {
        return false;
    }
    return !span_is_nocase(name, "boundary") || out->boundary[0] ||
           mime_put(value, quoted, out->boundary, sizeof out->boundary);
}

bool mime_type_read(struct span value, struct mime_type *out)
{
    struct span type, subtype, name;
    *out = (struct mime_type){0};
    if (!mime_token(&value, &type) || !mime_step(&value, '/') || !mime_token(&value, &subtype) ||
        type.n + subtype.n + 2 > sizeof out->name)
        return false;
    for (size_t i = 0; i < type.n; i++)
        out->name[i] = (char)ascii_lower(type.p[i]);
    out->name[type.n] = '/';
    for (size_t i = 0; i < subtype.n; i++)
        out->name[type.n + 1 + i] = (char)ascii_lower(subtype.p[i]);
    while (mime_step(&value, ';') && value.n)
        if (!mime_token(&value, &name) || !mime_step(&value, '=') || !mime_value(&value, name, out))
            return out->boundary[0] || strncmp(out->name, "multipart/", 10) != 0;
    return true;
}

static struct span line_of(struct span text)
{
    ptrdiff_t lf = span_find(text, '\n');
    return lf < 0 ? text : span_slice(text, 0, (size_t)lf + 1);
}

// 0: an ordinary line; 1: a part begins; 2: there is no further one.
static int delimiter(struct span line, const char *boundary)
{
    size_t n = strlen(boundary);
    while (line.n && ascii_is_space(line.p[line.n - 1]))
        line.n--;
    if (line.n < n + 2 || memcmp(line.p, "--", 2) != 0 || memcmp(line.p + 2, boundary, n) != 0)
        return 0;
    line = span_from(line, n + 2);
    return !line.n ? 1 : span_is(line, "--") ? 2 : 0;
}

bool mime_next_part(struct span *rest, const char *boundary, struct span *part)
{
    int found = 0;
    while (rest->n && !found) { // a preamble, or the delimiter that the part before ended at
        struct span line = line_of(*rest);
        found = delimiter(line, boundary);
        *rest = span_from(*rest, line.n);
    }
    if (found != 1)
        return false;
    struct span at = *rest;
    while (at.n && !delimiter(line_of(at), boundary))
        at = span_from(at, line_of(at).n);
    *part = span_slice(*rest, 0, rest->n - at.n);
    *rest = at;
    return true;
}

struct span mime_behind_empty_line(struct span text)
{
    while (text.n) {
        struct span line = line_of(text);
        text = span_from(text, line.n);
        if (!span_trim(line).n)
            break;
    }
    return text;
}
