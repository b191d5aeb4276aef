// SPDX-License-Identifier: ISC
// TLS-RPT records (RFC 8460 section 3). A stranger writes them: what is no address is passed over.
#include "tls/tlsrpt.h"

#include <stdlib.h>
#include "relay/base/mem.h"

static const char version[] = "v=TLSRPTv1";

// The version, then the end, or white space and a semicolon.
static bool is_record(struct span txt)
{
    size_t n = sizeof version - 1;
    if (txt.n < n || !span_is(span_slice(txt, 0, n), version))
        return false;
    struct span rest = span_trim(span_from(txt, n));
    return rest.n == 0 || rest.p[0] == ';';
}

// Printable, without what the grammar wants percent-encoded; behind mailto: an address.
static bool is_uri(struct span uri)
{
    for (size_t i = 0; i < uri.n; i++)
        if (uri.p[i] <= ' ' || uri.p[i] > '~' || uri.p[i] == '!')
            return false;
    if (span_starts_nocase(uri, "https://"))
        return uri.n > 8;
    return span_starts_nocase(uri, "mailto:") && span_find(span_from(uri, 7), '@') > 0;
}

static void add_uris(struct span list, struct strings *rua)
{
    bool more = true;
    while (more && rua->n < TLSRPT_MAX_RUA) {
        struct span uri = list, rest = list;
        more = span_cut(list, ',', &uri, &rest);
        list = rest;
        uri = span_trim(uri);
        if (!is_uri(uri))
            continue;
        rua->at = mem_grow(rua->at, rua->n + 1, sizeof *rua->at);
        rua->at[rua->n++] = span_dup(uri);
    }
}

static int read_fields(struct span record, struct strings *rua, struct why *why)
{
    struct span rest = span_from(record, sizeof version - 1), field, name, value;
    bool any = false;
    for (bool more = true; more;) {
        struct span all = rest;
        more = span_cut(all, ';', &field, &rest);
        if (!more)
            field = all;
        if (!span_cut(field, '=', &name, &value) || !span_is(span_trim(name), "rua"))
            continue;
        any = true;
        add_uris(value, rua);
    }
    if (rua->n)
        return 0;
    return why_set(why, WHY_DOMAIN, "5.7.0", "the TLS-RPT record %s",
                   any ? "names no mailto: or https: address" : "has no rua=");
}

int tlsrpt_record_parse(const struct span *txts, size_t n, struct strings *rua, bool *found,
                        struct why *why)
{
    size_t records = 0, last = 0;
    *rua = (struct strings){0};
    *found = false;
    why_clear(why);
    for (size_t i = 0; i < n; i++)
        if (is_record(txts[i])) {
            records++;
            last = i;
        }
    if (records > 1)
        why_set(why, WHY_DOMAIN, "5.7.0", "there are %zu TLS-RPT records, which count as none",
                records);
    if (records != 1)
        return 0;
    *found = true;
    return read_fields(txts[last], rua, why);
}

void tlsrpt_rua_free(struct strings *rua)
{
    for (size_t i = 0; i < rua->n; i++)
        free(rua->at[i]);
    free(rua->at);
    *rua = (struct strings){0};
}
