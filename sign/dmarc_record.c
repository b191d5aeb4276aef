// SPDX-License-Identifier: ISC
// DMARC records (RFC 9989 section 4.8). Not a tag list of DKIM's strictness: what cannot be read falls back
// to its default (section 4.7), and only a wrong version makes the record none.
#include "sign/dmarc_record.h"

// "name = value"; both trimmed.
static bool cut_tag(struct span spec, struct span *name, struct span *value)
{
    if (!span_cut(spec, '=', name, value))
        return false;
    *name = span_trim(*name);
    *value = span_trim(*value);
    return name->n > 0;
}

static bool policy_word(struct span value, enum dmarc_policy *out)
{
    for (enum dmarc_policy p = DMARC_NONE; p <= DMARC_REJECT; p++)
        if (span_is_nocase(value, dmarc_policy_word(p))) {
            *out = p;
            return true;
        }
    return false;
}

// scheme ":" something; a mailto needs an address.
static bool uri(struct span text)
{
    struct span scheme, rest;
    if (!span_cut(span_trim(text), ':', &scheme, &rest) || !scheme.n || !rest.n ||
        !ascii_is_alpha(scheme.p[0]))
        return false;
    for (size_t i = 0; i < scheme.n; i++)
        if (!ascii_is_alnum(scheme.p[i]) && scheme.p[i] != '+' && scheme.p[i] != '-' &&
            scheme.p[i] != '.')
            return false;
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] <= ' ' || rest.p[i] > '~')
            return false;
    return !span_is_nocase(scheme, "mailto") || span_find(rest, '@') > 0;
}

static bool any_uri(struct span list)
{
    struct span head, tail;
    for (; span_cut(list, ',', &head, &tail); list = tail)
        if (uri(head))
            return true;
    return uri(list);
}

// False: a policy tag with a value that is none of the three.
static bool take_tag(struct span name, struct span value, struct dmarc_record *out)
{
    if (span_is_nocase(name, "p"))
        return policy_word(value, &out->p);
    if (span_is_nocase(name, "sp"))
        return policy_word(value, &out->sp);
    if (span_is_nocase(name, "np"))
        return policy_word(value, &out->np);
    if (span_is_nocase(name, "adkim"))
        out->strict_dkim = span_is_nocase(value, "s");
    else if (span_is_nocase(name, "aspf"))
        out->strict_spf = span_is_nocase(value, "s");
    else if (span_is_nocase(name, "t"))
        out->testing = span_is_nocase(value, "y");
    else if (span_is_nocase(name, "rua"))
        out->reports = any_uri(value);
    else if (span_is_nocase(name, "psd"))
        out->psd = span_is_nocase(value, "y") ? 'y' : span_is_nocase(value, "n") ? 'n' : 'u';
    return true;
}

bool dmarc_record_parse(struct span txt, struct dmarc_record *out)
{
    struct span spec, rest = txt, name, value;
    bool more = span_cut(txt, ';', &spec, &rest), readable = true;
    *out = (struct dmarc_record){.psd = 'u', .usable = true};
    if (!more)
        spec = txt;
    // "v" first, its value to the letter.
    if (!spec.n || ascii_lower(spec.p[0]) != 'v' || !cut_tag(spec, &name, &value) ||
        !span_is_nocase(name, "v") || !span_is(value, "DMARC1"))
        return false;
    while (more) {
        struct span all = rest;
        more = span_cut(all, ';', &spec, &rest);
        if (!more)
            spec = all;
        if (cut_tag(spec, &name, &value))
            readable = take_tag(name, value, out) && readable;
    }
    out->mute = readable && out->p == DMARC_UNSET && !out->reports;
    if (!readable) { // section 4.10.1
        out->usable = out->reports;
        out->p = out->sp = out->np = DMARC_UNSET;
    }
    if (out->p == DMARC_UNSET)
        out->p = DMARC_NONE;
    return true;
}

const char *dmarc_policy_word(enum dmarc_policy policy)
{
    static const char *const words[] = {"", "none", "quarantine", "reject"};
    return words[policy];
}
