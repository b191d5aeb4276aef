// SPDX-License-Identifier: ISC
// The list of signed fields, written and followed.
#include "sign/selection.h"

#include <stdlib.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

// The next name of a colon-separated list, trimmed; false at the end.
static bool next_name(struct span *list, struct span *name)
{
    if (!list->p)
        return false;
    struct span rest;
    if (!span_cut(*list, ':', name, &rest)) {
        *name = *list;
        rest = span_of(NULL, 0);
    }
    *name = span_trim(*name);
    *list = rest;
    return true;
}

static bool has(struct span list, struct span wanted)
{
    struct span name;
    while (next_name(&list, &name))
        if (span_equal_nocase(name, wanted))
            return true;
    return false;
}

bool selection_has(struct span list, const char *name)
{
    return has(list, span_text(name));
}

static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < 33 || name.p[i] > 126 || name.p[i] == ';')
            return false;
    return name.n > 0;
}

// The names of a list, taken apart once.
struct names {
    struct span at[MAX_SELECTED_NAMES];
    size_t n;
};

static void names_read(struct names *names, const char *list)
{
    struct span name;
    names->n = 0;
    for (struct span rest = span_text(list);
         names->n < MAX_SELECTED_NAMES && next_name(&rest, &name);)
        if (is_name(name))
            names->at[names->n++] = name;
}

static bool names_have(const struct names *names, size_t n, struct span wanted)
{
    for (size_t i = 0; i < n; i++)
        if (names->at[i].n == wanted.n && span_equal_nocase(names->at[i], wanted))
            return true;
    return false;
}

static void selection_add_name(struct span name, size_t times, struct buf *out)
{
    for (; times; times--) {
        if (out->len)
            buf_addc(out, ':');
        for (size_t i = 0; i < name.n; i++)
            buf_addc(out, (char)ascii_lower(name.p[i]));
    }
}

static size_t selection_count(const struct header *header, struct span name)
{
    size_t n = 0;
    for (size_t i = 0; i < header->n; i++)
        n += header->fields[i].name.n == name.n && span_equal_nocase(header->fields[i].name, name);
    return n;
}

void selection_list(const struct header *header, const char *names, const char *oversign,
                    struct buf *out)
{
    struct names wanted, over;
    names_read(&wanted, names);
    names_read(&over, oversign);
    for (size_t i = 0; i < wanted.n; i++) {
        size_t times =
            selection_count(header, wanted.at[i]) + names_have(&over, over.n, wanted.at[i]);
        if (times && !names_have(&wanted, i, wanted.at[i]))
            selection_add_name(wanted.at[i], times, out);
    }
    for (size_t i = 0; i < over.n; i++)
        if (!names_have(&wanted, wanted.n, over.at[i]) && !names_have(&over, i, over.at[i]))
            selection_add_name(over.at[i], selection_count(header, over.at[i]) + 1, out);
}

bool selection_covers(const struct header *header, struct span list, const char *names)
{
    struct span name, listed;
    for (struct span rest = span_text(names); next_name(&rest, &name);) {
        size_t open = selection_count(header, name);
        for (struct span l = list; open && next_name(&l, &listed);)
            open -= span_equal_nocase(listed, name);
        if (open)
            return false;
    }
    return true;
}

int selection_canon(enum canon canon, const struct header *header, struct span list,
                    const struct field *own, struct buf *out)
{
    bool *used = mem_new(header->n + 1);
    int rc = 0;
    size_t names = 0;
    struct span name;
    while (rc == 0 && next_name(&list, &name)) {
        if (++names > MAX_SELECTED_NAMES)
            rc = -1;
        for (size_t i = header->n; rc == 0 && i-- > 0;) {
            const struct field *field = &header->fields[i];
            if (used[i] || field == own || field->name.n != name.n ||
                !span_equal_nocase(field->name, name))
                continue;
            used[i] = true;
            rc = canon_field(canon, field, out);
            break;
        }
    }
    free(used);
    return rc;
}

// A line end of one byte becomes two, so a field can at most double.
size_t selection_ceiling(const struct header *header)
{
    return 2 * header->bytes.n + 2 * MAX_PREFIX;
}
