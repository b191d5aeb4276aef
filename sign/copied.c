// SPDX-License-Identifier: ISC
// Looks for characters that RFC 8601 fields are made of in words that strangers choose.
#include "sign/copied.h"

#include <string.h>
#include "sign/tags.h"

static bool harmless(struct span word, const char *also_bad)
{
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] <= ' ' || word.p[i] == 127 || strchr("();\"\\,", word.p[i]) ||
            strchr(also_bad, word.p[i]))
            return false;
    return true;
}

// "from HELO (what the host found)": behind the name comes white space, and then the parenthesis or "by".
static bool received_harmless(struct span value)
{
    struct span from = span_trim(value), name, rest;
    if (!span_starts_nocase(from, "from") || from.n < 5 || !ascii_is_space(from.p[4]))
        return true; // made on that host
    from = span_trim(span_from(from, 4));
    size_t n = 0;
    while (n < from.n && !ascii_is_space(from.p[n]))
        n++;
    name = span_of(from.p, n);
    rest = span_trim(span_from(from, n));
    return harmless(name, "=") &&
           (!rest.n || rest.p[0] == '(' || span_starts_nocase(rest, "by") ||
            span_starts_nocase(rest, "via") || span_starts_nocase(rest, "with"));
}

// In i= everything odd is written as =XX (RFC 6376 section 2.11).
static bool signature_harmless(struct span value)
{
    static const char *const names[] = {"d", "s", "i"};
    struct tags tags;
    if (!tags_parse(value, &tags))
        return true; // nobody evaluates it
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tag *tag = tags_find(&tags, names[i]);
        if (tag && !harmless(tag->value, "="))
            return false;
    }
    return true;
}

bool copied_harmless(const struct header *header, uint64_t received, const char *helo,
                     const char *mail_from)
{
    if (!harmless(span_text(helo), "=") || !harmless(span_text(mail_from), ""))
        return false;
    for (size_t i = 0; i < header->n; i++) {
        const struct field *field = &header->fields[i];
        if (span_is_nocase(field->name, "Received") && received && received--) {
            if (!received_harmless(field->value))
                return false;
        } else if (span_is_nocase(field->name, "DKIM-Signature") &&
                   !signature_harmless(field->value)) {
            return false;
        }
    }
    return true;
}
