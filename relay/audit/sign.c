// SPDX-License-Identifier: ISC
// The DKIM part of an audit: do receivers find the keys that sign, and are these large and new enough?
#include <stdio.h>
#include <string.h>
#include "relay/audit/inside.h"
#include "sign/published.h"

#define GOOD_RSA_BITS 2048 // RFC 8301 section 3.2: signers should
#define OLD_KEY_DAYS  400  // keys are to turn once or twice a year
#define NOT_SIGNED    "Gmail 5.7.30 (4.7.30 first), 5.7.26; Yahoo 554 5.7.9; Outlook.com 550 5.7.515"

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
    if (!same)
        f->prevents = NOT_SIGNED;
    if (!same && !f->temporary)
        publish_key(f, name, key);
}

static void say_strength(struct audit_pass *a, const char *selector, const struct sign_key *key,
                         int64_t made_s)
{
    long long days = made_s ? (long long)(a->in->now_s - made_s) / 86400 : 0;
    if (sign_key_type(key) == KEY_RSA && sign_key_bits(key) < GOOD_RSA_BITS)
        audit_say(a, AUDIT_ADVICE, "dkim", "the key %s has %u bits, fewer than %d", selector,
                  sign_key_bits(key), GOOD_RSA_BITS);
    if (days > OLD_KEY_DAYS)
        audit_say(a, AUDIT_ADVICE, "dkim",
                  "the key %s is %lld days old; waxwing key rotate lets it turn", selector, days);
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
                  a->in->domain)
            ->prevents = NOT_SIGNED;
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
        say_strength(a, row->selector, key, a->in->key_made_s ? a->in->key_made_s[i] : 0);
    }
    if (!rsa)
        audit_say(a, AUDIT_ADVICE, "dkim",
                  "no RSA key signs for %s: receivers that know no Ed25519 find no signature",
                  a->in->domain);
}
