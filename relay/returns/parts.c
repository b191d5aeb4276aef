// SPDX-License-Identifier: ISC
// Addresses from parts and back.
#include "relay/returns/parts.h"

#include <string.h>
#include <strings.h>
#include "config/idn.h"

// A dot-string of RFC 5321, or of RFC 6531 where it is not ASCII.
static bool is_dot_string(struct span local)
{
    bool atom = false;
    for (size_t i = 0; i < local.n; i++) {
        unsigned char c = local.p[i];
        bool dot = c == '.';
        if (dot ? !atom
                : !(ascii_is_alnum(c) || c > 127 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c))))
            return false;
        atom = !dot;
    }
    return atom;
}

void parts_address(struct span local, struct span domain, struct buf *out)
{
    if (is_dot_string(local)) {
        buf_addspan(out, local);
    } else {
        buf_addc(out, '"');
        for (size_t i = 0; i < local.n; i++) {
            if (local.p[i] == '"' || local.p[i] == '\\')
                buf_addc(out, '\\');
            buf_addc(out, (char)local.p[i]);
        }
        buf_addc(out, '"');
    }
    buf_addc(out, '@');
    buf_addspan(out, domain);
}

bool parts_next(struct span *text, struct span *piece)
{
    struct span rest;
    if (!span_cut(*text, '=', piece, &rest) || !piece->n)
        return false;
    *text = rest;
    return true;
}

bool parts_domain_is(const char *address, const char *domain)
{
    char name[IDN_NAME];
    const char *at = strrchr(address, '@');
    idn_domain(at ? at + 1 : "", name);
    return name[0] && strcasecmp(name, domain) == 0;
}
