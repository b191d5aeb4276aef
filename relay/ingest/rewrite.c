// SPDX-License-Identifier: ISC
// Rules for addresses, and From by force or by default. An address is replaced where it stands, so that display names
// and comments stay; the address that was in From is kept in Reply-To, where there is none.
#include "relay/ingest/rewrite.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "config/pattern.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/setup/principal.h"

// The fields besides From that name who sends; Reply-To, which says where answers go, is none.
static const char *const beside[] = {
    "Sender",         "Resent-From",       "Resent-Sender",
    "Errors-To",      "Return-Receipt-To", "Disposition-Notification-To",
    "Read-Receipt-To"};

bool rewrite_wanted(const struct cfg_sender *row)
{
    return row->nrewrites || row->default_from[0] || row->force_from[0];
}

static bool same_address(const char *a, const char *b)
{
    return span_equal_nocase(span_text(a), span_text(b));
}

static char *by_rule(const struct sender_pattern *to, const char *address)
{
    const char *at = strrchr(address, '@');
    size_t local = at ? (size_t)(at - address) : strlen(address);
    if (to->kind == SENDER_ADDRESS)
        return mem_dup(to->text);
    return mem_printf("%.*s@%s", (int)local, address, to->text);
}

// By the first rule that fits; NULL: it stays as it is.
static char *rewrite_by_rules(const struct cfg_sender *row, const char *address)
{
    char domain[IDN_NAME];
    idn_domain(address_domain(address), domain);
    for (size_t i = 0; i < row->nrewrites; i++) {
        if (!pattern_matches(&row->rewrites[i].from, address, domain))
            continue;
        char *to = by_rule(&row->rewrites[i].to, address);
        if (!same_address(to, address))
            return to;
        free(to);
        return NULL;
    }
    return NULL;
}

char *rewrite_sender(const struct cfg_sender *row, const char *address)
{
    if (!address[0])
        return NULL;
    char *to = rewrite_by_rules(row, address);
    if (to || !row->force_from[0])
        return to;
    char domain[IDN_NAME];
    idn_domain(address_domain(address), domain);
    return principal_may_send(row, address, domain) ? NULL : mem_dup(row->force_from);
}

static void note_change(struct rewritten *out, const char *field, const char *from, const char *to)
{
    if (out->nchanges < REWRITE_FIELDS)
        out->changes[out->nchanges++] =
            (struct rewrite_change){.field = field, .from = mem_dup(from), .to = mem_dup(to)};
}

static void replace_field(const struct header *header, size_t i, struct span name,
                          struct span value, struct rewritten *out)
{
    buf_addspan(&out->fields, name);
    buf_addc(&out->fields, ':');
    buf_addspan(&out->fields, value);
    buf_adds(&out->fields, "\r\n");
    if (header)
        out->gone[i] = true;
}

// The value with `to` where the i-th address stands, for each to[i] that is not NULL.
static void put_addresses(struct span value, const struct addresses *list, char *const *to,
                          struct buf *made)
{
    const unsigned char *at = value.p;
    for (size_t i = 0; i < list->n; i++) {
        if (!to[i])
            continue;
        buf_add(made, at, (size_t)(list->spec[i].p - at));
        buf_adds(made, to[i]);
        at = list->spec[i].p + list->spec[i].n;
    }
    buf_add(made, at, (size_t)(value.p + value.n - at));
}

static void rewrite_free_texts(char **to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(to[i]);
    free(to);
}

// A field whose addresses are replaced by the rules, or all by `forced`. True: it was changed.
static bool rewrite_field(const struct cfg_sender *row, const struct header *header, size_t i,
                          const char *field, const char *forced, struct rewritten *out)
{
    const struct field *f = &header->fields[i];
    struct addresses list = {0};
    bool changed = false;
    if (header_addresses(f->value, &list) < 0)
        return false;
    char **to = mem_new((list.n + 1) * sizeof *to);
    for (size_t k = 0; k < list.n; k++) {
        to[k] = forced ? mem_dup(forced) : rewrite_by_rules(row, list.at[k]);
        if (to[k] && !changed)
            note_change(out, field, list.at[k], to[k]);
        changed |= to[k] != NULL;
    }
    if (changed) {
        struct buf made;
        buf_init(&made, MAX_PREFIX);
        put_addresses(f->value, &list, to, &made);
        out->fields.full |= made.full;
        replace_field(header, i, f->name, buf_span(&made), out);
        buf_free(&made);
    }
    rewrite_free_texts(to, list.n);
    addresses_free(&list);
    return changed;
}

static void keep_reply_to(const struct header *header, const struct field *from,
                          struct rewritten *out)
{
    if (!header_count(header, "Reply-To"))
        replace_field(NULL, 0, span_text("Reply-To"), from->value, out);
}

// How many authors From names: 0 where it cannot be read, or names a group.
static size_t authors(const struct field *from, char **first)
{
    struct addresses list = {0};
    size_t n = header_addresses(from->value, &list) == 0 && !list.group ? list.n : 0;
    *first = n ? mem_dup(list.at[0]) : NULL;
    addresses_free(&list);
    return n;
}

static void drop_all(const struct header *header, const char *name, struct rewritten *out)
{
    for (size_t i = 0; i < header->n; i++)
        if (span_is_nocase(header->fields[i].name, name))
            out->gone[i] = true;
}

// A From of its own, whatever there was.
static void new_from(const struct header *header, const char *was, const char *address,
                     struct rewritten *out)
{
    char *value = mem_printf(" %s", address);
    drop_all(header, "From", out);
    replace_field(NULL, 0, span_text("From"), span_text(value), out);
    note_change(out, "From", was ? was : "", address);
    free(value);
}

// One author keeps the display name. Sender says nothing more beside one author (RFC 5322 section 3.6.2).
static void force_from(const struct cfg_sender *row, const struct header *header, size_t i,
                       size_t nfrom, struct rewritten *out)
{
    char *was = NULL;
    size_t n = nfrom == 1 ? authors(&header->fields[i], &was) : 0;
    bool stands = n == 1 && same_address(was, row->force_from);
    if (n == 1 && !stands)
        rewrite_field(row, header, i, "From", row->force_from, out);
    else if (!stands)
        new_from(header, was, row->force_from, out);
    if (n && !stands)
        keep_reply_to(header, &header->fields[i], out);
    drop_all(header, "Sender", out);
    free(was);
}

static void rewrite_from(const struct cfg_sender *row, const struct header *header,
                         struct rewritten *out)
{
    const struct field *from = header_find(header, "From", 0);
    size_t nfrom = header_count(header, "From"), i = from ? (size_t)(from - header->fields) : 0;
    char *was = NULL;
    if (row->force_from[0]) {
        force_from(row, header, i, nfrom, out);
    } else if (nfrom == 0 || (nfrom == 1 && !authors(from, &was))) {
        if (row->default_from[0])
            new_from(header, NULL, row->default_from, out);
    } else if (nfrom == 1 && rewrite_field(row, header, i, "From", NULL, out)) {
        keep_reply_to(header, from, out);
    }
    free(was);
}

bool rewrite_header(const struct cfg_sender *row, const struct header *header,
                    struct rewritten *out)
{
    *out = (struct rewritten){.gone = mem_new(header->n + 1)};
    buf_init(&out->fields, MAX_PREFIX / 2);
    rewrite_from(row, header, out);
    for (size_t i = 0; i < header->n && row->nrewrites; i++)
        for (size_t k = 0; k < sizeof beside / sizeof *beside && !out->gone[i]; k++)
            if (span_is_nocase(header->fields[i].name, beside[k]))
                rewrite_field(row, header, i, beside[k], NULL, out);
    bool any = out->fields.len > 0 || out->fields.full;
    for (size_t i = 0; i < header->n && !any; i++)
        any = out->gone[i];
    return any;
}

void rewritten_free(struct rewritten *r)
{
    buf_free(&r->fields);
    free(r->gone);
    for (size_t i = 0; i < r->nchanges; i++) {
        free(r->changes[i].from);
        free(r->changes[i].to);
    }
    *r = (struct rewritten){0};
}
