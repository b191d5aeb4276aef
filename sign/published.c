// SPDX-License-Identifier: ISC
// Signing keys against the DNS.
#include "sign/published.h"

#include <stdio.h>
#include <string.h>
#include "dns/rdata.h"
#include "sign/dkim_record.h"

// An RSA key may be published as SubjectPublicKeyInfo or as the PKCS#1 key that ends it.
static bool same_key(const struct dkim_record *theirs, const struct dkim_record *ours)
{
    if (theirs->type != ours->type || theirs->key.len > ours->key.len || !theirs->key.len)
        return false;
    size_t skip = ours->key.len - theirs->key.len;
    bool whole = skip == 0 || theirs->type == KEY_RSA;
    return whole && memcmp(theirs->key.data, ours->key.data + skip, theirs->key.len) == 0;
}

static bool own_record(const struct sign_key *key, struct dkim_record *out)
{
    struct buf text;
    char reason[128];
    buf_init(&text, MAX_RECORD_TEXT);
    bool ok =
        sign_key_record(key, &text) == 0 && dkim_record_parse(buf_span(&text), out, reason) == 0;
    buf_free(&text);
    return ok;
}

static enum published compare(const struct dns_record *record, const struct sign_key *key,
                              char text[static 256])
{
    struct buf joined;
    struct dkim_record theirs = {0}, ours = {0};
    char reason[128] = "not a TXT record";
    enum published result = PUBLISHED_BROKEN;
    buf_init(&joined, MAX_RECORD_TEXT);
    if (rdata_txt(record->rdata, &joined) &&
        dkim_record_parse(buf_span(&joined), &theirs, reason) == 0 && own_record(key, &ours)) {
        result = same_key(&theirs, &ours) ? PUBLISHED_SAME : PUBLISHED_DIFFERENT;
        snprintf(text, 256, "%s",
                 result == PUBLISHED_SAME ? "published" : "another key is published there");
    } else {
        snprintf(text, 256, "the record cannot be used: %s", reason);
    }
    dkim_record_free(&theirs);
    dkim_record_free(&ours);
    buf_free(&joined);
    return result;
}

bool published_check(const char *domain, const char *selector, const struct sign_key *key,
                     struct facts *facts, enum published *out, char text[static 256])
{
    char name[600];
    snprintf(name, sizeof name, "%s._domainkey.%s", selector, domain);
    const struct dns_answer *answer = facts_ask(facts, name, DNS_TXT);
    if (!answer)
        return true;
    if (answer->outcome == DNS_FAILED) {
        *out = PUBLISHED_UNKNOWN;
        snprintf(text, 256, "the DNS did not answer: %.200s", answer->why.text);
        return false;
    }
    *out = PUBLISHED_ABSENT;
    snprintf(text, 256, "not published");
    for (size_t i = 0; i < answer->nrecords && *out != PUBLISHED_SAME; i++)
        *out = compare(&answer->records[i], key, text);
    return false;
}
