// SPDX-License-Identifier: ISC
// Fields of tags, folded.
#include "sign/fold.h"

#include <assert.h>
#include <string.h>
#include "relay/base/maxima.h"

#define LINE 76
#define LONG 990 // RFC 5321 section 4.5.3.1.6 carries 998
#define FOLD "\r\n "

void fold_init(struct fold *f, const char *field_name)
{
    *f = (struct fold){.first = true};
    buf_init(&f->text, MAX_PREFIX);
    buf_addf(&f->text, "%s:", field_name);
    f->column = f->text.len;
}

void fold_free(struct fold *f)
{
    buf_free(&f->text);
}

static void fold_add(struct fold *f, const char *text, size_t n)
{
    buf_add(&f->text, text, n);
    f->column += n;
}

static void new_line(struct fold *f)
{
    buf_adds(&f->text, FOLD);
    f->column = 1;
}

// Ends the tag before and stands where the next one begins.
static void separate(struct fold *f, size_t length)
{
    if (!f->first)
        fold_add(f, ";", 1);
    f->first = false;
    // One octet more for the ";" that may follow.
    if (f->column + 1 + length + 1 > LINE)
        new_line(f);
    else
        fold_add(f, " ", 1);
}

void fold_tag(struct fold *f, const char *name, const char *value)
{
    separate(f, strlen(name) + 1 + strlen(value));
    fold_add(f, name, strlen(name));
    fold_add(f, "=", 1);
    fold_add(f, value, strlen(value));
}

void fold_names(struct fold *f, const char *name, const char *value)
{
    size_t whole = strlen(name) + 1 + strlen(value);
    // A list that fits on a line of its own is kept in one piece: some verifiers read it so.
    separate(f, whole < LINE - 2 ? whole : strlen(name) + 1 + strcspn(value, ":"));
    fold_add(f, name, strlen(name));
    fold_add(f, "=", 1);
    while (*value) {
        size_t n = strcspn(value, ":");
        n += value[n] == ':';
        if (f->column + n + 1 > LINE)
            new_line(f);
        fold_add(f, value, n);
        value += n;
    }
}

// On a line of its own, so that the lines of the value do not move what follows.
void fold_signature(struct fold *f)
{
    separate(f, LINE);
    fold_add(f, "b=", 2);
    f->signature = f->text.len;
    f->column = LINE;
}

int fold_canon(const struct fold *f, enum canon canon, struct buf *data)
{
    if (f->text.full)
        return -1;
    struct header own;
    struct why why;
    size_t used;
    int rc = header_parse(&own, buf_span(&f->text), &used, &why);
    assert(rc == 0 && own.n == 1);
    rc = canon_field(canon, &own.fields[0], data);
    if (rc == 0)
        buf_cut(data, data->len - 2);
    header_free(&own);
    return rc;
}

int fold_finish(struct fold *f, struct span signature, bool whole, struct buf *out)
{
    struct span text = buf_span(&f->text);
    struct span before = span_slice(text, 0, f->signature);
    buf_addspan(out, before);
    size_t line = whole ? LONG : LINE;
    size_t column = 3; // " b="
    while (signature.n) {
        // One octet stays free for the ";" that may follow.
        size_t n = signature.n < line - 1 - column ? signature.n : line - 1 - column;
        buf_add(out, signature.p, n);
        signature = span_from(signature, n);
        if (signature.n)
            buf_adds(out, FOLD);
        column = 1;
    }
    buf_addspan(out, span_from(text, f->signature));
    buf_adds(out, "\r\n");
    return f->text.full || out->full ? -1 : 0;
}
