// SPDX-License-Identifier: ISC
// Report addresses: mailto: (RFC 6068) and https: (RFC 3986), the two that RFC 8460 knows.
#include "relay/report/target.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "config/value.h"
#include "relay/base/buf.h"
#include "relay/base/mem.h"

static int bad(struct why *why, struct span rua, const char *what)
{
    char quoted[VALUE_QUOTE];
    return why_set(why, WHY_DOMAIN, "5.7.0", "%s: %s", value_quote(rua, quoted), what);
}

static int hex_digit(unsigned char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    int lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// -1: a percent sign that encodes nothing, or a control character, encoded or not.
static int decode(struct span in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        int c = in.p[i];
        if (c == '%') {
            int high = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
            int low = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = high << 4 | low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || buf_addc(out, (char)c) < 0)
            return -1;
    }
    return 0;
}

// What may stand in a mailto: as it is, and means itself in a list of addresses too.
static bool stands(unsigned char c)
{
    return ascii_is_alnum(c) || strchr("-._~+=/$'*@", c) != NULL;
}

static char *encoded_mailto(const char *address)
{
    struct buf out;
    buf_init(&out, 4 * TARGET_MAX);
    buf_adds(&out, "mailto:");
    for (const char *c = address; *c; c++)
        if (stands((unsigned char)*c))
            buf_addc(&out, *c);
        else
            buf_addf(&out, "%%%02X", (unsigned char)*c);
    return buf_take(&out);
}

static bool target_is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s > 126)
            return false;
    return true;
}

static int parse_mail(struct span rua, struct report_target *out, struct why *why)
{
    struct span rest = span_from(rua, 7), fields;
    struct buf text;
    char *address = NULL;
    span_cut(rest, '?', &rest, &fields);
    buf_init(&text, TARGET_MAX);
    int rc = decode(rest, &text) < 0 ? bad(why, rua, "not percent-encoded as RFC 6068 wants") : 0;
    struct why ignored;
    if (rc == 0 && value_mailbox(buf_span(&text), &address, &ignored) < 0)
        rc = bad(why, rua, "not one mail address");
    buf_free(&text);
    if (rc == 0 && !target_is_ascii(address))
        rc = bad(why, rua, "the local part is not ASCII");
    if (rc == 0) {
        *out = (struct report_target){.way = REPORT_MAIL,
                                      .text = encoded_mailto(address),
                                      .address = address,
                                      .host = mem_dup(strrchr(address, '@') + 1)};
        return 0;
    }
    free(address);
    return rc;
}

// RFC 3986 section 3.3 and 3.4, as they stand between a host and a fragment.
static bool is_path(struct span path)
{
    for (size_t i = 0; i < path.n; i++)
        if (!path.p[i] || (!ascii_is_alnum(path.p[i]) && !strchr("-._~%$&'()*+;=:@/?", path.p[i])))
            return false;
    return true;
}

static bool split_port(struct span *authority, uint16_t *port)
{
    struct span host, digits;
    uint64_t number = 443;
    if (span_cut(*authority, ':', &host, &digits)) {
        if (!span_number(digits, 65535, &number) || number == 0)
            return false;
        *authority = host;
    }
    *port = (uint16_t)number;
    return true;
}

// A host name in the DNS: at least two labels, the last of which is no number.
static bool read_host(struct span text, char name[IDN_NAME])
{
    char *copy = span_dup(text);
    bool ok = strlen(copy) == text.n && idn_to_ascii(copy, name) == 0;
    free(copy);
    const char *dot = ok ? strrchr(name, '.') : NULL;
    return dot && !ascii_is_digit((unsigned char)dot[1]);
}

static int parse_https(struct span rua, struct report_target *out, struct why *why)
{
    struct span rest = span_from(rua, 8), ignored;
    char name[IDN_NAME];
    uint16_t port;
    span_cut(rest, '#', &rest, &ignored);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    struct span authority = span_slice(rest, 0, n), path = span_from(rest, n);
    if (span_find(authority, '@') >= 0)
        return bad(why, rua, "a URL with credentials");
    if (!split_port(&authority, &port) || !read_host(authority, name))
        return bad(why, rua, "not a URL with a host name");
    if (!is_path(path))
        return bad(why, rua, "a URL with characters that must be percent-encoded");
    const char *slash = path.n && path.p[0] == '/' ? "" : "/";
    *out = (struct report_target){.way = REPORT_HTTPS, .host = mem_dup(name), .port = port};
    out->path = mem_printf("%s%.*s", slash, (int)path.n, path.n ? (const char *)path.p : "");
    out->text = port == 443 ? mem_printf("https://%s%s", name, out->path)
                            : mem_printf("https://%s:%u%s", name, (unsigned)port, out->path);
    return 0;
}

int report_target_parse(struct span rua, struct report_target *out, struct why *why)
{
    *out = (struct report_target){0};
    rua = span_trim(rua);
    if (rua.n > TARGET_MAX)
        return bad(why, rua, "too long");
    if (span_starts_nocase(rua, "mailto:"))
        return parse_mail(rua, out, why);
    if (span_starts_nocase(rua, "https://"))
        return parse_https(rua, out, why);
    return bad(why, rua, "neither mailto: nor https:");
}

void report_target_free(struct report_target *target)
{
    free(target->text);
    free(target->address);
    free(target->host);
    free(target->path);
    *target = (struct report_target){0};
}
