// SPDX-License-Identifier: ISC
// Looks for characters that RFC 8601 fields are made of in words that strangers choose.
#include "sign/copied.h"

#include <string.h>
#include "sign/tags.h"

#define ENDS_A_RESULT "();\\"               // and what begins or ends a comment
#define NO_NAME       ENDS_A_RESULT " \",=" // in a HELO name

static bool sign_copied_harmless(struct span word, const char *bad)
{
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] < ' ' || word.p[i] == 127 || strchr(bad, word.p[i]))
            return false;
    return true;
}

// A result of one's own begins with ";": a Received field has one, before its date, wherever its host writes the
// HELO name (Exim and qmail: inside a comment).
static bool has_one_semicolon(struct span value)
{
    struct span head, tail;
    return !span_cut(value, ';', &head, &tail) || span_find(tail, ';') < 0;
}

// "from HELO (what the host found)": behind the name comes white space, and then the parenthesis or "by".
static bool received_harmless(struct span value)
{
    struct span from = span_trim(value), name, rest;
    if (!has_one_semicolon(value))
        return false;
    if (!span_starts_nocase(from, "from") || from.n < 5 || !ascii_is_space(from.p[4]))
        return true; // made on that host
    from = span_trim(span_from(from, 4));
    size_t n = 0;
    while (n < from.n && !ascii_is_space(from.p[n]))
        n++;
    name = span_of(from.p, n);
    rest = span_trim(span_from(from, n));
    return sign_copied_harmless(name, NO_NAME) &&
           (!rest.n || rest.p[0] == '(' || span_starts_nocase(rest, "by") ||
            span_starts_nocase(rest, "via") || span_starts_nocase(rest, "with"));
}

// In i= what ends a result is written as =XX (RFC 6376 section 2.11); "=" alone stands in many rewritten ones.
static bool encodes_semicolon(struct span value)
{
    for (size_t i = 0; i + 2 < value.n; i++)
        if (value.p[i] == '=' && value.p[i + 1] == '3' && ascii_lower(value.p[i + 2]) == 'b')
            return true;
    return false;
}

static bool signature_harmless(struct span value)
{
    static const char *const names[] = {"d", "s", "i"};
    struct tags tags;
    if (!tags_parse(value, &tags))
        return true; // nobody evaluates it
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tag *tag = tags_find(&tags, names[i]);
        if (tag &&
            (!sign_copied_harmless(tag->value, ENDS_A_RESULT) || encodes_semicolon(tag->value)))
            return false;
    }
    return true;
}

bool copied_harmless(const struct header *header, uint64_t received, const char *helo,
                     const char *mail_from)
{
    if (!sign_copied_harmless(span_text(helo), NO_NAME) ||
        !sign_copied_harmless(span_text(mail_from), ENDS_A_RESULT))
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
