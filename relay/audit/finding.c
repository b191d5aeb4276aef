// SPDX-License-Identifier: ISC
// Findings, and what the parts of an audit ask the DNS for: below them, so that no part calls another.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "dns/rdata.h"
#include "relay/audit/inside.h"
#include "relay/base/mem.h"

// What strangers wrote breaks neither a terminal nor JSON.
static char *print(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
static char *print(const char *format, va_list arguments)
{
    char text[8192];
    vsnprintf(text, sizeof text, format, arguments);
    for (char *c = text; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return mem_dup(text);
}

struct audit_finding *audit_say(struct audit_pass *a, enum audit_severity severity,
                                const char *about, const char *format, ...)
{
    struct audit *out = a->out;
    va_list arguments;
    out->at = mem_grow(out->at, out->n + 1, sizeof *out->at);
    struct audit_finding *f = &out->at[out->n++];
    va_start(arguments, format);
    *f = (struct audit_finding){
        .severity = severity, .about = about, .relay = a->relay, .text = print(format, arguments)};
    va_end(arguments);
    return f;
}

void audit_publish(struct audit_finding *finding, const char *name, const char *type,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    finding->name = mem_dup(name);
    finding->type = type;
    finding->record = print(format, arguments);
    va_end(arguments);
}

const struct dns_answer *audit_ask(struct audit_pass *a, const char *about, const char *name,
                                   uint16_t type)
{
    const struct dns_answer *answer = facts_ask(a->facts, name, type);
    if (!answer) {
        a->waits = true;
    } else if (answer->outcome == DNS_FAILED) {
        audit_say(a, AUDIT_PROBLEM, about, "the DNS did not answer for %s %s: %s", name,
                  dns_type_word(type), answer->why.text)
            ->temporary = answer->proof != DNS_BOGUS;
        return NULL;
    }
    return answer;
}

void audit_texts_read(const struct dns_answer *answer, struct audit_texts *out)
{
    out->n = 0;
    for (size_t i = 0; i < answer->nrecords && out->n < AUDIT_MAX_TEXTS; i++) {
        struct buf *text = &out->bytes[out->n];
        buf_init(text, AUDIT_MAX_RECORD);
        if (rdata_txt(answer->records[i].rdata, text)) {
            buf_text(text);
            out->at[out->n++] = buf_span(text);
        } else {
            buf_free(text);
        }
    }
}

void audit_texts_free(struct audit_texts *texts)
{
    while (texts->n)
        buf_free(&texts->bytes[--texts->n]);
}
