// SPDX-License-Identifier: ISC
// Finding the Authentication-Results that count (RFC 8601 section 4.1 and 5, RFC 8617 section 5.1).
#include "sign/trusted.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/mem.h"
#include "sign/copied.h"

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

static void take_field(struct trusted *t, const struct field *field, const struct strings *ids,
                       const char *everywhere)
{
    char *id = authres_id(field->value);
    bool counts = id && (listed(ids, id) || (everywhere && trusted_same(id, everywhere)));
    free(id);
    struct authres one;
    if (!counts)
        return;
    if (t->n == MAX_TRUSTED_FIELDS || authres_parse(field->value, &one) < 0) {
        t->unreadable |= authres_version_known(field->value);
        return;
    }
    t->at = mem_grow(t->at, t->n + 1, sizeof *t->at);
    t->at[t->n++] = one;
}

void trusted_read(struct trusted *t, const struct header *header, const struct trust *trust)
{
    *t = (struct trusted){0};
    uint64_t above = 0;
    for (size_t i = 0; i < header->n; i++) {
        const struct field *field = &header->fields[i];
        if (span_is_nocase(field->name, "Received"))
            above++;
        else if (span_is_nocase(field->name, "Authentication-Results"))
            take_field(t, field, above <= trust->hops ? trust->ids : NULL, trust->everywhere);
    }
    t->doubtful = t->n && !trust->everywhere &&
                  !copied_harmless(header, trust->hops + 1, trust->helo, trust->mail_from);
}

void trusted_free(struct trusted *t)
{
    for (size_t i = 0; i < t->n; i++)
        authres_free(&t->at[i]);
    free(t->at);
    *t = (struct trusted){0};
}

static bool believed(const struct trusted *t, const struct authres_result *r)
{
    return !t->doubtful || strcmp(r->result, "pass") != 0;
}

const struct authres_result *trusted_next(const struct trusted *t, const char *method,
                                          const struct authres_result *last)
{
    bool behind = !last;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->at[i].n; k++) {
            const struct authres_result *r = &t->at[i].results[k];
            if (behind && strcmp(r->method, method) == 0 && believed(t, r))
                return r;
            behind |= r == last;
        }
    return NULL;
}

const struct authres_result *trusted_find(const struct trusted *t, const char *method)
{
    return trusted_next(t, method, NULL);
}

bool trusted_domain(const struct authres_result *r, const char *type, const char *name,
                    char out[static 256])
{
    const char *value = authres_get(r, type, name);
    const char *at = value ? strrchr(value, '@') : NULL;
    return value && idn_to_ascii(at ? at + 1 : value, out) == 0 && *out;
}

static bool fails_for(const struct trusted *t, const char *method, const char *type,
                      const char *name, const char *from_domain)
{
    const struct authres_result *r = NULL;
    while ((r = trusted_next(t, method, r))) {
        char domain[256];
        if (strcmp(r->result, "fail") == 0 &&
            (!from_domain || !trusted_domain(r, type, name, domain) ||
             trusted_same(domain, from_domain)))
            return true;
    }
    return false;
}

bool trusted_vetoes(const struct trusted *t, const char *from_domain)
{
    return t->unreadable || fails_for(t, "dmarc", "header", "from", from_domain) ||
           fails_for(t, "spf", "smtp", "mailfrom", from_domain);
}
