// SPDX-License-Identifier: ISC
// How a step of an SPF evaluation ends: what is counted against the limits (RFC 7208 section 4.6.4), asked, refused.
#include "sign/spf_inside.h"

#include <stdarg.h>
#include <stdio.h>

enum spf_match spf_perm(struct spf_eval *e, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e->reason, sizeof e->reason, format, arguments);
    va_end(arguments);
    return SPF_PERMERROR;
}

enum spf_match spf_count_lookup(struct spf_eval *e)
{
    if (++e->lookups <= SPF_MAX_LOOKUPS)
        return SPF_YES;
    return spf_perm(e, "more than %d DNS lookups", SPF_MAX_LOOKUPS);
}

enum spf_match spf_ask(struct spf_eval *e, const char *name, uint16_t type,
                       const struct dns_answer **answer)
{
    *answer = facts_ask(e->facts, name, type);
    if (!*answer)
        return SPF_WAIT;
    if ((*answer)->outcome == DNS_FAILED) {
        snprintf(e->reason, sizeof e->reason, "the DNS did not answer for %s %s", (*answer)->name,
                 dns_type_word(type));
        return SPF_TEMPERROR;
    }
    if ((*answer)->outcome == DNS_FOUND && (*answer)->nrecords)
        return SPF_YES;
    if (++e->voids > SPF_MAX_VOID)
        return spf_perm(e, "more than %d lookups found nothing", SPF_MAX_VOID);
    return SPF_NO;
}
