// SPDX-License-Identifier: ISC
// Reading and writing Authentication-Results (RFC 8601 section 2.2).
#include "sign/authres.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "sign/comment.h"

#define LINE 76

// Keyword and token characters (RFC 2045 section 5.1).
static bool authres_is_token(unsigned char c)
{
    return c > 32 && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

// Values are read more kindly: addresses, unquoted base64 and the like stand there.
static bool authres_is_loose(unsigned char c)
{
    return c > 32 && c != 127 && !strchr("();\"", c);
}

static struct span take_while(struct span *rest, bool (*is)(unsigned char c))
{
    size_t n = 0;
    while (n < rest->n && is(rest->p[n]))
        n++;
    struct span taken = span_of(rest->p, n);
    *rest = span_from(*rest, n);
    return taken;
}

static char *unquoted(struct span s)
{
    char *text = mem_new(s.n + 1);
    size_t n = 0;
    for (size_t i = 1; i + 1 < s.n; i++) {
        if (s.p[i] == '\\' && i + 2 < s.n)
            i++;
        if (s.p[i] != '\r' && s.p[i] != '\n')
            text[n++] = (char)s.p[i];
    }
    return text;
}

// A quoted string or a run of characters; NULL: neither.
static char *take_value(struct span *rest, bool (*is)(unsigned char c))
{
    if (!comment_skip(rest) || !rest->n)
        return NULL;
    if (rest->p[0] != '"') {
        struct span word = take_while(rest, is);
        return word.n ? span_dup(word) : NULL;
    }
    size_t n = comment_enclosed(*rest, '"');
    struct span quoted = span_of(rest->p, n);
    *rest = span_from(*rest, n);
    return n ? unquoted(quoted) : NULL;
}

static char *take_keyword(struct span *rest)
{
    if (!comment_skip(rest))
        return NULL;
    size_t n = 0;
    while (n < rest->n && authres_is_token(rest->p[n]) && rest->p[n] != '.')
        n++;
    struct span word = span_of(rest->p, n);
    *rest = span_from(*rest, n);
    return word.n ? span_dup_lower(word) : NULL;
}

static bool take_char(struct span *rest, char c)
{
    if (!comment_skip(rest) || !rest->n || rest->p[0] != (unsigned char)c)
        return false;
    *rest = span_from(*rest, 1);
    return true;
}

char *authres_id(struct span value)
{
    return take_value(&value, authres_is_token);
}

// Behind "reason" or a property's type: the rest of that part.
static bool read_property(struct span *rest, struct authres_result *r, char *type)
{
    if (r->nproperties == MAX_AUTHRES_PROPERTIES) {
        free(type);
        return false;
    }
    struct authres_property *p = &r->properties[r->nproperties++];
    p->type = type;
    p->name = take_char(rest, '.') ? take_keyword(rest) : NULL;
    p->value = p->name && take_char(rest, '=') ? take_value(rest, authres_is_loose) : NULL;
    return p->value;
}

static bool read_parts(struct span *rest, struct authres_result *r)
{
    for (;;) {
        if (!comment_skip(rest))
            return false;
        if (!rest->n || rest->p[0] == ';')
            return true;
        char *word = take_keyword(rest);
        if (!word)
            return false;
        if (strcmp(word, "reason") != 0 || r->reason) {
            if (!read_property(rest, r, word))
                return false;
            continue;
        }
        free(word);
        r->reason = take_char(rest, '=') ? take_value(rest, authres_is_loose) : NULL;
        if (!r->reason)
            return false;
    }
}

// On one line: every run of white space and control characters becomes one space.
static char *one_line(struct span s)
{
    struct buf out;
    buf_init(&out, MAX_AUTHRES_TEXT);
    s = span_trim(s);
    for (size_t i = 0; i < s.n; i++) {
        bool blank = s.p[i] <= 32 || s.p[i] == 127;
        if (blank && out.len && out.data[out.len - 1] == ' ')
            continue;
        buf_addc(&out, blank ? ' ' : (char)s.p[i]);
    }
    if (out.full)
        buf_reset(&out);
    return buf_take(&out);
}

static bool read_result(struct span *rest, struct authres *out)
{
    struct span start = *rest;
    out->results = mem_grow(out->results, out->n + 1, sizeof *out->results);
    struct authres_result *r = &out->results[out->n++];
    *r = (struct authres_result){0};
    r->method = take_keyword(rest);
    if (!r->method)
        return false;
    if (take_char(rest, '/') && (!comment_skip(rest) || !take_while(rest, authres_is_token).n))
        return false;
    r->result = take_char(rest, '=') ? take_keyword(rest) : NULL;
    if (!r->result || !read_parts(rest, r))
        return false;
    r->text = one_line(span_of(start.p, (size_t)(rest->p - start.p)));
    return *r->text;
}

// "none" instead of results.
static bool is_none(struct span rest)
{
    char *word = take_keyword(&rest);
    bool none = word && strcmp(word, "none") == 0;
    free(word);
    take_char(&rest, ';');
    return none && comment_skip(&rest) && !rest.n;
}

static bool read_results(struct span rest, struct authres *out)
{
    while (take_char(&rest, ';')) {
        struct span ahead = rest;
        if (!comment_skip(&ahead))
            return false;
        if (!ahead.n || (!out->n && is_none(rest)))
            return true;
        if (out->n == MAX_AUTHRES_RESULTS || !read_result(&rest, out))
            return false;
    }
    return comment_skip(&rest) && !rest.n;
}

int authres_parse(struct span value, struct authres *out)
{
    *out = (struct authres){0};
    out->id = take_value(&value, authres_is_token);
    bool ok = out->id && comment_skip(&value);
    // A version may stand between the authserv-id and the first result.
    while (ok && value.n && ascii_is_digit(value.p[0]))
        value = span_from(value, 1);
    if (ok && read_results(value, out))
        return 0;
    authres_free(out);
    return -1;
}

void authres_free(struct authres *a)
{
    free(a->id);
    for (size_t i = 0; i < a->n; i++) {
        struct authres_result *r = &a->results[i];
        free(r->method);
        free(r->result);
        free(r->reason);
        free(r->text);
        for (size_t k = 0; k < r->nproperties; k++) {
            free(r->properties[k].type);
            free(r->properties[k].name);
            free(r->properties[k].value);
        }
    }
    free(a->results);
    *a = (struct authres){0};
}

const char *authres_get(const struct authres_result *r, const char *type, const char *name)
{
    for (size_t i = 0; i < r->nproperties; i++)
        if (strcmp(r->properties[i].type, type) == 0 && strcmp(r->properties[i].name, name) == 0)
            return r->properties[i].value;
    return NULL;
}

// One word behind the others, on a new line where it does not fit any more.
static void add_word(struct authres_writer *w, const char *word)
{
    size_t n = strlen(word);
    bool fold = w->column + 1 + n + 1 > LINE;
    buf_adds(w->out, fold ? "\r\n " : " ");
    buf_adds(w->out, word);
    w->column = (fold ? 1 : w->column + 1) + n;
}

static void add_formed(struct authres_writer *w, struct buf *word)
{
    add_word(w, buf_text(word));
    buf_free(word);
}

static char harmless(char c)
{
    return c < 32 || c > 126 ? '?' : c;
}

// As it is where any reader understands it so, else quoted.
static void add_value(struct buf *out, const char *value)
{
    size_t n = strnlen(value, MAX_AUTHRES_VALUE);
    bool plain = n > 0;
    for (size_t i = 0; i < n; i++)
        plain = plain && (ascii_is_alnum((unsigned char)value[i]) || strchr("-_.@+", value[i]));
    if (!plain)
        buf_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (value[i] == '"' || value[i] == '\\')
            buf_addc(out, '\\');
        buf_addc(out, harmless(value[i]));
    }
    if (!plain)
        buf_addc(out, '"');
}

void authres_begin(struct authres_writer *w, struct buf *out, const char *id)
{
    *w = (struct authres_writer){.out = out};
    add_value(out, id);
    w->column = LINE; // each result begins a line
}

void authres_result(struct authres_writer *w, const char *method, const char *result)
{
    w->any = true;
    w->column = LINE;
    buf_addc(w->out, ';');
    struct buf word;
    buf_init(&word, 64);
    buf_addf(&word, "%s=%s", method, result);
    add_formed(w, &word);
}

void authres_comment(struct authres_writer *w, const char *text)
{
    struct buf word;
    buf_init(&word, 2 * MAX_AUTHRES_VALUE + 2);
    buf_addc(&word, '(');
    for (size_t i = 0; i < MAX_AUTHRES_VALUE && text[i]; i++)
        buf_addc(&word, strchr("()\\", text[i]) ? ' ' : harmless(text[i]));
    buf_addc(&word, ')');
    add_formed(w, &word);
}

void authres_reason(struct authres_writer *w, const char *text)
{
    authres_property(w, "reason", text);
}

void authres_property(struct authres_writer *w, const char *type_name, const char *value)
{
    struct buf word;
    buf_init(&word, 2 * MAX_AUTHRES_VALUE + 64);
    buf_addf(&word, "%s=", type_name);
    add_value(&word, value);
    add_formed(w, &word);
}

void authres_text(struct authres_writer *w, const char *text)
{
    w->any = true;
    w->column = LINE;
    buf_addc(w->out, ';');
    while (*text) {
        size_t n = strcspn(text, " ");
        char *word = span_dup(span_of(text, n));
        for (size_t i = 0; i < n; i++)
            word[i] = harmless(word[i]);
        add_word(w, word);
        free(word);
        text += n + (text[n] == ' ');
    }
}

void authres_end(struct authres_writer *w)
{
    if (!w->any)
        buf_adds(w->out, "; none");
}
