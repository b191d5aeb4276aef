// SPDX-License-Identifier: ISC
// Writing DKIM-Signature fields: RFC 6376 sections 3.5 to 3.7 and 5. The signature covers every instance
// of the fields that readers look at, and their absence where a second one could mislead (cases 7 and 9).
#include "sign/dkim_sign.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include "relay/base/maxima.h"
#include "sign/base64.h"
#include "sign/fold.h"
#include "sign/selection.h"
#include "sign/signature.h"

#define DEFAULT_HEADERS                                                                            \
    "from:sender:to:cc:subject:date:message-id:reply-to:in-reply-to:references:mime-version:"      \
    "content-type:content-transfer-encoding:resent-date:resent-from:resent-sender:resent-to:"      \
    "resent-cc:resent-message-id:list-id:list-help:list-unsubscribe:list-unsubscribe-post:"        \
    "list-subscribe:list-post:list-owner:list-archive:feedback-id:x-csa-complaints"
static const char default_oversign[] = "from:to:cc:subject:date:reply-to:message-id:content-type:"
                                       "list-unsubscribe:list-unsubscribe-post";

const char *dkim_default_headers(bool with_signatures)
{
    return with_signatures ? DEFAULT_HEADERS ":dkim-signature" : DEFAULT_HEADERS;
}

static const char *canon_word(enum canon canon)
{
    return canon == CANON_SIMPLE ? "simple" : "relaxed";
}

static void number_tag(struct fold *f, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    if (value)
        fold_tag(f, name, text);
}

static void write_tags(struct fold *f, const struct dkim_sign *how, struct buf *list,
                       const struct body_hashes *hashes)
{
    char canon[20];
    snprintf(canon, sizeof canon, "%s/%s", canon_word(how->header_canon),
             canon_word(how->body_canon));
    unsigned char digest[32];
    uint64_t canonical;
    bool hashed = body_hashes_get(hashes, how->body_canon, CANON_NO_LIMIT, digest, &canonical);
    assert(hashed);
    struct buf bh;
    buf_init(&bh, 64);
    base64_encode(digest, sizeof digest, &bh);
    fold_tag(f, "v", "1");
    fold_tag(f, "a", sign_key_algorithm(how->key));
    fold_tag(f, "c", canon);
    fold_tag(f, "d", how->domain);
    fold_tag(f, "s", how->selector);
    number_tag(f, "t", how->time);
    number_tag(f, "x", how->expire);
    fold_names(f, "h", buf_text(list));
    fold_tag(f, "bh", buf_text(&bh));
    fold_signature(f);
    buf_free(&bh);
}

static int dkim_sign_check(const struct dkim_sign *how, const struct header *header,
                           struct why *why)
{
    char name[256];
    if (!signature_name(span_text(how->domain), name) ||
        !signature_name(span_text(how->selector), name))
        return why_set(why, WHY_OURS, "4.3.5", "'%s' or '%s' is no name for a signature",
                       how->domain, how->selector);
    size_t from = header_count(header, "From");
    if (from != 1)
        return from ? why_say(why, FROM_TWICE) : why_say(why, FROM_MISSING);
    if (how->headers && !selection_has(span_text(how->headers), "from"))
        return why_set(why, WHY_OURS, "4.3.5", "a DKIM signature has to cover From");
    return 0;
}

int dkim_sign(const struct dkim_sign *how, const struct header *header,
              const struct body_hashes *hashes, struct buf *out, struct why *why)
{
    if (dkim_sign_check(how, header, why) < 0)
        return -1;
    struct buf list, data, signature;
    struct fold f;
    buf_init(&list, MAX_PREFIX / 2);
    buf_init(&data, selection_ceiling(header));
    buf_init(&signature, 2 * MAX_KEY_BITS / 8);
    fold_init(&f, "DKIM-Signature");
    selection_list(header, how->headers ? how->headers : dkim_default_headers(false),
                   how->oversign ? how->oversign : default_oversign, &list);
    write_tags(&f, how, &list, hashes);
    int rc = -1;
    if (list.full || f.text.full ||
        selection_canon(how->header_canon, header, buf_span(&list), NULL, &data) < 0 ||
        fold_canon(&f, how->header_canon, &data) < 0)
        why_say(why, SEAL_NO_ROOM, "too many header fields to sign");
    else if (sign_key_sign(how->key, data.data, data.len, &signature, why) == 0) {
        rc = fold_finish(&f, buf_span(&signature), false, out);
        if (rc < 0)
            why_say(why, SEAL_NO_ROOM, "the DKIM signature has no room");
    }
    fold_free(&f);
    buf_free(&signature);
    buf_free(&data);
    buf_free(&list);
    return rc;
}
