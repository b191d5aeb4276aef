// SPDX-License-Identifier: ISC
// Rdata from wire format and back. Pure; every length is checked before it is believed.
// RFC 1035 section 3.3, RFC 6698 section 2.
#include "dns/rdata.h"

#include <string.h>
#include "dns/name.h"

bool rdata_name(struct span rdata, char out[static 256])
{
    size_t at = 0, n = 0;
    while (at < rdata.n && rdata.p[at] != 0) {
        size_t label = rdata.p[at++];
        // Over 63 is a compression pointer, which has no meaning outside its message.
        if (label > 63 || label > rdata.n - at || n + label + 1 > 254)
            return false;
        for (size_t i = 0; i < label; i++) {
            unsigned char c = rdata.p[at + i];
            // A dot inside a label would read as another name.
            if (c == '.' || c == '\\' || c == '\0')
                return false;
            out[n++] = (char)ascii_lower(c);
        }
        out[n++] = '.';
        at += label;
    }
    if (at + 1 != rdata.n) // the root label is missing, or something follows it
        return false;
    out[n > 0 ? n - 1 : 0] = '\0';
    return true;
}

bool rdata_name_wire(const char *name, struct buf *out)
{
    char normal[NAME_TEXT];
    if (!name_normal(name, normal))
        return false;
    struct span rest = span_text(name);
    if (span_ends_nocase(rest, "."))
        rest.n--;
    struct buf wire;
    buf_init(&wire, 255);
    while (rest.n > 0) {
        struct span label, tail;
        if (!span_cut(rest, '.', &label, &tail)) {
            label = rest;
            tail = span_from(rest, rest.n);
        }
        buf_addc(&wire, (char)label.n);
        buf_addspan(&wire, label);
        rest = tail;
    }
    buf_addc(&wire, 0);
    bool fits = !wire.full && buf_addspan(out, buf_span(&wire)) == 0;
    buf_free(&wire);
    return fits;
}

bool rdata_mx(struct span rdata, struct dns_mx *mx)
{
    if (rdata.n < 3)
        return false;
    mx->preference = (uint16_t)(rdata.p[0] << 8 | rdata.p[1]);
    return rdata_name(span_from(rdata, 2), mx->host);
}

bool rdata_tlsa(struct span rdata, struct dns_tlsa *tlsa)
{
    if (rdata.n < 3)
        return false;
    tlsa->usage = rdata.p[0];
    tlsa->selector = rdata.p[1];
    tlsa->matching = rdata.p[2];
    tlsa->data = span_from(rdata, 3);
    return true;
}

// The next run without white space; empty at the end.
static struct span rdata_next_word(struct span *rest)
{
    *rest = span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && !ascii_is_space(rest->p[n]))
        n++;
    struct span word = span_slice(*rest, 0, n);
    *rest = span_from(*rest, n);
    return word;
}

static int hex_value(int c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool rdata_tlsa_text(const char *text, struct buf *rdata)
{
    struct span rest = span_text(text);
    size_t before = rdata->len;
    for (int i = 0; i < 3; i++) {
        uint64_t value;
        if (!span_number(rdata_next_word(&rest), 255, &value) || buf_addc(rdata, (char)value) < 0)
            goto no;
    }
    int high = -1; // the presentation format allows white space inside the digits, RFC 6698 2.2
    for (size_t i = 0; i < rest.n; i++) {
        if (ascii_is_space(rest.p[i]))
            continue;
        int value = hex_value(rest.p[i]);
        if (value < 0)
            goto no;
        if (high >= 0 && buf_addc(rdata, (char)(high << 4 | value)) < 0)
            goto no;
        high = high >= 0 ? -1 : value;
    }
    if (high >= 0 || rdata->len == before + 3)
        goto no;
    return true;
no:
    buf_cut(rdata, before);
    return false;
}

void rdata_tlsa_print(struct span rdata, struct buf *out)
{
    struct dns_tlsa tlsa;
    if (!rdata_tlsa(rdata, &tlsa)) {
        buf_adds(out, "malformed");
        return;
    }
    buf_addf(out, "%u %u %u ", tlsa.usage, tlsa.selector, tlsa.matching);
    for (size_t i = 0; i < tlsa.data.n; i++)
        buf_addf(out, "%02x", tlsa.data.p[i]);
}

bool rdata_txt(struct span rdata, struct buf *out)
{
    if (rdata.n == 0) // one string at least, RFC 1035 section 3.3.14
        return false;
    size_t before = out->len;
    for (size_t at = 0; at < rdata.n;) {
        size_t n = rdata.p[at++];
        if (n > rdata.n - at || buf_add(out, rdata.p + at, n) < 0) {
            buf_cut(out, before);
            return false;
        }
        at += n;
    }
    return true;
}
