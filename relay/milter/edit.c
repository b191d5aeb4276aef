// SPDX-License-Identifier: ISC
// A header as a list of fields, the changes of a filter applied one by one, and written anew.
#include "relay/milter/edit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/milter/protocol.h"
#include "sign/header.h"

// A field of the header as it was, or one of a filter's making (`made`, its bytes).
struct line {
    struct span name, whole;
    char *made;
};

struct edit {
    struct line *lines;
    size_t n;
    bool leading_space;
};

// The value with CRLF before each continuation, which begins with white space; no empty line, no control
// characters.
static void edit_add_value(struct span value, struct buf *out)
{
    bool line_start = false;
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = value.p[i];
        if (c == '\n') {
            line_start = true;
            continue;
        }
        if ((c < 32 && c != '\t') || c == 127)
            continue;
        bool blank = c == ' ' || c == '\t';
        if (line_start && blank && (i + 1 == value.n || strchr(" \t\r\n", value.p[i + 1])))
            continue; // of a line that may hold nothing else
        if (line_start) {
            buf_adds(out, blank ? "\r\n" : "\r\n\t");
            line_start = false;
        }
        buf_addc(out, (char)c);
    }
}

static struct line make_line(const struct edit *e, const struct milter_change *change)
{
    struct buf made;
    buf_init(&made, 3 * MILTER_ANSWER_MAX);
    buf_addspan(&made, change->name);
    buf_adds(&made, e->leading_space ? ":" : ": ");
    edit_add_value(change->value, &made);
    buf_adds(&made, "\r\n");
    struct line line = {.whole.n = made.len};
    line.made = buf_take(&made);
    line.whole.p = (unsigned char *)line.made;
    line.name = span_of(line.made, change->name.n);
    return line;
}

static void insert(struct edit *e, size_t at, const struct milter_change *change)
{
    if (at > e->n)
        at = e->n;
    e->lines = mem_grow(e->lines, e->n + 1, sizeof *e->lines);
    memmove(e->lines + at + 1, e->lines + at, (e->n - at) * sizeof *e->lines);
    e->lines[at] = make_line(e, change);
    e->n++;
}

// Where the index-th field of that name stands, from 1; n: nowhere.
static size_t find(const struct edit *e, const struct milter_change *change)
{
    uint32_t left = change->index ? change->index : 1;
    for (size_t i = 0; i < e->n; i++)
        if (span_equal_nocase(e->lines[i].name, change->name) && --left == 0)
            return i;
    return e->n;
}

// An empty value removes; a field that is not there is added (as sendmail and Postfix do).
static void change_field(struct edit *e, const struct milter_change *change)
{
    size_t at = find(e, change);
    bool removes = !span_trim(change->value).n;
    if (at == e->n) {
        if (!removes)
            insert(e, at, change);
        return;
    }
    free(e->lines[at].made);
    if (!removes) {
        e->lines[at] = make_line(e, change);
        return;
    }
    e->n--;
    memmove(e->lines + at, e->lines + at + 1, (e->n - at) * sizeof *e->lines);
}

static int edit_apply(struct edit *e, struct span changes, struct why *why)
{
    struct milter_packet packet;
    struct milter_change change;
    for (size_t used; changes.n; changes = span_from(changes, used)) {
        int rc = milter_take(changes, &packet, &used, why);
        assert(rc == 1);
        if (!milter_is_field(packet.code))
            continue;
        if (milter_read_change(&packet, &change, why) < 0)
            return -1;
        if (packet.code == 'm')
            change_field(e, &change);
        else
            insert(e, packet.code == 'i' ? change.index : e->n, &change);
        if (e->n > MAX_HEADER_FIELDS)
            return why_set(why, WHY_OURS, "4.3.0", "it makes a header of more than %d fields",
                           MAX_HEADER_FIELDS);
    }
    return 0;
}

static void edit_write(const struct edit *e, struct span tail, struct buf *out)
{
    for (size_t i = 0; i < e->n; i++) {
        struct span whole = e->lines[i].whole;
        buf_addspan(out, whole);
        if (whole.p[whole.n - 1] != '\n')
            buf_adds(out, "\r\n"); // the last line of a message that ended in it
    }
    buf_addspan(out, tail);
}

static void edit_begin(struct edit *e, const struct header *header)
{
    e->lines = mem_grow(NULL, header->n + 1, sizeof *e->lines);
    for (size_t i = 0; i < header->n; i++)
        e->lines[e->n++] =
            (struct line){.name = header->fields[i].name, .whole = header->fields[i].whole};
}

int milter_edit(struct buf *header, struct span changes, bool leading_space, size_t max,
                struct why *why)
{
    struct header parsed;
    struct edit e = {.leading_space = leading_space};
    struct buf out;
    size_t used;
    if (header_parse(&parsed, buf_span(header), &used, why) < 0)
        return -1;
    size_t fields = 0;
    for (size_t i = 0; i < parsed.n; i++)
        fields += parsed.fields[i].whole.n;
    edit_begin(&e, &parsed);
    buf_init(&out, max);
    int rc = edit_apply(&e, changes, why);
    if (rc == 0)
        edit_write(&e, span_from(buf_span(header), fields), &out);
    if (rc == 0 && out.full)
        rc = why_set(why, WHY_OURS, "4.3.0", "it makes a header of more than %zu bytes", max);
    if (rc == 0)
        buf_move(header, &out);
    for (size_t i = 0; i < e.n; i++)
        free(e.lines[i].made);
    free(e.lines);
    buf_free(&out);
    header_free(&parsed);
    return rc;
}
