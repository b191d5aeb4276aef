// SPDX-License-Identifier: ISC
// Reading and checking one signature field (RFC 6376 sections 3.5 and 6.1, RFC 8301, RFC 8463).
#include "sign/signature.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "dns/rdata.h"
#include "relay/base/maxima.h"
#include "sign/base64.h"
#include "sign/dkim_record.h"
#include "sign/selection.h"

#define MAX_SIGNATURE   2048                  // bytes of a decoded b=
#define MAX_KEY_RECORDS 4                     // usable ones tried for one signature
#define MAX_TIMESTAMP   INT64_C(999999999999) // twelve digits

bool signature_decided(const struct signature *s)
{
    return s->result != AUTH_NONE;
}

bool signature_decide(struct signature *s, enum auth_result result, const char *format, ...)
{
    if (signature_decided(s))
        return false;
    s->result = result;
    va_list args;
    va_start(args, format);
    vsnprintf(s->reason, sizeof s->reason, format, args);
    va_end(args);
    return false;
}

bool signature_name(struct span text, char out[static 256])
{
    size_t label = 0;
    if (!text.n || text.n > 253)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = text.p[i];
        if (c == '.' ? !label || i + 1 == text.n : !ascii_is_alnum(c) && c != '-' && c != '_')
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
        out[i] = (char)ascii_lower(c);
    }
    out[text.n] = 0;
    return true;
}

bool signature_domain(struct span text, char out[static 256])
{
    if (signature_name(text, out))
        return true;
    char *copy = span_dup(text);
    bool ok = strlen(copy) == text.n && text.n <= 4 * MAX_DOMAIN && idn_to_ascii(copy, out) == 0;
    free(copy);
    return ok && signature_name(span_text(out), out);
}

static bool read_algorithm(struct signature *s)
{
    const struct tag *a = tags_find(&s->tags, "a");
    if (!a)
        return signature_decide(s, AUTH_PERMERROR, "a= is missing");
    s->type = span_is(a->value, "ed25519-sha256") ? KEY_ED25519 : KEY_RSA;
    if (s->type == KEY_ED25519 || span_is(a->value, "rsa-sha256"))
        return true;
    // RFC 8301 section 3.1
    if (span_is(a->value, "rsa-sha1"))
        return signature_decide(s, AUTH_PERMERROR, "rsa-sha1 does not count any more");
    return signature_decide(s, AUTH_PERMERROR, "a= names an unknown algorithm");
}

bool signature_read(struct signature *s, const struct field *field)
{
    *s = (struct signature){.field = field, .time = -1, .limit = CANON_NO_LIMIT};
    buf_init(&s->b, MAX_SIGNATURE);
    if (!tags_parse(field->value, &s->tags))
        return signature_decide(s, AUTH_PERMERROR, "the field is no tag list");
    const struct tag *d = tags_find(&s->tags, "d");
    const struct tag *selector = tags_find(&s->tags, "s");
    if (!d || !signature_domain(d->value, s->domain))
        return signature_decide(s, AUTH_PERMERROR, "d= is %s", d ? "no domain name" : "missing");
    memcpy(s->identity, s->domain, sizeof s->identity);
    if (!selector || !signature_domain(selector->value, s->selector))
        return signature_decide(s, AUTH_PERMERROR, "s= is %s",
                                selector ? "no selector" : "missing");
    if (!read_algorithm(s))
        return false;
    const struct tag *b = tags_find(&s->tags, "b");
    if (!b || !b->value.n || !base64_decode(b->value, &s->b))
        return signature_decide(s, AUTH_PERMERROR, "b= is %s", b ? "not base64" : "missing");
    const struct tag *t = tags_find(&s->tags, "t");
    uint64_t time;
    if (t && !span_number(t->value, MAX_TIMESTAMP, &time))
        return signature_decide(s, AUTH_PERMERROR, "t= is no time");
    if (t)
        s->time = (int64_t)time;
    return true;
}

void signature_free(struct signature *s)
{
    buf_free(&s->b);
}

static bool canon_of(struct span word, enum canon *canon)
{
    *canon = span_is(word, "relaxed") ? CANON_RELAXED : CANON_SIMPLE;
    return *canon == CANON_RELAXED || span_is(word, "simple");
}

// Absent: simple/simple; one word: the body is simple (RFC 6376 section 3.5).
static bool read_canon(struct signature *s)
{
    const struct tag *c = tags_find(&s->tags, "c");
    struct span header = span_text("simple");
    struct span body = header;
    if (c && !span_cut(c->value, '/', &header, &body))
        header = c->value;
    return (canon_of(header, &s->header_canon) && canon_of(body, &s->body_canon)) ||
           signature_decide(s, AUTH_PERMERROR, "c= names an unknown canonicalisation");
}

bool signature_read_message(struct signature *s)
{
    if (signature_decided(s) || !read_canon(s))
        return false;
    const struct tag *bh = tags_find(&s->tags, "bh");
    struct buf digest;
    buf_init(&digest, sizeof s->bh);
    bool ok = bh && base64_decode(bh->value, &digest) && digest.len == sizeof s->bh;
    if (ok)
        memcpy(s->bh, digest.data, sizeof s->bh);
    buf_free(&digest);
    if (!ok)
        return signature_decide(s, AUTH_PERMERROR, "bh= is %s", bh ? "no sha256" : "missing");
    const struct tag *h = tags_find(&s->tags, "h");
    if (!h)
        return signature_decide(s, AUTH_PERMERROR, "h= is missing");
    if (!selection_has(h->value, "from"))
        return signature_decide(s, AUTH_PERMERROR, "h= does not cover From");
    s->signed_fields = h->value;
    const struct tag *l = tags_find(&s->tags, "l");
    if (l && !span_number(l->value, CANON_NO_LIMIT - 1, &s->limit))
        return signature_decide(s, AUTH_PERMERROR, "l= is no number");
    return true;
}

bool signature_want(const struct signature *s, struct body_hashes *hashes)
{
    return body_hashes_want(hashes, s->body_canon, s->limit) == 0;
}

void signature_check_body(struct signature *s, const struct body_hashes *hashes)
{
    unsigned char digest[32];
    uint64_t canonical;
    if (signature_decided(s))
        return;
    if (!body_hashes_get(hashes, s->body_canon, s->limit, digest, &canonical))
        signature_decide(s, AUTH_POLICY, "too many different body hashes were asked for");
    else if (s->limit != CANON_NO_LIMIT && s->limit > canonical)
        signature_decide(s, AUTH_PERMERROR, "l= is larger than the body");
    else if (memcmp(digest, s->bh, sizeof digest) != 0)
        signature_decide(s, AUTH_FAIL, "the body is not the one that was signed");
}

const struct dns_answer *signature_key(const struct signature *s, struct facts *facts)
{
    char name[sizeof s->selector + sizeof s->domain + 16];
    snprintf(name, sizeof name, "%s._domainkey.%s", s->selector, s->domain);
    return facts_ask(facts, name, DNS_TXT);
}

int signature_own(const struct signature *s, enum canon canon, struct buf *data)
{
    const struct tag *b = tags_find(&s->tags, "b");
    struct span whole = s->field->whole;
    struct buf copy;
    buf_init(&copy, whole.n);
    buf_add(&copy, whole.p, (size_t)(b->raw.p - whole.p));
    buf_addspan(&copy, span_from(whole, (size_t)(b->raw.p + b->raw.n - whole.p)));
    struct header own = {0};
    struct why why;
    size_t used;
    int rc = header_parse(&own, buf_span(&copy), &used, &why);
    if (rc == 0 && own.n == 1)
        rc = canon_field(canon, &own.fields[0], data);
    if (rc == 0 && own.n == 1)
        buf_cut(data, data->len - 2);
    else
        rc = -1;
    header_free(&own);
    buf_free(&copy);
    return rc;
}

// One key record: decided, or the reason why it was of no use.
static void try_record(struct signature *s, struct span text, struct span data,
                       unsigned min_rsa_bits, unsigned *usable, char *reason)
{
    struct dkim_record record;
    struct verify_key *key = NULL;
    char why[128] = "";
    bool ok = dkim_record_parse(text, &record, why) == 0;
    if (ok && record.type != s->type) {
        snprintf(why, sizeof why, "the key is of another type than a=");
    } else if (ok && record.same_domain && strcmp(s->identity, s->domain) != 0) {
        snprintf(why, sizeof why, "the key is not for subdomains and i= is in one");
    } else if (ok && (key = verify_key_new(&record, why))) {
        *usable += 1;
        if (!verify_key_holds(key, data, buf_span(&s->b)))
            snprintf(why, sizeof why, "the signature does not match the header");
        else if (s->type == KEY_RSA && verify_key_bits(key) < min_rsa_bits)
            signature_decide(s, AUTH_POLICY, "the RSA key has only %u bits", verify_key_bits(key));
        else
            signature_decide(s, AUTH_PASS, "%s", "");
        s->bits = verify_key_bits(key);
    }
    if (*usable || !*reason)
        memcpy(reason, why, sizeof why);
    verify_key_free(key);
    dkim_record_free(&record);
}

void signature_check(struct signature *s, const struct dns_answer *key, struct span data,
                     unsigned min_rsa_bits)
{
    if (key->outcome == DNS_FAILED) {
        signature_decide(s, AUTH_TEMPERROR, "the key could not be looked up: %s", key->why.text);
        return;
    }
    if (key->outcome == DNS_ABSENT) {
        signature_decide(s, AUTH_PERMERROR, "there is no key %s._domainkey.%s", s->selector,
                         s->domain);
        return;
    }
    char reason[128] = "";
    unsigned usable = 0;
    struct buf text;
    buf_init(&text, MAX_RECORD_TEXT);
    for (size_t i = 0; i < key->nrecords && usable < MAX_KEY_RECORDS && !signature_decided(s);
         i++) {
        buf_reset(&text);
        if (rdata_txt(key->records[i].rdata, &text))
            try_record(s, buf_span(&text), data, min_rsa_bits, &usable, reason);
    }
    buf_free(&text);
    signature_decide(s, usable ? AUTH_FAIL : AUTH_PERMERROR, "%s",
                     *reason ? reason : "there is no key record");
}

void signature_check_message(struct signature *s, const struct header *header,
                             const struct dns_answer *key, unsigned min_rsa_bits)
{
    struct buf data;
    buf_init(&data, selection_ceiling(header));
    if (selection_canon(s->header_canon, header, s->signed_fields, s->field, &data) < 0 ||
        signature_own(s, s->header_canon, &data) < 0)
        signature_decide(s, AUTH_PERMERROR, "h= lists too many fields");
    else
        signature_check(s, key, buf_span(&data), min_rsa_bits);
    buf_free(&data);
}
