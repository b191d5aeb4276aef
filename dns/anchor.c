// SPDX-License-Identifier: ISC
// Key tags of a trust anchor file, RFC 4034 sections 2.2, 5.3 and appendix B.
#include "dns/anchor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

static struct span anchor_word(struct span *rest)
{
    *rest = span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && !ascii_is_space(rest->p[n]))
        n++;
    struct span w = span_slice(*rest, 0, n);
    *rest = span_from(*rest, n);
    return w;
}

static int base64_value(int c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

// The tag of flags, protocol, algorithm and the key in base 64, without ever holding the key.
static bool key_tag(struct span rest, uint16_t *tag)
{
    uint64_t flags, protocol, algorithm;
    if (!span_number(anchor_word(&rest), UINT16_MAX, &flags) ||
        !span_number(anchor_word(&rest), UINT8_MAX, &protocol) ||
        !span_number(anchor_word(&rest), UINT8_MAX, &algorithm))
        return false;
    uint32_t sum = (uint32_t)(flags + (protocol << 8) + algorithm), bits = 0;
    size_t n = 0, held = 0;
    for (size_t i = 0; i < rest.n; i++) {
        if (ascii_is_space(rest.p[i]))
            continue;
        int value = base64_value(rest.p[i]);
        if (value < 0)
            break; // padding, or a comment behind the key
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        uint32_t octet = bits >> held & 0xff;
        sum += n++ % 2 == 0 ? octet << 8 : octet;
    }
    *tag = (uint16_t)(sum + (sum >> 16));
    return n > 0;
}

static bool line_tag(struct span line, uint16_t *tag)
{
    while (line.n > 0) {
        struct span w = anchor_word(&line);
        if (w.n == 0 || w.p[0] == ';')
            return false;
        uint64_t number;
        if (span_is_nocase(w, "DNSKEY"))
            return key_tag(line, tag);
        if (span_is_nocase(w, "DS") && span_number(anchor_word(&line), UINT16_MAX, &number)) {
            *tag = (uint16_t)number;
            return true;
        }
    }
    return false;
}

void anchor_read(struct span text, struct anchor *anchor)
{
    anchor->n = 0;
    while (text.n > 0 && anchor->n < ANCHOR_KEYS) {
        struct span line, rest;
        if (!span_cut(text, '\n', &line, &rest)) {
            line = text;
            rest = span_from(text, text.n);
        }
        anchor->n += line_tag(line, &anchor->tags[anchor->n]);
        text = rest;
    }
}

void anchor_load(const char *path, struct anchor *anchor)
{
    anchor->n = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    char *text = mem_new(ANCHOR_SIZE);
    size_t n = fread(text, 1, ANCHOR_SIZE, file);
    fclose(file);
    anchor_read(span_of(text, n), anchor);
    free(text);
}

bool anchor_has(const struct anchor *anchor, uint16_t tag)
{
    for (size_t i = 0; i < anchor->n; i++)
        if (anchor->tags[i] == tag)
            return true;
    return false;
}

void anchor_print(const struct anchor *anchor, char *out, size_t size)
{
    size_t n = 0;
    snprintf(out, size, "none");
    for (size_t i = 0; i < anchor->n && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%u", i ? " " : "", anchor->tags[i]);
}
