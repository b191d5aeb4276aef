// SPDX-License-Identifier: ISC
// MTA-STS as text: record (RFC 8461 section 3.1), policy (3.2) and the match of MX hosts (4.1).
#include "tls/sts.h"

#include <gnutls/gnutls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

#define KEY_MAX     32 // characters of an extension's name, both grammars
#define MAX_AGE_MAX 10 // digits of max_age

const char *sts_mode_word(enum sts_mode mode)
{
    static const char *const words[] = {"none", "testing", "enforce"};
    return words[mode];
}

__attribute__((format(printf, 2, 3))) static int invalid(struct why *why, const char *format, ...)
{
    char text[sizeof why->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return why_say(why, STS_POLICY_INVALID, text);
}

static struct span trim_blanks(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_from(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

// sts-ext-name, sts-policy-ext-name: (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
static bool is_key(struct span s)
{
    if (s.n == 0 || s.n > KEY_MAX || !ascii_is_alnum(s.p[0]))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && !memchr("_-.", s.p[i], 3))
            return false;
    return true;
}

// ---- the record

// sts-ext-value: 1*(%x21-3A / %x3C / %x3E-7E): no "=", ";", space, control
static bool is_record_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || s.p[i] == '=' || s.p[i] == ';')
            return false;
    return s.n > 0;
}

static bool is_id(struct span s)
{
    if (s.n == 0 || s.n > STS_ID_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]))
            return false;
    return true;
}

static int parse_field(struct span field, char *id, struct why *why)
{
    struct span key, value;
    if (!span_cut(field, '=', &key, &value) || !is_key(key) || !is_record_value(value))
        return invalid(why, "the MTA-STS record has a field that is not name=value");
    if (!span_is(key, "id") || *id) // of several the first counts
        return 0;
    if (!is_id(value))
        return invalid(why, "the id of the MTA-STS record is not 1 to 32 letters and digits");
    memcpy(id, value.p, value.n);
    id[value.n] = 0;
    return 0;
}

// v=STSv1 then 1*(field-delim field) [field-delim]; field-delim: *WSP ";" *WSP
static int parse_record(struct span text, char *id, struct why *why)
{
    struct span version, field, rest = text;
    bool more = span_cut(rest, ';', &version, &rest);
    while (more) {
        more = span_cut(rest, ';', &field, &rest);
        if (!more)
            field = rest;
        field = trim_blanks(field);
        if (field.n == 0 && !more)
            break; // the delimiter at the end
        if (parse_field(field, id, why) < 0)
            return -1;
    }
    return *id ? 0 : invalid(why, "the MTA-STS record has no id");
}

// RFC 8461 section 3.1: records that do not begin with v=STSv1 and a delimiter are discarded first.
static bool is_sts_record(struct span text)
{
    static const char version[] = "v=STSv1";
    if (text.n < strlen(version) || memcmp(text.p, version, strlen(version)) != 0)
        return false;
    struct span rest = trim_blanks(span_from(text, strlen(version)));
    return rest.n == 0 || rest.p[0] == ';';
}

int sts_record_parse(const struct span *txts, size_t n, char id[static STS_ID_MAX + 1], bool *found,
                     struct why *why)
{
    size_t count = 0, which = 0;
    *found = false;
    id[0] = 0;
    for (size_t i = 0; i < n; i++)
        if (is_sts_record(txts[i])) {
            count++;
            which = i;
        }
    why_clear(why);
    if (count == 0) { // the ordinary case, and no failure to be reported
        why_say(why, STS_NO_RECORD);
        return 0;
    }
    if (count > 1) {
        invalid(why, "there are several MTA-STS records");
        return 0;
    }
    *found = true;
    return parse_record(txts[which], id, why);
}

// ---- the policy

struct seen {
    bool version, mode, max_age;
};

static bool is_label_text(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return s.n > 0 && s.n <= 63 && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

// A domain name in A-labels, or one with "*." before it. A final dot is let pass and taken off.
static bool is_pattern(struct span s)
{
    struct span label;
    if (s.n > 2 && s.p[0] == '*' && s.p[1] == '.')
        s = span_from(s, 2);
    if (s.n > MAX_DOMAIN)
        return false;
    while (span_cut(s, '.', &label, &s))
        if (!is_label_text(label))
            return false;
    return is_label_text(s);
}

static int add_mx(struct sts_policy *policy, struct span value, struct why *why)
{
    if (value.n && value.p[value.n - 1] == '.')
        value.n--;
    if (!is_pattern(value))
        return invalid(why, "\"%.*s\" is not an mx pattern", (int)(value.n > 100 ? 100 : value.n),
                       (const char *)value.p);
    if (policy->mx.n == STS_PATTERN_MAX)
        return invalid(why, "the policy has more than %d mx lines", STS_PATTERN_MAX);
    policy->mx.at = mem_grow(policy->mx.at, policy->mx.n + 1, sizeof *policy->mx.at);
    policy->mx.at[policy->mx.n++] = span_dup_lower(value);
    return 0;
}

static int set_mode(struct sts_policy *policy, struct span value, struct why *why)
{
    for (int mode = STS_NONE; mode <= STS_ENFORCE; mode++)
        if (span_is(value, sts_mode_word((enum sts_mode)mode))) {
            policy->mode = (enum sts_mode)mode;
            return 0;
        }
    return invalid(why, "the policy's mode is none of enforce, testing and none");
}

static int set_max_age(struct sts_policy *policy, struct span value, struct why *why)
{
    uint64_t seconds;
    if (value.n > MAX_AGE_MAX || !span_number(value, UINT64_MAX, &seconds))
        return invalid(why, "the policy's max_age is not a number of at most 10 digits");
    policy->max_age = seconds > STS_MAX_AGE ? STS_MAX_AGE : seconds;
    return 0;
}

// UTF-8 text without controls; GnuTLS-free, since only an extension nobody reads may hold it.
static bool is_extension_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' && s.p[i] != '\t')
            return false;
    return s.n > 0 && !memchr(s.p, 127, s.n);
}

// Keys and values are case-sensitive; of a key said twice the first counts, mx apart (section 3.2).
static int parse_line(struct sts_policy *policy, struct seen *seen, struct span line,
                      struct why *why)
{
    struct span key, value;
    if (!span_cut(line, ':', &key, &value) || !is_key(key))
        return invalid(why, "the policy has a line that is not \"key: value\"");
    value = trim_blanks(value);
    if (!is_extension_value(value))
        return invalid(why, "the policy's key \"%.*s\" has no proper value", (int)key.n,
                       (const char *)key.p);
    if (span_is(key, "mx"))
        return add_mx(policy, value, why);
    bool *first = span_is(key, "version")   ? &seen->version
                  : span_is(key, "mode")    ? &seen->mode
                  : span_is(key, "max_age") ? &seen->max_age
                                            : NULL;
    if (!first || *first)
        return 0;
    *first = true;
    if (first == &seen->mode)
        return set_mode(policy, value, why);
    if (first == &seen->max_age)
        return set_max_age(policy, value, why);
    return span_is(value, "STSv1") ? 0 : invalid(why, "the policy's version is not STSv1");
}

static int parse_lines(struct sts_policy *policy, struct span text, struct buf *lines,
                       struct why *why)
{
    struct seen seen = {0};
    for (bool more = true; more;) {
        struct span line;
        more = span_cut(text, '\n', &line, &text);
        if (!more)
            line = text;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = trim_blanks(line);
        if (line.n == 0)
            continue;
        if (parse_line(policy, &seen, line, why) < 0)
            return -1;
        buf_addspan(lines, line);
        buf_addc(lines, '\n');
    }
    if (!seen.version || !seen.mode || !seen.max_age)
        return invalid(why, "the policy has no %s",
                       !seen.version ? "version"
                       : !seen.mode  ? "mode"
                                     : "max_age");
    if (policy->mode != STS_NONE && policy->mx.n == 0)
        return invalid(why, "the policy has no mx");
    return 0;
}

int sts_policy_parse(struct span text, struct sts_policy *out, struct why *why)
{
    struct buf lines;
    *out = (struct sts_policy){.mode = STS_NONE};
    if (text.n > STS_POLICY_MAX)
        return invalid(why, "the policy is larger than 64 KiB");
    buf_init(&lines, STS_POLICY_MAX + 2);
    int rc = parse_lines(out, text, &lines, why);
    if (rc == 0)
        out->text = buf_take(&lines);
    else
        sts_policy_free(out);
    buf_free(&lines);
    return rc;
}

void sts_policy_free(struct sts_policy *policy)
{
    for (size_t i = 0; i < policy->mx.n; i++)
        free(policy->mx.at[i]);
    free(policy->mx.at);
    free(policy->text);
    *policy = (struct sts_policy){.mode = STS_NONE};
}

// ---- hosts

// Names in other scripts are compared as A-labels; what cannot be one matches nothing.
static bool a_label(const char *name, char out[static MAX_DOMAIN + 1])
{
    size_t n = strlen(name);
    bool ascii = true;
    for (size_t i = 0; i < n; i++)
        ascii = ascii && (unsigned char)name[i] < 128;
    gnutls_datum_t mapped = {NULL, 0};
    if (!ascii && (n > MAX_DOMAIN * 4 || gnutls_idna_map(name, (unsigned)n, &mapped, 0) < 0))
        return false;
    const char *text = ascii ? name : (const char *)mapped.data;
    n = ascii ? n : mapped.size;
    if (n && text[n - 1] == '.')
        n--;
    bool fits = n > 0 && n <= MAX_DOMAIN;
    if (fits) {
        memcpy(out, text, n);
        out[n] = 0;
    }
    gnutls_free(mapped.data);
    return fits;
}

// RFC 8461 section 4.1: the star is the left-most label, and stands for exactly one.
bool sts_match(const char *pattern, const char *host)
{
    char p[MAX_DOMAIN + 1], h[MAX_DOMAIN + 1];
    bool star = strncmp(pattern, "*.", 2) == 0;
    if (!a_label(star ? pattern + 2 : pattern, p) || !a_label(host, h) || strchr(p, '*') ||
        strchr(h, '*'))
        return false;
    struct span name = span_text(h), label;
    if (star && (!span_cut(name, '.', &label, &name) || label.n == 0))
        return false;
    return span_is_nocase(name, p);
}
