// SPDX-License-Identifier: ISC
// An audit: its findings, the addresses that mail leaves from, and the order of its parts.
#include "relay/audit/audit.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "dns/rdata.h"
#include "relay/audit/inside.h"
#include "relay/base/mem.h"
#include "relay/route/refused.h"

const char *audit_severity_word(enum audit_severity severity)
{
    static const char *const words[] = {"ok", "advice", "problem"};
    return words[severity];
}

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
        .severity = severity, .about = about, .text = print(format, arguments)};
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

bool audit_evaluate(const struct audit_input *in, struct facts *facts, struct audit *out)
{
    struct audit_pass a = {.in = in, .facts = facts, .out = out};
    *out = (struct audit){0};
    audit_spf(&a);
    audit_dkim(&a);
    audit_dmarc(&a);
    audit_mx(&a);
    if (a.waits)
        audit_free(out);
    return a.waits;
}

void audit_free(struct audit *audit)
{
    for (size_t i = 0; i < audit->n; i++) {
        free(audit->at[i].text);
        free(audit->at[i].name);
        free(audit->at[i].record);
    }
    free(audit->at);
    *audit = (struct audit){0};
}

enum audit_severity audit_worst(const struct audit *audit)
{
    enum audit_severity worst = AUDIT_OK;
    for (size_t i = 0; i < audit->n; i++)
        if (!audit->at[i].temporary && audit->at[i].severity > worst)
            worst = audit->at[i].severity;
    return worst;
}

bool audit_temporary(const struct audit *audit)
{
    for (size_t i = 0; i < audit->n; i++)
        if (audit->at[i].temporary)
            return true;
    return false;
}

// --- the addresses that mail leaves from ---

void audit_addresses_add(struct audit_addresses *list, const struct sockaddr_storage *address,
                         bool certain)
{
    list->at = mem_grow(list->at, list->n + 1, sizeof *list->at);
    list->at[list->n++] = (struct audit_address){*address, certain};
}

static bool family_used(const struct config *config, int family)
{
    return config->delivery.families[0] == family || config->delivery.families[1] == family;
}

static void add_interface(const struct config *config, const uv_interface_address_t *interface,
                          struct audit_addresses *out)
{
    // What no receiver can see is behind a translation, whose outside address nobody here knows.
    static const struct config defaults = {.delivery = {.refuse_default = true}};
    struct sockaddr_storage address = {0};
    const struct sockaddr_in6 *in6 = (const void *)&address;
    if (interface->address.address4.sin_family == AF_INET)
        memcpy(&address, &interface->address.address4, sizeof interface->address.address4);
    else
        memcpy(&address, &interface->address.address6, sizeof interface->address.address6);
    bool link_local = address.ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
    if (interface->is_internal || link_local || !family_used(config, address.ss_family))
        return;
    audit_addresses_add(out, &address,
                        !refused_address(&defaults, (const struct sockaddr *)&address));
}

void audit_addresses_find(const struct config *config, struct audit_addresses *out)
{
    *out = (struct audit_addresses){0};
    for (size_t i = 0; i < config->delivery.nsources; i++)
        audit_addresses_add(out, &config->delivery.sources[i].address, true);
    uv_interface_address_t *interfaces;
    int n;
    if (out->n || uv_interface_addresses(&interfaces, &n) < 0)
        return;
    for (int i = 0; i < n; i++)
        add_interface(config, &interfaces[i], out);
    uv_free_interface_addresses(interfaces, n);
}

void audit_addresses_free(struct audit_addresses *list)
{
    free(list->at);
    *list = (struct audit_addresses){0};
}
