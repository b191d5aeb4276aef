// SPDX-License-Identifier: ISC
// Keyed return paths.
#include "relay/returns/verp.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "config/pattern.h"
#include "relay/base/id.h"
#include "relay/returns/parts.h"
#include "sign/mac.h"

#define VERP_START "verp="
#define DIGEST     10    // characters of five bits each
#define AHEAD_S    86400 // an id may be so much newer than now: clocks are set

static void verp_digest(struct span secret, struct span id, struct span domain, struct span local,
                        char out[DIGEST + 1])
{
    static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
    const struct span parts[] = {span_text(VERP_START), id,   span_text("="), domain,
                                 span_text("="),        local};
    unsigned char mac[MAC_BYTES];
    struct buf data;
    buf_init(&data, 1024);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t k = 0; k < parts[i].n; k++)
            buf_addc(&data, (char)ascii_lower(parts[i].p[k]));
    mac_of(secret.p, secret.n, data.data, data.len, mac);
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | mac[i];
    for (size_t i = 0; i < DIGEST; i++)
        out[i] = base32[bits >> (59 - 5 * i) & 31];
    out[DIGEST] = 0;
    buf_free(&data);
}

int verp_make(const struct verp *verp, uint64_t id, const char *recipient, struct buf *out)
{
    char name[ID_TEXT], domain[IDN_NAME], mac[DIGEST + 1];
    struct buf local;
    const char *at = strrchr(recipient, '@');
    idn_domain(at ? at + 1 : "", domain);
    if (!domain[0] || strlen(recipient) > RETURNS_PATH)
        return -1;
    char *plain = pattern_local(recipient);
    if (!plain[0]) { // "" in quotes, which nobody could read again
        free(plain);
        return -1;
    }
    id_text(id, name);
    verp_digest(secrets_at(verp->secrets, 0), span_text(name), span_text(domain), span_text(plain),
                mac);
    buf_init(&local, 1024);
    buf_addf(&local, "%s%s=%s=%s=%s", VERP_START, name, mac, domain, plain);
    size_t before = out->len;
    parts_address(buf_span(&local), span_text(verp->domain), out);
    int rc = out->full || out->len - before > RETURNS_PATH ? -1 : 0;
    if (rc < 0)
        buf_cut(out, before);
    buf_free(&local);
    free(plain);
    return rc;
}

bool verp_is(const char *address)
{
    char *local = pattern_local(address);
    bool is = span_starts_nocase(span_text(local), VERP_START);
    free(local);
    return is;
}

static bool is_ours(const struct verp *verp, struct span mac, struct span id, struct span domain,
                    struct span local)
{
    char right[DIGEST + 1];
    bool same = false;
    if (mac.n != DIGEST)
        return false;
    for (size_t i = 0; i < secrets_count(verp->secrets); i++) {
        unsigned differs = 0;
        verp_digest(secrets_at(verp->secrets, i), id, domain, local, right);
        for (size_t k = 0; k < DIGEST; k++)
            differs |= (unsigned)(ascii_lower(mac.p[k]) ^ right[k]);
        same |= !differs;
    }
    return same;
}

static bool read_id(struct span text, uint64_t *id)
{
    char *lower = span_dup_lower(text);
    bool read = id_parse(lower, id);
    free(lower);
    return read;
}

// Microseconds since 1970 stand in the upper 56 bits (relay/base/id.h).
static bool is_timely(const struct verp *verp, uint64_t id, int64_t now_s)
{
    int64_t age = now_s - (int64_t)((id >> 8) / 1000000);
    return age <= verp->max_age_s && age >= -AHEAD_S;
}

int verp_read(const struct verp *verp, const char *address, int64_t now_s, uint64_t *id,
              struct buf *recipient, struct why *why)
{
    char *text = pattern_local(address);
    struct span rest = span_text(text), name, mac, domain;
    int rc = 0;
    if (rest.n > 512 || !span_starts_nocase(rest, VERP_START))
        rc = why_say(why, RETURN_ADDRESS_FORGED);
    if (rc == 0) {
        rest = span_from(rest, strlen(VERP_START));
        if (!parts_next(&rest, &name) || !parts_next(&rest, &mac) || !parts_next(&rest, &domain) ||
            !rest.n || !is_ours(verp, mac, name, domain, rest) || !read_id(name, id))
            rc = why_say(why, RETURN_ADDRESS_FORGED);
        else if (!is_timely(verp, *id, now_s))
            rc = why_say(why, RETURN_ADDRESS_OLD);
        else
            parts_address(rest, domain, recipient);
    }
    free(text);
    return rc;
}
