// SPDX-License-Identifier: ISC
// Adding a set to an ARC chain (RFC 8617 section 5.1). Tags are in alphabetical order and signatures on one
// line: a seal covers the spelling of the fields below it, and the conformance suite spells them so.
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include "relay/base/maxima.h"
#include "sign/arc.h"
#include "sign/base64.h"
#include "sign/dkim_sign.h"
#include "sign/fold.h"
#include "sign/selection.h"

static void number_tag(struct fold *f, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    fold_tag(f, name, text);
}

static void message_tags(const struct arc_chain *c, const struct arc_set *set,
                         const struct body_hashes *hashes, struct buf *list, struct fold *f)
{
    unsigned char digest[32];
    uint64_t canonical;
    bool hashed = body_hashes_get(hashes, CANON_RELAXED, CANON_NO_LIMIT, digest, &canonical);
    assert(hashed);
    struct buf bh;
    buf_init(&bh, 64);
    base64_encode(digest, sizeof digest, &bh);
    fold_tag(f, "a", sign_key_algorithm(set->key));
    fold_signature(f);
    fold_tag(f, "bh", buf_text(&bh));
    fold_tag(f, "c", "relaxed/relaxed");
    fold_tag(f, "d", set->domain);
    fold_names(f, "h", buf_text(list));
    number_tag(f, "i", (int64_t)arc_instances(c) + 1);
    fold_tag(f, "s", set->selector);
    if (set->time)
        number_tag(f, "t", set->time);
    buf_free(&bh);
}

static void seal_tags(const struct arc_chain *c, const struct arc_set *set, struct fold *f)
{
    fold_tag(f, "a", sign_key_algorithm(set->key));
    fold_signature(f);
    fold_tag(f, "cv", arc_cv_word(set->cv));
    fold_tag(f, "d", set->domain);
    number_tag(f, "i", (int64_t)arc_instances(c) + 1);
    fold_tag(f, "s", set->selector);
    if (set->time)
        number_tag(f, "t", set->time);
}

// Signs `data` and the field with b= empty; the whole field goes to out.
static int arc_seal_finish(struct fold *f, const struct arc_set *set, struct buf *data,
                           struct buf *out, struct why *why)
{
    struct buf signature;
    buf_init(&signature, 2 * MAX_KEY_BITS / 8);
    int rc = fold_canon(f, CANON_RELAXED, data);
    if (rc == 0)
        rc = sign_key_sign(set->key, data->data, data->len, &signature, why);
    else
        why_say(why, SEAL_NO_ROOM, "the header is too large to seal");
    if (rc == 0 && (rc = fold_finish(f, buf_span(&signature), true, out)) < 0)
        why_say(why, SEAL_NO_ROOM, "the seal has no room");
    buf_free(&signature);
    return rc;
}

static int write_message_signature(const struct arc_chain *c, const struct arc_set *set,
                                   const struct body_hashes *hashes, struct buf *out,
                                   struct why *why)
{
    const struct header *header = set->header ? set->header : arc_header(c);
    struct buf list, data;
    struct fold f;
    buf_init(&list, MAX_PREFIX / 2);
    buf_init(&data, selection_ceiling(header));
    fold_init(&f, "ARC-Message-Signature");
    // A signature that does not cover From is none, even where there is no From.
    selection_list(header, set->headers ? set->headers : dkim_default_headers(true),
                   header_count(header, "From") ? "" : "from", &list);
    message_tags(c, set, hashes, &list, &f);
    int rc = list.full ? -1 : selection_canon(CANON_RELAXED, header, buf_span(&list), NULL, &data);
    if (rc < 0)
        why_say(why, SEAL_NO_ROOM, "too many header fields to sign");
    else
        rc = arc_seal_finish(&f, set, &data, out, why);
    fold_free(&f);
    buf_free(&data);
    buf_free(&list);
    return rc;
}

// A field just written, in canonical form.
static int add_canonical(const struct buf *field, struct buf *data)
{
    struct header one = {0};
    struct why why;
    size_t used;
    int rc = header_parse(&one, buf_span(field), &used, &why);
    assert(rc == 0 && one.n == 1);
    rc = canon_field(CANON_RELAXED, &one.fields[0], data);
    header_free(&one);
    return rc;
}

static int write_seal(const struct arc_chain *c, const struct arc_set *set,
                      const struct buf *results, const struct buf *message, struct buf *out,
                      struct why *why)
{
    struct buf data;
    struct fold f;
    buf_init(&data, selection_ceiling(arc_header(c)) + 2 * MAX_PREFIX);
    fold_init(&f, "ARC-Seal");
    seal_tags(c, set, &f);
    // A chain that fails is sealed as if this set were the only one (RFC 8617 section 5.1.2).
    int rc = set->cv == ARC_FAIL ? 0 : arc_canon_sets(c, arc_instances(c), &data);
    if (rc < 0 || add_canonical(results, &data) < 0 || add_canonical(message, &data) < 0)
        rc = why_say(why, SEAL_NO_ROOM, "the chain is too large to seal");
    else
        rc = arc_seal_finish(&f, set, &data, out, why);
    fold_free(&f);
    buf_free(&data);
    return rc;
}

int arc_seal(const struct arc_chain *c, const struct arc_set *set, const struct body_hashes *hashes,
             struct buf *out, struct why *why)
{
    assert(!arc_closed(c));
    char name[256];
    if (!signature_name(span_text(set->domain), name) ||
        !signature_name(span_text(set->selector), name))
        return why_set(why, WHY_OURS, "4.3.5", "'%s' or '%s' is no name for a signature",
                       set->domain, set->selector);
    // Readers in the field know no other: Ed25519 seals are rejected by those that were tried.
    if (sign_key_type(set->key) != KEY_RSA)
        return why_set(why, WHY_OURS, "4.3.5", "an ARC seal needs an RSA key");
    struct buf results, message, seal;
    buf_init(&results, MAX_PREFIX);
    buf_init(&message, MAX_PREFIX);
    buf_init(&seal, MAX_PREFIX);
    buf_addf(&results, "ARC-Authentication-Results: i=%zu; %s\r\n", arc_instances(c) + 1,
             set->results);
    int rc = -1;
    if (results.full)
        why_say(why, SEAL_NO_ROOM, "the results have no room");
    else if (write_message_signature(c, set, hashes, &message, why) == 0 &&
             write_seal(c, set, &results, &message, &seal, why) == 0) {
        // Newest on top, in this order (RFC 8617 section 5.1).
        buf_addspan(out, buf_span(&seal));
        buf_addspan(out, buf_span(&message));
        rc = buf_addspan(out, buf_span(&results));
        if (rc < 0 || out->full)
            rc = why_say(why, SEAL_NO_ROOM, "the seal has no room");
    }
    buf_free(&results);
    buf_free(&message);
    buf_free(&seal);
    return rc;
}
