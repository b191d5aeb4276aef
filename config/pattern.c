// SPDX-License-Identifier: ISC
// Patterns of addresses.
#include "config/pattern.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

bool pattern_below(const char *domain, const char *parent)
{
    size_t n = strlen(domain), p = strlen(parent);
    return n > p + 1 && domain[n - p - 1] == '.' && strcmp(domain + n - p, parent) == 0;
}

char *pattern_local(const char *address)
{
    const char *at = strrchr(address, '@');
    size_t n = at ? (size_t)(at - address) : strlen(address);
    if (n < 2 || address[0] != '"' || address[n - 1] != '"')
        return span_dup(span_of(address, n));
    char *out = mem_new(n);
    size_t len = 0;
    for (size_t i = 1; i + 1 < n; i++) {
        if (address[i] == '\\' && i + 2 < n)
            i++;
        out[len++] = address[i];
    }
    return out;
}

static bool pattern_same_address(const char *pattern, const char *address, const char *domain)
{
    const char *at = strrchr(pattern, '@');
    if (!at || strcmp(at + 1, domain) != 0)
        return false;
    char *a = pattern_local(pattern), *b = pattern_local(address);
    bool same = span_equal_nocase(span_text(a), span_text(b));
    free(a);
    free(b);
    return same;
}

bool pattern_matches(const struct sender_pattern *p, const char *address, const char *domain)
{
    switch (p->kind) {
    case SENDER_DOMAIN:
        return strcmp(p->text, domain) == 0;
    case SENDER_BELOW:
        return pattern_below(domain, p->text);
    case SENDER_ADDRESS:
        return pattern_same_address(p->text, address, domain);
    case SENDER_ANY:
        return true;
    }
    return false;
}

bool pattern_within(const struct sender_pattern *part, const struct sender_pattern *whole)
{
    if (whole->kind == SENDER_ANY)
        return true;
    switch (part->kind) {
    case SENDER_ADDRESS:
        return pattern_matches(whole, part->text, strrchr(part->text, '@') + 1);
    case SENDER_DOMAIN:
        return whole->kind != SENDER_ADDRESS && pattern_matches(whole, "", part->text);
    case SENDER_BELOW:
        return whole->kind == SENDER_BELOW &&
               (strcmp(part->text, whole->text) == 0 || pattern_below(part->text, whole->text));
    case SENDER_ANY:
        break;
    }
    return false;
}

bool pattern_allowed(const struct cfg_sender *row, const struct sender_pattern *p)
{
    for (size_t i = 0; i < row->nfrom; i++)
        if (row->from[i].text && !(row->forward && row->from[i].kind == SENDER_ANY) &&
            pattern_within(p, &row->from[i]))
            return true;
    return false;
}

bool pattern_own_domain(const struct cfg_sender *row, const char *domain)
{
    for (size_t i = 0; i < row->nfrom; i++) {
        const struct sender_pattern *p = &row->from[i];
        if (!p->text || (p->kind != SENDER_DOMAIN && p->kind != SENDER_BELOW))
            continue;
        if (strcmp(p->text, domain) == 0 || pattern_below(domain, p->text))
            return true;
    }
    return false;
}

bool pattern_field(const char *pattern, struct span name)
{
    size_t n = strlen(pattern);
    if (!n || pattern[n - 1] != '*')
        return span_is_nocase(name, pattern);
    return name.n >= n - 1 &&
           span_equal_nocase(span_slice(name, 0, n - 1), span_of(pattern, n - 1));
}
