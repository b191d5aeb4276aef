// SPDX-License-Identifier: ISC
// Finding the Authentication-Results that count (RFC 8601 section 4.1 and 5, RFC 8617 section 5.1).
#include "sign/trusted.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "sign/comment.h"

bool trusted_same(const char *a, const char *b)
{
    return span_is_nocase(span_text(a), b);
}

static bool listed(const struct strings *ids, const char *name)
{
    for (size_t i = 0; ids && i < ids->n; i++)
        if (trusted_same(ids->at[i], name))
            return true;
    return false;
}

static struct span trusted_next_word(struct span *rest)
{
    if (!comment_skip(rest))
        *rest = span_of(NULL, 0);
    size_t n = 0;
    while (n < rest->n && !ascii_is_space(rest->p[n]) && rest->p[n] != '(' && rest->p[n] != ';')
        n++;
    struct span word = span_of(rest->p, n);
    if (!n && rest->n)
        n = 1; // the ";" before the date
    *rest = span_from(*rest, n);
    return word;
}

// The host of the "by" clause (RFC 5321 section 4.4) is one that is trusted.
static bool received_by_listed(const struct field *received, const struct strings *ids)
{
    struct span rest = received->value;
    while (rest.n) {
        if (!span_is_nocase(trusted_next_word(&rest), "by"))
            continue;
        char *host = span_dup(trusted_next_word(&rest));
        bool is = listed(ids, host);
        free(host);
        return is;
    }
    return false;
}

static void take_field(struct trusted *t, const struct field *field, const struct strings *ids,
                       const char *everywhere)
{
    if (t->n == MAX_TRUSTED_FIELDS)
        return;
    char *id = authres_id(field->value);
    bool counts = id && (listed(ids, id) || (everywhere && trusted_same(id, everywhere)));
    free(id);
    struct authres one;
    if (!counts || authres_parse(field->value, &one) < 0)
        return;
    t->at = mem_grow(t->at, t->n + 1, sizeof *t->at);
    t->at[t->n++] = one;
}

void trusted_read(struct trusted *t, const struct header *header, const struct strings *ids,
                  const char *everywhere)
{
    *t = (struct trusted){0};
    bool theirs = true;
    for (size_t i = 0; i < header->n; i++) {
        const struct field *field = &header->fields[i];
        if (span_is_nocase(field->name, "Received"))
            theirs = theirs && received_by_listed(field, ids);
        else if (span_is_nocase(field->name, "Authentication-Results"))
            take_field(t, field, theirs ? ids : NULL, everywhere);
    }
}

void trusted_free(struct trusted *t)
{
    for (size_t i = 0; i < t->n; i++)
        authres_free(&t->at[i]);
    free(t->at);
    *t = (struct trusted){0};
}

const struct authres_result *trusted_find(const struct trusted *t, const char *method)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->at[i].n; k++)
            if (strcmp(t->at[i].results[k].method, method) == 0)
                return &t->at[i].results[k];
    return NULL;
}
