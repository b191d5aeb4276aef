// SPDX-License-Identifier: ISC
// What the tests of signing have in common: a zone that publishes keys, a signer that writes any tags it
// is told to (also ones that no honest signer writes), and a verifier's reading of a whole message.
#ifndef TESTS_SIGN_STORY_H
#define TESTS_SIGN_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns/facts.h"
#include "relay/base/mem.h"
#include "sign/base64.h"
#include "sign/canon.h"
#include "sign/key.h"
#include "sign/selection.h"
#include "sign/signature.h"

#define STORY_MAX 1048576
static inline struct sign_key *story_key(enum key_type type, unsigned bits)
{
    struct why why;
    struct sign_key *key = sign_key_new(type, bits, &why);
    assert_non_null(key);
    return key;
}

static inline struct dns_answer *story_answer(struct facts *zone, const char *name,
                                              enum dns_outcome outcome)
{
    struct dns_answer *a = dns_answer_new(name, DNS_TXT);
    a->outcome = outcome;
    a->proof = DNS_INSECURE;
    a->nxdomain = outcome == DNS_ABSENT;
    if (outcome == DNS_FAILED)
        why_set(&a->why, WHY_OURS, "4.4.3", "the server failed");
    facts_put(zone, a);
    return a;
}

// One TXT record, cut into character strings of `piece` bytes (0: as long as may be).
static inline void story_add_text(struct dns_answer *a, const char *text, size_t piece)
{
    struct buf rdata;
    buf_init(&rdata, STORY_MAX);
    for (size_t n = strlen(text), part; n; n -= part, text += part) {
        part = piece ? piece : 255;
        part = n < part ? n : part;
        buf_addc(&rdata, (char)part);
        buf_add(&rdata, text, part);
    }
    dns_answer_add(a, rdata.data, rdata.len);
    buf_free(&rdata);
}

static inline void story_publish(struct facts *zone, const char *name, const char *text)
{
    story_add_text(story_answer(zone, name, DNS_FOUND), text, 0);
}

static inline char *story_record(const struct sign_key *key)
{
    struct buf record;
    buf_init(&record, STORY_MAX);
    assert_int_equal(sign_key_record(key, &record), 0);
    return buf_take(&record);
}

static inline void story_publish_key(struct facts *zone, const char *name,
                                     const struct sign_key *key)
{
    char *record = story_record(key);
    story_publish(zone, name, record);
    free(record);
}

// Whatever is still wanted does not exist.
static inline void story_nothing_else(struct facts *zone)
{
    const char *name;
    uint16_t type;
    while (facts_wanted(zone, 0, &name, &type)) {
        struct dns_answer *a = dns_answer_new(name, type);
        a->outcome = DNS_ABSENT;
        a->nxdomain = true;
        facts_put(zone, a);
    }
}

static inline struct header story_header(const char *message)
{
    struct header h;
    struct why why;
    size_t used;
    assert_int_equal(header_parse(&h, span_text(message), &used, &why), 0);
    return h;
}

static inline void story_feed(struct body_hashes *hashes, const struct header *h,
                              const char *message)
{
    body_hashes_feed(hashes, message + h->bytes.n, strlen(message) - h->bytes.n);
    body_hashes_finish(hashes);
}

static inline char *story_body_hash(const char *message, enum canon canon, uint64_t limit)
{
    struct header h = story_header(message);
    struct body_hashes *hashes = body_hashes_new();
    body_hashes_want(hashes, canon, limit);
    story_feed(hashes, &h, message);
    unsigned char digest[32];
    uint64_t canonical;
    assert_true(body_hashes_get(hashes, canon, limit, digest, &canonical));
    body_hashes_free(hashes);
    header_free(&h);
    struct buf out;
    buf_init(&out, 64);
    base64_encode(digest, 32, &out);
    return buf_take(&out);
}

// "NAME: TAGS; b=…" on top of the message, relaxed header, over the fields of h= in TAGS. Caller frees.
static inline char *story_forge(const char *name, const char *tags, const struct sign_key *key,
                                const char *message)
{
    char *unsigned_message = mem_printf("%s: %s; b=\r\n%s", name, tags, message);
    struct header h = story_header(unsigned_message);
    struct tags list;
    assert_true(tags_parse(h.fields[0].value, &list));
    const struct tag *signed_fields = tags_find(&list, "h");
    struct buf data, b;
    struct why why;
    buf_init(&data, STORY_MAX);
    buf_init(&b, STORY_MAX);
    if (signed_fields)
        selection_canon(CANON_RELAXED, &h, signed_fields->value, &h.fields[0], &data);
    canon_field(CANON_RELAXED, &h.fields[0], &data);
    assert_int_equal(sign_key_sign(key, data.data, data.len - 2, &b, &why), 0);
    char *whole = mem_printf("%s: %s; b=%s\r\n%s", name, tags, buf_text(&b), message);
    buf_free(&data);
    buf_free(&b);
    header_free(&h);
    free(unsigned_message);
    return whole;
}

#endif
