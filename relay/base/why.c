// SPDX-License-Identifier: ISC
// The reason object.
#include "relay/base/why.h"
#include "relay/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/reasons.h"

static const char *const tls_words[] = {
    [WHY_TLS_NONE] = "",
    [WHY_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [WHY_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
    [WHY_CERTIFICATE_EXPIRED] = "certificate-expired",
    [WHY_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
    [WHY_VALIDATION_FAILURE] = "validation-failure",
    [WHY_TLSA_INVALID] = "tlsa-invalid",
    [WHY_DNSSEC_INVALID] = "dnssec-invalid",
    [WHY_DANE_REQUIRED] = "dane-required",
    [WHY_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
    [WHY_STS_POLICY_INVALID] = "sts-policy-invalid",
    [WHY_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};
#define TLS_WORDS (sizeof tls_words / sizeof *tls_words)

void why_clear(struct why *why)
{
    *why = (struct why){.scope = WHY_NOTHING};
}

static void fill(struct why *why, const struct reason_row *row, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void fill(struct why *why, const struct reason_row *row, const char *format, va_list args)
{
    char text[sizeof why->text]; // the arguments may be parts of *why
    vsnprintf(text, sizeof text, format, args);
    char code[sizeof why->status];
    snprintf(code, sizeof code, "%s", row->status);
    why_clear(why);
    why->scope = row->scope;
    why->tls = row->tls;
    why->act = row->act;
    memcpy(why->status, code, sizeof code);
    memcpy(why->text, text, sizeof text);
}

int why_fill(struct why *why, enum reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(why, reason_row(reason), format, args);
    va_end(args);
    why->reason = reason;
    return -1;
}

void why_status(struct why *why, const char *status)
{
    snprintf(why->status, sizeof why->status, "%s", status);
}

// A reason of no catalogue; what is wrong with this relay itself has one name for all of it.
static enum reason unnamed(enum why_scope scope, struct reason_row *row)
{
    enum reason reason = scope == WHY_OURS ? REASON_RELAY_FAULT : REASON_NONE;
    row->act = reason_row(reason)->act;
    return reason;
}

int why_set(struct why *why, enum why_scope scope, const char *status, const char *format, ...)
{
    struct reason_row row = {.scope = scope, .status = status};
    enum reason reason = unnamed(scope, &row);
    va_list args;
    va_start(args, format);
    fill(why, &row, format, args);
    va_end(args);
    why->reason = reason;
    return -1;
}

void why_host(struct why *why, const char *host)
{
    snprintf(why->host, sizeof why->host, "%s", host ? host : "");
}

void why_reply(struct why *why, const char *reply)
{
    snprintf(why->reply, sizeof why->reply, "%s", reply ? reply : "");
    for (char *c = why->reply; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = ' ';
}

void why_server(struct why *why, const char *server)
{
    snprintf(why->server, sizeof why->server, "%s", server ? server : "");
}

struct why *why_copy(const struct why *why)
{
    if (!why)
        return NULL;
    struct why *copy = mem_new(sizeof *copy);
    *copy = *why;
    return copy;
}

const char *why_cause(const struct why *why)
{
    const char *cause = why->reason == REASON_LOOKUP_FAILED ? strstr(why->text, ": ") : NULL;
    return cause ? cause + 2 : why->text;
}

bool why_is_set(const struct why *why)
{
    return why->scope != WHY_NOTHING;
}

bool why_permanent(const struct why *why)
{
    return why->status[0] == '5';
}

const char *why_tls_word(enum why_tls tls)
{
    return (size_t)tls < TLS_WORDS ? tls_words[tls] : "";
}

enum why_tls why_tls_parse(const char *word)
{
    for (size_t i = 1; i < TLS_WORDS; i++)
        if (strcmp(tls_words[i], word) == 0)
            return (enum why_tls)i;
    return WHY_TLS_NONE;
}
