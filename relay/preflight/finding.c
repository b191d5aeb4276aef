// SPDX-License-Identifier: ISC
// Findings: their weight, how they are kept and what is told of them.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/mem.h"
#include "relay/preflight/inside.h"

#define LEVEL_PROBLEM PREFLIGHT_PROBLEM
#define LEVEL_ADVICE  PREFLIGHT_ADVICE
#define FINDING(id, name, degree, status, act, holes, sentence, means, advice, replies)            \
    {REASON_##id, LEVEL_##degree, replies},
static const struct {
    enum reason reason;
    enum preflight_level level;
    const char *prevents;
} rows[] = {
#include "relay/base/findings.def"
    // Reasons with which the relay refuses own mail by itself.
    {REASON_KEY_MISSING, PREFLIGHT_PROBLEM,
     "Gmail 5.7.26, 5.7.30; Outlook.com 550 5.7.515; Yahoo 554 5.7.9"},
    {REASON_FROM_MISSING, PREFLIGHT_PROBLEM, "Gmail 550 5.7.1 ('From' header is missing)"},
    {REASON_FROM_TWICE, PREFLIGHT_PROBLEM, "Gmail 550 5.7.1 (multiple 'From' headers)"},
    {REASON_FROM_UNREADABLE, PREFLIGHT_PROBLEM, "Gmail 550 5.7.1"},
    {REASON_FROM_EMPTY, PREFLIGHT_PROBLEM, "Gmail 550 5.7.1 ('From' header is missing)"},
    {REASON_FROM_GROUP, PREFLIGHT_PROBLEM, "Gmail 550 5.7.1"},
    {REASON_LINE_TOO_LONG, PREFLIGHT_PROBLEM, "500 5.5.2, 554 5.6.0"},
    {REASON_BARE_LINE_END, PREFLIGHT_PROBLEM, "550 5.6.11 (Exchange), 421 and 550 of Postfix"},
};
#undef FINDING
#define ROWS (sizeof rows / sizeof *rows)

static size_t finding_row(enum reason reason)
{
    size_t i = 0;
    while (i < ROWS && rows[i].reason != reason)
        i++;
    return i;
}

enum preflight_level preflight_level(enum reason reason)
{
    size_t i = finding_row(reason);
    return i < ROWS ? rows[i].level : PREFLIGHT_PROBLEM; // what the relay refuses anyway
}

const char *preflight_level_word(enum preflight_level level)
{
    return level == PREFLIGHT_PROBLEM ? "problem" : "advice";
}

const char *preflight_prevents(enum reason reason)
{
    size_t i = finding_row(reason);
    return i < ROWS ? rows[i].prevents : "";
}

static bool is_found(const struct preflight *p, enum reason reason)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->at[i].reason == reason)
            return true;
    return false;
}

static void finding_keep(struct preflight *p, enum reason reason, const char *text)
{
    p->at = mem_grow(p->at, p->n + 1, sizeof *p->at);
    struct preflight_finding *f = &p->at[p->n++];
    *f = (struct preflight_finding){reason, mem_dup(text)};
    for (char *c = f->text; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

void look_add(struct preflight *out, enum reason reason, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (is_found(out, reason))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    finding_keep(out, reason, text);
}

void preflight_add(struct preflight *p, const struct why *why)
{
    if (!is_found(p, why->reason))
        finding_keep(p, why->reason, why->text);
}

const char *preflight_quote(struct span s, char out[static PREFLIGHT_QUOTE])
{
    size_t n = 0;
    s = span_trim(s);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = s.p[i];
        if (n == PREFLIGHT_QUOTE - 4) {
            memcpy(out + n, "...", 3);
            n += 3;
            break;
        }
        if (c == '\r' || c == '\n')
            continue; // a fold; the blank behind it stays
        out[n++] = c == '\t' ? ' ' : c < ' ' || c > '~' ? '?' : (char)c;
    }
    out[n] = 0;
    return out;
}

void preflight_free(struct preflight *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->at[i].text);
    free(p->at);
    *p = (struct preflight){0};
}

const struct preflight_finding *preflight_problem(const struct preflight *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (preflight_level(p->at[i].reason) == PREFLIGHT_PROBLEM)
            return &p->at[i];
    return NULL;
}

#define MORE_ROOM 16 // " and 99 more"

static void add_names(const struct preflight *p, enum preflight_level level, struct buf *out,
                      size_t *said)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *name = reason_row(p->at[i].reason)->name;
        if (preflight_level(p->at[i].reason) != level ||
            out->len + strlen(name) + 2 > PREFLIGHT_NAMES - MORE_ROOM)
            continue;
        buf_addf(out, "%s%s", out->len ? ", " : "", name);
        ++*said;
    }
}

void preflight_names(const struct preflight *p, char out[static PREFLIGHT_NAMES])
{
    struct buf text;
    size_t said = 0;
    buf_init(&text, PREFLIGHT_NAMES);
    add_names(p, PREFLIGHT_PROBLEM, &text, &said);
    add_names(p, PREFLIGHT_ADVICE, &text, &said);
    if (said < p->n)
        buf_addf(&text, " and %zu more", p->n - said);
    snprintf(out, PREFLIGHT_NAMES, "%s", buf_text(&text));
    buf_free(&text);
}

// The sentence, what to do, and that there is more: a reply has room for that much.
int preflight_refuse(const struct preflight *p, struct why *why)
{
    const struct preflight_finding *f = preflight_problem(p);
    const struct reason_row *row = reason_row(f->reason);
    why_fill(why, f->reason, "%s", f->text);
    size_t n = strlen(why->text), more = 0;
    for (size_t i = 0; i < p->n; i++)
        more += &p->at[i] != f && preflight_level(p->at[i].reason) == PREFLIGHT_PROBLEM;
    n += (size_t)snprintf(why->text + n, sizeof why->text - n, " (%s", row->name);
    if (more && n < sizeof why->text)
        n += (size_t)snprintf(why->text + n, sizeof why->text - n, ", and %zu more", more);
    if (n < sizeof why->text)
        snprintf(why->text + n, sizeof why->text - n, "). %s", row->advice);
    return -1;
}
