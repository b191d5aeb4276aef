// SPDX-License-Identifier: ISC
// Address lists of header fields (RFC 5322 section 3.4 with the obsolete forms of 4.4, RFC 6532, groups
// of RFC 6854). Reads what other mail programs read, and refuses what two of them could read differently.
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/buf.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "sign/comment.h"
#include "sign/header.h"

#define MAX_LIST_ADDRESSES 2000

// What a token is: one of the specials "<>,;:@." by its own character, or one of these.
#define TOKEN_END     0
#define TOKEN_ATOM    'a'
#define TOKEN_QUOTED  'q'
#define TOKEN_LITERAL 'l'
#define TOKEN_BAD     '!'

struct list_reader {
    struct span rest;
    int kind;                   // of the token in hand
    struct span token;          // its bytes; quotes and brackets included
    const unsigned char *local; // where the local part in hand begins
    struct addresses *out;
};

static bool is_atext(unsigned char c)
{
    return ascii_is_alnum(c) || c >= 128 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static void addresses_take(struct list_reader *r, int kind, size_t n)
{
    r->kind = n ? kind : TOKEN_BAD;
    r->token = span_of(r->rest.p, n);
    r->rest = span_from(r->rest, n);
}

// The next token into hand, comments and white space skipped.
static void next(struct list_reader *r)
{
    if (!comment_skip(&r->rest)) {
        addresses_take(r, TOKEN_BAD, 0);
        return;
    }
    if (!r->rest.n) {
        r->kind = TOKEN_END;
        return;
    }
    unsigned char c = r->rest.p[0];
    size_t n = 0;
    if (c == '"') {
        addresses_take(r, TOKEN_QUOTED, comment_enclosed(r->rest, '"'));
    } else if (c == '[') {
        addresses_take(r, TOKEN_LITERAL, comment_enclosed(r->rest, ']'));
    } else if (c && strchr("<>,;:@.", c)) {
        addresses_take(r, c, 1);
    } else {
        while (n < r->rest.n && is_atext(r->rest.p[n]))
            n++;
        addresses_take(r, TOKEN_ATOM, n);
    }
}

static bool is_word(int kind)
{
    return kind == TOKEN_ATOM || kind == TOKEN_QUOTED;
}

static void add_quoted(struct buf *out, struct span token)
{
    // Folds inside the quotes are not part of the local part (RFC 5322 section 3.2.4).
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] != '\r' && token.p[i] != '\n')
            buf_addc(out, (char)token.p[i]);
}

// `end`: behind the last byte of the domain.
static int add_address(struct list_reader *r, struct span local, const char *domain,
                       const unsigned char *end)
{
    if (r->out->n == MAX_LIST_ADDRESSES)
        return -1;
    r->out->at = mem_grow(r->out->at, r->out->n + 1, sizeof *r->out->at);
    r->out->spec = mem_grow(r->out->spec, r->out->n + 1, sizeof *r->out->spec);
    r->out->spec[r->out->n] = span_of(r->local, (size_t)(end - r->local));
    r->out->at[r->out->n++] = mem_printf("%.*s@%s", (int)local.n, (const char *)local.p, domain);
    return 0;
}

static int read_literal(struct list_reader *r, struct span local)
{
    char *literal = span_dup_lower(r->token);
    const unsigned char *end = r->token.p + r->token.n;
    int rc = r->token.n > MAX_DOMAIN ? -1 : add_address(r, local, literal, end);
    free(literal);
    next(r);
    return rc;
}

// Behind the "@": a domain or a literal; adds "local@domain" to the list.
static int read_domain(struct list_reader *r, struct span local)
{
    struct buf domain;
    char ascii[IDN_NAME];
    buf_init(&domain, 4 * MAX_DOMAIN); // UTF-8 is longer than its A-label may be
    const unsigned char *end = NULL;
    int rc = -1;
    next(r);
    if (r->kind == TOKEN_LITERAL)
        return read_literal(r, local);
    for (; r->kind == TOKEN_ATOM; next(r)) {
        buf_addspan(&domain, r->token);
        end = r->token.p + r->token.n;
        next(r);
        if (r->kind != '.') {
            rc = domain.full ? -1 : idn_to_ascii(buf_text(&domain), ascii);
            break;
        }
        buf_addc(&domain, '.');
    }
    buf_free(&domain);
    return rc < 0 ? -1 : add_address(r, local, ascii, end);
}

// local-part = word *("." word); the token in hand is its first.
static int read_local(struct list_reader *r, struct buf *local)
{
    r->local = r->token.p;
    for (;; next(r)) {
        if (!is_word(r->kind))
            return -1;
        add_quoted(local, r->token);
        next(r);
        if (r->kind != '.')
            return local->full ? -1 : 0;
        buf_addc(local, '.');
    }
}

// Behind "<": an address, perhaps with a source route (RFC 5322 section 4.4) that counts for nothing.
static int read_angle(struct list_reader *r)
{
    struct buf local;
    buf_init(&local, MAX_PATH);
    next(r);
    if (r->kind == '@' || r->kind == ',') {
        while (r->kind == '@' || r->kind == ',' || r->kind == '.' || r->kind == TOKEN_ATOM)
            next(r);
        if (r->kind != ':')
            goto bad;
        next(r);
    }
    if (read_local(r, &local) < 0 || r->kind != '@' || read_domain(r, buf_span(&local)) < 0 ||
        r->kind != '>')
        goto bad;
    next(r);
    buf_free(&local);
    return 0;
bad:
    buf_free(&local);
    return -1;
}

// What begins with words: a display name before "<", a group before ":", or a local part before "@".
static int read_words(struct list_reader *r, bool *in_group)
{
    struct buf local;
    buf_init(&local, MAX_PATH);
    bool is_local = true; // what was read so far would be a local part
    bool expect_word = true;
    r->local = r->token.p;
    while (is_word(r->kind) || r->kind == '.') {
        bool word = r->kind != '.';
        is_local = is_local && word == expect_word;
        expect_word = !word;
        add_quoted(&local, r->token);
        next(r);
    }
    int rc = -1;
    if (r->kind == '@' && is_local && !expect_word && !local.full)
        rc = read_domain(r, buf_span(&local));
    else if (r->kind == '<')
        rc = read_angle(r);
    else if (r->kind == ':' && !*in_group) {
        r->out->group = *in_group = true;
        next(r);
        rc = 0;
    }
    buf_free(&local);
    return rc;
}

static int read_list(struct list_reader *r)
{
    bool in_group = false;
    bool need_comma = false;
    next(r);
    for (;;) {
        if (r->kind == TOKEN_END)
            return in_group ? -1 : 0;
        if (r->kind == ',') {
            need_comma = false;
            next(r);
        } else if (r->kind == ';' && in_group) {
            in_group = false;
            need_comma = true;
            next(r);
        } else if (need_comma) {
            return -1;
        } else {
            bool was_in_group = in_group;
            if ((r->kind == '<' ? read_angle(r) : read_words(r, &in_group)) < 0)
                return -1;
            need_comma = in_group == was_in_group;
        }
    }
}

int header_addresses(struct span value, struct addresses *out)
{
    *out = (struct addresses){0};
    struct list_reader r = {.rest = value, .out = out};
    if (read_list(&r) == 0)
        return 0;
    addresses_free(out);
    return -1;
}

void addresses_free(struct addresses *out)
{
    for (size_t i = 0; i < out->n; i++)
        free(out->at[i]);
    free(out->at);
    free(out->spec);
    *out = (struct addresses){0};
}

const char *address_domain(const char *address)
{
    const char *at = strrchr(address, '@');
    return at ? at + 1 : "";
}

void header_from_domain(const struct header *h, char out[static 256])
{
    const struct field *from = header_find(h, "From", 0);
    struct addresses list = {0};
    out[0] = 0;
    if (from && header_addresses(from->value, &list) == 0 && list.n)
        idn_domain(address_domain(list.at[0]), out);
    addresses_free(&list);
}
