// SPDX-License-Identifier: ISC
// The DKIM and DMARC parts of an audit: do receivers find the keys that sign, and does a record hold all that
// together?
#include <stdio.h>
#include <string.h>
#include "relay/audit/inside.h"
#include "sign/dmarc.h"
#include "sign/dmarc_record.h"
#include "sign/published.h"

#define GOOD_RSA_BITS 2048 // RFC 8301 section 3.2: signers should

static void publish_key(struct audit_finding *f, const char *name, const struct sign_key *key)
{
    struct buf record;
    buf_init(&record, AUDIT_MAX_RECORD);
    if (sign_key_record(key, &record) == 0)
        audit_publish(f, name, "TXT", "%s", buf_text(&record));
    buf_free(&record);
}

static void audit_sign_look_at_key(struct audit_pass *a, const char *domain, const char *selector,
                                   const struct sign_key *key)
{
    char text[256], name[600];
    enum published published;
    snprintf(name, sizeof name, "%s._domainkey.%s", selector, domain);
    if (published_check(domain, selector, key, a->facts, &published, text)) {
        a->waits = true;
        return;
    }
    bool same = published == PUBLISHED_SAME;
    struct audit_finding *f =
        audit_say(a, same ? AUDIT_OK : AUDIT_PROBLEM, "dkim", "%s: %s", name, text);
    f->temporary = published == PUBLISHED_UNKNOWN;
    if (!same && !f->temporary)
        publish_key(f, name, key);
}

static void audit_sign_turning(struct audit_pass *a, size_t i)
{
    static const enum audit_severity severities[] = {[VIEW_WELL] = AUDIT_OK,
                                                     [VIEW_PUBLISH] = AUDIT_ADVICE,
                                                     [VIEW_MISSED] = AUDIT_PROBLEM,
                                                     [VIEW_REMOVE] = AUDIT_ADVICE,
                                                     [VIEW_UNKNOWN] = AUDIT_PROBLEM};
    enum view_need need;
    char text[512], name[600];
    struct buf record;
    if (view_judge(a->in->turning, i, a->facts, &need, text)) {
        a->waits = true;
        return;
    }
    struct audit_finding *f = audit_say(a, severities[need], "dkim", "%s", text);
    f->temporary = need == VIEW_UNKNOWN;
    if (need != VIEW_PUBLISH && need != VIEW_MISSED)
        return;
    view_record(a->in->turning, i, name, &record);
    audit_publish(f, name, "TXT", "%s", buf_text(&record));
    buf_free(&record);
}

void audit_dkim(struct audit_pass *a)
{
    for (size_t i = 0; i < view_count(a->in->turning); i++)
        audit_sign_turning(a, i);
    const struct setup_domain *keys = a->in->keys;
    bool rsa = false;
    if (!keys || !keys->config->nkeys) {
        audit_say(a, AUDIT_PROBLEM, "dkim",
                  "no key signs mail of %s; waxwing key new makes one, dkim.domains names it",
                  a->in->domain);
        return;
    }
    for (size_t i = 0; i < keys->config->nkeys; i++) {
        const struct cfg_key *row = &keys->config->keys[i];
        const struct sign_key *key = keys->keys[i];
        if (!key) {
            audit_say(a, AUDIT_PROBLEM, "dkim", "the key file %s cannot be used", row->file);
            continue;
        }
        audit_sign_look_at_key(a, keys->config->domain, row->selector, key);
        rsa |= sign_key_type(key) == KEY_RSA;
        if (sign_key_type(key) == KEY_RSA && sign_key_bits(key) < GOOD_RSA_BITS)
            audit_say(a, AUDIT_ADVICE, "dkim", "the key %s has %u bits, fewer than %d",
                      row->selector, sign_key_bits(key), GOOD_RSA_BITS);
    }
    if (!rsa)
        audit_say(a, AUDIT_ADVICE, "dkim",
                  "no RSA key signs for %s: receivers that know no Ed25519 find no signature",
                  a->in->domain);
}

// --- DMARC ---

// Several records are none, which a walk up the tree would hide.
static size_t own_records(const struct dns_answer *answer, struct dmarc_record *out)
{
    struct audit_texts texts;
    struct dmarc_record record;
    size_t found = 0;
    audit_texts_read(answer, &texts);
    for (size_t i = 0; i < texts.n; i++)
        if (dmarc_record_parse(texts.at[i], &record)) {
            *out = record;
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
                  signer, a->in->domain);
}

void audit_dmarc(struct audit_pass *a)
{
    char name[300];
    struct dmarc_record own = {0};
    struct dmarc_result r;
    snprintf(name, sizeof name, "_dmarc.%s", a->in->domain);
    const struct dns_answer *answer = audit_ask(a, "dmarc", name, DNS_TXT);
    enum auth_result result = with(a, a->in->domain, NULL, &r);
    if (!answer || a->waits)
        return;
    size_t found = own_records(answer, &own);
    if (found > 1)
        suggest_record(a, audit_say(a, AUDIT_PROBLEM, "dmarc",
                                    "%s has %zu DMARC records, which count as none", name, found));
    if (result == AUTH_TEMPERROR)
        audit_say(a, AUDIT_PROBLEM, "dmarc", "%s", r.reason)->temporary = true;
    else if (result == AUTH_PERMERROR || (result == AUTH_NONE && found < 2))
        suggest_record(a, audit_say(a, AUDIT_PROBLEM, "dmarc", "%s", r.reason));
    if (result != AUTH_PASS)
        return;
    say_policy(a, &r);
    say_alignment(a);
    if (found == 1 && !own.reports)
        audit_say(a, AUDIT_ADVICE, "dmarc", "the record of %s asks nobody for reports (rua)",
                  a->in->domain);
    if (found == 1 && own.testing)
        audit_say(a, AUDIT_ADVICE, "dmarc", "the record of %s is in test mode (t=y)",
                  a->in->domain);
}
