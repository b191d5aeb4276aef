// SPDX-License-Identifier: ISC
// DMARC evaluation, RFC 9989 section 4.10: the tree walk, the organizational domain, the policy that applies,
// alignment. Records are read in sign/dmarc_record.c.
#include "sign/dmarc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "dns/name.h"
#include "dns/rdata.h"
#include "sign/dmarc_record.h"

#define MAX_WALK        8     // queries of one tree walk, section 4.10
#define MAX_RECORD_TEXT 65535 // bytes of one TXT record

enum status { DONE, WAIT, FAILED };

// The way up from one domain, as far as it had to be looked at.
struct walk {
    char domain[NAME_TEXT];
    const char *names[MAX_WALK]; // in domain, longest first
    struct dmarc_record records[MAX_WALK];
    bool found[MAX_WALK];
    size_t n;
    const char *org;                    // in domain; NULL: not known
    const struct dmarc_record *applies; // NULL: no record
};

static const char *parent(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? dot + 1 : "";
}

static size_t labels(const char *name)
{
    size_t n = 0;
    for (; *name; name = parent(name))
        n++;
    return n;
}

static void name_levels(struct walk *w)
{
    const char *name = w->domain;
    for (w->n = 0; *name && w->n < MAX_WALK; w->n++) {
        w->names[w->n] = name;
        name = parent(name);
        while (w->n == 0 && labels(name) >= MAX_WALK) // the shortcut of step 4
            name = parent(name);
    }
}

static const struct dns_answer *dmarc_ask(struct facts *facts, const char *name)
{
    char question[NAME_TEXT + 8];
    snprintf(question, sizeof question, "_dmarc.%s", name);
    return facts_ask(facts, question, DNS_TXT);
}

// The one DMARC record of an answer; several count as none (step 6).
static bool single_record(const struct dns_answer *answer, struct dmarc_record *out)
{
    size_t found = 0;
    struct buf text;
    buf_init(&text, MAX_RECORD_TEXT);
    for (size_t i = 0; i < answer->nrecords; i++) {
        struct dmarc_record record;
        buf_reset(&text);
        if (!rdata_txt(answer->records[i].rdata, &text) ||
            !dmarc_record_parse(buf_span(&text), &record))
            continue;
        *out = record;
        found++;
    }
    buf_free(&text);
    // One that asks for nothing is none (section 4.10.1), unless it says where the organization ends.
    return found == 1 && (!out->mute || out->psd != 'u');
}

// Section 4.10.2: psd=n is it; below psd=y is it; else the record nearest to the root.
static void select_org(struct walk *w, size_t looked)
{
    const struct dmarc_record *public = NULL;
    w->org = w->domain;
    for (size_t i = 0; i < looked; i++) {
        if (!w->found[i])
            continue;
        w->org = w->names[i];
        if (w->records[i].psd != 'y' || i == 0)
            continue;
        public = &w->records[i];
        w->org = w->domain;
        while (parent(w->org) != w->names[i])
            w->org = parent(w->org);
    }
    w->applies = w->found[0] ? &w->records[0] : public;
    for (size_t i = 0; i < looked && !w->found[0]; i++)
        if (w->found[i] && w->names[i] == w->org)
            w->applies = &w->records[i];
}

// All names are asked at once; what comes behind the stop does not matter. FAILED: the organizational
// domain cannot be known, nor the policy unless found[0].
static enum status walk_up(struct walk *w, const char *domain, struct facts *facts)
{
    memset(w, 0, sizeof *w);
    if (!name_normal(domain, w->domain))
        return DONE;
    name_levels(w);
    for (size_t i = 0; i < w->n; i++)
        dmarc_ask(facts, w->names[i]);
    size_t i = 0;
    for (bool stop = false; i < w->n && !stop; i++) {
        const struct dns_answer *answer = dmarc_ask(facts, w->names[i]);
        if (!answer)
            return WAIT;
        if (answer->outcome == DNS_FAILED) {
            w->applies = w->found[0] ? &w->records[0] : NULL;
            return FAILED;
        }
        w->found[i] = single_record(answer, &w->records[i]);
        stop = w->found[i] && w->records[i].psd != 'u';
    }
    select_org(w, i);
    return DONE;
}

// Whether the name exists at all (section 3.2.13, RFC 8020). Some servers deny a name for one type alone, so
// one other answer is enough.
static enum status exists(struct facts *facts, const char *domain, bool *yes)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_MX};
    bool waits = false, failed = false;
    *yes = false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const struct dns_answer *answer = facts_ask(facts, domain, types[i]);
        if (!answer)
            waits = true;
        else if (answer->outcome == DNS_FAILED)
            failed = true;
        else if (answer->outcome == DNS_FOUND || !answer->nxdomain)
            *yes = true;
    }
    return waits ? WAIT : failed && !*yes ? FAILED : DONE;
}

// What the domain owner asks for this domain (section 4.10.1).
static enum status find_policy(const struct walk *from, struct facts *facts, char out[static 16])
{
    const struct dmarc_record *record = from->applies;
    enum dmarc_policy policy = record->p;
    bool subdomain = record != &from->records[0], real = true;
    enum status status = DONE;
    if (subdomain && record->np != DMARC_UNSET)
        status = exists(facts, from->domain, &real);
    if (status != DONE)
        return status;
    if (subdomain && !real && record->np != DMARC_UNSET)
        policy = record->np;
    else if (subdomain && record->sp != DMARC_UNSET)
        policy = record->sp;
    if (record->testing && policy > DMARC_NONE) // one level below
        policy--;
    snprintf(out, 16, "%s", dmarc_policy_word(policy));
    return DONE;
}

// FAILED: it hangs on a name that the DNS did not answer for.
static enum status aligned(const struct walk *from, const char *domain, bool strict,
                           struct facts *facts, bool *yes)
{
    char normal[NAME_TEXT];
    struct walk theirs;
    *yes = false;
    if (!domain || !name_normal(domain, normal))
        return DONE;
    *yes = strcmp(normal, from->domain) == 0;
    if (strict || *yes)
        return DONE;
    if (!from->org)
        return FAILED;
    if (!name_below(normal, from->org)) // what shares an organizational domain stands below it
        return DONE;
    enum status status = walk_up(&theirs, normal, facts);
    *yes = status == DONE && theirs.org && strcmp(theirs.org, from->org) == 0;
    return status;
}

static bool dmarc_ended(struct dmarc_result *out, enum auth_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool dmarc_ended(struct dmarc_result *out, enum auth_result result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->reason, sizeof out->reason, format, arguments);
    va_end(arguments);
    for (char *c = out->reason; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    out->result = result;
    return false;
}

static bool compare(const struct dmarc_input *in, const struct walk *from, struct facts *facts,
                    struct dmarc_result *out)
{
    bool yes, waits = false, failed = false;
    for (size_t i = 0; i <= in->ndkim; i++) {
        bool spf = i == in->ndkim;
        const char *domain = spf ? in->spf_domain : in->dkim_domains[i];
        bool strict = spf ? from->applies->strict_spf : from->applies->strict_dkim;
        enum status status = aligned(from, domain, strict, facts, &yes);
        if (yes)
            return dmarc_ended(out, AUTH_PASS, "%s of %s is aligned", spf ? "SPF" : "DKIM", domain);
        waits |= status == WAIT;
        failed |= status == FAILED;
    }
    if (waits)
        return true;
    if (failed)
        return dmarc_ended(out, AUTH_TEMPERROR,
                           "the DNS did not answer for the organizational domains");
    return dmarc_ended(out, AUTH_FAIL, "neither SPF nor DKIM passed for a domain aligned with %s",
                       from->domain);
}

bool dmarc_evaluate(const struct dmarc_input *in, struct facts *facts, struct dmarc_result *out)
{
    struct walk from;
    *out = (struct dmarc_result){0};
    enum status status = walk_up(&from, in->from_domain, facts);
    if (status == WAIT)
        return true;
    if (!*from.domain)
        return dmarc_ended(out, AUTH_PERMERROR, "From has no domain that could have a record");
    snprintf(out->domain, sizeof out->domain, "%s", from.domain);
    snprintf(out->org, sizeof out->org, "%s", from.org ? from.org : "");
    if (!from.applies && status == FAILED)
        return dmarc_ended(out, AUTH_TEMPERROR, "the DNS did not answer for the record of %s",
                           from.domain);
    if (!from.applies || from.applies->mute)
        return dmarc_ended(out, AUTH_NONE, "%s has no DMARC record", from.domain);
    if (!from.applies->usable)
        return dmarc_ended(out, AUTH_PERMERROR,
                           "the DMARC record for %s has no policy that can be read", from.domain);
    status = find_policy(&from, facts, out->policy);
    if (status == WAIT)
        return true;
    if (status == FAILED)
        return dmarc_ended(out, AUTH_TEMPERROR, "the DNS does not say whether %s exists",
                           from.domain);
    return compare(in, &from, facts, out);
}
