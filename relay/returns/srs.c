// SPDX-License-Identifier: ISC
// SRS0 and SRS1. Whatever comes back is forged until its digest says otherwise; only then is its age looked at, and only
// then is it taken apart.
#include "relay/returns/srs.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "config/pattern.h"
#include "relay/base/mem.h"
#include "relay/returns/parts.h"
#include "sign/base64.h"
#include "sign/mac.h"

#define DAY_S     86400
#define DAYS      1024 // after which the count begins anew: two base32 digits
#define DATA_MAX  1024 // bytes that go into a digest
#define HASH_TEXT 32   // bytes of a whole digest as text
#define HASH_MAX  27   // characters of it without padding

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// ---- digest and day

// Over the parts as they follow each other, in lower case.
static void srs_digest(struct span secret, const struct span *parts, size_t n, char out[HASH_TEXT])
{
    unsigned char mac[MAC_SHA1_BYTES];
    struct buf data, text;
    buf_init(&data, DATA_MAX);
    buf_init(&text, HASH_TEXT);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < parts[i].n; k++)
            buf_addc(&data, (char)ascii_lower(parts[i].p[k]));
    mac_sha1_of(secret.p, secret.n, data.data ? data.data : (const unsigned char *)"", data.len,
                mac);
    base64_encode(mac, sizeof mac, &text);
    memcpy(out, text.data, HASH_MAX);
    out[HASH_MAX] = 0;
    buf_free(&data);
    buf_free(&text);
}

static bool srs_is_digest(const struct srs *srs, struct span hash, const struct span *parts,
                          size_t n)
{
    char right[HASH_TEXT];
    bool same = false;
    if (hash.n < srs->hash_length || hash.n > HASH_MAX)
        return false;
    for (size_t i = 0; i < secrets_count(srs->secrets); i++) {
        unsigned differs = 0;
        srs_digest(secrets_at(srs->secrets, i), parts, n, right);
        for (size_t k = 0; k < hash.n; k++) // in the same time wherever they differ
            differs |= (unsigned)(ascii_lower(hash.p[k]) ^ ascii_lower(right[k]));
        same |= !differs;
    }
    return same;
}

static void write_day(int64_t now_s, char out[3])
{
    unsigned day = (unsigned)(now_s / DAY_S % DAYS);
    out[0] = base32[day >> 5];
    out[1] = base32[day & 31];
    out[2] = 0;
}

// Days since then; one day ahead, by a clock of another host, is today. -1: no day.
static int age(struct span day, int64_t now_s)
{
    int then = 0;
    for (size_t i = 0; i < day.n; i++) {
        int c = day.p[i] >= 'a' && day.p[i] <= 'z' ? day.p[i] - 32 : day.p[i];
        const char *at = c ? strchr(base32, c) : NULL;
        if (!at || day.n != 2)
            return -1;
        then = then << 5 | (int)(at - base32);
    }
    int now = (int)(now_s / DAY_S % DAYS), days = (now - then + DAYS) % DAYS;
    return !day.n ? -1 : days == DAYS - 1 ? 0 : days;
}

// ---- forward

// '0' or '1' where the local part begins with SRS0 or SRS1 and a separator; 0: it does not.
static int srs_kind(struct span local)
{
    if (local.n < 6 || !span_starts_nocase(local, "SRS") || !strchr("01", local.p[3]) ||
        !strchr("=-+", local.p[4]))
        return 0;
    return local.p[3];
}

bool srs_is(const char *address)
{
    char *local = pattern_local(address);
    bool is = srs_kind(span_text(local)) != 0;
    free(local);
    return is;
}

// "SRS0=DIGEST=DAY=" or "SRS1=DIGEST=", then host, "=" and the rest.
static void srs_compose(const struct srs *srs, const char *day, struct span host, struct span rest,
                        struct buf *out)
{
    struct span parts[3];
    size_t n = 0;
    char hash[HASH_TEXT];
    if (day)
        parts[n++] = span_text(day);
    parts[n++] = host;
    parts[n++] = rest;
    srs_digest(secrets_at(srs->secrets, 0), parts, n, hash);
    buf_addf(out, "SRS%c=%.*s=", day ? '0' : '1', (int)srs->hash_length, hash);
    if (day)
        buf_addf(out, "%s=", day);
    buf_addspan(out, host);
    buf_addc(out, '=');
    buf_addspan(out, rest);
}

static void forward_local(const struct srs *srs, struct span local, struct span domain,
                          int64_t now_s, struct buf *out)
{
    struct span rest = local.n > 5 ? span_from(local, 5) : local, hash, host;
    char day[3];
    int kind = srs_kind(local);
    write_day(now_s, day);
    if (kind == '0')
        srs_compose(srs, NULL, domain, span_from(local, 4), out); // its separator with it
    else if (kind == '1' && parts_next(&rest, &hash) && parts_next(&rest, &host) && rest.n)
        srs_compose(srs, NULL, host, rest, out);
    else
        srs_compose(srs, day, domain, local, out);
}

int srs_forward(const struct srs *srs, const char *sender, int64_t now_s, struct buf *out)
{
    char domain[IDN_NAME], *local = pattern_local(sender);
    struct buf made;
    const char *at = strrchr(sender, '@');
    idn_domain(at ? at + 1 : "", domain);
    // An address literal cannot stand in a local part that others read again.
    // Nor can an empty local part.
    int rc = domain[0] && local[0] && strlen(sender) < DATA_MAX / 2 ? 0 : -1;
    buf_init(&made, DATA_MAX);
    if (rc == 0)
        forward_local(srs, span_text(local), span_text(domain), now_s, &made);
    size_t before = out->len;
    if (rc == 0)
        parts_address(buf_span(&made), span_text(srs->domain), out);
    if (rc == 0 && (out->full || out->len - before > RETURNS_PATH))
        rc = -1;
    if (rc < 0)
        buf_cut(out, before);
    buf_free(&made);
    free(local);
    return rc;
}

// ---- reverse

static int too_old(const struct srs *srs, int days, struct why *why)
{
    if (days >= 0 && (unsigned)days <= srs->max_days)
        return 0;
    return why_say(why, RETURN_ADDRESS_OLD);
}

static int reverse0(const struct srs *srs, struct span rest, int64_t now_s, struct buf *out,
                    struct why *why)
{
    struct span hash, part[3]; // day, host, local part
    if (!parts_next(&rest, &hash) || !parts_next(&rest, &part[0]) || !parts_next(&rest, &part[1]) ||
        !rest.n)
        return why_say(why, RETURN_ADDRESS_FORGED);
    part[2] = rest;
    if (!srs_is_digest(srs, hash, part, 3))
        return why_say(why, RETURN_ADDRESS_FORGED);
    if (too_old(srs, age(part[0], now_s), why) < 0)
        return -1;
    parts_address(part[2], part[1], out);
    return 0;
}

// The day in another's address, where it is written as all write it; 0: it cannot be told, and that host will know.
static int inner_age(struct span rest, int64_t now_s)
{
    struct span hash, day;
    rest = span_from(rest, 1);
    int days = parts_next(&rest, &hash) && parts_next(&rest, &day) ? age(day, now_s) : -1;
    return days < 0 ? 0 : days;
}

static int reverse1(const struct srs *srs, struct span rest, int64_t now_s, struct buf *out,
                    struct why *why)
{
    struct span hash, part[2]; // host, and what stands behind SRS0 there
    if (!parts_next(&rest, &hash) || !parts_next(&rest, &part[0]) || rest.n < 2)
        return why_say(why, RETURN_ADDRESS_FORGED);
    part[1] = rest;
    if (!srs_is_digest(srs, hash, part, 2) || !strchr("=-+", rest.p[0]))
        return why_say(why, RETURN_ADDRESS_FORGED);
    if (too_old(srs, inner_age(rest, now_s), why) < 0)
        return -1;
    struct buf local;
    buf_init(&local, DATA_MAX);
    buf_adds(&local, "SRS0");
    buf_addspan(&local, part[1]);
    parts_address(buf_span(&local), part[0], out);
    buf_free(&local);
    return 0;
}

int srs_reverse(const struct srs *srs, const char *address, int64_t now_s, struct buf *out,
                struct why *why)
{
    char *text = pattern_local(address);
    struct span local = span_text(text);
    int kind = srs_kind(local), rc;
    if (!kind || local.n > DATA_MAX / 2)
        rc = why_say(why, RETURN_ADDRESS_FORGED);
    else if (kind == '0')
        rc = reverse0(srs, span_from(local, 5), now_s, out, why);
    else
        rc = reverse1(srs, span_from(local, 5), now_s, out, why);
    free(text);
    return rc;
}
