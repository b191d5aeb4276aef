// SPDX-License-Identifier: ISC
// Reading and writing Authentication-Results (RFC 8601 section 2.2).
#include "sign/authres.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/mem.h"
#include "relay/base/utf8.h"
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
    if (!n || !rest->n || rest->p[0] != '@')
        return n ? unquoted(quoted) : NULL;
    struct span domain = take_while(rest, is); // behind a quoted local part
    char *local = unquoted(quoted), *whole;
    whole = mem_printf("%s%.*s", local, (int)domain.n, (const char *)domain.p);
    free(local);
    return whole;
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

// Behind a property's type: the rest of that part, into the next place.
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

static void drop_property(struct authres_result *r)
{
    struct authres_property *p = &r->properties[--r->nproperties];
    free(p->type);
    free(p->name);
    free(p->value);
    *p = (struct authres_property){0};
}

// A part that is no property, yet has the form of a setting, such as "x-bits=2048", "action=none" or
// "smtp.mailfrom=": it says nothing and costs nothing else.
static bool skip_odd(struct span *rest)
{
    if (!comment_skip(rest) || !take_while(rest, authres_is_token).n || !take_char(rest, '='))
        return false;
    struct span at = *rest;
    if (!comment_skip(&at))
        return false;
    if (at.n && at.p[0] == '"') {
        size_t n = comment_enclosed(at, '"');
        *rest = span_from(at, n);
        return n > 0;
    }
    take_while(rest, authres_is_loose);
    return true;
}

static bool read_part(struct span *rest, struct authres_result *r, char *word)
{
    if (strcmp(word, "reason") != 0 || r->reason)
        return read_property(rest, r, word);
    free(word);
    r->reason = take_char(rest, '=') ? take_value(rest, authres_is_loose) : NULL;
    return r->reason;
}

static bool read_parts(struct span *rest, struct authres_result *r)
{
    for (;;) {
        if (!comment_skip(rest))
            return false;
        if (!rest->n || rest->p[0] == ';')
            return true;
        struct span part = *rest;
        size_t before = r->nproperties;
        char *word = take_keyword(rest);
        if (!word)
            return false;
        if (before == MAX_AUTHRES_PROPERTIES) {
            free(word);
            return false;
        }
        if (read_part(rest, r, word))
            continue;
        if (r->nproperties > before)
            drop_property(r);
        if (!skip_odd(&part))
            return false;
        *rest = part;
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

// The version may stand between the authserv-id and the first result. False: another one than 1, whose
// language is not known here (RFC 8601 section 2.2).
static bool take_version(struct span *rest)
{
    struct span digits = {0};
    if (!comment_skip(rest))
        return false;
    size_t n = 0;
    while (n < rest->n && ascii_is_digit(rest->p[n]))
        n++;
    digits = span_of(rest->p, n);
    *rest = span_from(*rest, n);
    return !n || span_is(digits, "1");
}

bool authres_version_known(struct span value)
{
    char *id = take_value(&value, authres_is_token);
    bool known = id && take_version(&value);
    free(id);
    return known;
}

// Where a comment holds a quotation mark, what stands there was copied from somebody who may have ended it
// early: `"x); auth=pass (y"@evil.example` is an envelope sender.
static bool comments_end_surely(struct span value)
{
    for (size_t i = 0; i < value.n;) {
        struct span rest = span_from(value, i);
        size_t n = rest.p[0] == '"'   ? comment_enclosed(rest, '"')
                   : rest.p[0] == '(' ? comment_length(rest)
                                      : 1;
        if (!n || (rest.p[0] == '(' && span_find(span_of(rest.p, n), '"') >= 0))
            return false;
        i += n;
    }
    return true;
}

int authres_parse(struct span value, struct authres *out)
{
    *out = (struct authres){0};
    if (!comments_end_surely(value))
        return -1;
    out->id = take_value(&value, authres_is_token);
    if (out->id && take_version(&value) && read_results(value, out))
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

// Bytes of the character at the front that may stand as it is; 0: it becomes "?".
static size_t authres_harmless(const struct authres_writer *w, struct span s)
{
    if (s.p[0] < 128)
        return s.p[0] >= 32 && s.p[0] < 127;
    return w->utf8 ? utf8_length(s) : 0;
}

// Adds one character of the text, made harmless; returns how many bytes of the text it took.
static size_t add_character(const struct authres_writer *w, struct buf *out, struct span s)
{
    size_t n = authres_harmless(w, s);
    if (n)
        buf_add(out, s.p, n);
    else
        buf_addc(out, '?');
    return n ? n : 1;
}

static bool is_plain(const struct authres_writer *w, struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_alnum(text.p[i]) && !strchr("-_.@+", text.p[i] ? text.p[i] : ' ') &&
            (text.p[i] < 128 || !w->utf8))
            return false;
    return text.n > 0;
}

// As it is where any reader understands it so, else quoted.
static void add_value(const struct authres_writer *w, struct buf *out, const char *value)
{
    struct span text = span_of(value, strnlen(value, MAX_AUTHRES_VALUE));
    bool plain = is_plain(w, text);
    if (!plain)
        buf_addc(out, '"');
    while (text.n) {
        if (text.p[0] == '"' || text.p[0] == '\\')
            buf_addc(out, '\\');
        text = span_from(text, add_character(w, out, text));
    }
    if (!plain)
        buf_addc(out, '"');
}

void authres_begin(struct authres_writer *w, struct buf *out, const char *id, bool utf8)
{
    *w = (struct authres_writer){.out = out, .utf8 = utf8};
    add_value(w, out, id);
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
    struct span rest = span_of(text, strnlen(text, MAX_AUTHRES_VALUE));
    while (rest.n)
        if (strchr("()\\\"", rest.p[0] ? rest.p[0] : '(')) {
            buf_addc(&word, ' ');
            rest = span_from(rest, 1);
        } else {
            rest = span_from(rest, add_character(w, &word, rest));
        }
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
    add_value(w, &word, value);
    add_formed(w, &word);
}

void authres_text(struct authres_writer *w, const char *text)
{
    w->any = true;
    w->column = LINE;
    buf_addc(w->out, ';');
    while (*text) {
        size_t n = strcspn(text, " ");
        struct buf word;
        buf_init(&word, MAX_AUTHRES_TEXT + 8);
        for (struct span rest = span_of(text, n); rest.n;)
            rest = span_from(rest, add_character(w, &word, rest));
        add_formed(w, &word);
        text += n + (text[n] == ' ');
    }
}

// RFC 8616 section 5: outside an internationalized message a domain is written as an A-label.
void authres_domain(struct authres_writer *w, const char *type_name, const char *address)
{
    char ascii[IDN_NAME];
    const char *at = strrchr(address, '@');
    const char *domain = at ? at + 1 : address;
    if (w->utf8 || idn_to_ascii(domain, ascii) < 0) {
        authres_property(w, type_name, address);
        return;
    }
    char *text = mem_printf("%.*s%s", (int)(domain - address), address, ascii);
    authres_property(w, type_name, text);
    free(text);
}

void authres_end(struct authres_writer *w)
{
    if (!w->any)
        buf_adds(w->out, "; none");
}
