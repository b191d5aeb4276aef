// SPDX-License-Identifier: ISC
// The header block as a list of fields (RFC 5322 section 2.2). Finds where fields begin and end and
// never changes a byte; white space before the colon is the obsolete syntax of section 4.5.
#include "sign/header.h"

#include <stdlib.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

#define MAX_QUOTED_LINE 60

// The line at the start of s, its line end included.
static struct span first_line(struct span s)
{
    ptrdiff_t lf = span_find(s, '\n');
    return lf < 0 ? s : span_of(s.p, (size_t)lf + 1);
}

static struct span without_line_end(struct span s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

// The field with all its folded lines at the start of s.
static struct span whole_field(struct span s)
{
    size_t n = first_line(s).n;
    while (n < s.n && is_blank(s.p[n]))
        n += first_line(span_from(s, n)).n;
    return span_of(s.p, n);
}

static bool split_field(struct span whole, struct field *field)
{
    size_t n = 0;
    while (n < whole.n && whole.p[n] > 32 && whole.p[n] < 127 && whole.p[n] != ':')
        n++;
    size_t colon = n;
    while (colon < whole.n && is_blank(whole.p[colon]))
        colon++;
    if (!n || colon == whole.n || whole.p[colon] != ':')
        return false;
    field->whole = whole;
    field->name = span_of(whole.p, n);
    field->value = without_line_end(span_from(whole, colon + 1));
    return true;
}

// Says which line it is in words that a reader finds again.
static int no_field(size_t which, struct span line, struct why *why)
{
    char quoted[MAX_QUOTED_LINE + 1];
    line = without_line_end(line);
    bool cut = line.n > MAX_QUOTED_LINE;
    size_t n = cut ? MAX_QUOTED_LINE : line.n;
    for (size_t i = 0; i < n; i++)
        quoted[i] = line.p[i] < 32 || line.p[i] > 126 ? '?' : (char)line.p[i];
    quoted[n] = 0;
    return why_say(why, HEADER_LINE, which, quoted, cut ? "..." : "");
}

int header_parse(struct header *h, struct span bytes, size_t *used, struct why *why)
{
    *h = (struct header){0};
    size_t room = 0;
    size_t at = 0;
    while (at < bytes.n) {
        struct span rest = span_from(bytes, at);
        struct span line = first_line(rest);
        if (without_line_end(line).n == 0 && line.p[line.n - 1] == '\n') {
            at += line.n;
            break;
        }
        if (h->n == MAX_HEADER_FIELDS) {
            header_free(h);
            return why_say(why, HEADER_FIELDS, MAX_HEADER_FIELDS);
        }
        if (h->n == room) {
            room = room ? room * 2 : 32;
            h->fields = mem_grow(h->fields, room, sizeof *h->fields);
        }
        struct span whole = whole_field(rest);
        if (!split_field(whole, &h->fields[h->n])) {
            size_t which = h->n + 1;
            header_free(h);
            return no_field(which, line, why);
        }
        h->n++;
        at += whole.n;
    }
    h->bytes = span_of(bytes.p, at);
    *used = at;
    return 0;
}

void header_free(struct header *h)
{
    free(h->fields);
    *h = (struct header){0};
}

const struct field *header_find(const struct header *h, const char *name, size_t i)
{
    for (size_t k = 0; k < h->n; k++)
        if (span_is_nocase(h->fields[k].name, name) && i-- == 0)
            return &h->fields[k];
    return NULL;
}

size_t header_count(const struct header *h, const char *name)
{
    size_t count = 0;
    for (size_t k = 0; k < h->n; k++)
        count += span_is_nocase(h->fields[k].name, name);
    return count;
}

struct span header_message_id(struct span value)
{
    value = span_trim(value);
    bool both = value.n > 2 && value.p[0] == '<' && value.p[value.n - 1] == '>';
    return both ? span_slice(value, 1, value.n - 1) : value;
}
