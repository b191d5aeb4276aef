// SPDX-License-Identifier: ISC
// Rows of a list that have the same text: a check that the others share, below all of them.
#include <stdlib.h>
#include <string.h>
#include "config/rules.h"
#include "config/value.h"
#include "relay/base/mem.h"

struct numbered {
    const char *text;
    size_t row;
};

static int rules_unique_by_text(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : x->row < y->row ? -1 : 1;
}

void rules_unique(const struct node *list, size_t n, const char *key, const void *rows,
                  const char *(*text)(const void *rows, size_t i), struct messages *m)
{
    struct numbered *all = mem_grow(NULL, n, sizeof *all);
    char quoted[VALUE_QUOTE], where[NODE_WHERE];
    for (size_t i = 0; i < n; i++) {
        const char *t = text(rows, i);
        all[i] = (struct numbered){t ? t : "", i};
    }
    if (n)
        qsort(all, n, sizeof *all, rules_unique_by_text);
    for (size_t i = 1; i < n; i++) {
        if (!all[i].text[0] || strcmp(all[i].text, all[i - 1].text) != 0)
            continue;
        const struct node *row = node_row(list, all[i].row), *value = node_get(row, key);
        const struct node *other = node_row(list, all[i - 1].row);
        messages_error(m, value ? value : row, "%s: %s has a row already, in %s", key,
                       value_quote(span_text(all[i].text), quoted),
                       other ? messages_where(m, row, other, where) : "line 0");
    }
    free(all);
}
