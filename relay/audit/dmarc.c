// SPDX-License-Identifier: ISC
// The DMARC part of an audit (RFC 9989): is there a record, does it ask for something, and do our signatures meet it?
#include <stdio.h>
#include <string.h>
#include "relay/audit/inside.h"
#include "sign/dmarc.h"
#include "sign/dmarc_record.h"

#define NO_DMARC    "Gmail 5.7.40 (4.7.31, 4.7.40 first); Yahoo 554 5.7.9; Outlook.com 550 5.7.515"
#define NOT_ALIGNED "Gmail 5.7.26, 4.7.32; Yahoo 554 5.7.9; Outlook.com 550 5.7.515"

// Several records are none, which a walk up the tree would hide.
static size_t own_records(const struct dns_answer *answer, struct dmarc_record *out,
                          struct buf *text)
{
    struct audit_texts texts;
    struct dmarc_record record;
    size_t found = 0;
    audit_texts_read(answer, &texts);
    for (size_t i = 0; i < texts.n; i++)
        if (dmarc_record_parse(texts.at[i], &record)) {
            *out = record;
            buf_reset(text);
            buf_addspan(text, texts.at[i]);
            found++;
        }
    audit_texts_free(&texts);
    return found;
}

// One method alone passing: does that satisfy the record?
static enum auth_result with(struct audit_pass *a, const char *spf, const char *dkim,
                             struct dmarc_result *out)
{
    struct dmarc_input in = {.from_domain = a->in->domain,
                             .spf_domain = spf,
                             .dkim_domains = &dkim,
                             .ndkim = dkim ? 1 : 0};
    if (dmarc_evaluate(&in, a->facts, out)) {
        a->waits = true;
        return AUTH_NONE;
    }
    return out->result;
}

static void suggest_record(struct audit_pass *a, struct audit_finding *f)
{
    char name[300];
    snprintf(name, sizeof name, "_dmarc.%s", a->in->domain);
    audit_publish(f, name, "TXT", "v=DMARC1; p=none; rua=mailto:postmaster@%s", a->in->domain);
    f->prevents = NO_DMARC;
}

static void say_policy(struct audit_pass *a, const struct dmarc_result *r)
{
    if (strcmp(r->policy, "none") == 0)
        audit_say(a, AUDIT_ADVICE, "dmarc",
                  "the policy for %s is none: forged mail is let through; quarantine or reject "
                  "asks for more",
                  a->in->domain);
    else
        audit_say(a, AUDIT_OK, "dmarc", "the policy for %s is %s", a->in->domain, r->policy);
}

static void say_alignment(struct audit_pass *a)
{
    struct dmarc_result r;
    const char *signer = a->in->keys ? a->in->keys->config->domain : NULL;
    enum auth_result dkim = signer ? with(a, NULL, signer, &r) : AUTH_NONE;
    if (dkim == AUTH_PASS)
        audit_say(a, AUDIT_OK, "dmarc", "signatures of %s are aligned", signer);
    else if (dkim == AUTH_FAIL)
        audit_say(a, AUDIT_PROBLEM, "dmarc",
                  "signatures of %s are not aligned with %s (adkim=s, or another organization)",
                  signer, a->in->domain)
            ->prevents = NOT_ALIGNED;
}

// Tags of RFC 7489 that RFC 9989 has no more: what they ask for is not done.
static bool is_gone(struct span name)
{
    return span_is_nocase(name, "pct") || span_is_nocase(name, "rf") || span_is_nocase(name, "ri");
}

static void say_gone(struct audit_pass *a, const char *name, struct span record)
{
    struct buf kept, gone;
    struct span rest = record, tag, tail;
    buf_init(&kept, AUDIT_MAX_RECORD);
    buf_init(&gone, 256);
    for (bool more = true; more; rest = tail) {
        struct span word, value;
        more = span_cut(rest, ';', &tag, &tail);
        tag = span_trim(more ? tag : rest);
        bool old = span_cut(tag, '=', &word, &value) && is_gone(span_trim(word));
        struct buf *to = old ? &gone : &kept;
        if (tag.n)
            buf_adds(to, to->len ? "; " : "");
        buf_addspan(to, tag);
    }
    if (gone.len)
        audit_publish(audit_say(a, AUDIT_ADVICE, "dmarc",
                                "%s has tags that RFC 9989 has no more, and that do nothing: %s",
                                name, buf_text(&gone)),
                      name, "TXT", "%s", buf_text(&kept));
    buf_free(&kept);
    buf_free(&gone);
}

// What the record says of names below, and of the domain's place in the tree.
static void say_below(struct audit_pass *a, const char *name, const struct dmarc_record *own)
{
    if (own->sp != DMARC_UNSET && own->sp < own->p)
        audit_say(a, AUDIT_ADVICE, "dmarc", "%s asks for less below the domain than for it (sp=%s)",
                  name, dmarc_policy_word(own->sp));
    enum dmarc_policy below = own->sp != DMARC_UNSET ? own->sp : own->p;
    if (own->np != DMARC_UNSET && own->np < below)
        audit_say(
            a, AUDIT_ADVICE, "dmarc",
            "%s asks for less where a name below does not exist at all (np=%s), which only forgers "
            "use",
            name, dmarc_policy_word(own->np));
    if (own->psd == 'y')
        audit_say(a, AUDIT_PROBLEM, "dmarc",
                  "%s says that others register names below it (psd=y): a signature of %s is then "
                  "aligned with no name below",
                  name, a->in->domain)
            ->prevents = NOT_ALIGNED;
    if (own->psd == 'n')
        audit_say(a, AUDIT_OK, "dmarc", "%s is an organization of its own (psd=n)", a->in->domain);
}

static void say_record(struct audit_pass *a, const char *name, const struct dmarc_record *own,
                       struct span text)
{
    if (!own->reports)
        audit_say(a, AUDIT_ADVICE, "dmarc", "the record of %s asks nobody for reports (rua)",
                  a->in->domain);
    if (own->testing)
        audit_say(a, AUDIT_ADVICE, "dmarc", "the record of %s is in test mode (t=y)",
                  a->in->domain);
    say_gone(a, name, text);
    say_below(a, name, own);
}

static void say_result(struct audit_pass *a, const struct dmarc_result *r, size_t found)
{
    if (r->result == AUTH_TEMPERROR)
        audit_say(a, AUDIT_PROBLEM, "dmarc", "%s", r->reason)->temporary = true;
    else if (r->result == AUTH_PERMERROR || (r->result == AUTH_NONE && found < 2))
        suggest_record(a, audit_say(a, AUDIT_PROBLEM, "dmarc", "%s", r->reason));
    if (r->result != AUTH_PASS)
        return;
    say_policy(a, r);
    say_alignment(a);
}

void audit_dmarc(struct audit_pass *a)
{
    char name[300];
    struct dmarc_record own = {0};
    struct dmarc_result r;
    struct buf text;
    snprintf(name, sizeof name, "_dmarc.%s", a->in->domain);
    const struct dns_answer *answer = audit_ask(a, "dmarc", name, DNS_TXT);
    with(a, a->in->domain, NULL, &r);
    if (!answer || a->waits)
        return;
    buf_init(&text, AUDIT_MAX_RECORD);
    size_t found = own_records(answer, &own, &text);
    if (found > 1)
        suggest_record(a, audit_say(a, AUDIT_PROBLEM, "dmarc",
                                    "%s has %zu DMARC records, which count as none", name, found));
    say_result(a, &r, found);
    if (found == 1)
        say_record(a, name, &own, buf_span(&text));
    buf_free(&text);
}
